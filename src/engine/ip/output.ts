import type { Ipv4 } from '../../protocol/address.ts';
import type { Direction, DropReason, HookName } from '../../protocol/event.ts';
import { type Ipv4Packet, ipv4Length } from '../../protocol/packet.ts';
import { CT_RELATED, CT_REPLY } from '../conntrack/entry.ts';
import { type HostQueueTicket, Skb } from '../link/skb.ts';
import { type HookState, type HookVerdict, NF_ACCEPT, NF_DROP, NF_STOLEN } from '../netfilter/hooks.ts';
import type { Route } from './fib.ts';
import { fragment } from './fragment.ts';
import type { InetDevice } from './inet-device.ts';
import { neighbourOutput } from './neighbour.ts';
import type { Netns } from './netns.ts';

/** What a system call that sends fails with, named as in errno(3). */
export type OutputError = 'ENETUNREACH' | 'EHOSTUNREACH' | 'EINVAL' | 'EACCES' | 'EMSGSIZE' | 'EPERM';

/** On whose behalf a packet is sent. */
export interface Origin {
  readonly flow: number;
  readonly direction: Direction;
  readonly cause: number;
  readonly hostQueue?: HostQueueTicket | undefined;
  /** The packet that it answers in the name of its receiver: it belongs to the same connection, the other way (nf_ct_attach). */
  readonly answering?: Skb | undefined;
}

export type OutputRoute = { readonly route: Route; readonly source: Ipv4 } | { readonly error: OutputError };

/** Chooses the route and, unless given, the source address for what a process sends (net/ipv4/route.c, ip_route_output_key_hash_rcu). */
export function routeOutput(netns: Netns, destination: Ipv4): OutputRoute {
  const route = netns.fib.lookup(destination);
  if (!route) return { error: 'ENETUNREACH' };
  switch (route.view.type) {
    case 'unreachable':
      return { error: 'EHOSTUNREACH' };
    case 'blackhole':
      return { error: 'EINVAL' };
    case 'prohibit':
      return { error: 'EACCES' };
    case 'broadcast':
      // Sockets of the lab never set SO_BROADCAST.
      return { error: 'EACCES' };
    case 'local':
      return { route, source: route.view.destination.length === 32 ? destination : (route.prefSrc ?? destination) };
    case 'unicast': {
      const source = route.prefSrc ?? route.device?.selectAddress(route.via ?? destination);
      return source === undefined ? { error: 'ENETUNREACH' } : { route, source };
    }
  }
}

/** The largest packet towards a destination that need not be cut. */
export function pathMtu(netns: Netns, route: Route, destination: Ipv4): number {
  const mtu = (route.device as InetDevice).device.mtu;
  return netns.pathMtu.size === 0 ? mtu : Math.min(mtu, netns.pathMtu.get(destination) ?? mtu);
}

/**
 * Sends a packet that this namespace made: OUTPUT, POSTROUTING, fragmentation, neighbour
 * (net/ipv4/ip_output.c, __ip_local_out, ip_output). Returns the error that the sender sees at once.
 */
export function localOut(netns: Netns, packet: Ipv4Packet, origin: Origin): OutputError | undefined {
  const route = netns.fib.lookup(packet.dst);
  const type = route?.view.type;
  if (!route || (type !== 'unicast' && type !== 'local')) {
    const chosen = routeOutput(netns, packet.dst);
    return 'error' in chosen ? chosen.error : 'ENETUNREACH';
  }
  const out = route.device as InetDevice;
  if (packet.dontFragment && ipv4Length(packet) > pathMtu(netns, route, packet.dst)) return 'EMSGSIZE';
  const skb = new Skb(netns.lab.nextPacket(), origin.flow, origin.direction, origin.cause, packet);
  skb.hostQueue = origin.hostQueue;
  if (origin.answering?.ct !== undefined) {
    skb.ct = origin.answering.ct;
    skb.ctInfo = origin.answering.ctInfo & CT_REPLY ? CT_RELATED : CT_RELATED | CT_REPLY;
  }
  const nextHop = route.via ?? packet.dst;
  const recorder = netns.lab.recorder;
  if (recorder.on)
    recorder.packet('route', netns.id, out.device.name, skb, {
      destination: packet.dst,
      route: route.view,
      nextHop: route.view.type === 'local' ? undefined : nextHop,
      input: false,
    });
  const verdict = passHook(netns, skb, 'OUTPUT', undefined, out.device.name);
  if (verdict === NF_DROP) return 'EPERM';
  if (verdict === NF_STOLEN) return undefined;
  const after = skb.payload as Ipv4Packet;
  if (after.dst === packet.dst) {
    finishOutput(out, nextHop, skb);
    return undefined;
  }
  return reroute(netns, skb, after);
}

