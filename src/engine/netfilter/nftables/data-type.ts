import { formatIp, type IpAddress, type Ipv4, isIpv4, parseIpv4, parseIpv6 } from '../../../protocol/address.ts';
import type { Atom, DataType } from './model.ts';
import {
  CT_DIRECTIONS,
  CT_STATES,
  CT_STATUS,
  DSCP,
  ETHER_TYPES,
  FIB_ADDRESS_TYPES,
  ICMP_CODES,
  ICMP_TYPES,
  ICMPV6_TYPES,
  NF_PROTOCOLS,
  PACKET_TYPES,
  PROTOCOLS,
  SERVICES,
  type SymbolTable,
  TCP_FLAGS,
} from './symbols.ts';

/*
 * What nft knows about the types of keys and values: how they are written, how wide they are and in
 * which byte order, which decides in what order a listing has them (nftables src/datatype.c,
 * src/mergesort.c, src/expression.c).
 */

interface TypeFacts {
  readonly bytes: number;
  /** Little-endian on the machines that this models; the others are in network order. */
  readonly hostEndian: boolean;
  /** How many elements of a named set stand in one line. */
  readonly perLine: number;
  readonly symbols?: SymbolTable;
  /** Symbols are bits: several may be combined, and a bare value asks for any of them. */
  readonly bitmask?: boolean;
  /** Ranges that are a prefix are printed as one. */
  readonly prefix?: boolean;
  readonly max?: number;
  readonly hexDigits?: number;
}

const TYPES: Readonly<Record<Exclude<DataType, 'verdict'>, TypeFacts>> = {
  ipv4_addr: { bytes: 4, hostEndian: false, perLine: 2, prefix: true },
  ipv6_addr: { bytes: 16, hostEndian: false, perLine: 1, prefix: true },
  inet_proto: { bytes: 1, hostEndian: false, perLine: 5, symbols: PROTOCOLS, max: 0xff },
  inet_service: { bytes: 2, hostEndian: false, perLine: 5, max: 0xffff },
  mark: { bytes: 4, hostEndian: true, perLine: 5, max: 0xffffffff, hexDigits: 8 },
  ifname: { bytes: 16, hostEndian: true, perLine: 1 },
  iface_index: { bytes: 4, hostEndian: true, perLine: 5, max: 0xffffffff },
  icmp_type: { bytes: 1, hostEndian: false, perLine: 1, symbols: ICMP_TYPES, max: 0xff },
  icmpv6_type: { bytes: 1, hostEndian: false, perLine: 1, symbols: ICMPV6_TYPES, max: 0xff },
  icmp_code: { bytes: 1, hostEndian: false, perLine: 1, symbols: ICMP_CODES, max: 0xff },
  tcp_flag: { bytes: 1, hostEndian: false, perLine: 5, symbols: TCP_FLAGS, bitmask: true, max: 0xff },
  dscp: { bytes: 1, hostEndian: false, perLine: 1, symbols: DSCP, max: 0x3f, hexDigits: 2 },
  ct_state: { bytes: 4, hostEndian: true, perLine: 2, symbols: CT_STATES, bitmask: true, max: 0xffffffff },
  ct_status: { bytes: 4, hostEndian: true, perLine: 2, symbols: CT_STATUS, bitmask: true, max: 0xffffffff },
  ct_dir: { bytes: 1, hostEndian: false, perLine: 5, symbols: CT_DIRECTIONS, max: 0xff },
  nf_proto: { bytes: 1, hostEndian: true, perLine: 5, symbols: NF_PROTOCOLS, max: 0xff },
  ether_type: { bytes: 2, hostEndian: false, perLine: 1, symbols: ETHER_TYPES, max: 0xffff, hexDigits: 4 },
  pkt_type: { bytes: 1, hostEndian: true, perLine: 2, symbols: PACKET_TYPES, max: 0xff },
  fib_addrtype: { bytes: 4, hostEndian: true, perLine: 1, symbols: FIB_ADDRESS_TYPES, max: 0xffffffff },
  time: { bytes: 8, hostEndian: true, perLine: 1, max: Number.MAX_SAFE_INTEGER },
  integer: { bytes: 4, hostEndian: true, perLine: 5, max: 0xffffffff },
};

/** One component of a key: its type, and its width and byte order where the type leaves them open. */
export interface Field {
  readonly type: DataType;
  readonly bytes: number;
  readonly hostEndian: boolean;
}

const factsOf = (type: DataType): TypeFacts => (type === 'verdict' ? { bytes: 16, hostEndian: true, perLine: 1 } : TYPES[type]);

