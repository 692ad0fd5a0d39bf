import { create } from 'zustand';
import { natText, verdictText } from '../../explain/rule-sentence.ts';
import { formatCidr, formatIp, formatMac } from '../../protocol/address.ts';
import type { LabEvent } from '../../protocol/event.ts';
import { ipvsLabel } from '../netfilter/ipvs-step.ts';
import { modeName } from '../shell/mode-name.ts';
import type { Motions } from './motions.ts';
import { litSpotOfEvent, netnsOfPlace, type Place, place, spotOfPlace } from './place.ts';
import type { Rect, Scene } from './scene.ts';

/** What stands out on the map at the playhead: the way of the flow so far, and the box in which something just happened. */
export interface Watched {
  /** Ids of boxes and namespaces that the flow has touched. */
  readonly touched: ReadonlySet<string>;
  /** The way, as polylines. */
  readonly ways: readonly string[];
  readonly lit:
    | (Rect & { readonly text: string; readonly tone: LitTone; readonly textAt: { readonly x: number; readonly y: number } })
    | undefined;
}

type LitTone = 'plain' | 'rule' | 'nat' | 'drop';

export const NOTHING_WATCHED: Watched = { touched: new Set(), ways: [], lit: undefined };

export const useWatched = create<Watched>()(() => NOTHING_WATCHED);

interface WatchInput {
  readonly motions: Motions;
  readonly events: readonly LabEvent[];
  readonly flow: number;
  readonly position: number;
}

export function watch(scene: Scene, { motions, events, flow, position }: WatchInput): Watched {
  const touched = new Set<string>();
  const pairs = new Set<string>();
  const ways = new Set<string>();
  if (flow !== 0) {
    for (const motion of motions.ofFlow(flow)) {
      if (motion.index >= position) break;
      // Neighbour discovery floods the map; the way is the packet's own.
      if (motion.kind === 'arp') continue;
      touchPlace(touched, motion.to);
      touchPlace(touched, motion.from);
      const pair = `${motion.from}>${motion.to}`;
      if (motion.from === motion.to || pairs.has(pair)) continue;
      pairs.add(pair);
      const path = scene.tracks.path(motion.from, motion.to);
      if (path && path.points.length > 1) ways.add(path.points.map((p) => `${p.x},${p.y}`).join(' '));
    }
  }
  return { touched, ways: [...ways], lit: litOf(scene, events, position - 1) };
}

function touchPlace(touched: Set<string>, at: Place): void {
  const netns = netnsOfPlace(at);
  const spot = spotOfPlace(at);
  touched.add(netns);
  const device = /^dev:([^:]+)/.exec(spot) ?? /^port:([^:]+):/.exec(spot);
  touched.add(device ? `${netns}#dev:${device[1]}` : at);
}

/** The hook that a packet's rules and rewrites belong to: the last that it passed in this namespace. */
function hookOf(events: readonly LabEvent[], index: number): Place | undefined {
  const { packet, netns } = events[index] as LabEvent;
  for (let i = index - 1; i >= 0; i--) {
    const event = events[i] as LabEvent;
    if (event.type === 'hook' && event.packet === packet && event.netns === netns) return place(netns, event.data.hook);
  }
  return undefined;
}

function litOf(scene: Scene, events: readonly LabEvent[], index: number): Watched['lit'] {
  const event = events[index];
  const at =
    event && (event.type === 'rule' || event.type === 'nat' || event.type === 'ipvs' ? hookOf(events, index) : litSpotOfEvent(event));
  if (!event || !at) return undefined;
  const rect = scene.lit.get(at) ?? rectAround(scene, at);
  if (!rect) return undefined;
  // Below the box; of a pod below the whole pod, whose own lines are close together.
  const pod = scene.boxes.find((box) => box.kind === 'pod' && box.netns === event.netns);
  const below = pod ?? rect;
  const text = litText(event);
  const node = scene.boxes.find((box) => box.kind === 'node' && box.netns === event.netns);
  return {
    x: rect.x,
    y: rect.y,
    width: rect.width,
    height: rect.height,
    text,
    tone: toneOf(event),
    textAt: { x: node ? within(node, below.x, text) : below.x, y: below.y + below.height },
  };
}

