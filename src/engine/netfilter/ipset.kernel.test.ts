import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { IpSets } from './ipset.ts';
import { listSets } from './ipset-list.ts';
import { restoreSets, saveSets } from './ipset-text.ts';

/*
 * Loads sets into the kernel of this machine and compares what `ipset save` prints. Needs root and ipset. The order of
 * elements and the seed of the hash are the kernel's own.
 */

const SETS = `create A hash:ip netmask 24 comment bucketsize 10 hashsize 100 maxelem 10
add A 1.2.4.4 comment "it's"
add A 9.9.9.9
create B hash:ip
add B 1.2.3.8-1.2.3.10
add B 1.2.4.0/30
create C hash:ip,port
add C 1.2.3.4,gre:0
add C 1.2.3.4,icmp:3/3
add C 1.2.3.4,icmp:3/0
add C 1.2.3.4,icmp:3/6
add C 1.2.3.4,icmp:4/0
add C 1.2.3.4,icmp:5/0
add C 1.2.3.4,icmp:8/0
add C 1.2.3.4,icmp:8/1
add C 1.2.3.4,icmp:9/0
add C 1.2.3.4,icmp:10/0
add C 1.2.3.4,icmp:11/1
add C 1.2.3.4,icmp:12/0
add C 1.2.3.4,icmp:13/0
add C 1.2.3.4,icmp:14/0
add C 1.2.3.4,icmp:17/0
add C 1.2.3.4,icmp:18/0
add C 1.2.3.4,icmp:echo-reply
add C 1.2.3.4,icmp:200/7
add C 1.2.3.4,sctp:80
add C 1.2.3.4,udplite:5
add C 1.2.3.4,http
add C 1.2.3.4,udp:53-55
add C 1.2.4.0/31,tcp:2
create I hash:ip,port,ip
add I 10.0.0.1,tcp:80,10.0.0.1
create IN hash:ip,port,net
add IN 10.0.0.1,80,10.0.0.0/8
add IN 10.0.0.1,80,1.2.3.4
add IN 10.0.0.1,80,11.0.0.0/8 nomatch
create NP hash:net,port family inet6
add NP fd00::/64,tcp:80-82
create N hash:net
add N 10.1.2.3/16
add N 10.0.0.0/8 nomatch
add N 1.2.3.4
create P6 hash:ip,port family inet6
add P6 fd00::1,icmpv6:echo-reply
add P6 fd00::1,icmpv6:1/4
add P6 fd00::1,icmpv6:1/0
add P6 fd00::1,icmpv6:2/0
add P6 fd00::1,icmpv6:3/0
add P6 fd00::1,icmpv6:4/0
add P6 fd00::1,icmpv6:4/1
add P6 fd00::1,icmpv6:128/0
add P6 fd00::1,icmpv6:128/1
add P6 fd00::1,icmpv6:133/0
add P6 fd00::1,icmpv6:135/0
add P6 fd00::1,icmpv6:137/0
add P6 ::ffff:1.2.3.4,udp:1
create G bitmap:port range 10-20 comment
add G 15 comment "a b"
add G 12
create H list:set
add H A
add H N
`;

const withoutSeeds = (text: string): string => text.replace(/initval 0x[0-9a-f]{8}$/gm, 'initval');

const comparable = (text: string): string[] => withoutSeeds(text).split('\n').sort();

const ofKernel = (command: string, input: string): string =>
  execFileSync('unshare', ['-n', 'sh', '-c', `ipset restore && ${command}`], { input, encoding: 'utf8' });

it('ipset save prints what is printed here', () => {
  const kernel = ofKernel('ipset save', SETS);
  const sets = new IpSets();
  expect(restoreSets(sets, SETS)).toEqual({ ok: true, value: undefined });
  expect(comparable(saveSets(sets))).toEqual(comparable(kernel));
  const again = new IpSets();
  expect(restoreSets(again, kernel)).toEqual({ ok: true, value: undefined });
  expect(comparable(saveSets(again))).toEqual(comparable(kernel));
});

it('ipset list prints what is printed here', () => {
  const sets = new IpSets();
  expect(restoreSets(sets, SETS)).toEqual({ ok: true, value: undefined });
  // How much memory a set takes depends on which elements share a bucket.
  const listed = (text: string): string[] => comparable(text.replace(/^Size in memory: .*/gm, ''));
  expect(listed(listSets(sets))).toEqual(listed(ofKernel('ipset list', SETS)));
});

it('with one element each, sets take as much memory as they do here', () => {
  const members = {
    'hash:ip': ['1.2.3.4', 'fd00::1'],
    'hash:net': ['1.2.3.0/24', 'fd00::/64'],
    'hash:ip,port': ['1.2.3.4,tcp:80', 'fd00::1,tcp:80'],
    'hash:ip,port,ip': ['1.2.3.4,tcp:80,1.2.3.4', 'fd00::1,tcp:80,fd00::1'],
    'hash:ip,port,net': ['1.2.3.4,tcp:80,1.2.3.0/24', 'fd00::1,tcp:80,fd00::/64'],
    'hash:net,port': ['1.2.3.0/24,tcp:80', 'fd00::/64,tcp:80'],
  };
  let text = 'create BITS bitmap:port range 0-65535\ncreate FEW bitmap:port range 1-100 comment\nadd FEW 5 comment "hi"\n';
  text += 'create LIST list:set\nadd LIST BITS\ncreate COMMENTED list:set comment\nadd COMMENTED BITS comment "abc"\n';
  for (const [type, [v4, v6]] of Object.entries(members)) {
    text += `create ${type} ${type}\nadd ${type} ${v4}\ncreate ${type}6 ${type} family inet6 hashsize 4096\nadd ${type}6 ${v6}\n`;
    text += `create ${type}c ${type} comment\nadd ${type}c ${v4} comment "a b"\ncreate ${type}-none ${type}\n`;
  }
  const sets = new IpSets();
  expect(restoreSets(sets, text)).toEqual({ ok: true, value: undefined });
  expect(withoutSeeds(listSets(sets))).toEqual(withoutSeeds(ofKernel('ipset list', text)));
});
