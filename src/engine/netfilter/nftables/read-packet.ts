import { type IpAddress, isIpv4 } from '../../../protocol/address.ts';
import type { AddressType, RuleConntrack, RuleHost, RulePacket } from '../evaluation.ts';
import type { Atom, Selector } from './model.ts';

/*
 * What a selector reads of a packet; undefined where it does not apply, which ends the rule
 * (NFT_BREAK). A transport header's field is only read if the packet has that header: nft compares the
 * protocol first. Of `th` the kernel would read the octets of any protocol; here only TCP, UDP and SCTP
 * have ports.
 */
export type Reader = (packet: RulePacket, host: RuleHost) => Atom | undefined;

const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;
const ICMP = 1;
const ICMPV6 = 58;

const ofV4 =
  (read: Reader): Reader =>
  (packet, host) =>
    isIpv4(packet.src) ? read(packet, host) : undefined;
const ofV6 =
  (read: Reader): Reader =>
  (packet, host) =>
    isIpv4(packet.src) ? undefined : read(packet, host);
const sourcePort =
  (protocol: number): Reader =>
  (packet) =>
    packet.protocol === protocol ? packet.srcPort : undefined;
const destinationPort =
  (protocol: number): Reader =>
  (packet) =>
    packet.protocol === protocol ? packet.dstPort : undefined;

/** The connection, unless the packet is invalid or untracked: then `ct` has nothing but a state (net/netfilter/nft_ct.c). */
function connection(packet: RulePacket): RuleConntrack | undefined {
  const { conntrack } = packet;
  return conntrack === undefined || conntrack.state === 'INVALID' || conntrack.state === 'UNTRACKED' ? undefined : conntrack;
}

const ofConnection =
  (read: (connection: RuleConntrack) => Atom | undefined): Reader =>
  (packet) => {
    const tracked = connection(packet);
    return tracked === undefined ? undefined : read(tracked);
  };

/** NF_CT_STATE_BIT (include/uapi/linux/netfilter/nf_conntrack_common.h). */
const STATE_BITS = { INVALID: 1, ESTABLISHED: 2, RELATED: 4, NEW: 8, UNTRACKED: 64 } as const;

function connectionState(packet: RulePacket): number {
  if (packet.conntrack !== undefined) return STATE_BITS[packet.conntrack.state];
  return packet.untracked ? STATE_BITS.UNTRACKED : STATE_BITS.INVALID;
}

/** The bits of enum ip_conntrack_status that have a name in nft; of the others nothing is known here. */
function connectionStatus(tracked: RuleConntrack): number {
  return (
    (tracked.seenReply ? 2 : 0) +
    (tracked.assured ? 4 : 0) +
    (tracked.confirmed ? 8 : 0) +
    (tracked.snat ? 16 : 0) +
    (tracked.dnat ? 32 : 0)
  );
}

/** RTN_* (include/uapi/linux/rtnetlink.h). */
const ADDRESS_TYPES: Readonly<Record<AddressType, number>> = {
  UNSPEC: 0,
  UNICAST: 1,
  LOCAL: 2,
  BROADCAST: 3,
  ANYCAST: 4,
  MULTICAST: 5,
  BLACKHOLE: 6,
  UNREACHABLE: 7,
  PROHIBIT: 8,
};

const addressType = (host: RuleHost, address: IpAddress, device?: string): number => ADDRESS_TYPES[host.addressType(address, device)];

/** 0: there is no route. */
const outDevice = (host: RuleHost, address: IpAddress): Atom => host.outDeviceOf(address) ?? 0;

function packetType(packet: RulePacket, host: RuleHost): number {
  const type = host.addressType(packet.dst);
  return type === 'BROADCAST' ? 1 : type === 'MULTICAST' ? 2 : 0;
}

