import type { Cidr, Ipv6 } from '../../../protocol/address.ts';
import type { Match, Negatable, Rule, TablePatch, Target } from '../../netfilter/iptables/model.ts';
import {
  type ChainOfTable,
  FORWARD,
  forwardAcceptRules,
  type JumpRule,
  jumpRule,
  LOOPBACK_V4,
  MARK_MASQ as MARK_MASQ_CHAIN,
  markMasqRules,
  NEW,
  POSTROUTING,
  PROXY_FIREWALL,
  postroutingRules,
  SERVICES,
} from '../iptables/chains.ts';
import { ACCEPT, comment, DROP, host, jump, LOCAL_DESTINATION, MARK_MASQ, outside, RETURN, rule, within } from '../iptables/rule.ts';
import type { ProxyConfig } from '../model.ts';
import { hostPrefix } from '../node-port-addresses.ts';
import type { Protocol } from '../service-port.ts';
import type { ProxySet, SetName } from './ip-sets.ts';
import type { ClosedAddress } from './service-parts.ts';

/*
 * The iptables rules around IPVS (writeIptablesRules and createAndLinkKubeChain of pkg/proxy/ipvs/proxier.go). There
 * are as many for one Service as for ten thousand: what they ask is in sets.
 */

const NODE_PORT = 'KUBE-NODE-PORT';
const LOAD_BALANCER = 'KUBE-LOAD-BALANCER';
const SOURCE_RANGES_FIREWALL = 'KUBE-SOURCE-RANGES-FIREWALL';
/** Keeps packets to service addresses away from what listens on the node (kubernetes issue 72236). */
const IPVS_FILTER = 'KUBE-IPVS-FILTER';
/** Keeps the node away from load balancers whose source ranges leave it out (kubernetes issue 119656). */
const IPVS_OUT_FILTER = 'KUBE-IPVS-OUT-FILTER';

/** Each is put at the front of its chain, in this order, so that the last one comes first. */
export const JUMP_RULES: readonly JumpRule[] = [
  jumpRule('nat', 'OUTPUT', SERVICES, 'kubernetes service portals'),
  jumpRule('nat', 'PREROUTING', SERVICES, 'kubernetes service portals'),
  jumpRule('nat', 'POSTROUTING', POSTROUTING, 'kubernetes postrouting rules'),
  jumpRule('filter', 'FORWARD', FORWARD, 'kubernetes forwarding rules'),
  jumpRule('filter', 'INPUT', NODE_PORT, 'kubernetes health check rules'),
  jumpRule('filter', 'INPUT', PROXY_FIREWALL, 'kube-proxy firewall rules'),
  jumpRule('filter', 'FORWARD', PROXY_FIREWALL, 'kube-proxy firewall rules'),
  jumpRule('filter', 'INPUT', IPVS_FILTER, 'kubernetes ipvs access filter'),
  jumpRule('filter', 'OUTPUT', IPVS_OUT_FILTER, 'kubernetes ipvs access filter'),
];

const NAT_CHAINS = [SERVICES, POSTROUTING, NODE_PORT, LOAD_BALANCER, MARK_MASQ_CHAIN] as const;
const FILTER_CHAINS = [FORWARD, NODE_PORT, PROXY_FIREWALL, SOURCE_RANGES_FIREWALL, IPVS_FILTER, IPVS_OUT_FILTER] as const;

/** Chains that every sync creates if they are missing. */
export const ENSURED_CHAINS: readonly ChainOfTable[] = [
  ...NAT_CHAINS.map((chain) => ({ table: 'nat' as const, chain })),
  ...FILTER_CHAINS.map((chain) => ({ table: 'filter' as const, chain })),
];

const LOOPBACK_V6: Cidr = { address: 1n as Ipv6, length: 128 };

const is = <T>(value: T): Negatable<T> => ({ value, negated: false });