export const fieldOf = (type: DataType): Field => {
  const { bytes, hostEndian } = factsOf(type);
  return { type, bytes, hostEndian };
};

export const isDataType = (text: string): text is DataType => text === 'verdict' || Object.hasOwn(TYPES, text);
export const isBitmask = (type: DataType): boolean => factsOf(type).bitmask === true;
export const hasPrefixes = (type: DataType): boolean => factsOf(type).prefix === true;
export const elementsPerLine = (types: readonly DataType[]): number => (types.length === 1 ? factsOf(types[0] as DataType).perLine : 1);

const UNITS = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const;

/** `1h1m1s`, as set timeouts are written; fractions of a second as milliseconds. */
export function formatDuration(seconds: number): string {
  // A tenth of a nanosecond makes up for what binary fractions lack.
  const total = Math.floor(seconds * 1000 + 1e-7);
  let rest = Math.floor(total / 1000);
  let text = '';
  for (const [unit, size] of UNITS) {
    const n = Math.floor(rest / size);
    if (n > 0) text += `${n}${unit}`;
    rest -= n * size;
  }
  const milliseconds = total % 1000;
  if (milliseconds > 0) text += `${milliseconds}ms`;
  return text === '' ? '0s' : text;
}

/** Seconds; a bare number is seconds too. */
export function parseDuration(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text);
  const m = /^(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(text);
  if (m === null || text === '') return undefined;
  const [weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0, milliseconds = 0] = m.slice(1).map((part) => Number(part ?? 0));
  return weeks * 604_800 + days * 86_400 + hours * 3600 + minutes * 60 + seconds + milliseconds / 1000;
}

const hex = (n: number, digits: number): string => `0x${n.toString(16).padStart(digits, '0')}`;

/** The names of the bits set, lowest first; what has no name as a number. */
function bitNames(table: SymbolTable, bits: number): string[] {
  const names: string[] = [];
  let rest = bits;
  for (let bit = 1; bit <= 0x80000000; bit *= 2) {
    const name = table.nameOf.get(bit);
    if (name === undefined || Math.floor(rest / bit) % 2 === 0) continue;
    names.push(name);
    rest -= bit;
  }
  if (rest > 0 || names.length === 0) names.push(hex(rest, 1));
  return names;
}

/** As the C library writes it, which nft asks: with an IPv4 address at the end of one that holds it (glibc, inet_ntop). */
export function addressText(address: IpAddress): string {
  if (isIpv4(address)) return formatIp(address);
  const [head, tail] = [address >> 32n, Number(address & 0xffffffffn)];
  if (head === 0xffffn) return `::ffff:${formatIp(tail as Ipv4)}`;
  return head === 0n && tail > 0xffff ? `::${formatIp(tail as Ipv4)}` : formatIp(address);
}

/** `between`: what joins the names of bits, `,` or ` | `. */
export function formatAtom(type: DataType, atom: Atom, between = ','): string {
  if (type === 'ipv4_addr' || type === 'ipv6_addr') return addressText(atom as IpAddress);
  if (type === 'ifname') return `"${atom}"`;
  if (typeof atom === 'string') return type === 'iface_index' && atom !== 'missing' && atom !== 'exists' ? `"${atom}"` : atom;
  const n = Number(atom);
  // The index of lo is 1 in every namespace; those of other devices are not known here.
  if (type === 'iface_index' && n === 1) return '"lo"';
  if (type === 'time') return formatDuration(n);
  const { symbols, bitmask, hexDigits } = factsOf(type);
  if (bitmask && symbols) return bitNames(symbols, n).join(between);
  return symbols?.nameOf.get(n) ?? (hexDigits === undefined ? String(n) : hex(n, hexDigits));
}

const NUMBER = /^(?:0[xX][0-9a-fA-F]+|\d+)$/;

/** A number as nft reads it: decimal or `0x…`; undefined when it is anything else. */
export const parseNumber = (text: string): number | undefined => (NUMBER.test(text) ? Number(text) : undefined);

/** One value of a type as it is written; undefined when it is none. Bits are joined by the caller. */
export function parseAtom(type: DataType, text: string): Atom | undefined {
  if (type === 'ipv4_addr') return parseIpv4(text);
  if (type === 'ipv6_addr') return parseIpv6(text);
  if (type === 'ifname') return text;
  if (type === 'time') return parseDuration(text);
  const { symbols, max = 0 } = factsOf(type);
  const n = parseNumber(text) ?? symbols?.numberOf.get(text) ?? (type === 'inet_service' ? SERVICES.numberOf.get(text) : undefined);
  if (n !== undefined) return n <= max ? n : undefined;
  return type === 'iface_index' && /^[^\d\s]/.test(text) ? text : undefined;
}
