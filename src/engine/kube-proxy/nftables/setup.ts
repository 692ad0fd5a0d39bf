import type { BaseHook, Command, DataType, Rule, SetDefinition, Statement } from '../../netfilter/nftables/model.ts';
import { familyOf, isLoopback, parseCidrSloppy } from '../addresses.ts';
import type { ProxyConfig } from '../model.ts';
import type { NodePortAddresses } from '../node-port-addresses.ts';
import {
  among,
  anonymous,
  atom,
  compare,
  DNATED,
  DROP,
  familyWords,
  jumpTo,
  lookup,
  MASQUERADE,
  NEW,
  NODE_PORT_KEY,
  named,
  prefix,
  REJECT,
  rule,
  selector,
  setMark,
  TABLE,
  TO_LOCAL,
  verdict,
} from './parts.ts';

/* What a full sync writes before any Service (pkg/proxy/nftables/proxier.go, setupNFTables), in the same order. */

const SERVICES = 'services';
const SERVICE_ENDPOINTS_CHECK = 'service-endpoints-check';
const NODE_PORT_ENDPOINTS_CHECK = 'nodeport-endpoints-check';
const CLUSTER_IPS_CHECK = 'cluster-ips-check';
const FIREWALL_CHECK = 'firewall-check';
const MASQUERADING = 'masquerading';
export const REJECT_CHAIN = 'reject-chain';
const NODE_PORT_IPS = 'nodeport-ips';

/** Sets and maps whose elements come and go with Services. */
export const ELEMENT_CONTAINERS = {
  clusterIps: 'cluster-ips',
  serviceIps: 'service-ips',
  firewallIps: 'firewall-ips',
  noEndpointServices: 'no-endpoint-services',
  noEndpointNodePorts: 'no-endpoint-nodeports',
  serviceNodePorts: 'service-nodeports',
  hairpinConnections: 'hairpin-connections',
} as const;

export type ElementContainer = (typeof ELEMENT_CONTAINERS)[keyof typeof ELEMENT_CONTAINERS];

/** NF_IP_PRI_NAT_DST, NF_IP_PRI_FILTER and NF_IP_PRI_NAT_SRC. */
const DSTNAT = -100;
const FILTER = 0;
const SRCNAT = 100;

const BASE_CHAINS: readonly (readonly [string, BaseHook])[] = [
  ['filter-prerouting-pre-dnat', { type: 'filter', hook: 'PREROUTING', priority: DSTNAT - 10, policy: 'accept' }],
  ['filter-output-pre-dnat', { type: 'filter', hook: 'OUTPUT', priority: DSTNAT - 10, policy: 'accept' }],
  ['filter-input', { type: 'filter', hook: 'INPUT', priority: FILTER, policy: 'accept' }],
  ['filter-forward', { type: 'filter', hook: 'FORWARD', priority: FILTER, policy: 'accept' }],
  ['filter-output', { type: 'filter', hook: 'OUTPUT', priority: FILTER, policy: 'accept' }],
  ['nat-prerouting', { type: 'nat', hook: 'PREROUTING', priority: DSTNAT, policy: 'accept' }],
  ['nat-output', { type: 'nat', hook: 'OUTPUT', priority: DSTNAT, policy: 'accept' }],
  ['nat-postrouting', { type: 'nat', hook: 'POSTROUTING', priority: SRCNAT, policy: 'accept' }],
];

/** From which base chain to which chain, and whether only for new connections. */
const JUMPS: readonly (readonly [from: string, to: string, onlyNew: boolean])[] = [
  ['filter-input', NODE_PORT_ENDPOINTS_CHECK, true],
  ['filter-input', SERVICE_ENDPOINTS_CHECK, true],
  ['filter-forward', SERVICE_ENDPOINTS_CHECK, true],
  ['filter-output', SERVICE_ENDPOINTS_CHECK, true],
  ['filter-prerouting-pre-dnat', FIREWALL_CHECK, true],
  ['filter-output-pre-dnat', FIREWALL_CHECK, true],
  ['nat-output', SERVICES, false],
  ['nat-prerouting', SERVICES, false],
  ['nat-postrouting', MASQUERADING, false],
  ['filter-forward', CLUSTER_IPS_CHECK, true],
  ['filter-output', CLUSTER_IPS_CHECK, true],
];