const READERS: Readonly<Record<Selector, Reader>> = {
  'ip saddr': ofV4((packet) => packet.src),
  'ip daddr': ofV4((packet) => packet.dst),
  'ip protocol': ofV4((packet) => packet.protocol),
  'ip ttl': ofV4((packet) => packet.ttl),
  'ip length': ofV4((packet) => packet.length),
  'ip dscp': ofV4((packet) => packet.tos >> 2),
  'ip6 saddr': ofV6((packet) => packet.src),
  'ip6 daddr': ofV6((packet) => packet.dst),
  'ip6 nexthdr': ofV6((packet) => packet.protocol),
  'ip6 hoplimit': ofV6((packet) => packet.ttl),
  'tcp sport': sourcePort(PROTOCOLS.tcp),
  'tcp dport': destinationPort(PROTOCOLS.tcp),
  'tcp flags': (packet) => packet.tcpFlags,
  'udp sport': sourcePort(PROTOCOLS.udp),
  'udp dport': destinationPort(PROTOCOLS.udp),
  'sctp sport': sourcePort(PROTOCOLS.sctp),
  'sctp dport': destinationPort(PROTOCOLS.sctp),
  'th sport': (packet) => packet.srcPort,
  'th dport': (packet) => packet.dstPort,
  'icmp type': (packet) => (packet.protocol === ICMP ? packet.icmpType : undefined),
  'icmp code': (packet) => (packet.protocol === ICMP ? packet.icmpCode : undefined),
  'icmpv6 type': (packet) => (packet.protocol === ICMPV6 ? packet.icmpType : undefined),
  'meta l4proto': (packet) => packet.protocol,
  'meta mark': (packet) => packet.mark,
  'meta iifname': (packet) => packet.inDevice ?? '',
  'meta oifname': (packet) => packet.outDevice ?? '',
  'meta iif': (packet) => packet.inDevice ?? 0,
  'meta oif': (packet) => packet.outDevice ?? 0,
  'meta nfproto': (packet) => (isIpv4(packet.src) ? 2 : 10),
  'meta protocol': (packet) => (isIpv4(packet.src) ? 0x0800 : 0x86dd),
  'meta length': (packet) => packet.length,
  'meta pkttype': packetType,
  'ct state': connectionState,
  'ct status': ofConnection(connectionStatus),
  'ct mark': ofConnection((tracked) => tracked.mark),
  'ct direction': ofConnection((tracked) => (tracked.direction === 'ORIGINAL' ? 0 : 1)),
  'ct original saddr': ofConnection((tracked) => tracked.original?.src),
  'ct original daddr': ofConnection((tracked) => tracked.original?.dst),
  'ct reply saddr': ofConnection((tracked) => tracked.reply?.src),
  'ct reply daddr': ofConnection((tracked) => tracked.reply?.dst),
  'ct original proto-src': ofConnection((tracked) => tracked.original?.srcPort),
  'ct original proto-dst': ofConnection((tracked) => tracked.original?.dstPort),
  'ct expiration': ofConnection((tracked) => tracked.expiresSeconds),
  'fib saddr type': (packet, host) => addressType(host, packet.src),
  'fib daddr type': (packet, host) => addressType(host, packet.dst),
  'fib saddr oif': (packet, host) => outDevice(host, packet.src),
  'fib saddr oifname': (packet, host) => host.outDeviceOf(packet.src) ?? '',
  'fib daddr oif': (packet, host) => outDevice(host, packet.dst),
  'fib daddr oifname': (packet, host) => host.outDeviceOf(packet.dst) ?? '',
  // Asked for a device, the routing table answers with it or not at all (net/ipv4/netfilter/nft_fib_ipv4.c).
  'fib saddr . iif oif': (packet, host) => (host.outDeviceOf(packet.src) === packet.inDevice ? (packet.inDevice ?? 0) : 0),
  'fib saddr . iif type': (packet, host) => addressType(host, packet.src, packet.inDevice),
  'fib daddr . iif type': (packet, host) => addressType(host, packet.dst, packet.inDevice),
};

export const readerOf = (selector: Selector): Reader => READERS[selector];

export { connection };
