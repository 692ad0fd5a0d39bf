import { formatIp, formatMac } from '../protocol/address.ts';
import {
  type ArpPacket,
  type Frame,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  type IcmpMessage,
  type Ipv4Packet,
  type Ipv6Packet,
  ipv4Length,
  TCP_ACK,
  TCP_FIN,
  TCP_PSH,
  TCP_RST,
  TCP_SYN,
  TCP_URG,
  type TcpSegment,
  type TransportPayload,
  UNREACH_FRAG_NEEDED,
} from '../protocol/packet.ts';

const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [TCP_SYN, 'SYN'],
  [TCP_FIN, 'FIN'],
  [TCP_RST, 'RST'],
  [TCP_PSH, 'PSH'],
  [TCP_ACK, 'ACK'],
  [TCP_URG, 'URG'],
];

/** The flags that are set, in the order in which people say them: `['SYN', 'ACK']`. */
export const tcpFlagNames = (flags: number): readonly string[] => FLAG_NAMES.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);

const PROTOCOL_NAMES: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmp6', 132: 'sctp' };

/** `tcp`, `udp`, ... as `/etc/protocols` names it; the bare number of a protocol that is not in the list. */
export const protocolName = (number: number): string => PROTOCOL_NAMES[number] ?? String(number);

/** Names of the codes of ICMP type 3, by code (RFC 792, RFC 1812 section 5.2.7.1). */
const UNREACHABLE_NAMES: readonly string[] = [
  'network unreachable',
  'host unreachable',
  'protocol unreachable',
  'port unreachable',
  'fragmentation needed',
  'source route failed',
  'network unknown',
  'host unknown',
  'source host isolated',
  'network administratively prohibited',
  'host administratively prohibited',
  'network unreachable for this type of service',
  'host unreachable for this type of service',
  'communication administratively prohibited',
  'host precedence violation',
  'precedence cutoff',
];

/** `echo request`, `port unreachable`, ... (RFC 792); type and code as numbers where the lab knows no name. */
export function icmpName(icmpType: number, code: number): string {
  switch (icmpType) {
    case ICMP_ECHO_REPLY:
      return 'echo reply';
    case ICMP_ECHO_REQUEST:
      return 'echo request';
    case ICMP_REDIRECT:
      return 'redirect';
    case ICMP_TIME_EXCEEDED:
      return code === 0 ? 'time exceeded in transit' : 'fragment reassembly time exceeded';
    case ICMP_UNREACHABLE:
      return UNREACHABLE_NAMES[code] ?? `unreachable, code ${code}`;
    default:
      return `type ${icmpType} code ${code}`;
  }
}

/** The segment by its flags, as people call it: `SYN`, `SYN-ACK`, `RST`. */
export function segmentName(segment: TcpSegment): string {
  const names = tcpFlagNames(segment.flags);
  return names.length === 0 ? 'TCP without flags' : names.join('-');
}

/** What a frame carries, for use in a sentence: `SYN`, `ARP request`, `ICMP echo reply`, `data (78 bytes)`. */
export function packetName(frame: Frame): string {
  const packet = frame.payload;
  switch (packet.type) {
    case 'arp':
      return `ARP ${packet.op}`;
    case 'ipv4':
      return payloadName(packet.payload);
    case 'ipv6':
      return `IPv6 ${protocolName(packet.nextHeader)} packet`;
  }
}

function payloadName(payload: TransportPayload): string {
  switch (payload.type) {
    case 'tcp':
      return payload.data.length > 0 && (payload.flags & (TCP_SYN | TCP_FIN | TCP_RST)) === 0
        ? `Data (${bytes(payload.data.length)})`
        : segmentName(payload);
    case 'udp':
      return `UDP datagram (${bytes(payload.data.length)})`;
    case 'icmp':
      return `ICMP ${icmpName(payload.icmpType, payload.code)}`;
    case 'opaque':
      return `${protocolName(payload.protocol).toUpperCase()} payload (${bytes(payload.data.length)})`;
  }
}

/** `1 byte`, `78 bytes`. */
export const bytes = (n: number): string => (n === 1 ? '1 byte' : `${n} bytes`);

/** `10.244.1.5:41932 > 10.244.2.7:80`, without ports where there are none. */
export function endpointsText(packet: Ipv4Packet | Ipv6Packet): string {
  if (packet.type === 'ipv4') {
    const { payload } = packet;
    if (payload.type === 'tcp' || payload.type === 'udp') {
      return `${formatIp(packet.src)}:${payload.srcPort} > ${formatIp(packet.dst)}:${payload.dstPort}`;
    }
  }
  return `${formatIp(packet.src)} > ${formatIp(packet.dst)}`;
}

/**
 * A frame in one line, as tcpdump would sum it up, the kind of packet first:
 * `SYN 10.244.1.5:41932 > 10.244.2.7:80`. An ICMP error ends in the packet that it quotes, in brackets.
 */
export function packetText(frame: Frame): string {
  const packet = frame.payload;
  switch (packet.type) {
    case 'arp':
      return arpText(packet);
    case 'ipv4':
      return ipv4Text(packet);
    case 'ipv6':
      return `IPv6 ${protocolName(packet.nextHeader)} ${endpointsText(packet)} len ${packet.data.length}`;
  }
}

function arpText(arp: ArpPacket): string {
  return arp.op === 'request'
    ? `ARP who-has ${formatIp(arp.targetIp)} tell ${formatIp(arp.senderIp)}`
    : `ARP reply ${formatIp(arp.senderIp)} is-at ${formatMac(arp.senderMac)}`;
}

function ipv4Text(packet: Ipv4Packet): string {
  const { payload } = packet;
  const ends = endpointsText(packet);
  const fragment =
    packet.moreFragments || packet.fragmentOffset > 0 ? ` frag offset ${packet.fragmentOffset}${packet.moreFragments ? '+' : ''}` : '';
  switch (payload.type) {
    case 'tcp':
      return `${segmentName(payload)} ${ends}${lengthText(payload.data.length)}${fragment}`;
    case 'udp':
      return `UDP ${ends} len ${payload.data.length}${fragment}`;
    case 'icmp':
      return `ICMP ${icmpText(payload)} ${ends}${payload.quote ? ` [${ipv4Text(payload.quote)}]` : ''}${fragment}`;
    case 'opaque':
      return `${protocolName(payload.protocol)} ${ends} len ${ipv4Length(packet) - 20}${fragment}`;
  }
}

const lengthText = (length: number): string => (length > 0 ? ` len ${length}` : '');

function icmpText(icmp: IcmpMessage): string {
  const name = icmpName(icmp.icmpType, icmp.code);
  if (icmp.icmpType === ICMP_ECHO_REQUEST || icmp.icmpType === ICMP_ECHO_REPLY) return `${name} id ${icmp.id} seq ${icmp.seq}`;
  if (icmp.icmpType === ICMP_UNREACHABLE && icmp.code === UNREACH_FRAG_NEEDED) return `${name} mtu ${icmp.mtu}`;
  if (icmp.icmpType === ICMP_REDIRECT) return `${name} to ${formatIp(icmp.gateway)}`;
  return name;
}
