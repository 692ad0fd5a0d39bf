import type { Destination } from './destination.ts';
import type { Scheduler } from './scheduler.ts';

/** rr: one after the other (net/netfilter/ipvs/ip_vs_rr.c). */
export class RoundRobin implements Scheduler {
  private readonly destinations: readonly Destination[];
  /** The one that had the latest turn; undefined stands for the list's head. */
  private last: Destination | undefined = undefined;

  constructor(destinations: readonly Destination[]) {
    this.destinations = destinations;
  }

  choose(): Destination | undefined {
    const { length } = this.destinations;
    const start = this.last === undefined ? -1 : this.destinations.indexOf(this.last);
    for (let i = 1; i <= length; i++) {
      const candidate = this.destinations[(start + i) % length] as Destination;
      if (candidate.weight <= 0) continue;
      this.last = candidate;
      return candidate;
    }
    return undefined;
  }

  changed(change: Parameters<Scheduler['changed']>[0]): void {
    if (typeof change === 'object' && change.removed === this.last) this.last = change.previous;
  }
}

/** wrr: in turns, of which each takes those whose weight reaches a falling mark (net/netfilter/ipvs/ip_vs_wrr.c). */
export class WeightedRoundRobin implements Scheduler {
  private readonly destinations: readonly Destination[];
  private last: Destination | undefined = undefined;
  /** The mark (`cw`), where it starts again (`mw`), and its step (`di`), the greatest common divisor of the weights. */
  private current: number;
  private max: number;
  private step: number;

  constructor(destinations: readonly Destination[]) {
    this.destinations = destinations;
    this.step = commonDivisor(destinations) || 1;
    this.max = maxWeight(destinations) - (this.step - 1);
    this.current = this.max;
  }

  choose(): Destination | undefined {
    if (this.max <= 0) return undefined;
    const { length } = this.destinations;
    let at = this.last === undefined ? 0 : this.destinations.indexOf(this.last) + 1;
    // At the latest when the mark has fallen to the bottom once, every server with a weight has been met.
    for (let passes = 0; passes <= this.max / this.step + 1; passes++) {
      for (; at < length; at++) {
        const candidate = this.destinations[at] as Destination;
        if (candidate.weight < this.current) continue;
        this.last = candidate;
        return candidate;
      }
      at = 0;
      this.current -= this.step;
      if (this.current <= 0) this.current = this.max;
    }
    return undefined;
  }

  changed(): void {
    this.last = undefined;
    this.step = commonDivisor(this.destinations) || 1;
    this.max = maxWeight(this.destinations) - (this.step - 1);
    if (this.current > this.max || this.current === 0) this.current = this.max;
    else if (this.step > 1) this.current = Math.floor(this.current / this.step) * this.step + 1;
  }
}

const maxWeight = (destinations: readonly Destination[]): number => destinations.reduce((max, { weight }) => Math.max(max, weight), 0);

const commonDivisor = (destinations: readonly Destination[]): number =>
  destinations.reduce((divisor, { weight }) => (weight > 0 ? greatestCommonDivisor(weight, divisor) : divisor), 0);

export function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
