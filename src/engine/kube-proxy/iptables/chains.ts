import type { Cidr, Ipv4 } from '../../../protocol/address.ts';
import type { Match, Rule, TableName } from '../../netfilter/iptables/model.ts';
import type { ProxyConfig } from '../model.ts';
import { ACCEPT, comment, DROP, jump, MARK_MASQ_CHAIN, nfacct, outside, RETURN, rule, within } from './rule.ts';

/* The chains that exist once per table, and their rules that belong to no Service (pkg/proxy/iptables/proxier.go). */

export const SERVICES = 'KUBE-SERVICES';
export const EXTERNAL_SERVICES = 'KUBE-EXTERNAL-SERVICES';
export const NODE_PORTS = 'KUBE-NODEPORTS';
export const POSTROUTING = 'KUBE-POSTROUTING';
export const MARK_MASQ = MARK_MASQ_CHAIN;
export const FORWARD = 'KUBE-FORWARD';
export const PROXY_FIREWALL = 'KUBE-PROXY-FIREWALL';
/** The kubelet has a chain of this name, too, and writes the same rule into it. */
export const FIREWALL = 'KUBE-FIREWALL';
/** Exists only so that its absence shows that somebody flushed the tables (pkg/util/iptables, Monitor). */
const CANARY = 'KUBE-PROXY-CANARY';

export interface ChainOfTable {
  readonly table: TableName;
  readonly chain: string;
}

export interface JumpRule extends ChainOfTable {
  readonly rule: Rule;
}

export const NEW: Match = { type: 'conntrack', module: 'conntrack', state: { value: ['NEW'], negated: false } };

/** A rule of a chain that everything comes by, to a chain of kube-proxy's own. */
export const jumpRule = (table: TableName, from: string, to: string, text: string | undefined, first: readonly Match[] = []): JumpRule => ({
  table,
  chain: from,
  rule: rule(text === undefined ? first : [...first, comment(text)], jump(to)),
});

const externalPortals = (from: string): JumpRule =>
  jumpRule('filter', from, EXTERNAL_SERVICES, 'kubernetes externally-visible service portals', [NEW]);
const portals = (from: string): JumpRule => jumpRule('filter', from, SERVICES, 'kubernetes service portals', [NEW]);
const balancerFirewall = (from: string): JumpRule => jumpRule('filter', from, PROXY_FIREWALL, 'kubernetes load balancer firewall', [NEW]);

/** Each is put at the front of its chain, in this order, so that the last one comes first. */
export const JUMP_RULES: readonly JumpRule[] = [
  externalPortals('INPUT'),
  externalPortals('FORWARD'),
  jumpRule('filter', 'INPUT', NODE_PORTS, 'kubernetes health check service ports'),
  portals('FORWARD'),
  portals('OUTPUT'),
  jumpRule('filter', 'FORWARD', FORWARD, 'kubernetes forwarding rules'),
  balancerFirewall('INPUT'),
  balancerFirewall('OUTPUT'),
  balancerFirewall('FORWARD'),
  jumpRule('nat', 'OUTPUT', SERVICES, 'kubernetes service portals'),
  jumpRule('nat', 'PREROUTING', SERVICES, 'kubernetes service portals'),
  jumpRule('nat', 'POSTROUTING', POSTROUTING, 'kubernetes postrouting rules'),
  jumpRule('filter', 'INPUT', FIREWALL, undefined),
  jumpRule('filter', 'OUTPUT', FIREWALL, undefined),
];

/** Chains that a full sync creates if they are missing, and otherwise leaves as they are. */
export const ENSURED_CHAINS: readonly ChainOfTable[] = [
  ...(['mangle', 'nat', 'filter'] as const).map((table) => ({ table, chain: CANARY })),
  ...JUMP_RULES.map(({ table, rule: { target } }) => ({ table, chain: target?.type === 'jump' ? target.chain : '' })).filter(
    ({ table, chain }, i, all) => all.findIndex((other) => other.table === table && other.chain === chain) === i,
  ),
];

const mark = (value: number, negated: boolean): Match => ({ type: 'mark', mark: { value: { value, mask: value }, negated } });

/** nat KUBE-POSTROUTING */
export const postroutingRules = (config: ProxyConfig): readonly Rule[] => [
  rule([mark(config.masqueradeMark, true)], RETURN),
  // Cleared, so that a packet that comes by again (a tunnel, for instance) is not masqueraded twice.
  rule([], { type: 'MARK', change: { value: config.masqueradeMark, mask: 0 } }),
  rule([comment('kubernetes service traffic requiring SNAT')], {
    type: 'MASQUERADE',
    nat: {
      kind: 'masquerade',
      addresses: undefined,
      ports: undefined,
      random: false,
      fullyRandom: config.randomFully,
      persistent: false,
    },
  }),
];

/** nat KUBE-MARK-MASQ */
export const markMasqRules = (config: ProxyConfig): readonly Rule[] => [
  rule([], { type: 'MARK', change: { value: config.masqueradeMark, mask: config.masqueradeMark } }),
];

const INVALID_DROPPED = 'ct_state_invalid_dropped_pkts';
export const LOCALHOST_ACCEPTED = 'localhost_nps_accepted_pkts';

const state = (value: readonly ('INVALID' | 'RELATED' | 'ESTABLISHED')[]): Match => ({
  type: 'conntrack',
  module: 'conntrack',
  state: { value, negated: false },
});

/** filter KUBE-FORWARD */
export function forwardRules(config: ProxyConfig): readonly Rule[] {
  if (config.conntrackTcpBeLiberal) return forwardAcceptRules(config);
  const counted = config.nfacctCounters.includes(INVALID_DROPPED) ? [nfacct(INVALID_DROPPED)] : [];
  return [rule([state(['INVALID']), ...counted], DROP), ...forwardAcceptRules(config)];
}

/** The rules of filter KUBE-FORWARD that every mode with iptables has. */
export const forwardAcceptRules = (config: ProxyConfig): readonly Rule[] => [
  rule([comment('kubernetes forwarding rules'), mark(config.masqueradeMark, false)], ACCEPT),
  rule([comment('kubernetes forwarding conntrack rule'), state(['RELATED', 'ESTABLISHED'])], ACCEPT),
];

export const LOOPBACK_V4: Cidr = { address: 0x7f000000 as Ipv4, length: 8 };

/** filter KUBE-FIREWALL: what `route_localnet`, which node ports on localhost need, would let in (kubernetes issue 90259). */
export const firewallRules: readonly Rule[] = [
  rule(
    [
      comment('block incoming localnet connections'),
      { type: 'conntrack', module: 'conntrack', state: { value: ['RELATED', 'ESTABLISHED', 'DNAT'], negated: true } },
    ],
    DROP,
    { destination: within(LOOPBACK_V4), source: outside(LOOPBACK_V4) },
  ),
];

export const NODE_PORTS_COMMENT: Match = comment('kubernetes service nodeports; NOTE: this must be the last rule in this chain');
