import type { IpAddress } from '../../../protocol/address.ts';
import { cidrContains } from '../../../protocol/address.ts';
import type { Match, Rule, Target } from '../../netfilter/iptables/model.ts';
import { iptablesHash } from '../chain-names.ts';
import type { Endpoint, EndpointChain, Endpoints } from '../endpoints.ts';
import type { ProxyConfig, ProxyNode } from '../model.ts';
import type { ServicePortInfo } from '../service-port.ts';
import type { ServiceTraffic } from '../traffic.ts';
import { LOCALHOST_ACCEPTED, LOOPBACK_V4 } from './chains.ts';
import {
  ACCEPT,
  comment,
  DROP,
  host,
  jump,
  LOCAL_DESTINATION,
  LOCAL_SOURCE,
  MARK_MASQ,
  nfacct,
  oneIn,
  outside,
  portMatch,
  protocolMatch,
  rule,
  within,
} from './rule.ts';

/** The rules of one service port (pkg/proxy/iptables/proxier.go, syncProxyRules). */
export interface ServiceRules {
  /** Rules in chains that all Services share; written whole in every sync. */
  readonly natServices: readonly Rule[];
  readonly natNodePorts: readonly Rule[];
  readonly filterServices: readonly Rule[];
  readonly filterExternalServices: readonly Rule[];
  readonly filterNodePorts: readonly Rule[];
  readonly filterProxyFirewall: readonly Rule[];
  /** Chains of the nat table that are this service port's own, in the order of declaration. */
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
}

export interface RuleSettings {
  readonly node: ProxyNode;
  readonly config: ProxyConfig;
  /** Node ports answer on 127.0.0.1. */
  readonly localhostNodePorts: boolean;
  /** Comments on endpoints are left out. */
  readonly largeCluster: boolean;
}

const EMPTY: readonly Rule[] = [];

const REJECT: Readonly<Record<ProxyConfig['family'], Target>> = {
  IPv4: { type: 'REJECT', with: 'icmp-port-unreachable' },
  IPv6: { type: 'REJECT', with: 'icmp6-port-unreachable' },
};

interface ChainNames {
  readonly cluster: string;
  readonly local: string;
  readonly external: string;
  readonly firewall: string;
}

export function serviceRules(port: ServicePortInfo, traffic: ServiceTraffic, settings: RuleSettings): ServiceRules {
  const hash = iptablesHash(port.name, port.protocol);
  const names: ChainNames = {
    cluster: `KUBE-SVC-${hash}`,
    local: `KUBE-SVL-${hash}`,
    external: `KUBE-EXT-${hash}`,
    firewall: `KUBE-FW-${hash}`,
  };
  const usesFirewall = traffic.hasAny && port.loadBalancerVips.length > 0 && port.sourceRanges.length > 0;
  return {
    ...capturingRules(port, traffic, settings, names, usesFirewall),
    ...filteringRules(port, traffic, settings, names, usesFirewall),
    chains: ownChains(port, traffic, settings, names, usesFirewall),
  };
}

const orEmpty = (rules: Rule[]): readonly Rule[] => (rules.length === 0 ? EMPTY : rules);

/** nat KUBE-SERVICES and KUBE-NODEPORTS: which destinations are this service port. */
function capturingRules(
  port: ServicePortInfo,
  traffic: ServiceTraffic,
  { config, localhostNodePorts }: RuleSettings,
  names: ChainNames,
  usesFirewall: boolean,
): Pick<ServiceRules, 'natServices' | 'natNodePorts'> {
  const natServices: Rule[] = [];
  const natNodePorts: Rule[] = [];
  const { protocol } = port;
  const atPort = portMatch(protocol, port.port);
  const capture = (address: IpAddress, what: string, chain: string): void => {
    natServices.push(rule([comment(`${port.name} ${what}`), atPort], jump(chain), { protocol, destination: host(address) }));
  };
  if (traffic.hasInternal) capture(port.clusterIp, 'cluster IP', port.internalPolicyLocal ? names.local : names.cluster);
  if (traffic.hasAny) {
    for (const address of port.externalIps) capture(address, 'external IP', names.external);
    for (const address of port.loadBalancerVips) capture(address, 'loadbalancer IP', usesFirewall ? names.firewall : names.external);
    if (port.nodePort !== 0) {
      const text = comment(port.name);
      const atNodePort = portMatch(protocol, port.nodePort);
      const toExternal = jump(names.external);
      if (localhostNodePorts && config.family === 'IPv4' && config.nfacctCounters.includes(LOCALHOST_ACCEPTED)) {
        natNodePorts.push(rule([text, atNodePort, nfacct(LOCALHOST_ACCEPTED)], toExternal, { protocol, destination: within(LOOPBACK_V4) }));
      }
      natNodePorts.push(rule([text, atNodePort], toExternal, { protocol }));
    }
  }
  return { natServices: orEmpty(natServices), natNodePorts: orEmpty(natNodePorts) };
}

