import type { EventType, LabEvent } from '../../protocol/event.ts';

/**
 * The presentation axis. Virtual time holds microseconds of travel beside seconds of waiting, so a
 * linear axis shows nothing; here every event has a position, in *beats*, and
 *   - travel takes longer the longer it took, on a logarithmic scale;
 *   - steps at one instant inside one namespace follow each other;
 *   - copies of one flooded frame, and concurrent flows, go nearly together;
 *   - waiting with nothing on its way becomes a break of fixed width that says how long it was.
 * Positions rise strictly with the index, so "the state at a position" is a prefix of the recording.
 */
export interface AxisBreak {
  readonly from: number;
  readonly to: number;
  readonly durationNs: number;
}

/** Beats a second at speed 1. */
export const BEATS_PER_SECOND = 2.6;
/** A pause longer than this is shown as a break: 2 ms, well above any hop, well below any protocol timer. */
export const BREAK_NS = 2_000_000;
const BREAK_BEATS = 2.4;
const LEAST_BEATS = 0.02;

const STEP_BEATS: Partial<Record<EventType, number>> = {
  bridge: 0.55,
  route: 0.7,
  forward: 0.45,
  hook: 0.4,
  // A rewrite is what a Service is about: long enough to read it.
  nat: 2.2,
  ipvs: 2.2,
  rule: 0.3,
  chain: 0.2,
  deliver: 0.7,
  drop: 1,
  queued: 0.6,
  icmpError: 0.8,
  fragmented: 0.7,
  reassembled: 0.7,
  process: 0.7,
  bindFailed: 0.6,
  flowStarted: 0.3,
  flowEnded: 0.8,
  tx: 0.4,
  rx: 0.4,
};
/** A table changed: worth a mark, hardly a wait. */
const BOOKKEEPING_BEATS = 0.14;

export class PresentationAxis {
  private readonly positions: number[] = [];
  private readonly times: number[] = [];
  readonly breaks: AxisBreak[] = [];
  private openFlows = 0;
  private last: LabEvent | undefined;

  private readonly startNs: number;

  /** `startNs`: the time that the recording begins at. */
  constructor(startNs: number) {
    this.startNs = startNs;
  }

  append(events: readonly LabEvent[]): void {
    for (const event of events) this.push(event);
  }

  get length(): number {
    return this.positions.length;
  }

  /** Position of the last event; 0 when there is none. */
  get end(): number {
    return this.positions.at(-1) ?? 0;
  }

  positionOf(index: number): number {
    if (index < 0) return 0;
    return this.positions[Math.min(index, this.positions.length - 1)] ?? 0;
  }

  /** How many events lie at or before this position. */
  countAt(position: number): number {
    let low = 0;
    let high = this.positions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.positions[middle] as number) <= position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Virtual time at a position, linear between two events. */
  timeAt(position: number): number {
    const count = this.countAt(position);
    if (count === 0) return this.startNs;
    const from = this.positions[count - 1] as number;
    const fromNs = this.times[count - 1] as number;
    const to = this.positions[count];
    if (to === undefined) return fromNs;
    return fromNs + ((this.times[count] as number) - fromNs) * ((position - from) / (to - from));
  }

  breakAt(position: number): AxisBreak | undefined {
    return this.breaks.find((gap) => position > gap.from && position < gap.to);
  }

  /** Beats and virtual time between two positions, breaks left out: what "times slower" is about. */
  spanWithoutBreaks(from: number, to: number): { readonly beats: number; readonly durationNs: number } {
    let beats = to - from;
    let durationNs = this.timeAt(to) - this.timeAt(from);
    for (const gap of this.breaks) {
      if (gap.from < from || gap.to > to) continue;
      beats -= gap.to - gap.from;
      durationNs -= gap.durationNs;
    }
    return { beats, durationNs };
  }

  private push(event: LabEvent): void {
    const last = this.last;
    const from = this.end;
    const gapNs = event.timeNs - (last?.timeNs ?? event.timeNs);
    const isBreak = gapNs > BREAK_NS;
    const width = isBreak ? BREAK_BEATS : Math.max(LEAST_BEATS, this.beats(event, last, gapNs) / Math.max(1, this.openFlows));
    if (isBreak) this.breaks.push({ from, to: from + width, durationNs: gapNs });
    this.positions.push(from + width);
    this.times.push(event.timeNs);
    if (event.type === 'flowStarted') this.openFlows++;
    if (event.type === 'flowEnded') this.openFlows--;
    this.last = event;
  }

  private beats(event: LabEvent, last: LabEvent | undefined, gapNs: number): number {
    if (!last) return 0.3;
    const travel = gapNs > 0 ? 0.12 + 0.75 * Math.log10(1 + gapNs / 400) : 0;
    if (event.cause !== 0 && event.cause === last.cause && event.type === 'tx') return travel > 0 ? travel : 0.06;
    const follows = event.cause === last.seq || (event.packet !== 0 && event.packet === last.packet && event.netns === last.netns);
    if (travel > 0) return follows || event.type === 'rx' ? travel : Math.max(travel, step(event.type) * 0.5);
    return follows ? step(event.type) : 0.06;
  }
}

const step = (type: EventType): number => STEP_BEATS[type] ?? BOOKKEEPING_BEATS;
