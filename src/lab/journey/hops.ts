import { type Sentence, sentence } from '../../explain/sentence.ts';
import type { EventOf, LabEvent } from '../../protocol/event.ts';

/** One line of the journey: something that happened to the flow's packets, or everything that happened. */
export interface Hop {
  /** Of the event in the recording. */
  readonly index: number;
  readonly event: LabEvent;
  readonly sentence: Sentence;
  /** Of a hook where rules were asked: what they cost. */
  readonly rules: RuleCost | undefined;
}

export interface RuleCost {
  readonly evaluated: number;
  readonly matched: number;
  readonly lookups: number;
}

export type Row = { readonly type: 'place'; readonly netns: string; readonly index: number } | { readonly type: 'hop'; readonly hop: Hop };

/** Tables being kept, or rules being walked, not a packet getting on: what a rule does to a packet has an event of its own. */
function isBookkeeping(event: LabEvent): boolean {
  switch (event.type) {
    case 'neighbour':
    case 'conntrack':
    case 'rule':
    case 'chain':
    case 'ipvsServersChanged':
    case 'proxySynced':
    case 'socket':
    case 'netnsAppeared':
    case 'deviceChanged':
    case 'routeChanged':
    case 'sysctlChanged':
      return true;
    case 'ipvs':
      return event.data.verdict === 'expired';
    default:
      return event.frame?.payload.type === 'arp';
  }
}

export function hopsOf(events: readonly LabEvent[], flow: number, packetsOnly: boolean): readonly Hop[] {
  const hops: Hop[] = [];
  /** By packet and namespace: the last hook's hop. */
  const hooks = new Map<string, number>();
  events.forEach((event, index) => {
    if (event.flow !== flow || flow === 0) return;
    if (event.type === 'rule' || event.type === 'chain') addCost(hops, hooks.get(keyOf(event)), event);
    if (packetsOnly && isBookkeeping(event)) return;
    if (event.type === 'hook') hooks.set(keyOf(event), hops.length);
    hops.push({ index, event, sentence: sentence(event), rules: undefined });
  });
  return hops;
}

const keyOf = ({ packet, netns }: LabEvent): string => `${packet}|${netns}`;

function addCost(hops: Hop[], at: number | undefined, event: EventOf<'rule'> | EventOf<'chain'>): void {
  const hop = at === undefined ? undefined : hops[at];
  if (!hop || at === undefined) return;
  const { evaluated, matched, lookups } = hop.rules ?? { evaluated: 0, matched: 0, lookups: 0 };
  hops[at] = {
    ...hop,
    rules:
      event.type === 'rule'
        ? { evaluated, matched: matched + 1, lookups }
        : { evaluated: evaluated + event.data.rules, matched, lookups: lookups + event.data.lookups },
  };
}

/** `14 rules, 5 matched`; empty where there was no rule to ask. */
export function costText({ evaluated, matched, lookups }: RuleCost): string {
  if (evaluated === 0) return '';
  return `${evaluated === 1 ? '1 rule' : `${evaluated} rules`}, ${matched} matched${lookups === 0 ? '' : `, ${lookups === 1 ? '1 lookup' : `${lookups} lookups`}`}`;
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
