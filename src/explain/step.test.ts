import { describe, expect, test } from 'vitest';
import type { Ipv6 } from '../protocol/address.ts';
import { TCP_ACK, TCP_SYN } from '../protocol/packet.ts';
import { arp, event, frame, icmp, ip, ipv4, route, tcp, udp } from './example-events.ts';
import { goldenLine, type Step, toStep } from './step.ts';

const step = (e: Parameters<typeof toStep>[0]): Step => {
  const made = toStep(e);
  if (!made) throw new Error(`${e.type} is not a step`);
  return made;
};

describe('toStep', () => {
  test('a TCP frame', () => {
    expect(step(event('tx', undefined, { frame: frame(ipv4(tcp(TCP_SYN | TCP_ACK))) }))).toEqual({
      seq: 12,
      timeNs: 1_234_567,
      direction: 'request',
      namespace: 'pod/default/client',
      device: 'eth0',
      event: 'tx',
      packet: {
        ethSrc: '0a:58:0a:f4:01:05',
        ethDst: '0a:58:0a:f4:01:01',
        ipSrc: '10.244.1.5',
        ipDst: '10.244.2.7',
        protocol: 'tcp',
        srcPort: 41932,
        dstPort: 80,
        ttl: 64,
        tcpFlags: ['SYN', 'ACK'],
        icmpType: null,
        icmpCode: null,
        arpOp: null,
        outer: null,
        text: 'SYN-ACK 10.244.1.5:41932 > 10.244.2.7:80',
      },
      rule: null,
      why: 'SYN-ACK leaves by eth0',
    });
  });

  test('ARP: sender and target take the place of source and destination', () => {
    expect(step(event('rx', { otherHost: false }, { frame: frame(arp('request')) })).packet).toMatchObject({
      protocol: 'arp',
      ipSrc: '10.244.1.5',
      ipDst: '10.244.1.1',
      ttl: null,
      srcPort: null,
      tcpFlags: null,
      arpOp: 'request',
    });
  });

  test('UDP, ICMP, IPv6 and what is not interpreted', () => {
    const packet = (f: ReturnType<typeof frame>): Step['packet'] => step(event('tx', undefined, { frame: f })).packet;
    expect(packet(frame(ipv4(udp('x'))))).toMatchObject({ protocol: 'udp', srcPort: 5353, dstPort: 53, tcpFlags: null });
    expect(packet(frame(ipv4(icmp(11, 0))))).toMatchObject({ protocol: 'icmp', icmpType: 11, icmpCode: 0, srcPort: null });
    expect(packet(frame(ipv4({ type: 'opaque', protocol: 132, data: '' })))).toMatchObject({ protocol: 'sctp', srcPort: null });
    const six = { type: 'ipv6', src: 1n as Ipv6, dst: 2n as Ipv6, hopLimit: 63, nextHeader: 17, data: '' } as const;
    expect(packet(frame(six))).toMatchObject({ protocol: 'udp', ipSrc: '::1', ttl: 63 });
  });

  test('a routing decision names its route; without one the rule is null', () => {
    const data = { destination: ip('10.244.2.7'), route: route(), nextHop: ip('10.244.1.1'), input: false };
    const decided = step(event('route', data, { device: undefined }));
    expect(decided).toMatchObject({ event: 'route', device: null, packet: null, rule: 'default via 10.244.1.1 dev eth0' });
    expect(step(event('route', { ...data, route: undefined })).rule).toBeNull();
  });

  test('a drop says why, with the exact condition', () => {
    expect(step(event('drop', { reason: 'forwardingOff', detail: undefined })).why).toBe(
      'Dropped: IP forwarding is off. The packet is for another host and net.ipv4.ip_forward is 0 here, so this namespace is a host and not a router.',
    );
  });

  test('what is no part of a packet’s way is no step', () => {
    expect(toStep(event('flowStarted', { from: 'a', to: 'b', protocol: 'tcp' }))).toBeUndefined();
    expect(toStep(event('flowEnded', { kind: 'timeout', detail: '', endpoint: undefined, lost: undefined }))).toBeUndefined();
    expect(toStep(event('sysctlChanged', { key: 'k', value: 'v' }))).toBeUndefined();
    expect(toStep(event('routeChanged', { action: 'added', route: route() }))).toBeUndefined();
  });
});

describe('goldenLine', () => {
  test('a frame on a device: its text, TTL and MAC addresses', () => {
    expect(goldenLine(step(event('tx', undefined, { frame: frame(ipv4(tcp(TCP_SYN))) })))).toBe(
      '     1234.567 > pod/default/client                eth0            tx          SYN 10.244.1.5:41932 > 10.244.2.7:80 ttl 64 0a:58:0a:f4:01:05 > 0a:58:0a:f4:01:01',
    );
    expect(goldenLine(step(event('rx', { otherHost: false }, { frame: frame(arp('reply')), direction: 'reply', timeNs: 5 })))).toBe(
      '        0.005 < pod/default/client                eth0            rx          ARP reply 10.244.1.1 is-at 0a:58:0a:f4:01:01 0a:58:0a:f4:01:05 > 0a:58:0a:f4:01:01',
    );
  });

  test('everything else: why', () => {
    const line = goldenLine(
      step(event('forward', { ttlBefore: 64, ttlAfter: 63 }, { device: undefined, frame: frame(ipv4(tcp(TCP_SYN))) })),
    );
    expect(line).toBe(
      '     1234.567 > pod/default/client                -               forward     Routed onward: the TTL falls from 64 to 63',
    );
  });
});
