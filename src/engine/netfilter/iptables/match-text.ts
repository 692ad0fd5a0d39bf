import type { Cidr } from '../../../protocol/address.ts';
import { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN, TCP_URG } from '../../../protocol/packet.ts';
import type { IptablesFamily, LimitUnit, Match, Negatable, PortRange } from './model.ts';
import { hex, quoted, shortCidrText } from './text.ts';

/** How iptables-save writes each match: the save functions of its extensions/libxt_*.c. */
export function matchText(family: IptablesFamily, match: Match): string {
  switch (match.type) {
    case 'comment':
      return ` -m comment --comment ${quoted(match.text)}`;
    case 'tcp':
    case 'udp':
      return ` -m ${match.type}${portText('--sport', restricted(match.sourcePort))}${portText('--dport', restricted(match.destinationPort))}${flagsText(match)}`;
    case 'sctp':
      return ` -m sctp${portText('--sport', match.sourcePort)}${portText('--dport', match.destinationPort)}`;
    case 'icmp': {
      const { icmpType, code } = match.icmpType.value;
      const value = code !== undefined ? `${icmpType}/${code}` : icmpType === 255 && family === 'ip' ? 'any' : String(icmpType);
      return family === 'ip'
        ? ` -m icmp${option('--icmp-type', match.icmpType, value)}`
        : ` -m icmp6${option('--icmpv6-type', match.icmpType, value)}`;
    }
    case 'multiport':
      return ` -m multiport${option(`--${match.which}`, match.ports, match.ports.value.map(rangeText).join(','))}`;
    case 'conntrack':
      return conntrackText(match);
    case 'mark':
    case 'connmark': {
      const { value, mask } = match.mark.value;
      return ` -m ${match.type}${option('--mark', match.mark, mask >>> 0 === 0xffffffff ? hex(value) : `${hex(value)}/${hex(mask)}`)}`;
    }
    case 'statistic':
      return match.mode === 'random'
        ? ` -m statistic --mode random${match.negated ? ' !' : ''} --probability ${(match.numerator / 2 ** 31).toFixed(11)}`
        : ` -m statistic --mode nth${match.negated ? ' !' : ''} --every ${match.every} --packet ${match.packet}`;
    case 'addrtype':
      return ` -m addrtype${listText('--src-type', match.source, ADDRESS_TYPES)}${listText('--dst-type', match.destination, ADDRESS_TYPES)}${
        match.limitTo === undefined ? '' : ` --limit-iface-${match.limitTo}`
      }`;
    case 'recent':
      return recentText(family, match);
    case 'physdev':
      return ` -m physdev${flagText('--physdev-is-in', match.isIn)}${wordText('--physdev-in', match.in)}${flagText('--physdev-is-out', match.isOut)}${wordText('--physdev-out', match.out)}${flagText('--physdev-is-bridged', match.isBridged)}`;
    case 'set':
      return ` -m set${match.negated ? ' !' : ''} --match-set ${match.name} ${match.directions.join(',')}`;
    case 'limit': {
      const { rate, unit } = normalLimit(match.rate, match.unit);
      const unitName = unit === 'second' ? 'sec' : unit === 'minute' ? 'min' : unit;
      return ` -m limit --limit ${rate}/${unitName}${match.burst === DEFAULT_LIMIT_BURST ? '' : ` --limit-burst ${match.burst}`}`;
    }
    case 'nfacct':
      // Two blanks: extensions/libxt_nfacct.c prints one, and the name with another.
      return ` -m nfacct --nfacct-name  ${match.name}`;
    case 'ipvs':
      return ` -m ipvs${numberText('--vproto', match.protocol)}${addressOption('--vaddr', match.address)}${numberText('--vport', match.port)}`;
  }
}

/** extensions/libxt_limit.c, XT_LIMIT_BURST */
export const DEFAULT_LIMIT_BURST = 5;

/** In units of 1/10,000 s (XT_LIMIT_SCALE of include/uapi/linux/netfilter/xt_limit.h), largest first. */
export const LIMIT_UNITS: readonly (readonly [unit: LimitUnit, scaled: number])[] = [
  ['day', 864_000_000],
  ['hour', 36_000_000],
  ['minute', 600_000],
  ['second', 10_000],
];

/**
 * The kernel keeps the time between two packets in whole units of 1/10,000 s, and what is printed is worked out
 * from that: 120/min comes back as 2/sec, and 3000/sec as 3333/sec (extensions/libxt_limit.c, print_rate).
 */
export function normalLimit(rate: number, unit: LimitUnit): { readonly rate: number; readonly unit: LimitUnit } {
  const scaled = LIMIT_UNITS.find(([name]) => name === unit)?.[1] ?? 0;
  const period = Math.floor(scaled / rate);
  if (period === 0) return { rate, unit };
  let chosen = LIMIT_UNITS[0] as (typeof LIMIT_UNITS)[number];
  for (const candidate of LIMIT_UNITS.slice(1)) {
    if (period > candidate[1] || Math.floor(candidate[1] / period) < candidate[1] % period) break;
    chosen = candidate;
  }
  return { rate: Math.floor(chosen[1] / period), unit: chosen[0] };
}

