import type { LabEvent } from '../../protocol/event.ts';
import type { Run } from '../stores/runs.ts';
import { placeOfEvent } from './place.ts';

/**
 * What the traffic on the timeline touches: namespaces, and places without their side (`NETNS#dev:eth0`).
 * Helpers such as ARP belong to the traffic but not to its path, else a flood would make all of the map its path.
 */
export interface TrafficPath {
  readonly places: ReadonlySet<string>;
  /** Namespaces on the path. */
  readonly netns: ReadonlySet<string>;
  /** Namespaces that saw anything of it, floods included: what has to be drawn. */
  readonly reached: ReadonlySet<string>;
}

export const NO_PATH: TrafficPath = { places: new Set(), netns: new Set(), reached: new Set() };

export function pathOfRun(events: readonly LabEvent[], run: Run | undefined): TrafficPath {
  if (!run) return NO_PATH;
  const places = new Set<string>();
  const netns = new Set<string>();
  const reached = new Set<string>();
  for (let i = run.start; i <= run.settled && i < events.length; i++) {
    const event = events[i] as LabEvent;
    if (event.flow === 0) continue;
    if (event.type === 'flowStarted') netns.add(event.netns);
    const arp = event.frame?.payload.type === 'arp';
    if (!arp || event.type !== 'rx') reached.add(event.netns);
    if (arp || event.packet === 0) continue;
    netns.add(event.netns);
    const at = placeOfEvent(event);
    if (at === undefined) continue;
    places.add(withoutSide(at));
    if (event.type === 'bridge') places.add(`${event.netns}#dev:${event.data.bridge}`);
  }
  return { places, netns, reached };
}

/** `…#dev:cni0:in` and `…#dev:cni0:out` are one device. */
export const withoutSide = (place: string): string => place.replace(/(#dev:[^:]+):(in|out)$/, '$1');
