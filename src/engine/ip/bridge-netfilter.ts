import type { Ipv4 } from '../../protocol/address.ts';
import { type Ipv4Packet, ipv4Length } from '../../protocol/packet.ts';
import type { Bridge, BridgeHooks, BridgePort } from '../link/bridge.ts';
import type { Skb } from '../link/skb.ts';
import { NF_ACCEPT } from '../netfilter/hooks.ts';
import { fragment } from './fragment.ts';
import type { InetDevice } from './inet-device.ts';
import { lookupOrCreate } from './neighbour.ts';
import type { Netns } from './netns.ts';
import { passHook } from './output.ts';

/**
 * br_netfilter: with net.bridge.bridge-nf-call-iptables, IPv4 frames that are only switched pass the
 * IP hooks all the same (net/bridge/br_netfilter_hooks.c). To the hooks the bridge is both devices.
 */
export class BridgeNetfilter implements BridgeHooks {
  private readonly netns: Netns;

  constructor(netns: Netns) {
    this.netns = netns;
  }

  preRouting(bridge: Bridge, port: BridgePort, frame: Skb): Skb | undefined {
    if (!this.applies(frame)) return frame;
    // Connection tracking needs whole packets, also of what is only switched (net/ipv4/netfilter/nf_defrag_ipv4.c).
    const skb = this.netns.conntrack ? this.netns.reassembly.take(frame, this.netns.device(bridge.name) as InetDevice) : frame;
    if (!skb) return undefined;
    const before = skb.payload as Ipv4Packet;
    skb.physIn = port.device.name;
    if (passHook(this.netns, skb, 'PREROUTING', bridge.name, undefined, { in: port.device.name, out: undefined }) !== NF_ACCEPT)
      return undefined;
    const { dst } = skb.payload as Ipv4Packet;
    if (dst !== before.dst) return this.redirected(bridge, port, skb, dst) ? skb : undefined;
    // If it turns out to be for this host, IP does not run the hook a second time.
    skb.preRoutingDone = true;
    return skb;
  }

  forward(bridge: Bridge, from: BridgePort, to: BridgePort, skb: Skb): boolean {
    if (!this.applies(skb)) return true;
    const ports = { in: from.device.name, out: to.device.name };
    return passHook(this.netns, skb, 'FORWARD', bridge.name, bridge.name, ports) === NF_ACCEPT;
  }

  postRouting(bridge: Bridge, from: BridgePort, to: BridgePort, skb: Skb): boolean {
    if (!this.applies(skb)) return true;
    const ports = { in: from.device.name, out: to.device.name };
    skb.nextHop = (skb.payload as Ipv4Packet).dst;
    if (passHook(this.netns, skb, 'POSTROUTING', undefined, bridge.name, ports) !== NF_ACCEPT) return false;
    const { mtu } = to.device;
    if (ipv4Length(skb.payload as Ipv4Packet) <= mtu) return true;
    // What was put together on the way in is cut again on the way out (br_nf_dev_queue_xmit).
    for (const piece of fragment(this.netns.device(to.device.name) as InetDevice, skb, mtu)) to.device.send(piece);
    return false;
  }

  /**
   * The destination was translated, so the frame needs a new station (br_nf_pre_routing_finish). Behind
   * this same bridge: the frame stays on it and only gets the new destination's MAC ("bridged DNAT").
   * Anywhere else: it is made one for the bridge itself, which passes it up to be routed.
   */
  private redirected(bridge: Bridge, port: BridgePort, skb: Skb, dst: Ipv4): boolean {
    const { netns } = this;
    const route = netns.fib.lookup(dst);
    const type = route?.view.type;
    if (!route || (type !== 'unicast' && type !== 'local')) {
      netns.drop(skb, netns.device(bridge.name), 'noRoute', undefined);
      return false;
    }
    skb.preRoutingDone = true;
    const { recorder } = netns.lab;
    const here = type === 'unicast' && route.device?.device === bridge;
    if (!here) {
      skb.setMacs(skb.src, bridge.mac);
      return true;
    }
    const nextHop = route.via ?? dst;
    if (recorder.on) recorder.packet('route', netns.id, bridge.name, skb, { destination: dst, route: route.view, nextHop, input: true });
    const neighbour = lookupOrCreate(route.device as InetDevice, nextHop);
    const mac = neighbour.connectedMac;
    if (mac !== undefined) {
      skb.setMacs(skb.src, mac);
      return true;
    }
    // The MAC is not known for sure: the frame goes through the neighbour's queue, and comes back when it is (br_nf_pre_routing_finish_bridge_slow).
    skb.bridgedNat = (waited) => bridge.continueInput(port, waited);
    neighbour.outputOrSolicit(skb);
    return false;
  }

  private applies(skb: Skb): boolean {
    return this.netns.sysctls.callIptables && skb.payload.type === 'ipv4';
  }
}
