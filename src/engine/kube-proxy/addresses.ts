import { type Cidr, type IpAddress, type Ipv4, isIpv4, networkOf, parseIpv6 } from '../../protocol/address.ts';

export type IpFamily = 'IPv4' | 'IPv6';

export const familyOf = (address: IpAddress): IpFamily => (isIpv4(address) ? 'IPv4' : 'IPv6');

/**
 * An address as kube-proxy reads it (k8s.io/utils/net, ParseIPSloppy): octets with leading zeros are
 * decimal, and an IPv4 address written as `::ffff:a.b.c.d` is an IPv4 address.
 */
export function parseIpSloppy(text: string): IpAddress | undefined {
  if (text.includes(':')) {
    const address = parseIpv6(text);
    return address !== undefined && address >> 32n === 0xffffn ? (Number(address & 0xffffffffn) as Ipv4) : address;
  }
  let value = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c >= 48 && c <= 57) {
      octet = octet * 10 + c - 48;
      digits++;
      if (octet > 255) return undefined;
    } else if (c === 46 && digits > 0 && dots < 3) {
      value = value * 256 + octet;
      octet = 0;
      digits = 0;
      dots++;
    } else return undefined;
  }
  return dots === 3 && digits > 0 ? ((value * 256 + octet) as Ipv4) : undefined;
}

/** A prefix as kube-proxy reads it (ParseCIDRSloppy): host bits are cleared, leading zeros are ignored. */
export function parseCidrSloppy(text: string): Cidr | undefined {
  const match = /^([^/]+)\/0*(\d{1,3})$/.exec(text);
  if (!match) return undefined;
  const address = parseIpSloppy(match[1] as string);
  const length = Number(match[2]);
  if (address === undefined || length > (isIpv4(address) ? 32 : 128)) return undefined;
  return networkOf({ address, length });
}

/** `ip:port`, an IPv6 address in brackets (Go's net.JoinHostPort). */
export const joinHostPort = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** 127.0.0.0/8 and ::1. */
export const isLoopback = (address: IpAddress): boolean => (isIpv4(address) ? address >>> 24 === 127 : address === 1n);

/** The loopback addresses that every machine has. */
export const LOOPBACK_ADDRESSES: readonly IpAddress[] = [0x7f000001 as Ipv4, 1n as IpAddress];