type Filtering = 'filterServices' | 'filterExternalServices' | 'filterNodePorts' | 'filterProxyFirewall';

/** What has no endpoints is rejected or dropped in the filter table, by its original destination. */
function filteringRules(
  port: ServicePortInfo,
  traffic: ServiceTraffic,
  { config }: RuleSettings,
  names: ChainNames,
  usesFirewall: boolean,
): Pick<ServiceRules, Filtering> {
  const services: Rule[] = [];
  const external: Rule[] = [];
  const nodePorts: Rule[] = [];
  const firewall: Rule[] = [];
  const { protocol } = port;
  const atPort = portMatch(protocol, port.port);
  const text = comment(`${port.name} has no ${traffic.hasAny ? 'local ' : ''}endpoints`);
  const target = traffic.hasAny ? DROP : REJECT[config.family];
  const refuse = (address: IpAddress): Rule => rule([text, atPort], target, { protocol, destination: host(address) });
  if (!traffic.hasInternal) services.push(refuse(port.clusterIp));
  if (!traffic.hasExternal) external.push(...[...port.externalIps, ...port.loadBalancerVips].map(refuse));
  if (!traffic.hasExternal && port.nodePort !== 0) {
    external.push(rule([text, LOCAL_DESTINATION, portMatch(protocol, port.nodePort)], target, { protocol }));
  }
  if (usesFirewall) {
    const refused = comment(`${port.name} traffic not accepted by ${names.firewall}`);
    for (const address of port.loadBalancerVips) firewall.push(rule([refused, atPort], DROP, { protocol, destination: host(address) }));
  }
  if (port.healthCheckNodePort !== 0) {
    const check = comment(`${port.name} health check node port`);
    nodePorts.push(rule([check, portMatch('tcp', port.healthCheckNodePort)], ACCEPT, { protocol: 'tcp' }));
  }
  return {
    filterServices: orEmpty(services),
    filterExternalServices: orEmpty(external),
    filterNodePorts: orEmpty(nodePorts),
    filterProxyFirewall: orEmpty(firewall),
  };
}

function ownChains(
  port: ServicePortInfo,
  traffic: ServiceTraffic,
  settings: RuleSettings,
  names: ChainNames,
  usesFirewall: boolean,
): ReadonlyMap<string, readonly Rule[]> {
  const chains = new Map<string, readonly Rule[]>();
  if (traffic.usesExternalChain) chains.set(names.external, externalRules(port, traffic, settings, names));
  if (usesFirewall) chains.set(names.firewall, firewallRules(port, settings, names));
  const balancing = (chain: string, endpoints: Endpoints, internal: boolean): void => {
    const masquerade = internal && traffic.hasInternal ? clusterIpMasquerade(port, settings) : undefined;
    const rules = balancingRules(port, chain, endpoints, settings.largeCluster);
    chains.set(chain, masquerade === undefined ? rules : [masquerade, ...rules]);
  };
  if (traffic.usesClusterChain) balancing(names.cluster, traffic.cluster, !port.internalPolicyLocal);
  if (traffic.usesLocalChain) balancing(names.local, traffic.local, port.internalPolicyLocal);
  const common = endpointMatches(port, settings.largeCluster);
  for (const endpoint of traffic.reachable) {
    const chain = endpointChain(endpoint, port, settings.largeCluster, common);
    chains.set(chain.name, chain.rules);
  }
  return chains;
}

/** Traffic to the cluster IP that does not come from a local pod: somebody routed the service range to this node. */
function clusterIpMasquerade(port: ServicePortInfo, { config }: RuleSettings): Rule | undefined {
  if (!config.masqueradeAll && config.detectLocalCidr === undefined) return undefined;
  const source = config.masqueradeAll || config.detectLocalCidr === undefined ? undefined : outside(config.detectLocalCidr);
  return rule([comment(`${port.name} cluster IP`), portMatch(port.protocol, port.port)], MARK_MASQ, {
    protocol: port.protocol,
    destination: host(port.clusterIp),
    source,
  });
}

/** KUBE-EXT */
function externalRules(port: ServicePortInfo, traffic: ServiceTraffic, { config }: RuleSettings, names: ChainNames): readonly Rule[] {
  const rules: Rule[] = [];
  const text = (before: string): Match => comment(`${before} ${port.name} external destinations`);
  if (!port.externalPolicyLocal) rules.push(rule([text('masquerade traffic for')], MARK_MASQ));
  else {
    if (config.detectLocalCidr !== undefined) {
      // As if it had gone out to the load balancer and come back, where neither policy would have applied.
      rules.push(rule([text('pod traffic for')], jump(names.cluster), { source: within(config.detectLocalCidr) }));
    }
    rules.push(rule([text('masquerade LOCAL traffic for'), LOCAL_SOURCE], MARK_MASQ));
    rules.push(rule([text('route LOCAL traffic for'), LOCAL_SOURCE], jump(names.cluster)));
  }
  if (traffic.hasExternal) rules.push(rule([], jump(port.externalPolicyLocal ? names.local : names.cluster)));
  return rules;
}

