import { describe, expect, it } from 'vitest';
import { IpSets } from './ipset.ts';
import { listSets } from './ipset-list.ts';
import { restoreSets, saveSets } from './ipset-text.ts';
import { ip, packetOf } from './iptables/packet-fixtures.ts';

function setsOf(text: string): IpSets {
  const sets = new IpSets();
  const restored = restoreSets(sets, text);
  if (!restored.ok) expect.fail(restored.error.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  return sets;
}

const from = (src: string, dst: string, ports: { srcPort?: number; dstPort?: number; protocol?: number } = {}) =>
  packetOf({ src: ip(src), dst: ip(dst), ...ports });

describe('ipsets', () => {
  it('hash:ip holds addresses, of which the rule says the side', () => {
    const sets = setsOf('create A hash:ip\nadd A 1.2.3.4\n');
    expect(sets.test('A', from('1.2.3.4', '5.6.7.8'), ['src'])).toBe(true);
    expect(sets.test('A', from('1.2.3.4', '5.6.7.8'), ['dst'])).toBe(false);
    expect(sets.test('A', from('1.2.3.4', '5.6.7.8'), ['src', 'dst'])).toBe(true);
    expect(sets.test('A', packetOf({ src: ip('fd00::1') }), ['src'])).toBe(false);
  });

  it('hash:ip with a netmask holds what is left of addresses', () => {
    const sets = setsOf('create A hash:ip netmask 24\nadd A 1.2.3.4\n');
    expect(sets.test('A', from('1.2.3.200', '5.6.7.8'), ['src'])).toBe(true);
    expect(saveSets(sets)).toContain('add A 1.2.3.0\n');
  });

  it('hash:net decides by the longest network, which may be an exception', () => {
    const sets = setsOf('create N hash:net\nadd N 10.0.0.0/8\nadd N 10.1.0.0/16 nomatch\nadd N 10.1.2.0/24\n');
    const inSet = (dst: string) => sets.test('N', from('1.1.1.1', dst), ['dst']);
    expect([inSet('10.2.2.2'), inSet('10.1.9.9'), inSet('10.1.2.3'), inSet('11.0.0.1')]).toEqual([true, false, true, false]);
    sets.delete('N', { net: { address: ip('10.1.0.0'), length: 16 } });
    expect(inSet('10.1.9.9')).toBe(true);
  });

  it('hash:ip,port holds protocol and port, hash:ip,port,ip and hash:ip,port,net a second address', () => {
    const sets = setsOf(
      'create P hash:ip,port\nadd P 10.96.0.10,udp:53\ncreate I hash:ip,port,ip\nadd I 10.244.1.2,tcp:80,10.244.1.2\n' +
        'create IN hash:ip,port,net\nadd IN 10.96.0.10,80,192.168.0.0/16\ncreate NP hash:net,port\nadd NP 10.96.0.0/16,tcp:443\n',
    );
    const dns = from('10.244.1.2', '10.96.0.10', { protocol: 17, dstPort: 53 });
    expect(sets.test('P', dns, ['dst', 'dst'])).toBe(true);
    expect(sets.test('P', { ...dns, protocol: 6 }, ['dst', 'dst'])).toBe(false);
    expect(sets.test('P', dns, ['dst'])).toBe(false);
    expect(sets.test('I', from('10.244.1.2', '10.244.1.2'), ['dst', 'dst', 'src'])).toBe(true);
    expect(sets.test('I', from('10.244.1.3', '10.244.1.2'), ['dst', 'dst', 'src'])).toBe(false);
    expect(sets.test('IN', from('192.168.7.7', '10.96.0.10'), ['dst', 'dst', 'src'])).toBe(true);
    expect(sets.test('NP', from('1.1.1.1', '10.96.77.1', { dstPort: 443 }), ['dst', 'dst'])).toBe(true);
    const fragment = packetOf({ dst: ip('10.96.77.1'), srcPort: undefined, dstPort: undefined, laterFragment: true });
    expect(sets.test('NP', fragment, ['dst', 'dst'])).toBe(false);
  });

  it('bitmap:port holds ports of TCP and UDP only', () => {
    const sets = setsOf('create G bitmap:port range 30000-32767\nadd G 30080-30082\n');
    expect(sets.test('G', from('1.1.1.1', '2.2.2.2', { dstPort: 30081 }), ['dst'])).toBe(true);
    expect(sets.test('G', from('1.1.1.1', '2.2.2.2', { dstPort: 30081, protocol: 132 }), ['dst'])).toBe(false);
    expect(restoreSets(sets, 'add G 80\n')).toMatchObject({ ok: false, error: [{ line: 1 }] });
  });

  it('list:set asks its members, and keeps them from being destroyed', () => {
    const sets = setsOf('create A hash:ip\nadd A 1.2.3.4\ncreate N hash:net\nadd N 10.0.0.0/8\ncreate H list:set\nadd H A\nadd H N\n');
    expect(sets.test('H', from('10.9.9.9', '2.2.2.2'), ['src'])).toBe(true);
    expect(sets.test('H', from('11.9.9.9', '2.2.2.2'), ['src'])).toBe(false);
    expect(sets.destroy('A').ok).toBe(false);
    expect(restoreSets(sets, 'add H H\nadd H nope\n')).toMatchObject({ ok: false, error: [{ line: 1 }, { line: 2 }] });
    expect(restoreSets(sets, 'del H A\ndestroy A\n').ok).toBe(true);
  });

  it('is full when it is full', () => {
    const sets = setsOf('create A hash:ip maxelem 2\nadd A 1.0.0.1\nadd A 1.0.0.2\nadd A 1.0.0.2 -exist\n');
    expect(restoreSets(sets, 'add A 1.0.0.3\n')).toEqual({
      ok: false,
      error: [{ line: 1, message: 'the set A is full, it cannot have more than 2 elements' }],
    });
  });
});

describe('the text of ipsets', () => {
  const text = `create A hash:ip family inet hashsize 64 maxelem 10 netmask 24 comment bucketsize 10 initval 0xd50d4d4b
add A 1.2.4.0 comment "it's"
create C hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x8f832bd7
add C 1.2.3.4,tcp:80
add C 1.2.3.4,gre:0
add C 1.2.3.4,icmp:200/7
add C 1.2.3.4,icmp:port-unreachable
add C 1.2.3.4,icmp:echo-reply
create N6 hash:net family inet6 hashsize 1024 maxelem 65536 bucketsize 12 initval 0x7d2824be
add N6 ::ffff:1.2.3.4
add N6 fd00::/64
create G bitmap:port range 10-20 comment
add G 12
add G 15 comment "a b"
create P6 hash:ip,port family inet6 hashsize 1024 maxelem 65536 bucketsize 12 initval 0xcfe2774a
add P6 fd00::1,ipv6-icmp:echo-request
create IN hash:ip,port,net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xf6089893
add IN 10.0.0.1,tcp:80,10.0.0.0/8
add IN 10.0.0.1,tcp:80,11.0.0.0/8 nomatch
create H list:set size 8
add H A
add H N6
`;

  it('is printed as it was read', () => expect(saveSets(setsOf(text))).toBe(text));

  it('lists sets with how many elements and references they have', () => {
    const sets = setsOf('create B bitmap:port range 0-63\ncreate H list:set\nadd H B\nadd B 9\nadd B 3\n');
    expect(listSets(sets)).toBe(`Name: B
Type: bitmap:port
Revision: 3
Header: range 0-63
Size in memory: 80
References: 1
Number of entries: 2
Members:
3
9

Name: H
Type: list:set
Revision: 3
Header: size 8
Size in memory: 128
References: 0
Number of entries: 1
Members:
B
`);
  });

  it('names what is not understood, by line', () => {
    const restored = restoreSets(
      new IpSets(),
      'create A hash:ip\ncreate T hash:mac\ncreate U hash:ip timeout 5\nadd A x\nadd B 1.2.3.4\nswap A B\n',
    );
    expect(restored.ok ? [] : restored.error.map(({ line, message }) => `${line} ${message}`)).toEqual([
      '2 the type "hash:mac" is not modelled',
      '3 the option "timeout 5" is not modelled',
      '4 "x" is no element of a set of the type hash:ip',
      '5 there is no set B',
      '6 the command "swap" is not modelled',
    ]);
  });
});
