import { type Field, fieldOf } from './data-type.ts';
import type { DataType, Expression, Family, Selector } from './model.ts';

/** The header a selector reads, where it reads one. `th` is whichever transport header there is. */
export type Header = 'ip' | 'ip6' | 'tcp' | 'udp' | 'sctp' | 'th' | 'icmp' | 'icmpv6';

interface SelectorFacts {
  readonly type: DataType;
  readonly header?: Header;
  /** Width and byte order of plain integers. */
  readonly integer?: { readonly bytes: number; readonly hostEndian: boolean };
}

const port = (header: Header): SelectorFacts => ({ type: 'inet_service', header });
const integer = (bytes: number, header?: Header): SelectorFacts => ({
  type: 'integer',
  integer: { bytes, hostEndian: header === undefined },
  ...(header === undefined ? {} : { header }),
});

const SELECTORS: Readonly<Record<Selector, SelectorFacts>> = {
  'ip saddr': { type: 'ipv4_addr', header: 'ip' },
  'ip daddr': { type: 'ipv4_addr', header: 'ip' },
  'ip protocol': { type: 'inet_proto', header: 'ip' },
  'ip ttl': integer(1, 'ip'),
  'ip length': integer(2, 'ip'),
  'ip dscp': { type: 'dscp', header: 'ip' },
  'ip6 saddr': { type: 'ipv6_addr', header: 'ip6' },
  'ip6 daddr': { type: 'ipv6_addr', header: 'ip6' },
  'ip6 nexthdr': { type: 'inet_proto', header: 'ip6' },
  'ip6 hoplimit': integer(1, 'ip6'),
  'tcp sport': port('tcp'),
  'tcp dport': port('tcp'),
  'tcp flags': { type: 'tcp_flag', header: 'tcp' },
  'udp sport': port('udp'),
  'udp dport': port('udp'),
  'sctp sport': port('sctp'),
  'sctp dport': port('sctp'),
  'th sport': port('th'),
  'th dport': port('th'),
  'icmp type': { type: 'icmp_type', header: 'icmp' },
  'icmp code': { type: 'icmp_code', header: 'icmp' },
  'icmpv6 type': { type: 'icmpv6_type', header: 'icmpv6' },
  'meta l4proto': { type: 'inet_proto' },
  'meta mark': { type: 'mark' },
  'meta iifname': { type: 'ifname' },
  'meta oifname': { type: 'ifname' },
  'meta iif': { type: 'iface_index' },
  'meta oif': { type: 'iface_index' },
  'meta nfproto': { type: 'nf_proto' },
  'meta protocol': { type: 'ether_type' },
  'meta length': integer(4),
  'meta pkttype': { type: 'pkt_type' },
  'ct state': { type: 'ct_state' },
  'ct status': { type: 'ct_status' },
  'ct mark': { type: 'mark' },
  'ct direction': { type: 'ct_dir' },
  'ct original saddr': { type: 'ipv4_addr' },
  'ct original daddr': { type: 'ipv4_addr' },
  'ct reply saddr': { type: 'ipv4_addr' },
  'ct reply daddr': { type: 'ipv4_addr' },
  'ct original proto-src': { type: 'inet_service' },
  'ct original proto-dst': { type: 'inet_service' },
  'ct expiration': { type: 'time' },
  'fib saddr type': { type: 'fib_addrtype' },
  'fib daddr type': { type: 'fib_addrtype' },
  'fib saddr oif': { type: 'iface_index' },
  'fib saddr oifname': { type: 'ifname' },
  'fib daddr oif': { type: 'iface_index' },
  'fib daddr oifname': { type: 'ifname' },
  'fib saddr . iif oif': { type: 'iface_index' },
  'fib saddr . iif type': { type: 'fib_addrtype' },
  'fib daddr . iif type': { type: 'fib_addrtype' },
};

export const isSelector = (text: string): text is Selector => Object.hasOwn(SELECTORS, text);
export const headerOf = (selector: Selector): Header | undefined => SELECTORS[selector].header;

/** `ct original saddr` of an ip6 table is an IPv6 address; in inet tables it is taken for IPv4. */
const isTupleAddress = (selector: Selector): boolean => /^ct (original|reply) [sd]addr$/.test(selector);

export function fieldOfSelector(selector: Selector, family: Family): Field {
  const { type, integer: plain } = SELECTORS[selector];
  if (plain) return { type, ...plain };
  return fieldOf(isTupleAddress(selector) && family === 'ip6' ? 'ipv6_addr' : type);
}

/** As a listing has it: the interfaces without `meta`, tuple addresses with their family. */
export function selectorText(selector: Selector, family: Family): string {
  if (/^meta [io]if(name)?$/.test(selector)) return selector.slice('meta '.length);
  if (isTupleAddress(selector)) return selector.replace(/ (?=[sd]addr$)/, family === 'ip6' ? ' ip6 ' : ' ip ');
  return selector;
}

const NUMBER: Field = { type: 'integer', bytes: 4, hostEndian: true };

/** The fields that an expression yields; what a map yields is known where it is used. */
export function fieldsOf(expression: Expression, family: Family): readonly Field[] {
  switch (expression.type) {
    case 'selector':
      return [fieldOfSelector(expression.selector, family)];
    case 'concat':
      return expression.parts.flatMap((part) => fieldsOf(part, family));
    case 'bits':
      return fieldsOf(expression.left, family);
    case 'numgen':
    case 'value':
    case 'map':
      return [NUMBER];
  }
}

/** All selectors that an expression reads, in its order. */
export function selectorsIn(expression: Expression): readonly Selector[] {
  switch (expression.type) {
    case 'selector':
      return [expression.selector];
    case 'concat':
      return expression.parts.flatMap(selectorsIn);
    case 'bits':
      return selectorsIn(expression.left);
    case 'map':
      return selectorsIn(expression.key);
    case 'numgen':
    case 'value':
      return [];
  }
}
