import type { Cidr, IpAddress, Ipv4 } from '../../../protocol/address.ts';
import { formatIpv4, formatIpv6, isIpv4 } from '../../../protocol/address.ts';

/** Addresses as inet_ntop(3) writes them: RFC 5952, and the last 32 bits dotted in `::ffff:1.2.3.4` and `::1.2.3.4`. */
export function addressText(a: IpAddress): string {
  if (isIpv4(a)) return formatIpv4(a);
  const high = a >> 32n;
  if ((high === 0n && a > 0xffffn) || high === 0xffffn) {
    return `${high === 0n ? '::' : '::ffff:'}${formatIpv4(Number(a & 0xffffffffn) as Ipv4)}`;
  }
  return formatIpv6(a);
}

export const cidrText = (c: Cidr): string => `${addressText(c.address)}/${c.length}`;

/** Without the length where it is the whole address. */
export const shortCidrText = (c: Cidr): string => (c.length === (isIpv4(c.address) ? 32 : 128) ? addressText(c.address) : cidrText(c));

/** A word as iptables-save quotes it (libxtables, xtables_save_string). */
export function quoted(word: string): string {
  return /^[-_0-9A-Za-z]+$/.test(word) ? word : `"${word.replace(/["'\\]/g, '\\$&')}"`;
}

export const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;
