import type { LabEvent } from '../../protocol/event.ts';

/**
 * Where on the map something happens, as a name: `NETNS#SPOT`. Names come from events alone; the
 * layout gives them coordinates, so one recording can be drawn by any layout.
 *
 * Spots: `dev:NAME` (a device), `dev:NAME:in` and `dev:NAME:out` (a bridge's own device, which the
 * IP layer sees on its left and its right), `port:BRIDGE:NAME` (a bridge under one of its ports),
 * `PREROUTING` `routing` `INPUT` `FORWARD` `OUTPUT` `POSTROUTING`, `process`.
 */
export type Place = `${string}#${string}`;

export const place = (netns: string, spot: string): Place => `${netns}#${spot}`;
export const netnsOfPlace = (p: Place): string => p.slice(0, p.lastIndexOf('#'));
export const spotOfPlace = (p: Place): string => p.slice(p.lastIndexOf('#') + 1);

/** Undefined for events that happen to a table and not to a packet's position; a drop stays where its packet was. */
export function placeOfEvent(event: LabEvent): Place | undefined {
  const { netns } = event;
  switch (event.type) {
    case 'tx':
      return event.device === undefined ? undefined : place(netns, `dev:${event.device}:out`);
    case 'rx':
      return event.device === undefined ? undefined : place(netns, `dev:${event.device}:in`);
    case 'bridge':
      return event.data.ingress === undefined
        ? place(netns, `dev:${event.data.bridge}:out`)
        : place(netns, `port:${event.data.bridge}:${event.data.ingress}`);
    case 'hook':
      // A frame that is only being switched is shown to the IP hooks, but it stays in the bridge.
      return event.data.bridged ? undefined : place(netns, event.data.hook);
    case 'route':
    case 'icmpError':
      return place(netns, 'routing');
    case 'forward':
      return place(netns, 'FORWARD');
    case 'queued':
    case 'fragmented':
      return place(netns, 'POSTROUTING');
    case 'reassembled':
      return place(netns, 'PREROUTING');
    case 'deliver':
    case 'process':
    case 'bindFailed':
      return place(netns, 'process');
    default:
      return undefined;
  }
}

/** The box on the map that an event lights up, also for events without a position of their own. */
export function litSpotOfEvent(event: LabEvent): Place | undefined {
  switch (event.type) {
    case 'neighbour':
      return place(event.netns, 'neighbours');
    case 'conntrack':
      return place(event.netns, 'conntrack');
    case 'proxySynced':
      return place(event.netns, 'rules');
    case 'chain':
      return place(event.netns, event.data.hook);
    case 'socket':
      return place(event.netns, 'process');
    case 'hook':
      return place(event.netns, event.data.hook);
    case 'bridge':
      return place(event.netns, `dev:${event.data.bridge}:in`);
    default:
      return placeOfEvent(event);
  }
}