/** Advance of a letter of the label's font, and what its frame takes. */
const LETTER = 7.85;
const FRAME = 18;

/** As far to the left as the label needs to end inside its node. */
const within = (node: Rect, x: number, text: string): number =>
  Math.max(node.x + 4, Math.min(x, node.x + node.width - text.length * LETTER - FRAME));

function toneOf(event: LabEvent): LitTone {
  switch (event.type) {
    case 'nat':
      return 'nat';
    case 'ipvs':
      return event.data.verdict === 'refused' || event.data.verdict === 'dropped' ? 'drop' : 'nat';
    case 'rule':
      return /^(drop|reject)/.test(event.data.action) ? 'drop' : /^(dnat|snat|masq|redirect)/.test(event.data.action) ? 'nat' : 'rule';
    case 'chain':
      return /drop|reject/.test(event.data.verdict) ? 'drop' : 'rule';
    case 'drop':
      return 'drop';
    default:
      return 'plain';
  }
}

function rectAround(scene: Scene, at: Place): Rect | undefined {
  const netns = netnsOfPlace(at);
  const external = scene.boxes.find((box) => box.kind === 'external' && box.netns === netns);
  if (external) return external;
  const name = scene.tracks.resolve(at);
  return name === undefined ? undefined : scene.lit.get(name);
}

/** A few words beside the lit box; empty where the box says it all. */
export function litText(event: LabEvent): string {
  switch (event.type) {
    case 'route': {
      const { route } = event.data;
      if (!route) return 'no route';
      if (route.type === 'local') return 'local: for this host';
      if (route.type !== 'unicast') return route.type;
      const to = route.destination.length === 0 ? 'default' : formatCidr(route.destination);
      return `${to}${route.via === undefined ? '' : ` via ${formatIp(route.via)}`}${route.device === undefined ? '' : ` dev ${route.device}`}`;
    }
    case 'bridge': {
      const { verdict, ports, omitted } = event.data;
      if (verdict === 'local') return 'for this host';
      if (verdict === 'drop') return 'not forwarded';
      if (verdict === 'forward') return `to port ${ports[0] ?? ''}`;
      return `flooded to ${ports.length + omitted} ports`;
    }
    case 'neighbour': {
      const { entry, action } = event.data;
      if (action === 'removed') return `${formatIp(entry.address)} forgotten`;
      return entry.mac === undefined
        ? `${formatIp(entry.address)} ${entry.state}`
        : `${formatIp(entry.address)} is ${formatMac(entry.mac)}`;
    }
    case 'conntrack':
      return event.data.entry?.state ? `${event.data.packetState}, ${event.data.entry.state}` : event.data.packetState;
    case 'forward':
      return `ttl ${event.data.ttlBefore} to ${event.data.ttlAfter}`;
    case 'queued':
      return `waits for the MAC of ${formatIp(event.data.nextHop)}`;
    case 'deliver':
      return event.data.process === undefined ? `to ${event.data.to}` : `to ${event.data.process}`;
    case 'process':
      return `${event.data.name} ${event.data.did}`;
    case 'socket':
      return event.data.view.state;
    case 'fragmented':
      return `${event.data.fragments} fragments of ${event.data.mtu} bytes`;
    case 'icmpError':
      return 'answers with an ICMP error';
    case 'nat':
      return natText(event.data);
    case 'ipvs':
      return ipvsLabel(event.data);
    case 'rule':
      return `${shortChain(event.data.place.chain)} ${event.data.place.rule || 'policy'}: ${shortChain(event.data.action)}`;
    case 'chain':
      return `${event.data.table} ${event.data.chain}: ${verdictText(event.data)}`;
    case 'proxySynced':
      return `rules written, ${modeName(event.data.mode)} mode`;
    case 'hook':
      return event.data.bridged ? 'switched, seen by br_netfilter' : '';
    default:
      return '';
  }
}

/** A chain's name as far as a label has room for it: `KUBE-SVC-LOLE4I…`. */
const shortChain = (name: string): string => (name.length > 22 ? `${name.slice(0, 20)}…` : name);
