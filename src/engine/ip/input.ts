import type { Ipv4 } from '../../protocol/address.ts';
import { isIpv4 } from '../../protocol/address.ts';
import type { DropReason } from '../../protocol/event.ts';
import {
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  type Ipv4Packet,
  ipv4Length,
  UNREACH_ADMIN,
  UNREACH_FRAG_NEEDED,
  UNREACH_HOST,
  UNREACH_NET,
  UNREACH_PROTOCOL,
} from '../../protocol/packet.ts';
import type { Skb } from '../link/skb.ts';
import { NF_ACCEPT } from '../netfilter/hooks.ts';
import type { Route } from './fib.ts';
import { icmpReceive, sendIcmpError, sendRedirect } from './icmp.ts';
import type { InetDevice } from './inet-device.ts';
import { finishOutput, passHook } from './output.ts';

/*
 * The way in (net/ipv4/ip_input.c, route.c, ip_forward.c, Linux 6.12):
 *
 *   device -> ip_rcv -> [PREROUTING] -> ip_route_input +-> local    -> [INPUT]   -> transport
 *                                                      +-> ip_forward -> [FORWARD] -> [POSTROUTING] -> neighbour
 *                                                      +-> ip_error -> ICMP, or nothing
 */
export function ipReceive(dev: InetDevice, skb: Skb, otherHost: boolean): void {
  if (otherHost) {
    dev.netns.drop(skb, dev, 'otherHost', undefined);
    return;
  }
  const netns = dev.netns;
  if (netns.conntrack && !skb.preRoutingDone) {
    // Connection tracking needs whole packets (net/ipv4/netfilter/nf_defrag_ipv4.c).
    const whole = netns.reassembly.take(skb, dev);
    if (!whole) return;
    receiveWhole(dev, whole);
    return;
  }
  receiveWhole(dev, skb);
}

function receiveWhole(dev: InetDevice, skb: Skb): void {
  if (skb.preRoutingDone) skb.preRoutingDone = false;
  else if (passHook(dev.netns, skb, 'PREROUTING', dev.device.name, undefined) !== NF_ACCEPT) return;
  routeInput(dev, skb, skb.payload as Ipv4Packet);
}

const isLoopback = (a: Ipv4): boolean => a >>> 24 === 127;
const isMulticast = (a: Ipv4): boolean => a >>> 28 === 0xe;

/** The routing decision for a packet that came in (ip_route_input_slow). */
function routeInput(dev: InetDevice, skb: Skb, ip: Ipv4Packet): void {
  const { netns, device } = dev;
  const route = netns.fib.lookup(ip.dst);
  // What a namespace sends to itself was routed when it was sent.
  if (device.kind === 'loopback') {
    localDeliver(dev, skb);
    return;
  }
  if (isMulticast(ip.src) || ip.src === 0 || (isLoopback(ip.src) && !netns.sysctls.either(device.name, 'route_localnet'))) {
    netns.drop(skb, dev, 'martianSource', undefined);
    return;
  }
  if (isLoopback(ip.dst) && !netns.sysctls.either(device.name, 'route_localnet')) {
    netns.drop(skb, dev, 'martianDestination', undefined);
    return;
  }
  recordRoute(dev, skb, ip.dst, route);
  if (!route) {
    ipError(dev, skb, netns.sysctls.ipForward ? 'noRoute' : 'forwardingOff');
    return;
  }
  const type = route.view.type;
  if (type === 'local' || type === 'broadcast') {
    const bad = sourceProblem(dev, ip.src);
    if (bad) netns.drop(skb, dev, bad, undefined);
    else localDeliver(dev, skb);
    return;
  }
  if (!netns.sysctls.ipForward) ipError(dev, skb, 'forwardingOff');
  else if (type === 'blackhole') ipError(dev, skb, 'routeBlackhole');
  else if (type === 'unreachable') ipError(dev, skb, 'routeUnreachable');
  else if (type === 'prohibit') ipError(dev, skb, 'routeProhibit');
  else {
    const bad = sourceProblem(dev, ip.src);
    if (bad) netns.drop(skb, dev, bad, undefined);
    else forward(dev, skb, ip, route);
  }
}

function recordRoute(dev: InetDevice, skb: Skb, destination: Ipv4, route: Route | undefined): void {
  const { netns, device } = dev;
  const recorder = netns.lab.recorder;
  if (!recorder.on) return;
  const nextHop = route?.view.type === 'unicast' ? (route.via ?? destination) : undefined;
  recorder.packet('route', netns.id, device.name, skb, { destination, route: route?.view, nextHop, input: true });
}

