import type { LabEvent } from '../../protocol/event.ts';
import type { PresentationAxis } from '../timeline/axis.ts';
import { isLoss } from './effects.ts';
import { type Place, place, placeOfEvent } from './place.ts';

/** One leg of a packet's way: it waits at `fromPlace` from `restFrom`, leaves at `from` and is at `toPlace` from `to` on. */
export interface Motion {
  /** Index of the event that it leads to. */
  readonly event: number;
  /** Index of the event that it comes from; -1 when the packet begins here. */
  readonly origin: number;
  readonly fromPlace: Place;
  readonly toPlace: Place;
  readonly restFrom: number;
  readonly from: number;
  readonly to: number;
  /** The packet is lost here: dropped, and not as the copy that every flood leaves with everyone. */
  readonly dropped: boolean;
}

/** Where a packet is at one moment. */
export interface Sighting {
  readonly motion: Motion;
  /** 0..1 of the way. */
  readonly share: number;
  /** 1 while it is under way, falling to 0 after its end. */
  readonly presence: number;
}

/** A leg inside one namespace takes at most this long, however long the packet waited before. */
const LEG_BEATS_MAX = 1.5;
/** How long a packet that has arrived, or a copy that nobody wanted, stays to be seen. */
export const LINGER_BEATS = 0.9;
/** A drop stays longer: it is what people look for. */
export const DROP_LINGER_BEATS = 5;

/**
 * Where every packet is at every position of the presentation axis. Built once from the events as they
 * come, knows nothing of coordinates, and answers for a moment from a bucket of a few legs.
 */
export class MotionIndex {
  readonly motions: Motion[] = [];
  /** Legs that end in a loss, in order. */
  readonly losses: Motion[] = [];
  private readonly buckets: number[][] = [];
  private readonly events: readonly LabEvent[];
  private readonly axis: PresentationAxis;
  private readonly indexOfSeq: (seq: number) => number;
  private readonly places: (Place | undefined)[] = [];
  private readonly lastPlaced = new Map<string, number>();
  private readonly continued = new Set<number>();
  private readonly byEvent = new Map<number, number>();

  constructor(events: readonly LabEvent[], axis: PresentationAxis, indexOfSeq: (seq: number) => number) {
    this.events = events;
    this.axis = axis;
    this.indexOfSeq = indexOfSeq;
  }

  /** Takes in the events that were appended since the last call; the axis must have them already. */
  extend(): void {
    for (let i = this.places.length; i < this.events.length; i++) this.take(i);
  }

  /** Packets that are on the map at `position`. */
  at(position: number): readonly Sighting[] {
    const found: Sighting[] = [];
    for (const index of this.buckets[Math.floor(position)] ?? []) {
      const motion = this.motions[index] as Motion;
      if (position < motion.restFrom) continue;
      if (position < motion.to) {
        const share = position <= motion.from ? 0 : (position - motion.from) / (motion.to - motion.from);
        found.push({ motion, share, presence: 1 });
        continue;
      }
      const next = this.continued.has(motion.event);
      const linger = motion.dropped ? DROP_LINGER_BEATS : LINGER_BEATS;
      if (!next && position < motion.to + linger) found.push({ motion, share: 1, presence: 1 - (position - motion.to) / linger });
    }
    return found;
  }

  /** The leg that leads to an event; undefined for events that do not move a packet. */
  leadingTo(event: number): Motion | undefined {
    const index = this.byEvent.get(event);
    return index === undefined ? undefined : this.motions[index];
  }

  private take(index: number): void {
    const event = this.events[index] as LabEvent;
    const origin = event.packet === 0 ? -1 : this.originOf(event);
    const own = event.type === 'drop' ? (origin >= 0 ? this.places[origin] : deviceOf(event)) : placeOfEvent(event);
    const at = event.packet === 0 ? undefined : own;
    this.places.push(at);
    if (at === undefined) return;
    this.lastPlaced.set(`${event.packet} ${event.netns}`, index);
    const to = this.axis.positionOf(index);
    if (origin < 0) {
      const before = this.axis.positionOf(index - 1);
      const begins = beginsAtProcess(event) ? place(event.netns, 'process') : at;
      this.add({
        event: index,
        origin,
        fromPlace: begins,
        toPlace: at,
        restFrom: before,
        from: before,
        to,
        dropped: event.type === 'drop',
      });
      return;
    }
    const left = this.axis.positionOf(origin);
    const samePlace = (this.events[origin] as LabEvent).netns === event.netns;
    const from = samePlace ? Math.max(left, to - LEG_BEATS_MAX) : left;
    // Of several copies the first stands for all until each one leaves.
    const restFrom = this.continued.has(origin) ? from : left;
    this.continued.add(origin);
    this.add({
      event: index,
      origin,
      fromPlace: this.places[origin] as Place,
      toPlace: at,
      restFrom,
      from,
      to,
      dropped: event.type === 'drop',
    });
  }

  /** The event that this packet was last seen at: along its causes, and failing that the last in this namespace. */
  private originOf(event: LabEvent): number {
    let cause = event.cause;
    for (let hops = 0; hops < 12 && cause !== 0; hops++) {
      const index = this.indexOfSeq(cause);
      const before = this.events[index];
      if (!before || before.packet !== event.packet) break;
      if (this.places[index] !== undefined) return index;
      cause = before.cause;
    }
    return this.lastPlaced.get(`${event.packet} ${event.netns}`) ?? -1;
  }

  private add(motion: Motion): void {
    const index = this.motions.length;
    this.motions.push(motion);
    if (motion.dropped) this.losses.push(motion);
    this.byEvent.set(motion.event, index);
    const end = motion.to + (motion.dropped ? DROP_LINGER_BEATS : LINGER_BEATS);
    for (let bucket = Math.floor(motion.restFrom); bucket <= Math.floor(end); bucket++) {
      const list = this.buckets[bucket];
      if (list) list.push(index);
      else this.buckets[bucket] = [index];
    }
  }
}

const deviceOf = (event: LabEvent): Place | undefined =>
  event.device === undefined ? undefined : place(event.netns, `dev:${event.device}:in`);

/** A packet that a namespace itself sends starts at its processes; ARP and ICMP errors start in the kernel. */
const beginsAtProcess = (event: LabEvent): boolean => event.type === 'route' && !event.data.input;
