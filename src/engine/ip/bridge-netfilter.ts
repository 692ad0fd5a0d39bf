import type { Bridge, BridgeHooks, BridgePort } from '../link/bridge.ts';
import type { Skb } from '../link/skb.ts';
import { NF_DROP } from '../netfilter/hooks.ts';
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

  preRouting(bridge: Bridge, _port: BridgePort, skb: Skb): boolean {
    if (!this.applies(skb)) return true;
    if (passHook(this.netns, skb, 'PREROUTING', bridge.name, undefined, true) === NF_DROP) return false;
    // If it turns out to be for this host, IP does not run the hook a second time.
    skb.preRoutingDone = true;
    return true;
  }

  forward(bridge: Bridge, _from: BridgePort, _to: BridgePort, skb: Skb): boolean {
    return !this.applies(skb) || passHook(this.netns, skb, 'FORWARD', bridge.name, bridge.name, true) !== NF_DROP;
  }

  postRouting(bridge: Bridge, _to: BridgePort, skb: Skb): boolean {
    return !this.applies(skb) || passHook(this.netns, skb, 'POSTROUTING', undefined, bridge.name, true) !== NF_DROP;
  }

  private applies(skb: Skb): boolean {
    return this.netns.sysctls.callIptables && skb.payload.type === 'ipv4';
  }
}
