import { icmpName, segmentName } from '../../explain/packet-text.ts';
import { REASONS } from '../../explain/reasons.ts';
import type { DropReason, LabEvent } from '../../protocol/event.ts';
import type { Frame } from '../../protocol/packet.ts';
import type { PresentationAxis } from '../timeline/axis.ts';
import { type Place, placeOfEvent } from './place.ts';

export type PacketKind = 'arp' | 'tcp' | 'udp' | 'icmp' | 'other';

/** One copy of a packet on its way from one place to the next, between two positions of the axis. */
export interface Motion {
  /** Of the event that it arrives with. */
  readonly index: number;
  /** From here on it is seen, at `from`. */
  readonly start: number;
  /** It leaves `from`; later than `start` for a packet that waited. */
  readonly depart: number;
  readonly end: number;
  readonly from: Place;
  readonly to: Place;
  readonly kind: PacketKind;
  readonly label: string;
  readonly reply: boolean;
  readonly flow: number;
}

/** The end of a packet's way. */
export interface Drop {
  readonly index: number;
  readonly at: number;
  readonly place: Place;
  readonly reason: DropReason;
  readonly label: string;
  readonly flow: number;
}

/** A packet that nothing follows on is seen for this long, fading, after it arrived. */
export const LINGER_BEATS = 0.9;
/** A packet that waits at a place leaves it no earlier than this before it arrives. */
const TRAVEL_BEATS_MAX = 2.5;
/** Drops that every flood brings: shown in passing. */
export const isPassing = (reason: DropReason): boolean => reason === 'otherHost' || reason === 'noL3';
const AN_INSTANT = 1e-6;

export function packetKind(frame: Frame): PacketKind {
  const { payload } = frame;
  if (payload.type === 'arp') return 'arp';
  if (payload.type !== 'ipv4') return 'other';
  const { type } = payload.payload;
  return type === 'opaque' ? 'other' : type;
}

/** What a pill says: short enough to ride along a line. */
export function packetLabel(frame: Frame): string {
  const { payload } = frame;
  if (payload.type === 'arp') return payload.op === 'request' ? 'ARP who-has' : 'ARP is-at';
  if (payload.type !== 'ipv4') return 'IPv6';
  const above = payload.payload;
  switch (above.type) {
    case 'tcp':
      return above.data.length > 0 ? `DATA ${above.data.length}` : segmentName(above).replaceAll('-', ' ');
    case 'udp':
      return above.srcPort === 53 || above.dstPort === 53 ? 'DNS' : 'UDP';
    case 'icmp':
      return icmpName(above.icmpType, above.code)
        .replace(/^echo request$/, 'ping')
        .replace(/^echo reply$/, 'pong');
    case 'opaque':
      return payload.fragmentOffset > 0 ? 'fragment' : 'IP';
  }
}

interface Anchor {
  readonly place: Place;
  readonly position: number;
  readonly event: LabEvent;
  /** What rules and connection tracking did to it there went on until here; it leaves no earlier. */
  readonly heldUntil?: number;
}

/** What happens to a packet without moving it. */
const HOLDS: ReadonlySet<LabEvent['type']> = new Set(['conntrack', 'rule', 'chain', 'nat', 'ipvs']);

/**
 * Every motion of a recording, built as events arrive. What is in motion at a position is found in
 * the bucket of its beat, so a frame costs as much as there is to draw.
 */
export class Motions {
  readonly drops: Drop[] = [];
  private readonly all: Motion[] = [];
  private readonly buckets = new Map<number, Motion[]>();
  /** By event: where its packet was last seen. */
  private readonly anchors: (Anchor | undefined)[] = [];
  private readonly anchorOfPacket = new Map<string, Anchor>();
  /** Indices of motions that another one goes on from. */
  private readonly continued = new Set<number>();
  private readonly byFlow = new Map<number, Motion[]>();
  private readonly indexOfSeq: (seq: number) => number;

  constructor(indexOfSeq: (seq: number) => number) {
    this.indexOfSeq = indexOfSeq;
  }

  /** Takes the events that are not in yet; the axis must hold them. */
  extend(events: readonly LabEvent[], axis: PresentationAxis): void {
    for (let i = this.anchors.length; i < events.length && i < axis.length; i++) this.push(events[i] as LabEvent, i, axis.positionOf(i));
  }

