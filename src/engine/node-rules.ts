import { assert } from '../base/assert.ts';
import type { Result } from '../base/result.ts';
import type { Cidr, Ipv4 } from '../protocol/address.ts';
import { formatCidr, isIpv4 } from '../protocol/address.ts';
import type { ProxyMode } from '../protocol/event.ts';
import { gatewayOf } from './cni/bridge-plugin.ts';
import { flannelRules } from './cni/masquerade-rules.ts';
import type { ClusterPlan, NodePlan } from './control-plane/plan.ts';
import { NamespaceRules } from './ip/namespace-rules.ts';
import type { Netns } from './ip/netns.ts';
import type { ConntrackCleanup } from './kube-proxy/conntrack-cleanup.ts';
import { IptablesProxier, type IptablesSync } from './kube-proxy/iptables/proxier.ts';
import type { ProxyChanges, ProxyConfig, ProxyNode } from './kube-proxy/model.ts';
import { NftablesProxier } from './kube-proxy/nftables/proxier.ts';

/** All chains that kube-proxy makes in iptables begin so. */
const KUBE_CHAINS = 'KUBE-';
const KUBE_PROXY_TABLE = 'kube-proxy';

/** kube-proxy's modes that the lab runs. */
export type SimulatedProxyMode = Exclude<ProxyMode, 'ipvs'>;

/**
 * The rules of one node: the network plugin's, and those of its kube-proxy. They are written when the
 * first packet or the first person needs them, since most nodes of a large cluster never see one.
 */
export class NodeRules {
  readonly rules: NamespaceRules;
  private readonly netns: Netns;
  private readonly plan: ClusterPlan;
  private readonly node: NodePlan;
  private mode: SimulatedProxyMode;
  private proxier: IptablesProxier | NftablesProxier | undefined = undefined;

  constructor(netns: Netns, plan: ClusterPlan, node: NodePlan, mode: SimulatedProxyMode) {
    this.netns = netns;
    this.plan = plan;
    this.node = node;
    this.mode = mode;
    this.rules = new NamespaceRules(netns);
    netns.rules = this.rules;
    netns.beforeFirstHook = () => this.write();
  }

  get written(): boolean {
    return this.proxier !== undefined;
  }

  /** Has the rules written, unless they are. */
  write(): void {
    if (this.proxier) return;
    this.netns.beforeFirstHook = undefined;
    this.startProxier();
    // kube-proxy runs on the host's network and comes first; which chain of the same priority is asked first depends on that.
    this.rules.changed();
    if (this.node.podCidr) must(this.rules.restoreMore(flannelRules(this.plan.podCidr, this.node.podCidr)));
    this.rules.changed();
  }

  /** Another kube-proxy starts: it clears away what one of the other mode left (cmd/kube-proxy/app/server_linux.go, cleanupAndExit). */
  switchTo(mode: SimulatedProxyMode): void {
    if (this.mode === mode) return;
    const old = this.mode;
    this.mode = mode;
    if (!this.proxier) return;
    if (old === 'iptables') must(this.rules.removeIptablesChains(KUBE_CHAINS));
    else
      must(
        this.rules.transact([
          { family: 'ip', table: KUBE_PROXY_TABLE, commands: [{ type: 'deleteTable', family: 'ip', table: KUBE_PROXY_TABLE }] },
        ]),
      );
    this.startProxier();
    this.rules.changed();
    this.netns.lab.recorder.fact('proxySynced', this.netns.id, undefined, { mode, tables: this.rules.tableViews() });
  }

  /** Services or EndpointSlices have changed: kube-proxy hears of it and writes what follows. */
  update(changes: ProxyChanges): void {
    this.write();
    const { proxier } = this;
    const { nowNs } = this.netns.lab.sim;
    proxier?.update(changes);
    if (proxier instanceof IptablesProxier) this.applyIptables(proxier.sync(nowNs));
    else if (proxier) {
      must(this.rules.transact(proxier.sync(nowNs)));
      this.cleanUp(proxier.conntrack);
    }
    this.rules.changed();
  }

