import { formatIp, formatMac } from '../protocol/address.ts';
import type { Direction, EventType, LabEvent } from '../protocol/event.ts';
import { type Frame, protocolNumber } from '../protocol/packet.ts';
import { packetText, protocolName, tcpFlagNames } from './packet-text.ts';
import { sentence } from './sentence.ts';
import { routeText } from './table-text.ts';

/** What the command line prints as one step: plain JSON, `null` for what a step does not have. */
export interface Step {
  readonly seq: number;
  readonly timeNs: number;
  readonly direction: Direction;
  /** `pod/NS/NAME`, `node/NAME` or `external/NAME`. */
  readonly namespace: string;
  readonly device: string | null;
  readonly event: StepEvent;
  readonly packet: StepPacket | null;
  /** What decided: of a routing decision the route, as `ip route` prints it; of a rule its text, as `iptables-save` or `nft list` prints it. */
  readonly rule: string | null;
  readonly why: string;
}

export interface StepPacket {
  readonly ethSrc: string;
  readonly ethDst: string;
  /** Of ARP the sender's and the target's address. */
  readonly ipSrc: string;
  readonly ipDst: string;
  /** `tcp`, `udp`, `icmp`, `arp`, else a name or number as in /etc/protocols. */
  readonly protocol: string;
  readonly srcPort: number | null;
  readonly dstPort: number | null;
  readonly ttl: number | null;
  readonly tcpFlags: readonly string[] | null;
  readonly icmpType: number | null;
  readonly icmpCode: number | null;
  readonly arpOp: 'request' | 'reply' | null;
  /** The encapsulating packet; always null, since nothing is encapsulated yet. */
  readonly outer: null;
  /** The packet in one line. */
  readonly text: string;
}

/** Events that tell of a flow or of the cluster, not of a packet's way. */
type NotAStep =
  | 'bindFailed'
  | 'flowStarted'
  | 'flowEnded'
  | 'netnsAppeared'
  | 'deviceChanged'
  | 'routeChanged'
  | 'sysctlChanged'
  | 'ipvsServersChanged'
  | 'proxySynced';
export type StepEvent = Exclude<EventType, NotAStep>;

/** The step of an event; undefined for an event that is no part of a packet's way. */
export function toStep(event: LabEvent): Step | undefined {
  switch (event.type) {
    case 'bindFailed':
    case 'flowStarted':
    case 'flowEnded':
    case 'netnsAppeared':
    case 'deviceChanged':
    case 'routeChanged':
    case 'sysctlChanged':
    case 'ipvsServersChanged':
    case 'proxySynced':
      return undefined;
    default:
      return {
        seq: event.seq,
        timeNs: event.timeNs,
        direction: event.direction,
        namespace: event.netns,
        device: event.device ?? null,
        event: event.type,
        packet: event.frame ? toStepPacket(event.frame) : null,
        rule: ruleOf(event),
        why: why(event),
      };
  }
}

function ruleOf(event: LabEvent): string | null {
  if (event.type === 'route') return event.data.route ? routeText(event.data.route) : null;
  return event.type === 'rule' ? event.data.text : null;
}

/** The sentence; for a drop, with the exact condition behind it. */
function why(event: LabEvent): string {
  const { title, detail } = sentence(event);
  return event.type === 'drop' ? `${title}. ${detail}` : title;
}

function toStepPacket(frame: Frame): StepPacket {
  const packet = frame.payload;
  const base = {
    ethSrc: formatMac(frame.src),
    ethDst: formatMac(frame.dst),
    srcPort: null,
    dstPort: null,
    ttl: null,
    tcpFlags: null,
    icmpType: null,
    icmpCode: null,
    arpOp: null,
    outer: null,
    text: packetText(frame),
  };
  switch (packet.type) {
    case 'arp':
      return { ...base, ipSrc: formatIp(packet.senderIp), ipDst: formatIp(packet.targetIp), protocol: 'arp', arpOp: packet.op };
    case 'ipv6':
      return {
        ...base,
        ipSrc: formatIp(packet.src),
        ipDst: formatIp(packet.dst),
        protocol: protocolName(packet.nextHeader),
        ttl: packet.hopLimit,
      };
    case 'ipv4': {
      const { payload } = packet;
      const ip = {
        ...base,
        ipSrc: formatIp(packet.src),
        ipDst: formatIp(packet.dst),
        protocol: protocolName(protocolNumber(payload)),
        ttl: packet.ttl,
      };
      switch (payload.type) {
        case 'tcp':
          return { ...ip, srcPort: payload.srcPort, dstPort: payload.dstPort, tcpFlags: tcpFlagNames(payload.flags) };
        case 'udp':
          return { ...ip, srcPort: payload.srcPort, dstPort: payload.dstPort };
        case 'icmp':
          return { ...ip, icmpType: payload.icmpType, icmpCode: payload.code };
        case 'opaque':
          return ip;
      }
    }
  }
}

/**
 * A step as one line of text in columns, for people and for golden traces: time in microseconds,
 * direction, namespace, device, event, then for a frame on a device its text, TTL and MAC addresses,
 * for everything else why.
 */
export function goldenLine(step: Step): string {
  const columns = [
    formatMicroseconds(step.timeNs).padStart(13),
    step.direction === 'request' ? '>' : '<',
    step.namespace.padEnd(33),
    (step.device ?? '-').padEnd(15),
    step.event.padEnd(11),
  ].join(' ');
  return `${columns} ${onTheWire(step) ?? step.why}`;
}

function onTheWire({ event, packet }: Step): string | undefined {
  if (packet === null || (event !== 'tx' && event !== 'rx')) return undefined;
  return `${packet.text}${packet.ttl === null ? '' : ` ttl ${packet.ttl}`} ${packet.ethSrc} > ${packet.ethDst}`;
}

/** Exact to the nanosecond: `1234.567`. */
function formatMicroseconds(timeNs: number): string {
  return `${Math.floor(timeNs / 1000)}.${String(timeNs % 1000).padStart(3, '0')}`;
}