/** Whether a source may come in by this device (net/ipv4/fib_frontend.c, fib_validate_source). */
function sourceProblem(dev: InetDevice, src: Ipv4): DropReason | undefined {
  const { netns, device } = dev;
  if (netns.fib.isLocal(src) && !netns.sysctls.either(device.name, 'accept_local')) return 'localSource';
  const filter = netns.sysctls.reversePathFilter(device.name);
  if (filter === 0) return undefined;
  const back = netns.fib.lookup(src);
  if (back?.view.type !== 'unicast') return 'reversePath';
  return filter === 1 && back.device !== dev ? 'reversePath' : undefined;
}

/** A packet that cannot be routed (route.c, ip_error): silent unless this namespace is a router. */
function ipError(
  dev: InetDevice,
  skb: Skb,
  reason: 'noRoute' | 'forwardingOff' | 'routeBlackhole' | 'routeUnreachable' | 'routeProhibit',
): void {
  dev.netns.drop(skb, dev, reason, undefined);
  if (reason === 'noRoute') sendIcmpError(dev.netns, skb, ICMP_UNREACHABLE, UNREACH_NET, reason);
  else if (reason === 'routeUnreachable') sendIcmpError(dev.netns, skb, ICMP_UNREACHABLE, UNREACH_HOST, reason);
  else if (reason === 'routeProhibit') sendIcmpError(dev.netns, skb, ICMP_UNREACHABLE, UNREACH_ADMIN, reason);
}

/** ip_forward: TTL, MTU, then the FORWARD hook with the lower TTL. */
function forward(dev: InetDevice, skb: Skb, ip: Ipv4Packet, route: Route): void {
  const { netns } = dev;
  const out = route.device as InetDevice;
  if (ip.ttl <= 1) {
    netns.drop(skb, dev, 'ttlExceeded', undefined);
    sendIcmpError(netns, skb, ICMP_TIME_EXCEEDED, 0, 'ttlExceeded');
    return;
  }
  if (ip.dontFragment && ipv4Length(ip) > out.device.mtu) {
    netns.drop(skb, dev, 'tooBig', `${ipv4Length(ip)} octets, but ${out.device.name} takes ${out.device.mtu}`);
    sendIcmpError(netns, skb, ICMP_UNREACHABLE, UNREACH_FRAG_NEEDED, 'tooBig', out.device.mtu);
    return;
  }
  skb.payload = withTtl(ip, ip.ttl - 1);
  const recorder = netns.lab.recorder;
  if (recorder.on) recorder.packet('forward', netns.id, dev.device.name, skb, { ttlBefore: ip.ttl, ttlAfter: ip.ttl - 1 });
  if (out === dev) sendRedirect(dev, skb, route.via ?? ip.dst);
  if (passHook(netns, skb, 'FORWARD', dev.device.name, out.device.name) !== NF_ACCEPT) return;
  finishOutput(out, route.via ?? (skb.payload as Ipv4Packet).dst, skb, dev.device.name);
}

// Written out: an object spread here is measurably slower on the path of every forwarded packet.
export const withTtl = (p: Ipv4Packet, ttl: number): Ipv4Packet => ({
  type: 'ipv4',
  src: p.src,
  dst: p.dst,
  ttl,
  id: p.id,
  dontFragment: p.dontFragment,
  moreFragments: p.moreFragments,
  fragmentOffset: p.fragmentOffset,
  tos: p.tos,
  payload: p.payload,
});

/** ip_local_deliver: whole packets only, then INPUT, then the transport. */
function localDeliver(dev: InetDevice, skb: Skb): void {
  const { netns } = dev;
  const whole = netns.reassembly.take(skb, dev);
  if (!whole) return;
  if (passHook(netns, whole, 'INPUT', dev.device.name, undefined) !== NF_ACCEPT) return;
  const ip = whole.payload as Ipv4Packet;
  const payload = ip.payload;
  if (payload.type === 'icmp') {
    icmpReceive(dev, whole, ip, payload);
    return;
  }
  const transport = payload.type === 'opaque' ? undefined : netns.transports[payload.type];
  if (transport) {
    transport.receive(whole, ip);
    return;
  }
  netns.drop(whole, dev, 'protocolUnreachable', undefined);
  if (isIpv4(ip.dst)) sendIcmpError(netns, whole, ICMP_UNREACHABLE, UNREACH_PROTOCOL, 'protocolUnreachable');
}
