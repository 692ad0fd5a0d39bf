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
  /** The earliest entry of all, kept out of the heap: most entries are made to run next. */
  private next: Timer | undefined = undefined;
  private readonly heap: Timer[] = [];
  /** Entries that ran and that nobody holds, to be used again. */
  private readonly spare: Timer[] = [];
  private sequence = 0;
  private foregroundPending = 0;

  /** Calls `task(a, b)` after `delayNs` (a whole number of nanoseconds, not negative). */
  schedule<A, B>(delayNs: number, task: (a: A, b: B) => void, a: A, b: B, background = false): Timer {
    const timer = new Timer();
    timer.background = background;
    if (!background) this.foregroundPending++;
    this.enqueue(timer, delayNs, task as Task, a, b);
    return timer;
  }

  /** Like `schedule` in the foreground, for what is never cancelled: costs no garbage. */
  post<A, B>(delayNs: number, task: (a: A, b: B) => void, a: A, b: B): void {
    const timer = this.spare.pop() ?? new Timer();
    timer.done = false;
    timer.recycled = true;
    this.foregroundPending++;
    this.enqueue(timer, delayNs, task as Task, a, b);
  }

  cancel(timer: Timer | undefined): void {
    if (!timer || timer.done) return;
    timer.done = true;
    if (!timer.background) this.foregroundPending--;
  }

  /** Turns a pending entry into housekeeping, or back into traffic. */
  setBackground(timer: Timer, background: boolean): void {
    if (timer.done || timer.background === background) return;
    timer.background = background;
    this.foregroundPending += background ? -1 : 1;
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
    for (let first = this.first(); first && first.timeNs <= timeNs && ran < tasksMax; first = this.first()) {
      if (this.step()) ran++;
    }
    const first = this.first();
    if (this.nowNs < timeNs && (!first || first.timeNs > timeNs)) this.nowNs = timeNs;
    return ran;
  }

  private first(): Timer | undefined {
    return this.next ?? this.heap[0];
  }

  private step(): boolean {
    let timer = this.next;
    if (timer) this.next = undefined;
    else timer = this.pop();
    if (timer.done) return false;
    timer.done = true;
    if (!timer.background) this.foregroundPending--;
    this.nowNs = timer.timeNs;
    const { task, a, b } = timer;
    if (timer.recycled) {
      timer.a = undefined;
      timer.b = undefined;
      this.spare.push(timer);
    }
    task(a, b);
    return true;
  }

  private enqueue(timer: Timer, delayNs: number, task: Task, a: unknown, b: unknown): void {
    timer.timeNs = this.nowNs + delayNs;
    timer.sequence = ++this.sequence;
    timer.task = task;
    timer.a = a;
    timer.b = b;
    const held = this.next;
    if (held) {
      if (before(timer, held)) {
        this.next = timer;
        this.push(held);
      } else this.push(timer);
      return;
    }
    const top = this.heap[0];
    if (!top || before(timer, top)) this.next = timer;
    else this.push(timer);
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

type Task = (a: unknown, b: unknown) => void;

const nothing: Task = () => undefined;

/** An entry of the queue; hold it to cancel it. */
export class Timer {
  done = false;
  timeNs = 0;
  sequence = 0;
  task: Task = nothing;
  a: unknown = undefined;
  b: unknown = undefined;
  background = false;
  recycled = false;
}

const before = (x: Timer, y: Timer): boolean => x.timeNs < y.timeNs || (x.timeNs === y.timeNs && x.sequence < y.sequence);
