import { describe, expect, test } from 'vitest';
import type { Ipv6 } from '../protocol/address.ts';
import { TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN } from '../protocol/packet.ts';
import { arp, frame, icmp, ip, ipv4, tcp, udp } from './example-events.ts';
import { icmpName, packetName, packetText, protocolName, tcpFlagNames } from './packet-text.ts';

const text = (payload: Parameters<typeof ipv4>[0], change: Parameters<typeof ipv4>[1] = {}): string =>
  packetText(frame(ipv4(payload, change)));

describe('packetText', () => {
  test('TCP begins with the flags, as people call the segment', () => {
    expect(text(tcp(TCP_SYN))).toBe('SYN 10.244.1.5:41932 > 10.244.2.7:80');
    expect(text(tcp(TCP_SYN | TCP_ACK))).toBe('SYN-ACK 10.244.1.5:41932 > 10.244.2.7:80');
    expect(text(tcp(TCP_PSH | TCP_ACK, 'GET /'))).toBe('PSH-ACK 10.244.1.5:41932 > 10.244.2.7:80 len 5');
    expect(text(tcp(TCP_RST))).toBe('RST 10.244.1.5:41932 > 10.244.2.7:80');
    expect(text(tcp(0))).toBe('TCP without flags 10.244.1.5:41932 > 10.244.2.7:80');
  });

  test('UDP, with its length even when empty', () => {
    expect(text(udp('abc'))).toBe('UDP 10.244.1.5:5353 > 10.244.2.7:53 len 3');
    expect(text(udp(''))).toBe('UDP 10.244.1.5:5353 > 10.244.2.7:53 len 0');
  });

  test('ARP, both ways', () => {
    expect(packetText(frame(arp('request')))).toBe('ARP who-has 10.244.1.1 tell 10.244.1.5');
    expect(packetText(frame(arp('reply')))).toBe('ARP reply 10.244.1.1 is-at 0a:58:0a:f4:01:01');
  });

  test('ICMP echo with identifier and sequence number', () => {
    expect(text(icmp(8, 0, { id: 9, seq: 2 }))).toBe('ICMP echo request id 9 seq 2 10.244.1.5 > 10.244.2.7');
    expect(text(icmp(0, 0, { id: 9, seq: 2 }))).toBe('ICMP echo reply id 9 seq 2 10.244.1.5 > 10.244.2.7');
  });

  test('an ICMP error ends in the packet that it quotes', () => {
    const quote = ipv4(tcp(TCP_SYN), { ttl: 1 });
    const reply = { src: ip('10.244.1.1'), dst: ip('10.244.1.5') };
    expect(text(icmp(11, 0, { quote }), reply)).toBe(
      'ICMP time exceeded in transit 10.244.1.1 > 10.244.1.5 [SYN 10.244.1.5:41932 > 10.244.2.7:80]',
    );
    expect(text(icmp(3, 4, { quote, mtu: 1450 }), reply)).toBe(
      'ICMP fragmentation needed mtu 1450 10.244.1.1 > 10.244.1.5 [SYN 10.244.1.5:41932 > 10.244.2.7:80]',
    );
    expect(text(icmp(5, 1, { gateway: ip('10.244.1.9') }), reply)).toBe('ICMP redirect to 10.244.1.9 10.244.1.1 > 10.244.1.5');
  });

  test('fragments say where they belong', () => {
    expect(text(udp('abc'), { moreFragments: true })).toBe('UDP 10.244.1.5:5353 > 10.244.2.7:53 len 3 frag offset 0+');
    expect(text({ type: 'opaque', protocol: 17, data: 'x'.repeat(8) }, { fragmentOffset: 1480 })).toBe(
      'udp 10.244.1.5 > 10.244.2.7 len 8 frag offset 1480',
    );
  });

  test('IPv6 is named, not interpreted', () => {
    const packet = { type: 'ipv6', src: 1n as Ipv6, dst: 2n as Ipv6, hopLimit: 64, nextHeader: 58, data: 'ab' } as const;
    expect(packetText(frame(packet))).toBe('IPv6 icmp6 ::1 > ::2 len 2');
    expect(packetName(frame(packet))).toBe('IPv6 icmp6 packet');
  });
});

describe('names', () => {
  test('a segment with data is data, unless it opens or closes', () => {
    expect(packetName(frame(ipv4(tcp(TCP_PSH | TCP_ACK, 'x'))))).toBe('Data (1 byte)');
    expect(packetName(frame(ipv4(tcp(TCP_FIN | TCP_ACK, 'x'))))).toBe('FIN-ACK');
    expect(packetName(frame(ipv4(tcp(TCP_ACK))))).toBe('ACK');
    expect(packetName(frame(ipv4(udp('xy'))))).toBe('UDP datagram (2 bytes)');
    expect(packetName(frame(ipv4({ type: 'opaque', protocol: 132, data: '' })))).toBe('SCTP payload (0 bytes)');
    expect(packetName(frame(arp('request')))).toBe('ARP request');
  });

  test('flags come in the order in which people say them', () => {
    expect(tcpFlagNames(TCP_ACK | TCP_SYN)).toEqual(['SYN', 'ACK']);
    expect(tcpFlagNames(0)).toEqual([]);
  });

  test('unknown numbers stay numbers', () => {
    expect(icmpName(3, 3)).toBe('port unreachable');
    expect(icmpName(3, 99)).toBe('unreachable, code 99');
    expect(icmpName(13, 0)).toBe('type 13 code 0');
    expect(icmpName(11, 1)).toBe('fragment reassembly time exceeded');
    expect(protocolName(6)).toBe('tcp');
    expect(protocolName(253)).toBe('253');
  });
});
