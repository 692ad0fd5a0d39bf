import type { Cidr } from '../../../protocol/address.ts';
import { isIpv4 } from '../../../protocol/address.ts';
import { LIMIT_UNITS } from './match-text.ts';
import type { BuiltInChain, IptablesFamily, Match, Rule, TableName, Target } from './model.ts';

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const DCCP = 33;
const ICMPV6 = 58;
const SCTP = 132;
const UDPLITE = 136;
const PROTOCOL_OF = { tcp: TCP, udp: UDP, sctp: SCTP } as const;

/**
 * Why iptables or the kernel would not take a rule into this chain; undefined when they would. Chains that the
 * rule names are not looked at: that is the business of the table.
 */
export function ruleProblem(family: IptablesFamily, table: TableName, chain: string, rule: Rule): string | undefined {
  return (
    addressProblem(family, rule) ??
    interfaceProblem(chain, rule) ??
    matchesProblem(family, chain, rule) ??
    targetProblem(family, table, rule)
  );
}

function addressProblem(family: IptablesFamily, rule: Rule): string | undefined {
  if (rule.source !== undefined && !ofFamily(family, rule.source.value)) return `"-s" is not of the family ${family}`;
  if (rule.destination !== undefined && !ofFamily(family, rule.destination.value)) return `"-d" is not of the family ${family}`;
  if (rule.fragment !== undefined && family === 'ip6') return '"-f" does not exist in IPv6';
  return undefined;
}

const ofFamily = (family: IptablesFamily, cidr: Cidr): boolean => isIpv4(cidr.address) === (family === 'ip');

/** iptables/xshared.c, do_parse: a built-in chain where the packet has no such device yet, or no more. */
function interfaceProblem(chain: string, rule: Rule): string | undefined {
  const { inInterface, outInterface } = rule;
  if (inInterface !== undefined) {
    if (chain === 'OUTPUT' || chain === 'POSTROUTING') return `"-i" cannot be used in ${chain}`;
    if (!isInterfaceName(inInterface.value)) return `"${inInterface.value}" is no name of an interface`;
  }
  if (outInterface !== undefined) {
    if (chain === 'PREROUTING' || chain === 'INPUT') return `"-o" cannot be used in ${chain}`;
    if (!isInterfaceName(outInterface.value)) return `"${outInterface.value}" is no name of an interface`;
  }
  return undefined;
}

/** IFNAMSIZ of include/uapi/linux/if.h is 16, with the final zero. */
const isInterfaceName = (name: string): boolean => name.length > 0 && name.length <= 15;