/** KUBE-FW */
function firewallRules(port: ServicePortInfo, { node }: RuleSettings, names: ChainNames): readonly Rule[] {
  const matches = [comment(`${port.name} loadbalancer IP`)];
  const accept = jump(names.external);
  const rules = port.sourceRanges.map((range) => rule(matches, accept, { source: within(range) }));
  // A VIP may be an address of this machine; its own requests then come back with the VIP as their source.
  if (port.sourceRanges.some((range) => cidrContains(range, node.primaryAddress))) {
    for (const address of port.loadBalancerVips) rules.push(rule(matches, accept, { source: host(address) }));
  }
  rules.push(rule([comment(`other traffic to ${port.name} will be dropped by KUBE-PROXY-FIREWALL`)], undefined));
  return rules;
}

interface Balancing {
  readonly chain: string;
  readonly affinitySeconds: number | undefined;
  readonly largeCluster: boolean;
  readonly rules: readonly Rule[];
}

/** Load balancing does not depend on the node where the endpoints do not, so proxiers that use the same list share its rules. */
const balancings = new WeakMap<Endpoints, Balancing>();

/** KUBE-SVC and KUBE-SVL after the masquerading rule: first the endpoint that a client had before, then one at random. */
function balancingRules(port: ServicePortInfo, chain: string, endpoints: Endpoints, largeCluster: boolean): readonly Rule[] {
  const known = balancings.get(endpoints);
  const { affinitySeconds } = port;
  if (known?.chain === chain && known.affinitySeconds === affinitySeconds && known.largeCluster === largeCluster) return known.rules;
  const rules: Rule[] = [];
  const common = endpointMatches(port, largeCluster);
  const targets = endpoints.map((endpoint) => {
    const { name } = endpointChain(endpoint, port, largeCluster, common);
    return { name, target: jump(name), comments: largeCluster ? [] : [comment(`${port.name} -> ${endpoint.text}`)] };
  });
  if (affinitySeconds !== undefined) {
    for (const { name, target, comments } of targets) rules.push(rule([...comments, rememberedFor(name, affinitySeconds)], target));
  }
  targets.forEach(({ target, comments }, i) => {
    const left = targets.length - i;
    rules.push(rule(left === 1 ? comments : [...comments, oneIn(left)], target));
  });
  balancings.set(endpoints, { chain, affinitySeconds, largeCluster, rules });
  return rules;
}

const rememberedFor = (name: string, seconds: number): Match => ({
  type: 'recent',
  name,
  action: 'rcheck',
  negated: false,
  seconds,
  reap: true,
  side: 'rsource',
});

/** The matches that all KUBE-SEP rules of a service port have alike. */
interface EndpointMatches {
  readonly comments: readonly Match[];
  readonly withProtocol: readonly Match[];
}

function endpointMatches(port: ServicePortInfo, largeCluster: boolean): EndpointMatches {
  const comments = largeCluster ? [] : [comment(port.name)];
  return { comments, withProtocol: [...comments, protocolMatch(port.protocol)] };
}

/** KUBE-SEP */
function endpointChain(endpoint: Endpoint, port: ServicePortInfo, largeCluster: boolean, common: EndpointMatches): EndpointChain {
  const affinity = port.affinitySeconds !== undefined;
  const known = endpoint.sep;
  if (known !== undefined && known.largeCluster === largeCluster && known.affinity === affinity) return known;
  const name = known?.name ?? `KUBE-SEP-${iptablesHash(port.name, port.protocol, endpoint.text)}`;
  const { address } = endpoint;
  const remember: Match = { type: 'recent', name, action: 'set', negated: false, side: 'rsource' };
  const chain: EndpointChain = {
    name,
    largeCluster,
    affinity,
    rules: [
      // Hairpin: a pod that was sent to itself must not see itself as the client.
      rule(common.comments, MARK_MASQ, { source: host(address) }),
      rule(
        affinity ? [...common.comments, remember, protocolMatch(port.protocol)] : common.withProtocol,
        {
          type: 'DNAT',
          nat: {
            kind: 'dnat',
            addresses: { min: address, max: address },
            ports: { min: endpoint.port, max: endpoint.port },
            random: false,
            fullyRandom: false,
            persistent: false,
          },
        },
        { protocol: port.protocol },
      ),
    ],
  };
  endpoint.sep = chain;
  return chain;
}