  /** Whether the Service of a health check node port has a ready endpoint on this node. */
  hasLocalEndpoint(healthCheckNodePort: number): boolean {
    this.write();
    return this.proxier?.healthChecks().some(({ port, localEndpoints }) => port === healthCheckNodePort && localEndpoints > 0) ?? false;
  }

  private startProxier(): void {
    const { plan } = this;
    const config = proxyConfig(plan, this.node, this.mode);
    const machine = proxyNode(this.node);
    const objects = { services: plan.serviceObjects, endpointSlices: plan.endpointSlices };
    const { nowNs } = this.netns.lab.sim;
    if (this.mode === 'iptables') {
      const proxier = new IptablesProxier(machine, config);
      this.proxier = proxier;
      proxier.update(objects);
      if (proxier.routeLocalnet) must(this.netns.sysctls.set('net.ipv4.conf.all.route_localnet', '1'));
      this.applyIptables(proxier.sync(nowNs));
    } else {
      const proxier = new NftablesProxier(machine, config);
      this.proxier = proxier;
      proxier.update(objects);
      must(this.rules.transact(proxier.sync(nowNs)));
      this.cleanUp(proxier.conntrack);
    }
  }

  private applyIptables(sync: IptablesSync): void {
    for (const { table, chain } of sync.ensuredChains)
      if (!this.rules.hasIptablesChain(table, chain)) must(this.rules.patch({ table, chains: new Map([[chain, []]]), deleted: [] }));
    for (const { table, chain, rule } of sync.jumpRules) {
      if (this.rules.rulesOf(table, chain).includes(rule)) continue;
      const inserted = this.rules.iptables.insert(table, chain, 1, rule);
      assert(inserted.ok, 'a jump to a chain that exists');
    }
    for (const patch of sync.patches) must(this.rules.patch(patch));
    this.cleanUp(sync.conntrack);
  }

  private cleanUp(stale: ConntrackCleanup | undefined): void {
    if (stale) this.netns.conntrack?.deleteWhere((entry) => stale.isStale(entry.original, entry.reply));
  }
}

/** What kube-proxy writes is valid; a refusal is a bug of the lab. */
function must(result: Result<undefined, string>): void {
  assert(result.ok, result.ok ? '' : `rules of the node are valid: ${result.error}`);
}

function proxyNode(node: NodePlan): ProxyNode {
  const gateway = node.podCidr && isIpv4(node.podCidr.address) ? [gatewayOf(node.podCidr)] : [];
  return {
    name: node.name,
    addresses: [node.ip, ...gateway],
    primaryAddress: node.ip,
    zone: node.labels['topology.kubernetes.io/zone'],
  };
}

function proxyConfig(plan: ClusterPlan, node: NodePlan, mode: SimulatedProxyMode): ProxyConfig {
  const { proxy } = plan;
  const { masqueradeAll, masqueradeMark } = proxy[mode];
  return {
    family: 'IPv4',
    masqueradeAll,
    masqueradeMark,
    detectLocalCidr: detectLocalCidr(plan, node),
    nodePortAddresses: nodePortAddresses(proxy.nodePortAddresses, node.ip, mode),
    localhostNodePorts: proxy.iptables.localhostNodePorts,
    conntrackTcpBeLiberal: proxy.conntrackTcpBeLiberal,
    // The machines of the lab have no nfnetlink_acct, so kube-proxy leaves these matches out.
    nfacctCounters: [],
    randomFully: true,
    serviceCidrs: [formatCidr(plan.serviceCidr)],
  };
}

function detectLocalCidr({ proxy }: ClusterPlan, node: NodePlan): Cidr | undefined {
  if (proxy.detectLocalMode === 'None') return undefined;
  return proxy.detectLocalMode === 'NodeCIDR' ? node.podCidr : proxy.clusterCidr;
}

function nodePortAddresses(given: readonly string[], ip: Ipv4, mode: SimulatedProxyMode): readonly string[] {
  const own = formatCidr({ address: ip, length: 32 });
  if (given.length === 0) return mode === 'nftables' ? [own] : [];
  return given.flatMap((cidr) => (cidr === 'primary' ? [own] : [cidr]));
}
