import type { Simulation, Timer } from '../sim/simulation.ts';

const MS = 1_000_000;
const SECOND = 1000 * MS;
/** RFC 6298 with Linux's bounds (include/net/tcp.h: TCP_TIMEOUT_INIT, TCP_RTO_MIN, TCP_RTO_MAX). */
const RTO_INITIAL_NS = SECOND;
const RTO_MIN_NS = 200 * MS;
const RTO_MAX_NS = 120 * SECOND;

/**
 * When an unacknowledged segment is sent again: the timeout from measured round trips, doubled with
 * each retransmission, and the one timer of a connection. The timer is moved by its deadline instead
 * of being made anew for each segment; with nothing in flight it waits in the background.
 */
export class RetransmissionTimer {
  private readonly sim: Simulation;
  private readonly expired: () => void;
  private timeoutNs = RTO_INITIAL_NS;
  private smoothedRttNs = 0;
  private deadlineNs = 0;
  private timer: Timer | undefined = undefined;
  private inFlight = false;

  constructor(sim: Simulation, expired: () => void) {
    this.sim = sim;
    this.expired = expired;
  }

  /** Something is in flight from now on, or was sent again. */
  arm(): void {
    this.inFlight = true;
    this.deadlineNs = this.sim.nowNs + this.timeoutNs;
    if (this.timer && this.timer.timeNs <= this.deadlineNs) {
      this.sim.setBackground(this.timer, false);
      return;
    }
    this.sim.cancel(this.timer);
    this.timer = this.sim.schedule(this.timeoutNs, fire, this as RetransmissionTimer, undefined);
  }

  /** Everything is acknowledged. */
  rest(): void {
    this.inFlight = false;
    if (this.timer) this.sim.setBackground(this.timer, true);
  }

  stop(): void {
    this.inFlight = false;
    this.sim.cancel(this.timer);
    this.timer = undefined;
  }

  /** Exponential backoff (RFC 6298 section 5.5). */
  backOff(): void {
    this.timeoutNs = Math.min(this.timeoutNs * 2, RTO_MAX_NS);
  }

  /** RFC 6298 section 2, simplified to the smoothed mean; Linux never waits less than 200 ms more than it. */
  measure(rttNs: number): void {
    this.smoothedRttNs = this.smoothedRttNs === 0 ? rttNs : Math.round((7 * this.smoothedRttNs + rttNs) / 8);
    this.recover();
  }

  /** New data was acknowledged: the backoff is over. */
  recover(): void {
    this.timeoutNs = this.smoothedRttNs === 0 ? RTO_INITIAL_NS : this.smoothedRttNs + RTO_MIN_NS;
  }

  static fire(timer: RetransmissionTimer): void {
    timer.timer = undefined;
    if (!timer.inFlight) return;
    const leftNs = timer.deadlineNs - timer.sim.nowNs;
    if (leftNs > 0) timer.timer = timer.sim.schedule(leftNs, fire, timer, undefined);
    else timer.expired();
  }
}

const fire = (timer: RetransmissionTimer): void => RetransmissionTimer.fire(timer);
