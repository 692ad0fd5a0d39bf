/**
 * Virtual time and the queue of what happens next. Entries are ordered by (timeNs, sequence), so ties
 * are broken by the order of scheduling and a run is a function of its inputs.
 *
 * Foreground entries are traffic on its way: frames in flight, retransmissions, processes at work.
 * Background entries are housekeeping (a neighbour that grows stale, TIME-WAIT): they run when time
 * reaches them but do not keep a run going.
 */
export class Simulation {
  nowNs = 0;
  private readonly heap: Timer[] = [];
  private sequence = 0;
  private foregroundPending = 0;

  /** Calls `task(a, b)` after `delayNs` (a whole number of nanoseconds, not negative). */
  schedule<A, B>(delayNs: number, task: (a: A, b: B) => void, a: A, b: B, background = false): Timer {
    const timer = new Timer(this.nowNs + delayNs, ++this.sequence, task as (a: unknown, b: unknown) => void, a, b, background);
    if (!background) this.foregroundPending++;
    this.push(timer);
    return timer;
  }

  cancel(timer: Timer | undefined): void {
    if (!timer || timer.done) return;
    timer.done = true;
    if (!timer.background) this.foregroundPending--;
  }

  /** No traffic is on its way. */
  get quiet(): boolean {
    return this.foregroundPending === 0;
  }

  /** Runs until quiet, or until `tasksMax` entries have run; returns how many ran. */
  runUntilQuiet(tasksMax: number): number {
    let ran = 0;
    while (this.foregroundPending > 0 && ran < tasksMax) {
      if (this.step()) ran++;
    }
    return ran;
  }

  /** Runs everything due up to and including `timeNs`, then stands at `timeNs`. Returns how many entries ran. */
  runUntil(timeNs: number, tasksMax: number): number {
    let ran = 0;
    for (let next = this.heap[0]; next && next.timeNs <= timeNs && ran < tasksMax; next = this.heap[0]) {
      if (this.step()) ran++;
    }
    const next = this.heap[0];
    if (this.nowNs < timeNs && (!next || next.timeNs > timeNs)) this.nowNs = timeNs;
    return ran;
  }

  private step(): boolean {
    const timer = this.pop();
    if (timer.done) return false;
    timer.done = true;
    if (!timer.background) this.foregroundPending--;
    this.nowNs = timer.timeNs;
    timer.task(timer.a, timer.b);
    return true;
  }

  private push(timer: Timer): void {
    const heap = this.heap;
    let i = heap.length;
    heap.push(timer);
    while (i > 0) {
      const parentIndex = (i - 1) >> 1;
      const parent = heap[parentIndex] as Timer;
      if (!before(timer, parent)) break;
      heap[i] = parent;
      i = parentIndex;
    }
    heap[i] = timer;
  }

  private pop(): Timer {
    const heap = this.heap;
    const top = heap[0] as Timer;
    const last = heap.pop() as Timer;
    const size = heap.length;
    if (size === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      let least = heap[child] as Timer;
      const right = heap[child + 1];
      if (right && child + 1 < size && before(right, least)) {
        least = right;
        child++;
      }
      if (!before(least, last)) break;
      heap[i] = least;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

export class Timer {
  done = false;
  readonly timeNs: number;
  readonly sequence: number;
  readonly task: (a: unknown, b: unknown) => void;
  readonly a: unknown;
  readonly b: unknown;
  readonly background: boolean;

  constructor(timeNs: number, sequence: number, task: (a: unknown, b: unknown) => void, a: unknown, b: unknown, background: boolean) {
    this.timeNs = timeNs;
    this.sequence = sequence;
    this.task = task;
    this.a = a;
    this.b = b;
    this.background = background;
  }
}

const before = (x: Timer, y: Timer): boolean => x.timeNs < y.timeNs || (x.timeNs === y.timeNs && x.sequence < y.sequence);