/** The route of a packet whose destination the OUTPUT hook has changed (net/ipv4/netfilter.c, ip_route_me_harder), or why it has none. */
export function routeHarder(
  netns: Netns,
  packet: Ipv4Packet,
): { readonly route: Route; readonly out: InetDevice } | { readonly problem: DropReason } {
  const route = netns.fib.lookup(packet.dst);
  const out = route?.device;
  if (!route || !out || (route.view.type !== 'unicast' && route.view.type !== 'local')) return { problem: 'noRoute' };
  // An address of 127.0.0.0/8 leaves the host only where that is allowed (net/ipv4/route.c, __mkroute_output).
  if (packet.src >>> 24 === 127 && out.device.kind !== 'loopback' && !netns.sysctls.either(out.device.name, 'route_localnet'))
    return { problem: 'martianSource' };
  return { route, out };
}

function reroute(netns: Netns, skb: Skb, packet: Ipv4Packet): OutputError | undefined {
  const chosen = routeHarder(netns, packet);
  if ('problem' in chosen) {
    netns.drop(skb, undefined, chosen.problem, undefined);
    return 'EPERM';
  }
  const { route, out } = chosen;
  const nextHop = route.via ?? packet.dst;
  const { recorder } = netns.lab;
  if (recorder.on)
    recorder.packet('route', netns.id, out.device.name, skb, {
      destination: packet.dst,
      route: route.view,
      nextHop: route.view.type === 'local' ? undefined : nextHop,
      input: false,
    });
  finishOutput(out, nextHop, skb);
  return undefined;
}

/** From POSTROUTING to the device. `inDevice`: where a packet that is passed on came in (ip_output.c, ip_output). */
export function finishOutput(out: InetDevice, nextHop: Ipv4, skb: Skb, inDevice?: string): void {
  const { netns, device } = out;
  skb.nextHop = nextHop;
  if (passHook(netns, skb, 'POSTROUTING', inDevice, device.name) !== NF_ACCEPT) return;
  const packet = skb.payload as Ipv4Packet;
  const mtu = netns.pathMtu.size === 0 ? device.mtu : Math.min(device.mtu, netns.pathMtu.get(packet.dst) ?? device.mtu);
  if (ipv4Length(packet) > mtu) {
    for (const piece of fragment(out, skb, mtu)) transmit(out, nextHop, piece);
  } else {
    transmit(out, nextHop, skb);
  }
}

function transmit(out: InetDevice, nextHop: Ipv4, skb: Skb): void {
  if (out.device.kind === 'loopback') out.device.send(skb);
  else neighbourOutput(out, nextHop, skb);
}

/** The bridge ports of a frame that is only being switched. */
export interface BridgePorts {
  readonly in: string | undefined;
  readonly out: string | undefined;
}

/** Runs a hook and records that it was passed; a namespace without hook functions does neither. */
export function passHook(
  netns: Netns,
  skb: Skb,
  hook: HookName,
  inDevice: string | undefined,
  outDevice: string | undefined,
  bridged?: BridgePorts,
): HookVerdict {
  netns.beforeFirstHook?.();
  if (netns.hooks.isEmpty(hook)) return NF_ACCEPT;
  const state = stateOf(netns, hook, inDevice, outDevice, bridged);
  const recorder = netns.lab.recorder;
  if (recorder.on) {
    const device = hook === 'POSTROUTING' ? outDevice : (inDevice ?? outDevice);
    recorder.packet('hook', netns.id, device, skb, { hook, inDevice, outDevice, bridged: bridged !== undefined });
  }
  return netns.hooks.run(skb, state);
}

/** The same few states come again with every packet of a namespace, so each is made once. */
function stateOf(
  netns: Netns,
  hook: HookName,
  inDevice: string | undefined,
  outDevice: string | undefined,
  ports: BridgePorts | undefined,
): HookState {
  const last = netns.lastHookStates[hook];
  if (
    last &&
    last.inDevice === inDevice &&
    last.outDevice === outDevice &&
    last.bridged === (ports !== undefined) &&
    last.physInDevice === ports?.in &&
    last.physOutDevice === ports?.out
  )
    return last;
  const state = { hook, inDevice, outDevice, bridged: ports !== undefined, physInDevice: ports?.in, physOutDevice: ports?.out };
  netns.lastHookStates[hook] = state;
  return state;
}
