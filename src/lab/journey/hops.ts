import { type Sentence, sentence } from '../../explain/sentence.ts';
import type { LabEvent } from '../../protocol/event.ts';

/** One line of the journey: something that happened to the flow's packets, or everything that happened. */
export interface Hop {
  /** Of the event in the recording. */
  readonly index: number;
  readonly event: LabEvent;
  readonly sentence: Sentence;
}

export type Row = { readonly type: 'place'; readonly netns: string; readonly index: number } | { readonly type: 'hop'; readonly hop: Hop };

/** Tables being kept, not a packet getting on. */
function isBookkeeping(event: LabEvent): boolean {
  switch (event.type) {
    case 'neighbour':
    case 'conntrack':
    case 'socket':
    case 'netnsAppeared':
    case 'deviceChanged':
    case 'routeChanged':
    case 'sysctlChanged':
      return true;
    default:
      return event.frame?.payload.type === 'arp';
  }
}

export function hopsOf(events: readonly LabEvent[], flow: number, packetsOnly: boolean): readonly Hop[] {
  const hops: Hop[] = [];
  events.forEach((event, index) => {
    if (event.flow !== flow || flow === 0 || (packetsOnly && isBookkeeping(event))) return;
    hops.push({ index, event, sentence: sentence(event) });
  });
  return hops;
}

/** The hops with a heading wherever the namespace changes. */
export function rowsOf(hops: readonly Hop[]): readonly Row[] {
  const rows: Row[] = [];
  let netns: string | undefined;
  for (const hop of hops) {
    if (hop.event.netns !== netns) {
      netns = hop.event.netns;
      rows.push({ type: 'place', netns, index: hop.index });
    }
    rows.push({ type: 'hop', hop });
  }
  return rows;
}

/** The hop that happened last when `position` events have happened; undefined before the first. */
export function currentHop(hops: readonly Hop[], position: number): Hop | undefined {
  let low = 0;
  let high = hops.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((hops[middle] as Hop).index < position) low = middle + 1;
    else high = middle;
  }
  return hops[low - 1];
}

/** `pod default/client`, `node worker-1`, `outside underlay`. */
export function placeTitle(netns: string): string {
  const [kind, ...rest] = netns.split('/');
  return `${kind === 'external' ? 'outside' : kind} ${rest.join('/')}`;
}
