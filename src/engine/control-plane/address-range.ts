import { type Cidr, type Ipv4, isIpv4, maskV4, networkOf, parseCidr, parseIp } from '../../protocol/address.ts';

/** An IPv4 prefix with its host bits zero. */
export interface Cidr4 extends Cidr {
  readonly address: Ipv4;
}

export const cidr4 = (address: number, length: number): Cidr4 => ({ address: ((address & maskV4(length)) >>> 0) as Ipv4, length });

/** Number of addresses in a prefix of this length. */
export const sizeOf = (length: number): number => 2 ** (32 - length);

export const firstOf = (c: Cidr4): number => c.address;
export const lastOf = (c: Cidr4): number => c.address + sizeOf(c.length) - 1;
export const overlaps = (a: Cidr4, b: Cidr4): boolean => firstOf(a) <= lastOf(b) && firstOf(b) <= lastOf(a);
export const containsCidr = (outer: Cidr4, inner: Cidr4): boolean => firstOf(outer) <= firstOf(inner) && lastOf(inner) <= lastOf(outer);
export const containsAddress = (c: Cidr4, ip: number): boolean => ip >= firstOf(c) && ip <= lastOf(c);

/** The longest prefix, of at most `lengthMax` bits, that holds both ends of a range. */
export function commonPrefix(first: number, last: number, lengthMax: number): Cidr4 {
  const length = Math.min(lengthMax, Math.clz32((first ^ last) >>> 0));
  return cidr4(first, length);
}

/** What a text that should be an IPv4 prefix or address turned out to be. */
export type Read<T> = { readonly kind: 'ipv4'; readonly value: T } | { readonly kind: 'ipv6' } | { readonly kind: 'invalid' };

/** Host bits are cleared, as the API server's ParseCIDRSloppy users do. */
export function readCidr(text: string): Read<Cidr4> {
  const parsed = parseCidr(text.trim());
  if (!parsed) return { kind: 'invalid' };
  if (!isIpv4(parsed.address)) return { kind: 'ipv6' };
  return { kind: 'ipv4', value: networkOf(parsed) as Cidr4 };
}

export function readAddress(text: string): Read<Ipv4> {
  const parsed = parseIp(text);
  if (parsed === undefined) return { kind: 'invalid' };
  return isIpv4(parsed) ? { kind: 'ipv4', value: parsed } : { kind: 'ipv6' };
}

/**
 * Hands out prefixes of one length from a bigger one, lowest first, around prefixes that are taken.
 * Both are passed over once, so thousands of nodes cost no more than their number.
 */
export class PrefixPool {
  private readonly taken: readonly Cidr4[];
  private readonly from: Cidr4;
  private readonly length: number;
  private next: number;
  private index = 0;

  /** `taken` may be in any order, and may hold prefixes outside `from`; they do not overlap each other. */
  constructor(from: Cidr4, length: number, taken: readonly Cidr4[]) {
    this.from = from;
    this.length = length;
    this.taken = [...taken].sort((a, b) => firstOf(a) - firstOf(b));
    this.next = firstOf(from);
  }

  /** undefined when none is left. */
  allocate(): Cidr4 | undefined {
    const size = sizeOf(this.length);
    for (;;) {
      if (this.next + size - 1 > lastOf(this.from)) return undefined;
      const candidate = cidr4(this.next, this.length);
      let other = this.taken[this.index];
      while (other && lastOf(other) < this.next) other = this.taken[++this.index];
      if (!other || !overlaps(other, candidate)) {
        this.next += size;
        return candidate;
      }
      this.next = Math.ceil((lastOf(other) + 1) / size) * size;
    }
  }
}