type Directions = readonly ('src' | 'dst')[];
const DST: Directions = ['dst'];
const DST_DST: Directions = ['dst', 'dst'];
const SRC_DST: Directions = ['src', 'dst'];
const DST_DST_SRC: Directions = ['dst', 'dst', 'src'];

/** Off this machine, and not from a container behind a bridge. */
const FROM_OUTSIDE: readonly Match[] = [
  { type: 'physdev', isIn: { value: true, negated: true } },
  { type: 'addrtype', source: { value: ['LOCAL'], negated: true } },
];

/** Without --random-fully: a hairpin connection keeps its port if it can. */
const MASQUERADE_PLAINLY: Target = {
  type: 'MASQUERADE',
  nat: { kind: 'masquerade', addresses: undefined, ports: undefined, random: false, fullyRandom: false, persistent: false },
};

const REJECT: Target = { type: 'REJECT', with: 'icmp-port-unreachable' };
const REJECT_V6: Target = { type: 'REJECT', with: 'icmp6-port-unreachable' };

const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

/** What the rules depend on besides the settings. */
export interface RuleInput {
  readonly sets: ReadonlyMap<SetName, ProxySet>;
  readonly isEmpty: (set: SetName) => boolean;
  /** nat KUBE-IPVS-OUT-FILTER has a rule for each. */
  readonly closedToNode: readonly Rule[];
}

/** What `iptables-restore --noflush` is given: nat, then filter. */
export function ipvsPatches(config: ProxyConfig, input: RuleInput): readonly TablePatch[] {
  const { ofSet, ifAny } = setRules(input);
  const loopback = config.family === 'IPv6' ? LOOPBACK_V6 : LOOPBACK_V4;
  const nat = new Map<string, readonly Rule[]>([
    [
      SERVICES,
      [
        rule([], RETURN, { source: within(loopback) }),
        ...ifAny('KUBE-LOAD-BALANCER', DST_DST, jump(LOAD_BALANCER)),
        ...clusterIpRules(config, input),
        ...externalIpRules(input),
        rule([LOCAL_DESTINATION], jump(NODE_PORT)),
        // Rules that other programs put behind these do not see the traffic of services.
        ...(['KUBE-CLUSTER-IP', 'KUBE-LOAD-BALANCER'] as const)
          .filter((set) => !input.isEmpty(set))
          .map((set) => rule([ofSet(set, DST_DST)], ACCEPT)),
      ],
    ],
    [POSTROUTING, [...ifAny('KUBE-LOOP-BACK', DST_DST_SRC, MASQUERADE_PLAINLY), ...postroutingRules(config)]],
    [
      NODE_PORT,
      (['tcp', 'udp', 'sctp'] as const).flatMap((protocol) => {
        const hash = protocol === 'sctp' ? '-HASH' : '';
        const name = protocol.toUpperCase() as Uppercase<Protocol>;
        const directions = protocol === 'sctp' ? DST_DST : DST;
        return [
          ...ifAny(`KUBE-NODE-PORT-LOCAL-${name}${hash}` as SetName, directions, RETURN, protocol),
          ...ifAny(`KUBE-NODE-PORT-${name}${hash}` as SetName, directions, MARK_MASQ, protocol),
        ];
      }),
    ],
    [LOAD_BALANCER, [...ifAny('KUBE-LOAD-BALANCER-LOCAL', DST_DST, RETURN), rule([], MARK_MASQ)]],
    [MARK_MASQ_CHAIN, markMasqRules(config)],
  ]);
  const filter = new Map<string, readonly Rule[]>([
    [FORWARD, forwardAcceptRules(config)],
    [NODE_PORT, [rule(commented(input, 'KUBE-HEALTH-CHECK-NODE-PORT', DST), ACCEPT)]],
    [PROXY_FIREWALL, ifAny('KUBE-LOAD-BALANCER-FW', DST_DST, jump(SOURCE_RANGES_FIREWALL))],
    [
      SOURCE_RANGES_FIREWALL,
      [
        ...ifAny('KUBE-LOAD-BALANCER-SOURCE-CIDR', DST_DST_SRC, RETURN),
        ...ifAny('KUBE-LOAD-BALANCER-SOURCE-IP', DST_DST_SRC, RETURN),
        rule([], DROP),
      ],
    ],
    [
      IPVS_FILTER,
      [
        ...(['KUBE-LOAD-BALANCER', 'KUBE-CLUSTER-IP', 'KUBE-EXTERNAL-IP', 'KUBE-EXTERNAL-IP-LOCAL'] as const).map((set) =>
          rule([ofSet(set, DST_DST)], RETURN),
        ),
        rule([ofSet('KUBE-HEALTH-CHECK-NODE-PORT', DST)], RETURN),
        rule([NEW, ofSet('KUBE-IPVS-IPS', DST)], config.family === 'IPv6' ? REJECT_V6 : REJECT),
      ],
    ],
    [IPVS_OUT_FILTER, input.closedToNode],
  ]);
  return [
    { table: 'nat', chains: nat, deleted: [] },
    { table: 'filter', chains: filter, deleted: [] },
  ];
}