/** Lists are kept as bits, so they are printed in the order of the bits. */
export const CT_STATES = ['INVALID', 'NEW', 'RELATED', 'ESTABLISHED', 'UNTRACKED', 'SNAT', 'DNAT'] as const;
export const CT_STATUSES = ['EXPECTED', 'SEEN_REPLY', 'ASSURED', 'CONFIRMED'] as const;
/** include/uapi/linux/rtnetlink.h, RTN_* */
export const ADDRESS_TYPES = [
  'UNSPEC',
  'UNICAST',
  'LOCAL',
  'BROADCAST',
  'ANYCAST',
  'MULTICAST',
  'BLACKHOLE',
  'UNREACHABLE',
  'PROHIBIT',
  'THROW',
  'NAT',
  'XRESOLVE',
] as const;

/** Names as iptables-save prints them, in its order: not that of the bits' names in its help. */
export const TCP_FLAG_NAMES = [
  ['FIN', TCP_FIN],
  ['SYN', TCP_SYN],
  ['RST', TCP_RST],
  ['PSH', TCP_PSH],
  ['ACK', TCP_ACK],
  ['URG', TCP_URG],
] as const;

const option = (name: string, negatable: { readonly negated: boolean }, value: string): string =>
  `${negatable.negated ? ' !' : ''} ${name} ${value}`;

const wordText = (name: string, word: Negatable<string> | undefined): string => (word === undefined ? '' : option(name, word, word.value));

const flagText = (name: string, flag: Negatable<true> | undefined): string =>
  flag === undefined ? '' : `${flag.negated ? ' !' : ''} ${name}`;

export const rangeText = (range: PortRange): string => (range.first === range.last ? String(range.first) : `${range.first}:${range.last}`);

const portText = (name: string, range: Negatable<PortRange> | undefined): string =>
  range === undefined ? '' : option(name, range, rangeText(range.value));

/** TCP and UDP: a range of all ports is the same as none to the tool, and is not printed. */
const restricted = (range: Negatable<PortRange> | undefined): Negatable<PortRange> | undefined =>
  range !== undefined && range.value.first === 0 && range.value.last === 65535 ? undefined : range;

function flagsText(match: Extract<Match, { type: 'tcp' | 'udp' | 'sctp' }>): string {
  if (match.flags === undefined || (match.flags.value.mask === 0 && match.flags.value.set === 0)) return '';
  return option('--tcp-flags', match.flags, `${flagNames(match.flags.value.mask)} ${flagNames(match.flags.value.set)}`);
}

const flagNames = (bits: number): string =>
  TCP_FLAG_NAMES.filter(([, bit]) => (bits & bit) !== 0)
    .map(([name]) => name)
    .join(',') || 'NONE';

const listText = (name: string, list: Negatable<readonly string[]> | undefined, order: readonly string[]): string =>
  list === undefined ? '' : option(name, list, order.filter((word) => list.value.includes(word)).join(',') || 'NONE');

const numberText = (name: string, number: Negatable<number> | undefined): string =>
  number === undefined ? '' : option(name, number, String(number.value));

const addressOption = (name: string, cidr: Negatable<Cidr> | undefined): string =>
  cidr === undefined ? '' : option(name, cidr, shortCidrText(cidr.value));

function conntrackText(match: Extract<Match, { type: 'conntrack' }>): string {
  if (match.module === 'state') return ` -m state${listText('--state', match.state, CT_STATES)}`;
  return [
    ' -m conntrack',
    listText('--ctstate', match.state, CT_STATES),
    match.protocol === undefined ? '' : option('--ctproto', match.protocol, String(match.protocol.value)),
    addressOption('--ctorigsrc', match.originalSource),
    addressOption('--ctorigdst', match.originalDestination),
    addressOption('--ctreplsrc', match.replySource),
    addressOption('--ctrepldst', match.replyDestination),
    portText('--ctorigsrcport', match.originalSourcePort),
    portText('--ctorigdstport', match.originalDestinationPort),
    listText('--ctstatus', match.status, CT_STATUSES),
    portText('--ctexpire', match.expiresSeconds),
    match.direction === undefined ? '' : ` --ctdir ${match.direction}`,
  ].join('');
}

export const FULL_MASK = { ip: '255.255.255.255', ip6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' } as const;

function recentText(family: IptablesFamily, match: Extract<Match, { type: 'recent' }>): string {
  return [
    ` -m recent${match.negated ? ' !' : ''} --${match.action}`,
    match.seconds === undefined ? '' : ` --seconds ${match.seconds}`,
    match.reap ? ' --reap' : '',
    match.hitCount === undefined ? '' : ` --hitcount ${match.hitCount}`,
    match.rttl ? ' --rttl' : '',
    ` --name ${match.name} --mask ${match.mask ?? FULL_MASK[family]} --${match.side}`,
  ].join('');
}
