import { expect, test } from 'vitest';
import { parseCidr } from '../protocol/address.ts';
import { cidr, connection, ip, route } from './example-events.ts';
import { conntrackText, prefixText, routeText } from './table-text.ts';

test('routes read as ip route prints them', () => {
  expect(routeText(route())).toBe('default via 10.244.1.1 dev eth0');
  expect(
    routeText(route({ destination: cidr('10.244.1.0/24'), via: undefined, scope: 'link', protocol: 'kernel', prefSrc: ip('10.244.1.5') })),
  ).toBe('10.244.1.0/24 dev eth0 proto kernel scope link src 10.244.1.5');
  expect(
    routeText(
      route({
        table: 'local',
        type: 'local',
        destination: cidr('10.244.1.5/32'),
        via: undefined,
        scope: 'host',
        protocol: 'kernel',
        prefSrc: ip('10.244.1.5'),
      }),
    ),
  ).toBe('local 10.244.1.5 dev eth0 table local proto kernel scope host src 10.244.1.5');
  expect(routeText(route({ type: 'blackhole', destination: cidr('10.9.0.0/16'), via: undefined, device: undefined }))).toBe(
    'blackhole 10.9.0.0/16',
  );
});

test('prefixes: default, a host, a network, and IPv6 alike', () => {
  expect(prefixText(cidr('0.0.0.0/0'))).toBe('default');
  expect(prefixText(cidr('10.0.0.1/32'))).toBe('10.0.0.1');
  const six = parseCidr('fd00::/64');
  expect(six && prefixText(six)).toBe('fd00::/64');
  const host = parseCidr('fd00::1/128');
  expect(host && prefixText(host)).toBe('fd00::1');
});

test('conntrack entries read as conntrack -L prints them', () => {
  expect(conntrackText(connection())).toBe(
    'tcp SYN_SENT src=10.244.1.5 dst=10.244.2.7 sport=41932 dport=80 [UNREPLIED] src=10.244.2.7 dst=10.244.1.5 sport=80 dport=41932',
  );
  expect(conntrackText(connection({ state: 'ESTABLISHED', seenReply: true, assured: true }))).toBe(
    'tcp ESTABLISHED src=10.244.1.5 dst=10.244.2.7 sport=41932 dport=80 src=10.244.2.7 dst=10.244.1.5 sport=80 dport=41932 [ASSURED]',
  );
  const echo = { src: ip('10.0.0.1'), dst: ip('10.0.0.2'), protocol: 1, srcPort: 77, dstPort: 8 * 256 };
  const answer = { src: ip('10.0.0.2'), dst: ip('10.0.0.1'), protocol: 1, srcPort: 77, dstPort: 0 };
  expect(conntrackText(connection({ original: echo, reply: answer, state: undefined, seenReply: true }))).toBe(
    'icmp src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=77 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=77',
  );
});
