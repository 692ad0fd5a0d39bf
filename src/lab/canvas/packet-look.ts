import type { Direction } from '../../protocol/event.ts';
import {
  type Frame,
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  type TransportPayload,
} from '../../protocol/packet.ts';

/**
 * How a packet looks: shape for the protocol, label for what it is, filled for a request and hollow
 * with a notch for a reply. Colour only repeats what shape and label say.
 */
export interface PacketLook {
  readonly shape: 'hexagon' | 'pill' | 'box' | 'slant';
  readonly label: string;
  readonly tone: Tone;
  readonly hollow: boolean;
}

/** Names of colour tokens, see tokens.css. */
export type Tone = 'l2' | 'l3' | 'reply' | 'udp' | 'icmp' | 'drop';

export function packetLook(frame: Frame | undefined, direction: Direction): PacketLook {
  const payload = frame?.payload;
  if (!payload) return { shape: 'box', label: '?', tone: 'icmp', hollow: false };
  if (payload.type === 'arp') {
    const reply = payload.op === 'reply';
    return { shape: 'hexagon', label: reply ? 'ARP is-at' : 'ARP who-has', tone: 'l2', hollow: reply };
  }
  if (payload.type === 'ipv6') return { shape: 'box', label: 'IPv6', tone: 'icmp', hollow: direction === 'reply' };
  return transportLook(payload.payload, direction);
}

function transportLook(payload: TransportPayload, direction: Direction): PacketLook {
  const hollow = direction === 'reply';
  switch (payload.type) {
    case 'tcp':
      return {
        shape: 'pill',
        label: tcpLabel(payload.flags, payload.data),
        tone: (payload.flags & TCP_RST) !== 0 ? 'drop' : hollow ? 'reply' : 'l3',
        hollow,
      };
    case 'udp':
      return { shape: 'box', label: 'UDP', tone: 'udp', hollow };
    case 'icmp': {
      const error = payload.icmpType !== ICMP_ECHO_REPLY && payload.icmpType !== ICMP_ECHO_REQUEST;
      return {
        shape: 'slant',
        label: icmpLabel(payload.icmpType),
        tone: error ? 'drop' : 'icmp',
        hollow: error || payload.icmpType === ICMP_ECHO_REPLY,
      };
    }
    case 'opaque':
      return { shape: 'box', label: `IP ${payload.protocol}`, tone: 'icmp', hollow };
  }
}

function tcpLabel(flags: number, data: string): string {
  const ack = (flags & TCP_ACK) !== 0;
  if ((flags & TCP_RST) !== 0) return 'RST';
  if ((flags & TCP_SYN) !== 0) return ack ? 'SYN ACK' : 'SYN';
  if ((flags & TCP_FIN) !== 0) return 'FIN ACK';
  if (data.length > 0) return httpLabel(data) ?? `DATA ${data.length}`;
  return 'ACK';
}

/** The first words of an HTTP message, where the segment begins one. */
function httpLabel(data: string): string | undefined {
  const request = /^(GET|POST|PUT|HEAD|DELETE|PATCH|OPTIONS) /.exec(data);
  if (request) return `HTTP ${request[1]}`;
  const answer = /^HTTP\/1\.[01] (\d{3})/.exec(data);
  return answer ? `HTTP ${answer[1]}` : undefined;
}

function icmpLabel(icmpType: number): string {
  switch (icmpType) {
    case ICMP_ECHO_REQUEST:
      return 'PING';
    case ICMP_ECHO_REPLY:
      return 'PONG';
    case 3:
      return 'ICMP unreachable';
    case 5:
      return 'ICMP redirect';
    case 11:
      return 'ICMP time exceeded';
    default:
      return `ICMP ${icmpType}`;
  }
}
