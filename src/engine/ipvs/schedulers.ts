import type { Destination } from './destination.ts';
import { DestinationHashing, type HashingFlags, MaglevHashing, SourceHashing } from './hashing.ts';
import { fewestConnections, fewestConnectionsByWeight, LeastConnection, neverQueue, shortestExpectedDelay } from './least-connection.ts';
import { LocalityLeastConnection, LocalityLeastConnectionWithReplication } from './locality.ts';
import type { VirtualServer } from './model.ts';
import { RoundRobin, WeightedRoundRobin } from './round-robin.ts';
import type { Scheduler } from './scheduler.ts';

/** What a virtual server chooses by; `destinations` stays the server's own list, the newest first. */
export function schedulerOf(server: Omit<VirtualServer, 'realServers'>, destinations: readonly Destination[]): Scheduler {
  const { scheduler, schedulerFlags, address } = server;
  // sh-fallback and mh-fallback are flag-1, sh-port and mh-port flag-2 (include/uapi/linux/ip_vs.h).
  const flags: HashingFlags = { fallback: schedulerFlags.includes(1), port: schedulerFlags.includes(2) };
  switch (scheduler) {
    case 'rr':
      return new RoundRobin(destinations);
    case 'wrr':
      return new WeightedRoundRobin(destinations);
    case 'lc':
      return new LeastConnection(destinations, fewestConnections);
    case 'wlc':
      return new LeastConnection(destinations, fewestConnectionsByWeight);
    case 'sed':
      return new LeastConnection(destinations, shortestExpectedDelay);
    case 'nq':
      return new LeastConnection(destinations, neverQueue);
    case 'lblc':
      return new LocalityLeastConnection(destinations);
    case 'lblcr':
      return new LocalityLeastConnectionWithReplication(destinations);
    case 'dh':
      return new DestinationHashing(destinations, address);
    case 'sh':
      return new SourceHashing(destinations, flags);
    case 'mh':
      return new MaglevHashing(destinations, flags);
  }
}
