import type { Brand } from '../base/brand.ts';

/**
 * Addresses as plain values: an IPv4 address is an unsigned 32-bit number, an IPv6 address a
 * 128-bit bigint, a MAC an unsigned 48-bit number. All compare with `===`, key a Map, survive
 * structured cloning, and `typeof` tells the families apart.
 */
export type Ipv4 = Brand<number, 'Ipv4'>;
export type Ipv6 = Brand<bigint, 'Ipv6'>;
export type IpAddress = Ipv4 | Ipv6;
export type Mac = Brand<number, 'Mac'>;

/** A prefix with its host bits zero, or an interface address with them kept: the user of the type says which. */
export interface Cidr {
  readonly address: IpAddress;
  /** 0..32 for IPv4, 0..128 for IPv6. */
  readonly length: number;
}

export const BROADCAST_MAC = 0xffffffffffff as Mac;
export const ZERO_MAC = 0 as Mac;
export const ANY_V4 = 0 as Ipv4;

export const isIpv4 = (a: IpAddress): a is Ipv4 => typeof a === 'number';

/** Dotted quad only, four decimal octets without leading zeros (RFC 6943 3.1.1); undefined when it is anything else. */
export function parseIpv4(text: string): Ipv4 | undefined {
  const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (!m) return undefined;
  let value = 0;
  for (let i = 1; i <= 4; i++) {
    const octet = m[i] as string;
    if (octet.length > 1 && octet.startsWith('0')) return undefined;
    const n = Number(octet);
    if (n > 255) return undefined;
    value = value * 256 + n;
  }
  return value as Ipv4;
}

/** RFC 4291 section 2.2 text, without a zone; undefined when it is anything else. */
export function parseIpv6(text: string): Ipv6 | undefined {
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !text.includes(':')) return undefined;
  let source = text;
  const lastColon = source.lastIndexOf(':');
  if (source.includes('.')) {
    const v4 = parseIpv4(source.slice(lastColon + 1));
    if (v4 === undefined) return undefined;
    source = `${source.slice(0, lastColon + 1)}${(v4 >>> 16).toString(16)}:${(v4 & 0xffff).toString(16)}`;
  }
  const halves = source.split('::');
  if (halves.length > 2) return undefined;
  const groups = (half: string): string[] => (half === '' ? [] : half.split(':'));
  const head = groups(halves[0] as string);
  const tail = halves.length === 2 ? groups(halves[1] as string) : [];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let value = 0n;
  for (const group of [...head, ...Array<string>(halves.length === 2 ? missing : 0).fill('0'), ...tail]) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
    value = (value << 16n) | BigInt(Number.parseInt(group, 16));
  }
  return value as Ipv6;
}

export const parseIp = (text: string): IpAddress | undefined => parseIpv4(text) ?? parseIpv6(text);

/** `address/length`; host bits are kept as written. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const address = parseIp(text.slice(0, slash));
  const lengthText = text.slice(slash + 1);
  if (address === undefined || !/^\d{1,3}$/.test(lengthText)) return undefined;
  const length = Number(lengthText);
  return length <= (isIpv4(address) ? 32 : 128) ? { address, length } : undefined;
}

/** Six colon-separated hexadecimal octets. */
export function parseMac(text: string): Mac | undefined {
  if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text)) return undefined;
  return Number.parseInt(text.replaceAll(':', ''), 16) as Mac;
}

export function formatIpv4(a: Ipv4): string {
  return `${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}`;
}

/** Canonical text per RFC 5952. */
export function formatIpv6(a: Ipv6): string {
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((a >> shift) & 0xffffn));
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && groups[j] === 0) j++;
    if (j - i > bestLength) {
      best = i;
      bestLength = j - i;
    }
    if (j > i) i = j;
  }
  const hex = (part: number[]): string => part.map((g) => g.toString(16)).join(':');
  return best < 0 ? hex(groups) : `${hex(groups.slice(0, best))}::${hex(groups.slice(best + bestLength))}`;
}

export const formatIp = (a: IpAddress): string => (isIpv4(a) ? formatIpv4(a) : formatIpv6(a));
export const formatCidr = (c: Cidr): string => `${formatIp(c.address)}/${c.length}`;

export function formatMac(mac: Mac): string {
  const hex = mac.toString(16).padStart(12, '0');
  return (hex.match(/../g) as string[]).join(':');
}

/** The netmask of an IPv4 prefix length as an unsigned number. */
export const maskV4 = (length: number): number => (length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0);

/** The prefix that an address belongs to: host bits cleared. */
export function networkOf(c: Cidr): Cidr {
  if (isIpv4(c.address)) return { address: ((c.address & maskV4(c.length)) >>> 0) as Ipv4, length: c.length };
  const host = BigInt(128 - c.length);
  return { address: ((c.address >> host) << host) as Ipv6, length: c.length };
}

export function cidrContains(c: Cidr, a: IpAddress): boolean {
  if (isIpv4(c.address) !== isIpv4(a)) return false;
  return networkOf({ address: a, length: c.length }).address === networkOf(c).address;
}

/** The directed broadcast address of an IPv4 prefix; undefined for /31 and /32, which have none (RFC 3021). */
export function broadcastOf(c: Cidr): Ipv4 | undefined {
  if (!isIpv4(c.address) || c.length >= 31) return undefined;
  return ((c.address | ~maskV4(c.length)) >>> 0) as Ipv4;
}
