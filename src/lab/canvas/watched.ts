import { create } from 'zustand';
import { formatCidr, formatIp, formatMac } from '../../protocol/address.ts';
import type { LabEvent } from '../../protocol/event.ts';
import type { Motions } from './motions.ts';
import { litSpotOfEvent, netnsOfPlace, type Place, spotOfPlace } from './place.ts';
import type { Rect, Scene } from './scene.ts';

/** What stands out on the map at the playhead: the way of the flow so far, and the box in which something just happened. */
export interface Watched {
  /** Ids of boxes and namespaces that the flow has touched. */
  readonly touched: ReadonlySet<string>;
  /** The way, as polylines. */
  readonly ways: readonly string[];
  readonly lit: (Rect & { readonly text: string; readonly textAt: { readonly x: number; readonly y: number } }) | undefined;
}

export const NOTHING_WATCHED: Watched = { touched: new Set(), ways: [], lit: undefined };

export const useWatched = create<Watched>()(() => NOTHING_WATCHED);

export function watch(scene: Scene, motions: Motions, flow: number, position: number, event: LabEvent | undefined): Watched {
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
  return { touched, ways: [...ways], lit: litOf(scene, event) };
}

function touchPlace(touched: Set<string>, at: Place): void {
  const netns = netnsOfPlace(at);
  const spot = spotOfPlace(at);
  touched.add(netns);
  const device = /^dev:([^:]+)/.exec(spot) ?? /^port:([^:]+):/.exec(spot);
  touched.add(device ? `${netns}#dev:${device[1]}` : at);
}

function litOf(scene: Scene, event: LabEvent | undefined): Watched['lit'] {
  const at = event && litSpotOfEvent(event);
  if (!event || !at) return undefined;
  const rect = scene.lit.get(at) ?? rectAround(scene, at);
  if (!rect) return undefined;
  // Below the box; of a pod below the whole pod, whose own lines are close together.
  const pod = scene.boxes.find((box) => box.kind === 'pod' && box.netns === event.netns);
  const below = pod ?? rect;
  return {
    x: rect.x,
    y: rect.y,
    width: rect.width,
    height: rect.height,
    text: litText(event),
    textAt: { x: below.x, y: below.y + below.height },
  };
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
    case 'hook':
      return event.data.bridged ? 'switched, seen by br_netfilter' : '';
    default:
      return '';
  }
}
