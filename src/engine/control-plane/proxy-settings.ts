import { isIpv4, networkOf, parseCidr } from '../../protocol/address.ts';
import type { KubeProxyConfiguration, MasqueradeSettings } from '../k8s/configuration.ts';
import type { Scenario } from '../k8s/scenario.ts';
import { type Cidr4, readCidr } from './address-range.ts';
import type { MasqueradePlan, ProxyPlan } from './plan.ts';
import { clip, type FieldPath, type ProblemList } from './problem-list.ts';

/** Defaults of pkg/proxy/apis/config/v1alpha1/defaults.go. */
const MASQUERADE_BIT = 14;
const IPVS_SCHEDULER = 'rr';

/**
 * kube-proxy's settings, the same on every node. Without a clusterCIDR it is the pod network, as kubeadm fills it
 * in; one that is empty means that there is none. A Scenario's proxyMode goes before the mode.
 */
export function planProxy(
  configuration: KubeProxyConfiguration | undefined,
  scenario: Scenario | undefined,
  podCidr: Cidr4,
  problems: ProblemList,
): ProxyPlan {
  const reader = configuration && new ProxyReader(configuration, problems);
  const clusterCidr = reader && configuration.clusterCIDR !== undefined ? reader.clusterCidr() : podCidr;
  const { iptables, nftables, ipvs, conntrack } = configuration ?? {};
  return {
    mode: scenario?.spec?.proxyMode ?? (configuration?.mode || 'iptables'),
    detectLocalMode: reader?.usesNodeCidr() ? 'NodeCIDR' : clusterCidr ? 'ClusterCIDR' : 'None',
    clusterCidr,
    nodePortAddresses: reader?.nodePortAddresses() ?? [],
    iptables: { ...masquerade(iptables), localhostNodePorts: iptables?.localhostNodePorts ?? true },
    nftables: masquerade(nftables),
    ipvs: {
      scheduler: ipvs?.scheduler || IPVS_SCHEDULER,
      strictArp: ipvs?.strictARP ?? false,
      excludeCidrs: reader?.excludeCidrs() ?? [],
      timeouts: { tcp: ipvs?.tcpTimeout, tcpFin: ipvs?.tcpFinTimeout, udp: ipvs?.udpTimeout },
    },
    conntrackTcpBeLiberal: conntrack?.tcpBeLiberal ?? false,
  };
}

const masquerade = (settings: MasqueradeSettings | undefined): MasqueradePlan => ({
  masqueradeAll: settings?.masqueradeAll ?? false,
  masqueradeMark: 2 ** (settings?.masqueradeBit ?? MASQUERADE_BIT),
});

class ProxyReader {
  private readonly configuration: KubeProxyConfiguration;
  private readonly problems: ProblemList;

  constructor(configuration: KubeProxyConfiguration, problems: ProblemList) {
    this.configuration = configuration;
    this.problems = problems;
  }

  /** Of two families the IPv4 one; undefined when it is empty. */
  clusterCidr(): Cidr4 | undefined {
    const text = this.configuration.clusterCIDR ?? '';
    if (text === '') return undefined;
    const networks = text.split(',').map((part) => ({ part, read: readCidr(part) }));
    const wrong = networks.find(({ read }) => read.kind === 'invalid');
    if (wrong) {
      this.notCidr(['clusterCIDR'], wrong.part);
      return undefined;
    }
    if (new Set(networks.map(({ read }) => read.kind)).size < networks.length) {
      this.problems.error(
        this.configuration,
        ['clusterCIDR'],
        `expected one network of each family, got ${JSON.stringify(clip(text, 60))}`,
      );
      return undefined;
    }
    for (const { read } of networks) if (read.kind === 'ipv4') return read.value;
    this.problems.warning(this.configuration, ['clusterCIDR'], 'IPv6 is not modelled yet: no traffic counts as that of pods');
    return undefined;
  }

  usesNodeCidr(): boolean {
    const mode = this.configuration.detectLocalMode ?? '';
    if (mode === 'BridgeInterface' || mode === 'InterfaceNamePrefix') {
      this.problems.warning(
        this.configuration,
        ['detectLocalMode'],
        `${mode} is not modelled: traffic of pods is told by clusterCIDR. Use ClusterCIDR or NodeCIDR to say so`,
      );
    }
    return mode === 'NodeCIDR';
  }

  /** CIDRs with their host bits cleared, or `primary` alone. */
  nodePortAddresses(): readonly string[] {
    const given = this.configuration.nodePortAddresses ?? [];
    for (const [i, text] of given.entries()) {
      const path = ['nodePortAddresses', i];
      if (text === 'primary') {
        if (given.length > 1)
          this.problems.error(
            this.configuration,
            path,
            'stands for the node\u2019s own address, and no CIDR may stand beside it: remove one or the other',
          );
        continue;
      }
      const cidr = parseCidr(text);
      if (cidr === undefined) this.notCidr(path, text);
      else if (isIpv4(cidr.address) && networkOf(cidr).address !== cidr.address)
        this.problems.warning(this.configuration, path, `${text} has bits set after its prefix; they are ignored`);
    }
    return given;
  }

  excludeCidrs(): readonly string[] {
    const given = this.configuration.ipvs?.excludeCIDRs ?? [];
    for (const [i, text] of given.entries()) if (parseCidr(text) === undefined) this.notCidr(['ipvs', 'excludeCIDRs', i], text);
    return given;
  }

  private notCidr(path: FieldPath, text: string): void {
    this.problems.error(this.configuration, path, `expected a network such as 10.244.0.0/16, got ${JSON.stringify(clip(text, 60))}`);
  }
}
