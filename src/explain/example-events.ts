import { ANY_V4, type Cidr, type Ipv4, type Mac, parseCidr, parseIpv4, parseMac } from '../protocol/address.ts';
import type { ConntrackView, EventData, EventOf, EventType, LabEvent, RouteView, SocketView } from '../protocol/event.ts';
import type { Frame, IcmpMessage, Ipv4Packet, TransportPayload } from '../protocol/packet.ts';

/** Hand-made events and packets for this folder's tests. */

export const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
export const mac = (text: string): Mac => parseMac(text) as Mac;
export const cidr = (text: string): Cidr => parseCidr(text) as Cidr;

export const CLIENT_MAC = mac('0a:58:0a:f4:01:05');
export const BRIDGE_MAC = mac('0a:58:0a:f4:01:01');

export function ipv4(payload: TransportPayload, change: Partial<Ipv4Packet> = {}): Ipv4Packet {
  return {
    type: 'ipv4',
    src: ip('10.244.1.5'),
    dst: ip('10.244.2.7'),
    ttl: 64,
    id: 1,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    tos: 0,
    payload,
    ...change,
  };
}

export const tcp = (flags: number, data = ''): TransportPayload => ({
  type: 'tcp',
  srcPort: 41932,
  dstPort: 80,
  seq: 1,
  ack: 0,
  flags,
  window: 64240,
  options: undefined,
  data,
});

export const udp = (data: string): TransportPayload => ({ type: 'udp', srcPort: 5353, dstPort: 53, data });

export const icmp = (icmpType: number, code: number, change: Partial<IcmpMessage> = {}): TransportPayload => ({
  type: 'icmp',
  icmpType,
  code,
  id: 0,
  seq: 0,
  mtu: 0,
  gateway: ANY_V4,
  quote: undefined,
  data: '',
  ...change,
});

export const frame = (payload: Frame['payload'], change: Partial<Frame> = {}): Frame => ({
  dst: BRIDGE_MAC,
  src: CLIENT_MAC,
  payload,
  ...change,
});

export const arp = (op: 'request' | 'reply'): Frame['payload'] =>
  op === 'request'
    ? { type: 'arp', op, senderMac: CLIENT_MAC, senderIp: ip('10.244.1.5'), targetMac: 0 as Mac, targetIp: ip('10.244.1.1') }
    : { type: 'arp', op, senderMac: BRIDGE_MAC, senderIp: ip('10.244.1.1'), targetMac: CLIENT_MAC, targetIp: ip('10.244.1.5') };

export const route = (change: Partial<RouteView> = {}): RouteView => ({
  table: 'main',
  type: 'unicast',
  destination: cidr('0.0.0.0/0'),
  via: ip('10.244.1.1'),
  device: 'eth0',
  prefSrc: undefined,
  scope: 'global',
  protocol: 'boot',
  ...change,
});

export const connection = (change: Partial<ConntrackView> = {}): ConntrackView => ({
  id: 7,
  original: { src: ip('10.244.1.5'), dst: ip('10.244.2.7'), protocol: 6, srcPort: 41932, dstPort: 80 },
  reply: { src: ip('10.244.2.7'), dst: ip('10.244.1.5'), protocol: 6, srcPort: 80, dstPort: 41932 },
  state: 'SYN_SENT',
  assured: false,
  seenReply: false,
  expiresNs: 120_000_000_000,
  mark: 0,
  ...change,
});

export const socket = (change: Partial<SocketView> = {}): SocketView => ({
  id: 3,
  protocol: 'tcp',
  localAddress: ip('10.244.1.5'),
  localPort: 41932,
  remoteAddress: ip('10.244.2.7'),
  remotePort: 80,
  state: 'SYN-SENT',
  process: 'curl',
  ...change,
});

export function event<T extends EventType>(type: T, data: EventData[T], change: Partial<Omit<EventOf<T>, 'type' | 'data'>> = {}): LabEvent {
  const made: EventOf<T> = {
    type,
    data,
    seq: 12,
    timeNs: 1_234_567,
    cause: 11,
    netns: 'pod/default/client',
    device: 'eth0',
    packet: 1,
    flow: 1,
    direction: 'request',
    frame: undefined,
    ...change,
  };
  // The generic pair (type, data) is one member of the union, which the compiler cannot see through T.
  return made as unknown as LabEvent;
}