const addRule = (chain: string, content: Rule): Command => ({ type: 'addRule', chain, rule: content });

const definition = (name: string, key: readonly DataType[], comment: string, data?: readonly DataType[]): SetDefinition => ({
  name,
  key,
  data,
  flags: [],
  comment,
  elements: [],
});
const addSet = (name: string, key: readonly DataType[], comment: string): Command => ({
  type: 'addSet',
  definition: definition(name, key, comment),
});
const addVerdictMap = (name: string, key: readonly DataType[], comment: string): Command => ({
  type: 'addMap',
  definition: definition(name, key, comment, ['verdict']),
});

export function setupCommands(config: ProxyConfig, nodePorts: NodePortAddresses, first: boolean): Command[] {
  const words = familyWords(config.family);
  const addressPort: readonly DataType[] = [words.addressType, 'inet_proto', 'inet_service'];
  const commands: Command[] = [{ type: 'addTable', family: words.family, table: TABLE, comment: 'rules for kube-proxy' }];
  // A base chain left by another version may have another priority, which cannot be altered: so make them anew, once.
  if (first) for (const [chain] of BASE_CHAINS) commands.push({ type: 'addChain', chain }, { type: 'deleteChain', chain });
  for (const [chain, base] of BASE_CHAINS) commands.push({ type: 'addChain', chain, base }, { type: 'flushChain', chain });

  const created = new Set<string>();
  for (const [from, to, onlyNew] of JUMPS) {
    if (!created.has(to)) commands.push({ type: 'addChain', chain: to }, { type: 'flushChain', chain: to });
    created.add(to);
    commands.push(addRule(from, rule([...(onlyNew ? [NEW] : []), verdict(jumpTo(to))])));
  }

  commands.push(
    addSet(
      ELEMENT_CONTAINERS.hairpinConnections,
      [words.addressType, words.addressType, 'inet_proto', 'inet_service'],
      'service hairpin connections',
    ),
    addRule(
      MASQUERADING,
      rule([
        {
          type: 'match',
          left: { type: 'bits', operator: 'and', left: selector('meta mark'), right: config.masqueradeMark },
          operator: '!=',
          right: atom(0),
        },
        setMark('xor', config.masqueradeMark),
        MASQUERADE,
      ]),
    ),
    addRule(MASQUERADING, rule([DNATED, among(words.hairpinKey, named(ELEMENT_CONTAINERS.hairpinConnections)), MASQUERADE])),
    addSet(ELEMENT_CONTAINERS.clusterIps, [words.addressType], 'Active ClusterIPs'),
    addRule(
      CLUSTER_IPS_CHECK,
      rule([among(selector(words.daddr), named(ELEMENT_CONTAINERS.clusterIps)), REJECT], 'Reject traffic to invalid ports of ClusterIPs'),
    ),
  );
  const serviceCidrs = config.serviceCidrs.flatMap((text) => {
    const cidr = parseCidrSloppy(text);
    return cidr !== undefined && familyOf(cidr.address) === config.family ? [{ key: prefix(cidr) }] : [];
  });
  if (serviceCidrs.length > 0) {
    commands.push(
      addRule(
        CLUSTER_IPS_CHECK,
        rule([among(selector(words.daddr), anonymous(serviceCidrs)), DROP], 'Drop traffic to unallocated ClusterIPs'),
      ),
    );
  }
  commands.push(...nodePortIps(config, nodePorts));

  // Which of the addresses of the machine node ports answer on.
  const onNodePortAddress: readonly Statement[] = nodePorts.matchAll
    ? [compare(words.daddr, '!=', words.loopback)]
    : [among(selector(words.daddr), named(NODE_PORT_IPS))];
  commands.push(
    addVerdictMap(ELEMENT_CONTAINERS.noEndpointServices, addressPort, 'vmap to drop or reject packets to services with no endpoints'),
    addVerdictMap(
      ELEMENT_CONTAINERS.noEndpointNodePorts,
      ['inet_proto', 'inet_service'],
      'vmap to drop or reject packets to service nodeports with no endpoints',
    ),
    { type: 'addChain', chain: REJECT_CHAIN, comment: 'helper for @no-endpoint-services / @no-endpoint-nodeports' },
    { type: 'flushChain', chain: REJECT_CHAIN },
    addRule(REJECT_CHAIN, rule([REJECT])),
    addRule(SERVICE_ENDPOINTS_CHECK, rule([lookup(words.addressPortKey, ELEMENT_CONTAINERS.noEndpointServices)])),
    addRule(NODE_PORT_ENDPOINTS_CHECK, rule([...onNodePortAddress, lookup(NODE_PORT_KEY, ELEMENT_CONTAINERS.noEndpointNodePorts)])),
    addVerdictMap(ELEMENT_CONTAINERS.firewallIps, addressPort, 'destinations that are subject to LoadBalancerSourceRanges'),
    addRule(FIREWALL_CHECK, rule([lookup(words.addressPortKey, ELEMENT_CONTAINERS.firewallIps)])),
    addVerdictMap(ELEMENT_CONTAINERS.serviceIps, addressPort, 'ClusterIP, ExternalIP and LoadBalancer IP traffic'),
    addVerdictMap(ELEMENT_CONTAINERS.serviceNodePorts, ['inet_proto', 'inet_service'], 'NodePort traffic'),
    ...clusterIpMasquerade(config),
    addRule(SERVICES, rule([lookup(words.addressPortKey, ELEMENT_CONTAINERS.serviceIps)])),
    addRule(
      SERVICES,
      rule([...(nodePorts.matchAll ? [TO_LOCAL] : []), ...onNodePortAddress, lookup(NODE_PORT_KEY, ELEMENT_CONTAINERS.serviceNodePorts)]),
    ),
  );
  return commands;
}