/** The node's own packets to a load balancer that is closed to it: IPVS has them, so their source is the address, too. */
export const closedToNodeRule = ({ address, protocol, port }: ClosedAddress): Rule =>
  rule([{ type: 'ipvs', protocol: is(PROTOCOL_NUMBERS[protocol]), address: is(hostPrefix(address)), port: is(port) }], DROP, {
    source: host(address),
  });

const setMatch = ({ sets }: RuleInput, set: SetName, directions: Directions): Match => ({
  type: 'set',
  name: sets.get(set)?.name ?? set,
  directions,
  negated: false,
});

const commented = (input: RuleInput, set: SetName, directions: Directions): readonly Match[] => [
  comment(input.sets.get(set)?.comment ?? ''),
  setMatch(input, set, directions),
];

/** Makers of rules: most exist only while their set has entries (ipsetWithIptablesChain). */
function setRules(input: RuleInput) {
  return {
    ofSet: (set: SetName, directions: Directions): Match => setMatch(input, set, directions),
    ifAny: (set: SetName, directions: Directions, target: Target, protocol?: Protocol): readonly Rule[] =>
      input.isEmpty(set) ? [] : [rule(commented(input, set, directions), target, protocol === undefined ? undefined : { protocol })],
  };
}

/** What goes to a cluster IP from outside the cluster is masqueraded, as the endpoint may be on another node. */
function clusterIpRules(config: ProxyConfig, input: RuleInput): readonly Rule[] {
  const set = 'KUBE-CLUSTER-IP';
  if (input.isEmpty(set)) return [];
  if (config.masqueradeAll) return [rule(commented(input, set, DST_DST), MARK_MASQ)];
  if (config.detectLocalCidr !== undefined)
    return [rule(commented(input, set, DST_DST), MARK_MASQ, { source: outside(config.detectLocalCidr) })];
  // Only the node's own: it connects from the service address that it connects to, which kube-ipvs0 has.
  return [rule(commented(input, set, SRC_DST), MARK_MASQ)];
}

function externalIpRules(input: RuleInput): readonly Rule[] {
  const accepts = (set: SetName): readonly Rule[] => {
    const matches = commented(input, set, DST_DST);
    return [rule([...matches, ...FROM_OUTSIDE], ACCEPT), rule([...matches, LOCAL_DESTINATION], ACCEPT)];
  };
  const rules: Rule[] = [];
  if (!input.isEmpty('KUBE-EXTERNAL-IP')) {
    rules.push(rule(commented(input, 'KUBE-EXTERNAL-IP', DST_DST), MARK_MASQ), ...accepts('KUBE-EXTERNAL-IP'));
  }
  if (!input.isEmpty('KUBE-EXTERNAL-IP-LOCAL')) rules.push(...accepts('KUBE-EXTERNAL-IP-LOCAL'));
  return rules;
}
