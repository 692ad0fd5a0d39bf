import { REASONS } from '../../explain/reasons.ts';
import { prefixText } from '../../explain/table-text.ts';
import { formatIp } from '../../protocol/address.ts';
import type { LabEvent } from '../../protocol/event.ts';
import type { Tone } from './packet-look.ts';
import { litSpotOfEvent, type Place } from './place.ts';

/** What lights up on the map when an event happens, and the few words beside it. */
export interface Effect {
  readonly place: Place;
  readonly text: string | undefined;
  readonly tone: Tone | 'process' | 'conntrack';
}

/** How long a lit box and its words stay, in beats. */
export const EFFECT_BEATS = 2.2;

export function effectOfEvent(event: LabEvent): Effect | undefined {
  const place = litSpotOfEvent(event);
  if (place === undefined) return undefined;
  const way: Tone = event.direction === 'reply' ? 'reply' : 'l3';
  switch (event.type) {
    case 'route': {
      const { route, nextHop, destination } = event.data;
      if (!route) return { place, text: `no route to ${formatIp(destination)}`, tone: 'drop' };
      if (route.type !== 'unicast') return { place, text: `${formatIp(destination)}: ${route.type}`, tone: way };
      const via = nextHop !== undefined && nextHop !== destination ? `via ${formatIp(nextHop)}` : `dev ${route.device ?? '?'}`;
      return { place, text: `${prefixText(route.destination)} ${via}`, tone: way };
    }
    case 'forward':
      return { place, text: `TTL ${event.data.ttlBefore} → ${event.data.ttlAfter}`, tone: way };
    case 'hook':
      return { place, text: undefined, tone: way };
    case 'bridge':
      return { place, text: bridgeText(event.data), tone: 'l2' };
    case 'queued':
      return { place, text: `waits for the MAC of ${formatIp(event.data.nextHop)}`, tone: 'l2' };
    case 'neighbour':
      return {
        place,
        text: `${formatIp(event.data.entry.address)} ${event.data.action === 'removed' ? 'removed' : event.data.entry.state}`,
        tone: 'l2',
      };
    case 'conntrack':
      return {
        place,
        text: event.data.packetState + (event.data.entry?.state === undefined ? '' : ` · ${event.data.entry.state}`),
        tone: 'conntrack',
      };
    case 'deliver':
      return { place, text: event.data.process === undefined ? 'delivered' : `to ${event.data.process}`, tone: way };
    case 'process':
      return { place, text: `${event.data.name} ${event.data.did}`, tone: 'process' };
    case 'socket':
      return { place, text: undefined, tone: 'process' };
    case 'icmpError':
      return { place, text: 'answers with an ICMP error', tone: 'drop' };
    case 'fragmented':
      return { place, text: `${event.data.fragments} fragments of MTU ${event.data.mtu}`, tone: way };
    case 'reassembled':
      return { place, text: `${event.data.fragments} fragments joined`, tone: way };
    case 'bindFailed':
      return { place, text: `port ${event.data.port} is taken`, tone: 'drop' };
    case 'tx':
    case 'rx':
      return { place, text: undefined, tone: event.frame?.payload.type === 'arp' ? 'l2' : way };
    default:
      return undefined;
  }
}

/** Copies for another station are discarded all the time: that is no loss to point at. */
export const isLoss = (event: LabEvent): boolean => event.type === 'drop' && event.data.reason !== 'otherHost';

export const dropText = (event: LabEvent): string => (event.type === 'drop' ? REASONS[event.data.reason].title : '');

function bridgeText(data: Extract<LabEvent, { type: 'bridge' }>['data']): string {
  const copies = data.ports.length + data.omitted;
  switch (data.verdict) {
    case 'forward':
      return `→ ${data.ports[0] ?? '?'}`;
    case 'local':
      return `for ${data.bridge} itself`;
    case 'flood':
      return `floods ${copies} ${copies === 1 ? 'port' : 'ports'}`;
    case 'floodAndLocal':
      return `floods ${copies} ${copies === 1 ? 'port' : 'ports'}, and takes a copy`;
    case 'drop':
      return 'not back out of its own port';
  }
}