/** The set is added before it is deleted, since it may not be there. */
function nodePortIps(config: ProxyConfig, nodePorts: NodePortAddresses): Command[] {
  const add = addSet(NODE_PORT_IPS, [familyWords(config.family).addressType], 'IPs that accept NodePort traffic');
  if (nodePorts.matchAll) return [add, { type: 'deleteSet', name: NODE_PORT_IPS }];
  return [
    add,
    { type: 'flushSet', name: NODE_PORT_IPS },
    // Node ports on localhost do not exist in this mode.
    ...nodePorts.addresses
      .filter((address) => !isLoopback(address))
      .map((address): Command => ({ type: 'addElement', set: NODE_PORT_IPS, element: { key: atom(address) } })),
  ];
}

/** Traffic to cluster IPs that does not come from a local pod: somebody routed the service range to this node. */
function clusterIpMasquerade(config: ProxyConfig): Command[] {
  const words = familyWords(config.family);
  const toClusterIp = among(selector(words.daddr), named(ELEMENT_CONTAINERS.clusterIps));
  const masquerade = setMark('or', config.masqueradeMark);
  if (config.masqueradeAll) return [addRule(SERVICES, rule([toClusterIp, masquerade], 'masquerade all clusterIP traffic'))];
  if (config.detectLocalCidr === undefined) return [];
  const notLocal = compare(words.saddr, '!=', prefix(config.detectLocalCidr));
  return [addRule(SERVICES, rule([toClusterIp, notLocal, masquerade], 'masquerade clusterIP traffic from outside cluster'))];
}