  get length(): number {
    return this.all.length;
  }

  /** Motions that serve a flow, in the order of their arrival. */
  ofFlow(flow: number): readonly Motion[] {
    return this.byFlow.get(flow) ?? [];
  }

  isContinued(motion: Motion): boolean {
    return this.continued.has(motion.index);
  }

  /** What is seen at a position: after a motion's start and up to its end, or a little longer where the way ends. */
  at(position: number): Motion[] {
    const bucket = this.buckets.get(Math.floor(position)) ?? [];
    return bucket.filter(
      (m) => m.start < position && (position <= m.end || (position < m.end + LINGER_BEATS && !this.continued.has(m.index))),
    );
  }

  private push(event: LabEvent, index: number, end: number): void {
    const cause = event.cause === 0 ? -1 : this.indexOfSeq(event.cause);
    const before = this.origin(event, cause >= 0 ? this.anchors[cause] : undefined);
    const at = placeOfEvent(event);
    if (event.type === 'drop') {
      const { reason } = event.data;
      if (before) this.drops.push({ index, at: end, place: before.place, reason, label: REASONS[reason].title, flow: event.flow });
      this.continue(before);
      this.anchors.push(before);
      return;
    }
    if (!at) {
      const held = before && before.event.packet === event.packet && HOLDS.has(event.type) ? { ...before, heldUntil: end } : before;
      this.anchors.push(held);
      if (held !== before && held) this.anchorOfPacket.set(`${event.packet}|${event.netns}`, held);
      return;
    }
    const anchor: Anchor = { place: at, position: end, event };
    this.anchors.push(anchor);
    if (event.packet !== 0) this.anchorOfPacket.set(`${event.packet}|${event.netns}`, anchor);
    const frame = event.frame ?? (before && before.event.packet === event.packet ? before.event.frame : undefined);
    if (!frame || event.type === 'process' || event.type === 'bindFailed') return;
    const start = before ? before.position : end - AN_INSTANT;
    const travel = before?.event.type === 'tx' ? end - start : TRAVEL_BEATS_MAX;
    this.continue(before);
    this.add({
      index,
      start,
      depart: Math.max(start, before?.heldUntil ?? start, end - (before?.event.type === 'queued' ? 1 : travel)),
      end,
      from: before?.place ?? at,
      to: at,
      kind: packetKind(frame),
      label: packetLabel(frame),
      reply: event.direction === 'reply',
      flow: event.flow,
    });
  }

  /** Where the packet of an event comes from: along its cause; or, when something else set it going again, where it waited. */
  private origin(event: LabEvent, byCause: Anchor | undefined): Anchor | undefined {
    if (event.packet === 0 || byCause?.event.packet === event.packet) return byCause;
    return this.anchorOfPacket.get(`${event.packet}|${event.netns}`) ?? byCause;
  }

  private continue(anchor: Anchor | undefined): void {
    if (!anchor) return;
    const index = this.indexOfSeq(anchor.event.seq);
    if (index >= 0) this.continued.add(index);
  }

  private add(motion: Motion): void {
    this.all.push(motion);
    for (let beat = Math.floor(motion.start); beat <= Math.floor(motion.end + LINGER_BEATS); beat++) {
      const bucket = this.buckets.get(beat);
      if (bucket) bucket.push(motion);
      else this.buckets.set(beat, [motion]);
    }
    const own = this.byFlow.get(motion.flow);
    if (own) own.push(motion);
    else this.byFlow.set(motion.flow, [motion]);
  }
}

/** How far along its way a motion is, 0..1, easing in and out. */
export function shareAt(motion: Motion, position: number, still: boolean): number {
  if (position >= motion.end) return 1;
  if (still || position <= motion.depart) return 0;
  const t = (position - motion.depart) / (motion.end - motion.depart);
  return t * t * (3 - 2 * t);
}

interface Source {
  readonly events: readonly LabEvent[];
  indexOfSeq(seq: number): number;
}

const known = new WeakMap<Source, Motions>();

/** The motions of a recording, up to date. */
export function motionsOf(recording: Source, axis: PresentationAxis): Motions {
  let motions = known.get(recording);
  if (!motions) {
    motions = new Motions((seq) => recording.indexOfSeq(seq));
    known.set(recording, motions);
  }
  motions.extend(recording.events, axis);
  return motions;
}
