import type { LabEvent } from '../../protocol/event.ts';
import { applyEvents, type LabState } from '../../protocol/fold.ts';

/** Events between two keyframes: a jump folds at most this many. */
export const KEYFRAME_EVERY = 200;

/**
 * The events of one epoch, and the state after any number of them. Structural sharing in the fold
 * makes a keyframe cheap; the latest answer is kept too, so that stepping forwards folds one event.
 */
export class Recording {
  readonly events: LabEvent[] = [];
  private readonly keyframes: LabState[];
  private latest: { count: number; state: LabState };

  readonly epoch: number;
  readonly initial: LabState;

  constructor(epoch: number, initial: LabState) {
    this.epoch = epoch;
    this.initial = initial;
    this.keyframes = [initial];
    this.latest = { count: 0, state: initial };
  }

  /** Takes the events that directly follow what is here; what is here already is skipped. Returns how many were new. */
  append(events: readonly LabEvent[]): number {
    let added = 0;
    for (const event of events) {
      if (event.seq <= this.lastSeq) continue;
      this.events.push(event);
      added++;
    }
    this.extendKeyframes();
    return added;
  }

  get length(): number {
    return this.events.length;
  }

  private get lastSeq(): number {
    return this.events.at(-1)?.seq ?? this.initial.seq;
  }

  /** Index of the event with this `seq`; -1 when it is not in the recording. Binary search: `seq` rises, but may have holes. */
  indexOfSeq(seq: number): number {
    let low = 0;
    let high = this.events.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const found = (this.events[middle] as LabEvent).seq;
      if (found === seq) return middle;
      if (found < seq) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** State after the first `count` events. */
  stateAt(count: number): LabState {
    const wanted = Math.max(0, Math.min(count, this.events.length));
    if (this.latest.count === wanted) return this.latest.state;
    const keyframe = Math.floor(wanted / KEYFRAME_EVERY);
    let from = keyframe * KEYFRAME_EVERY;
    let state = this.keyframes[keyframe] as LabState;
    if (this.latest.count < wanted && this.latest.count > from) {
      from = this.latest.count;
      state = this.latest.state;
    }
    state = applyEvents(state, this.events.slice(from, wanted));
    this.latest = { count: wanted, state };
    return state;
  }

  private extendKeyframes(): void {
    while (this.keyframes.length * KEYFRAME_EVERY <= this.events.length) {
      const end = this.keyframes.length * KEYFRAME_EVERY;
      const before = this.keyframes.at(-1) as LabState;
      this.keyframes.push(applyEvents(before, this.events.slice(end - KEYFRAME_EVERY, end)));
    }
  }
}
