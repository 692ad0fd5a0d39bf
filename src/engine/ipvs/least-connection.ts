import type { Destination } from './destination.ts';
import type { Scheduler } from './scheduler.ts';

/** An active connection counts as much as 256 that are only remembered (include/net/ip_vs.h, ip_vs_dest_conn_overhead). */
const connections = ({ active, inactive }: Destination): number => active * 256 + inactive;

/** What a server would have with one more (net/netfilter/ipvs/ip_vs_sed.c): those only remembered do not count. */
const withOneMore = ({ active }: Destination): number => active + 1;

/** The first of the list with the least load per weight; without floats, as in the kernel: a/v < b/w is a*w < b*v. */
export function leastLoaded(destinations: Iterable<Destination>, load = connections): Destination | undefined {
  let least: Destination | undefined;
  for (const candidate of destinations) {
    if (candidate.weight <= 0) continue;
    if (!least || load(least) * candidate.weight > load(candidate) * least.weight) least = candidate;
  }
  return least;
}

/** The server with the most load per weight, of those that have a weight (net/netfilter/ipvs/ip_vs_lblcr.c, ip_vs_dest_set_max). */
export function mostLoaded(destinations: Iterable<Destination>): Destination | undefined {
  let most: Destination | undefined;
  for (const candidate of destinations) {
    if (candidate.weight <= 0) continue;
    if (!most || connections(most) * candidate.weight < connections(candidate) * most.weight) most = candidate;
  }
  return most;
}

type Choice = (destinations: readonly Destination[]) => Destination | undefined;

/** lc, wlc, sed and nq only look at the counters, and remember nothing. */
export class LeastConnection implements Scheduler {
  private readonly destinations: readonly Destination[];
  private readonly choice: Choice;

  constructor(destinations: readonly Destination[], choice: Choice) {
    this.destinations = destinations;
    this.choice = choice;
  }

  choose(): Destination | undefined {
    return this.choice(this.destinations);
  }

  changed(): void {}
}

/** lc: the fewest connections, whatever the weights (net/netfilter/ipvs/ip_vs_lc.c). */
export const fewestConnections: Choice = (destinations) => {
  let least: Destination | undefined;
  for (const candidate of destinations)
    if (candidate.weight > 0 && (!least || connections(candidate) < connections(least))) least = candidate;
  return least;
};

/** wlc: the fewest connections per weight (net/netfilter/ipvs/ip_vs_wlc.c). */
export const fewestConnectionsByWeight: Choice = (destinations) => leastLoaded(destinations);

/** sed: the shortest expected delay (net/netfilter/ipvs/ip_vs_sed.c). */
export const shortestExpectedDelay: Choice = (destinations) => leastLoaded(destinations, withOneMore);

/** nq: never queue, that is, the first idle server, else as sed (net/netfilter/ipvs/ip_vs_nq.c). */
export const neverQueue: Choice = (destinations) =>
  destinations.find(({ weight, active }) => weight > 0 && active === 0) ?? leastLoaded(destinations, withOneMore);
