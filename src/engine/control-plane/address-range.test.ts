import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCidr, formatIpv4, type Ipv4, parseCidr, parseIpv4 } from '../../protocol/address.ts';
import { type Cidr4, cidr4, commonPrefix, containsCidr, overlaps, PrefixPool, readAddress, readCidr } from './address-range.ts';
import { HostLocalPool } from './host-local.ts';

const cidr = (text: string): Cidr4 => parseCidr(text) as Cidr4;
const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;

describe('a prefix or an address', () => {
  it('is read with its host bits cleared', () => {
    expect(readCidr(' 10.1.2.3/16 ')).toEqual({ kind: 'ipv4', value: cidr('10.1.0.0/16') });
    expect(readCidr('fd00::/48').kind).toBe('ipv6');
    expect(readAddress('10.1.2.3')).toEqual({ kind: 'ipv4', value: ip('10.1.2.3') });
    expect(readAddress('::1').kind).toBe('ipv6');
  });

  it.each(['', '10.1.2.3', '10.1.2.3/33', '10.1.2.256/8', 'x/8', '10.1.2.3/-1'])('%j is no prefix', (text) =>
    expect(readCidr(text).kind).toBe('invalid'),
  );
  it.each(['', '10.1.2', '10.1.2.3/8', '10.1.2.256', 'localhost'])('%j is no address', (text) =>
    expect(readAddress(text).kind).toBe('invalid'),
  );

  it('holds both ends of a range as the longest prefix does', () => {
    expect(formatCidr(commonPrefix(ip('10.9.1.0'), ip('10.9.7.255'), 24))).toBe('10.9.0.0/21');
    expect(formatCidr(commonPrefix(ip('10.9.1.0'), ip('10.9.1.5'), 24))).toBe('10.9.1.0/24');
    expect(formatCidr(commonPrefix(ip('0.0.0.0'), ip('255.255.255.255'), 24))).toBe('0.0.0.0/0');
  });
});

describe('prefixes for nodes', () => {
  it('are handed out lowest first, around what is taken, until none is left', () => {
    const pool = new PrefixPool(cidr('10.0.0.0/21'), 24, [
      cidr('10.0.5.64/26'),
      cidr('10.0.1.0/24'),
      cidr('10.0.2.0/23'),
      cidr('10.9.0.0/16'),
    ]);
    const given = Array.from({ length: 5 }, () => pool.allocate());
    expect(given.map((c) => c && formatCidr(c))).toEqual(['10.0.0.0/24', '10.0.4.0/24', '10.0.6.0/24', '10.0.7.0/24', undefined]);
  });

  it('never overlap, and lie within the bigger one', () => {
    const taken = fc
      .uniqueArray(fc.integer({ min: 0, max: 255 }), { maxLength: 40 })
      .map((list) => list.map((n) => cidr4(0x0a000000 + n * 256, 24)));
    fc.assert(
      fc.property(taken, fc.integer({ min: 20, max: 26 }), (others, length) => {
        const from = cidr('10.0.0.0/16');
        const pool = new PrefixPool(from, length, others);
        const all: Cidr4[] = [...others];
        for (let c = pool.allocate(); c; c = pool.allocate()) {
          expect(containsCidr(from, c)).toBe(true);
          expect(others.some((other) => overlaps(other, c as Cidr4))).toBe(false);
          all.push(c);
        }
        all.sort((a, b) => a.address - b.address);
        expect(all.slice(1).every((c, i) => !overlaps(c, all[i] as Cidr4))).toBe(true);
      }),
    );
  });
});

describe('addresses for pods', () => {
  it('begin after the gateway and end before the broadcast address', () => {
    const pool = new HostLocalPool<string>(cidr('10.1.0.0/29'));
    expect(formatIpv4(pool.gateway)).toBe('10.1.0.1');
    expect(pool.size).toBe(5);
    expect(Array.from({ length: 6 }, () => pool.allocate()).map((a) => a && formatIpv4(a))).toEqual([
      '10.1.0.2',
      '10.1.0.3',
      '10.1.0.4',
      '10.1.0.5',
      '10.1.0.6',
      undefined,
    ]);
    expect(['10.1.0.0', '10.1.0.1', '10.1.0.2', '10.1.0.6', '10.1.0.7'].map((a) => pool.isForPods(ip(a)))).toEqual([
      false,
      false,
      true,
      true,
      false,
    ]);
  });

  it('in the smallest network are one', () => {
    const pool = new HostLocalPool<string>(cidr('10.1.0.4/30'));
    expect([pool.size, pool.allocate(), pool.allocate()]).toEqual([1, ip('10.1.0.6'), undefined]);
  });

  it('that are reserved keep their first holder and are not handed out', () => {
    const pool = new HostLocalPool<string>(cidr('10.1.0.0/24'));
    expect(pool.reserve(ip('10.1.0.2'), 'a')).toBeUndefined();
    expect(pool.reserve(ip('10.1.0.2'), 'b')).toBe('a');
    expect(pool.allocate()).toBe(ip('10.1.0.3'));
  });

  it('at the top of the address space do not turn negative', () => {
    const pool = new HostLocalPool<string>(cidr('255.255.255.0/24'));
    expect(pool.allocate()).toBe(ip('255.255.255.2'));
  });
});