function matchesProblem(family: IptablesFamily, chain: string, rule: Rule): string | undefined {
  const protocol = rule.protocol?.negated ? undefined : rule.protocol?.value;
  for (const match of rule.matches) {
    const problem = matchProblem(family, chain, protocol, match);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function matchProblem(family: IptablesFamily, chain: string, protocol: number | undefined, match: Match): string | undefined {
  switch (match.type) {
    case 'comment':
      return match.text.length > 255 || match.text.includes('\n') ? 'a comment has at most 255 characters in one line' : undefined;
    case 'tcp':
    case 'udp':
    case 'sctp':
      if (protocol !== PROTOCOL_OF[match.type]) return `"-m ${match.type}" needs "-p ${match.type}"`;
      return match.flags !== undefined && match.type !== 'tcp' ? 'only TCP has flags' : undefined;
    case 'icmp':
      if (family === 'ip') return protocol === ICMP ? undefined : '"-m icmp" needs "-p icmp"';
      return protocol === ICMPV6 ? undefined : '"-m icmp6" needs "-p ipv6-icmp"';
    case 'multiport': {
      if (protocol !== TCP && protocol !== UDP && protocol !== UDPLITE && protocol !== SCTP && protocol !== DCCP)
        return '"-m multiport" needs "-p tcp", "-p udp", "-p udplite", "-p sctp" or "-p dccp"';
      // XT_MULTI_PORTS of include/uapi/linux/netfilter/xt_multiport.h; a range takes two places.
      const places = match.ports.value.reduce((sum, { first, last }) => sum + (first === last ? 1 : 2), 0);
      return places > 15 ? 'more than 15 ports' : undefined;
    }
    case 'conntrack':
      for (const cidr of [match.originalSource, match.originalDestination, match.replySource, match.replyDestination]) {
        if (cidr !== undefined && !ofFamily(family, cidr.value)) return `an address of "-m conntrack" is not of the family ${family}`;
      }
      return undefined;
    case 'statistic':
      return match.mode === 'nth' && match.packet >= match.every ? '"--packet" must be less than "--every"' : undefined;
    case 'addrtype':
      return addrtypeProblem(family, chain, match);
    case 'physdev':
      // physdev_mt_check of net/netfilter/xt_physdev.c; of a chain that OUTPUT only leads to, it does not know.
      return chain === 'OUTPUT' &&
        (match.out !== undefined || match.isOut !== undefined) &&
        (match.isBridged === undefined || match.isBridged.negated)
        ? '"--physdev-out" and "--physdev-is-out" in OUTPUT need "--physdev-is-bridged"'
        : undefined;
    case 'recent':
      return recentProblem(match);
    case 'set':
      return match.directions.length < 1 || match.directions.length > 6 ? '"--match-set" wants one to six directions' : undefined;
    case 'limit': {
      const scaled = LIMIT_UNITS.find(([unit]) => unit === match.unit)?.[1] ?? 0;
      return match.rate < 1 || match.rate > scaled ? 'the rate of "-m limit" is out of range' : undefined;
    }
    default:
      return undefined;
  }
}

/** net/netfilter/xt_addrtype.c, addrtype_mt_checkentry_v1 */
function addrtypeProblem(family: IptablesFamily, chain: string, match: Extract<Match, { type: 'addrtype' }>): string | undefined {
  const { source, destination, limitTo } = match;
  if (source === undefined && destination === undefined) return '"-m addrtype" needs "--src-type" or "--dst-type"';
  if (limitTo === 'out' && (chain === 'PREROUTING' || chain === 'INPUT')) return `"--limit-iface-out" cannot be used in ${chain}`;
  if (limitTo === 'in' && (chain === 'POSTROUTING' || chain === 'OUTPUT')) return `"--limit-iface-in" cannot be used in ${chain}`;
  if (family === 'ip') return undefined;
  const other = [...(source?.value ?? []), ...(destination?.value ?? [])].find((type) => !IPV6_ADDRESS_TYPES.includes(type));
  return other === undefined ? undefined : `IPv6 has no addresses of the type ${other}`;
}

export const IPV6_ADDRESS_TYPES: readonly string[] = ['UNSPEC', 'UNICAST', 'LOCAL', 'ANYCAST', 'MULTICAST', 'UNREACHABLE'];

/** net/netfilter/xt_recent.c, recent_mt_check */
function recentProblem(match: Extract<Match, { type: 'recent' }>): string | undefined {
  const timed = match.seconds !== undefined || match.hitCount !== undefined || match.reap === true || match.rttl === true;
  if ((match.action === 'set' || match.action === 'remove') && timed)
    return `"--${match.action}" goes with none of "--seconds", "--hitcount", "--reap", "--rttl"`;
  if (match.reap && match.seconds === undefined) return '"--reap" needs "--seconds"';
  if ((match.hitCount ?? 0) > 65535) return '"--hitcount" is at most 65535';
  return match.name === '' || match.name.length > 199 ? 'the name of a list has 1 to 199 characters' : undefined;
}

function targetProblem(family: IptablesFamily, table: TableName, rule: Rule): string | undefined {
  const target = rule.target;
  if (target === undefined) return undefined;
  const protocol = rule.protocol?.negated ? undefined : rule.protocol?.value;
  switch (target.type) {
    case 'DROP':
      return table === 'nat' ? 'the nat table is not intended for filtering: DROP is refused there' : undefined;
    case 'NOTRACK':
    case 'CT':
      return table === 'raw' ? undefined : `${target.type} is only valid in the raw table`;
    case 'REJECT':
      if (table !== 'filter') return 'REJECT is only valid in the filter table';
      if (target.with === 'tcp-reset') return protocol === TCP ? undefined : '"--reject-with tcp-reset" needs "-p tcp"';
      return target.with.startsWith('icmp6-') === (family === 'ip6') ? undefined : `"${target.with}" is not of the family ${family}`;
    case 'DNAT':
    case 'SNAT':
    case 'MASQUERADE':
    case 'REDIRECT':
      return natProblem(family, table, protocol, rule.protocol?.negated === true ? rule.protocol.value : undefined, target);
    default:
      return undefined;
  }
}

function natProblem(
  family: IptablesFamily,
  table: TableName,
  protocol: number | undefined,
  otherThan: number | undefined,
  target: Extract<Target, { type: 'DNAT' | 'SNAT' | 'MASQUERADE' | 'REDIRECT' }>,
): string | undefined {
  const { type, nat } = target;
  if (table !== 'nat') return `${type} is only valid in the nat table`;
  // The tool looks at the number only, negated or not (extensions/libxt_NAT.c, portok).
  const looked = protocol ?? otherThan;
  if (nat.ports !== undefined && looked !== TCP && looked !== UDP && looked !== SCTP && looked !== DCCP && looked !== ICMP)
    return `${type} with ports needs "-p tcp", "-p udp", "-p sctp" or "-p dccp"`;
  if ((type === 'DNAT' || type === 'SNAT') && nat.addresses === undefined && nat.ports === undefined)
    return `${type} needs an address or a port`;
  if (nat.addresses !== undefined && isIpv4(nat.addresses.min) !== (family === 'ip'))
    return `the address of ${type} is not of the family ${family}`;
  return undefined;
}

/** Built-in chains from which a target can be reached (the `hooks` of its xt_target); undefined: from all. */
export function allowedFrom(target: Target): readonly BuiltInChain[] | undefined {
  return ALLOWED[target.type];
}

/** net/netfilter/xt_nat.c, xt_MASQUERADE.c, xt_REDIRECT.c; net/ipv4/netfilter/ipt_REJECT.c */
const ALLOWED: Readonly<Partial<Record<Target['type'], readonly BuiltInChain[]>>> = {
  DNAT: ['PREROUTING', 'OUTPUT'],
  REDIRECT: ['PREROUTING', 'OUTPUT'],
  SNAT: ['INPUT', 'POSTROUTING'],
  MASQUERADE: ['POSTROUTING'],
  REJECT: ['INPUT', 'FORWARD', 'OUTPUT'],
};
