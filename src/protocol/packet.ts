import type { Ipv4, Ipv6, Mac } from './address.ts';

/**
 * Packets as immutable plain records. A router that lowers the TTL or a NAT that rewrites an address
 * makes a new record that shares what did not change, so a recording holds every version a packet had.
 * Payloads are "binary strings": each UTF-16 unit is one octet (0..255), so `length` is in octets.
 */
export interface Frame {
  readonly dst: Mac;
  readonly src: Mac;
  readonly payload: ArpPacket | Ipv4Packet | Ipv6Packet;
}

/** RFC 826, for Ethernet and IPv4. */
export interface ArpPacket {
  readonly type: 'arp';
  readonly op: 'request' | 'reply';
  readonly senderMac: Mac;
  readonly senderIp: Ipv4;
  readonly targetMac: Mac;
  readonly targetIp: Ipv4;
}

/** RFC 791, without options. */
export interface Ipv4Packet {
  readonly type: 'ipv4';
  readonly src: Ipv4;
  readonly dst: Ipv4;
  readonly ttl: number;
  /** Identification, 0..65535. */
  readonly id: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  /** In octets, a multiple of 8. */
  readonly fragmentOffset: number;
  readonly tos: number;
  readonly payload: TransportPayload;
}

/** RFC 8200, without extension headers. Carried and decoded; not yet routed. */
export interface Ipv6Packet {
  readonly type: 'ipv6';
  readonly src: Ipv6;
  readonly dst: Ipv6;
  readonly hopLimit: number;
  readonly nextHeader: number;
  readonly data: string;
}

export type TransportPayload = TcpSegment | UdpDatagram | IcmpMessage | OpaquePayload;

/** Bits of the TCP flags octet (RFC 9293 section 3.1). */
export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;
export const TCP_URG = 0x20;

/** RFC 9293. Options: MSS, window scale and timestamps (RFC 7323), SACK permitted (RFC 2018). */
export interface TcpSegment {
  readonly type: 'tcp';
  readonly srcPort: number;
  readonly dstPort: number;
  readonly seq: number;
  readonly ack: number;
  /** A union of the TCP_* bits. */
  readonly flags: number;
  readonly window: number;
  readonly options: TcpOptions | undefined;
  readonly data: string;
}

export interface TcpOptions {
  readonly mss: number | undefined;
  readonly windowScale: number | undefined;
  readonly sackPermitted: boolean;
  readonly timestamp: { readonly value: number; readonly echo: number } | undefined;
}

/** RFC 768. */
export interface UdpDatagram {
  readonly type: 'udp';
  readonly srcPort: number;
  readonly dstPort: number;
  readonly data: string;
}

/** RFC 792. An error quotes the packet that caused it: the header and as much as fits 576 octets (RFC 1812 section 4.3.2.3). */
export interface IcmpMessage {
  readonly type: 'icmp';
  readonly icmpType: number;
  readonly code: number;
  /** Echo: identifier and sequence number. Errors: 0, but for the next-hop MTU (RFC 1191) and the redirect's gateway. */
  readonly id: number;
  readonly seq: number;
  readonly mtu: number;
  readonly gateway: Ipv4;
  readonly quote: Ipv4Packet | undefined;
  readonly data: string;
}

/** A transport that the lab does not interpret, or a fragment that is not the first. */
export interface OpaquePayload {
  readonly type: 'opaque';
  readonly protocol: number;
  readonly data: string;
}

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO_REQUEST = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const UNREACH_NET = 0;
export const UNREACH_HOST = 1;
export const UNREACH_PROTOCOL = 2;
export const UNREACH_PORT = 3;
export const UNREACH_FRAG_NEEDED = 4;
export const UNREACH_ADMIN = 13;

/** The IP protocol number of a payload (IANA). */
export function protocolNumber(payload: TransportPayload): number {
  switch (payload.type) {
    case 'tcp':
      return 6;
    case 'udp':
      return 17;
    case 'icmp':
      return 1;
    case 'opaque':
      return payload.protocol;
  }
}

/** Length in octets of the TCP header with its options as Linux pads them. */
export function tcpHeaderLength(options: TcpOptions | undefined): number {
  if (!options) return 20;
  let n = 0;
  if (options.mss !== undefined) n += 4;
  if (options.sackPermitted) n += 2;
  if (options.timestamp) n += 10;
  if (options.windowScale !== undefined) n += 3;
  return 20 + ((n + 3) & ~3);
}

/** Octets above the IP header. */
export function transportLength(payload: TransportPayload): number {
  switch (payload.type) {
    case 'tcp':
      return tcpHeaderLength(payload.options) + payload.data.length;
    case 'udp':
      return 8 + payload.data.length;
    case 'icmp':
      return 8 + (payload.quote ? Math.min(ICMP_QUOTE_MAX, ipv4Length(payload.quote)) : payload.data.length);
    case 'opaque':
      return payload.data.length;
  }
}

/** An ICMP error is at most 576 octets long: 20 of IP, 8 of ICMP, the rest quotes (linux/net/ipv4/icmp.c, icmp_send). */
export const ICMP_QUOTE_MAX = 576 - 28;

/** Total length of an IPv4 packet in octets, header included. */
export const ipv4Length = (p: Ipv4Packet): number => 20 + transportLength(p.payload);
