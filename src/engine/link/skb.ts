import type { Ipv4, Mac } from '../../protocol/address.ts';
import { ZERO_MAC } from '../../protocol/address.ts';
import type { Direction } from '../../protocol/event.ts';
import type { ArpPacket, Frame, Ipv4Packet, Ipv6Packet } from '../../protocol/packet.ts';
import type { Subject } from '../sim/recorder.ts';

/**
 * A packet on its way through one kernel (Linux: struct sk_buff): the present Ethernet addresses and
 * payload, and what the kernel remembers about it. The records it points to are immutable; a rewrite
 * replaces them.
 */
export class Skb implements Subject {
  readonly packet: number;
  readonly flow: number;
  readonly direction: Direction;
  cause: number;
  /** Tells the sending socket that its packet has not left the host yet (Linux: skb_still_in_host_queue). */
  hostQueue: HostQueueTicket | undefined = undefined;
  /** PREROUTING has run while the frame was still on the bridge (Linux: ip_sabotage_in). */
  preRoutingDone = false;
  mark = 0;
  /** The bridge port it came in by, while br_netfilter remembers (Linux: nf_bridge_info). */
  physIn: string | undefined = undefined;
  /** Set while a bridged frame whose destination was translated waits for its new MAC: back to the bridge then, as if it had just come in. */
  bridgedNat: ((skb: Skb) => void) | undefined = undefined;
  /** The conntrack entry it belongs to, and how; owned by conntrack. */
  ct: unknown = undefined;
  ctInfo = 0;
  /** IPVS has translated it already and leaves it alone from here on (Linux: skb->ipvs_property). */
  ipvsDone = false;
  /** The virtual server of its connection, when IPVS has sent it on to the real server: what `-m ipvs` finds by the packet. */
  ipvsServer: { readonly protocol: number; readonly address: Ipv4; readonly port: number } | undefined = undefined;
  /** The station it goes to next, from its routing on. */
  nextHop: Ipv4 | undefined = undefined;
  private srcMac: Mac;
  private dstMac: Mac;
  private body: Frame['payload'];
  private cached: Frame | undefined = undefined;

  constructor(
    packet: number,
    flow: number,
    direction: Direction,
    cause: number,
    payload: Frame['payload'],
    src: Mac = ZERO_MAC,
    dst: Mac = ZERO_MAC,
  ) {
    this.packet = packet;
    this.flow = flow;
    this.direction = direction;
    this.cause = cause;
    this.body = payload;
    this.srcMac = src;
    this.dstMac = dst;
  }

  get src(): Mac {
    return this.srcMac;
  }

  get dst(): Mac {
    return this.dstMac;
  }

  get payload(): ArpPacket | Ipv4Packet | Ipv6Packet {
    return this.body;
  }

  set payload(payload: ArpPacket | Ipv4Packet | Ipv6Packet) {
    this.body = payload;
    this.cached = undefined;
  }

  setMacs(src: Mac, dst: Mac): void {
    this.srcMac = src;
    this.dstMac = dst;
    this.cached = undefined;
  }

  frame(): Frame {
    this.cached ??= { dst: this.dstMac, src: this.srcMac, payload: this.body };
    return this.cached;
  }

  /** A copy for another bridge port; it shares the records. */
  clone(): Skb {
    const copy = new Skb(this.packet, this.flow, this.direction, this.cause, this.body, this.srcMac, this.dstMac);
    copy.cached = this.cached;
    copy.preRoutingDone = this.preRoutingDone;
    copy.mark = this.mark;
    copy.physIn = this.physIn;
    copy.ct = this.ct;
    copy.ctInfo = this.ctInfo;
    copy.ipvsDone = this.ipvsDone;
    copy.ipvsServer = this.ipvsServer;
    return copy;
  }

  /** What a network namespace forgets when the packet leaves it for another (Linux: skb_scrub_packet). */
  scrub(): void {
    this.preRoutingDone = false;
    this.mark = 0;
    this.physIn = undefined;
    this.bridgedNat = undefined;
    this.ct = undefined;
    this.ctInfo = 0;
    this.ipvsDone = false;
    this.ipvsServer = undefined;
    if (this.hostQueue) {
      this.hostQueue.waiting = false;
      this.hostQueue = undefined;
    }
  }
}

export interface HostQueueTicket {
  waiting: boolean;
}
