import type { Ipv4 } from '../../protocol/address.ts';
import type { DropReason } from '../../protocol/event.ts';
import {
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  type IcmpMessage,
  type Ipv4Packet,
  UNREACH_FRAG_NEEDED,
  UNREACH_HOST,
} from '../../protocol/packet.ts';
import type { Skb } from '../link/skb.ts';
import type { InetDevice } from './inet-device.ts';
import type { Netns } from './netns.ts';
import { localOut, routeOutput } from './output.ts';

const ERROR_TYPES = new Set([ICMP_UNREACHABLE, ICMP_REDIRECT, ICMP_TIME_EXCEEDED, 4, 12]);

/** A burst of six, then one per icmp_ratelimit, to each destination (net/ipv4/icmp.c, icmpv4_xrlim_allow; XRLIM_BURST_FACTOR). */
const BURST = 6;
/** Redirects to one host: the pause doubles from 20 ms, the tenth is not sent, and 20.48 s of quiet forget it all (net/ipv4/route.c). */
const REDIRECT_LOAD_NS = 20_000_000;
const REDIRECT_SILENCE_NS = REDIRECT_LOAD_NS * 1024;
const REDIRECTS_MAX = 9;

/** What a namespace remembers of a host it has sent ICMP errors to (net/ipv4/inetpeer.c); redirects and other errors share it. */
interface Peer {
  tokensNs: number;
  lastNs: number;
  redirects: number;
}

export class IcmpRateLimit {
  private readonly netns: Netns;
  private readonly peers = new Map<Ipv4, Peer>();

  constructor(netns: Netns) {
    this.netns = netns;
  }

  allow(destination: Ipv4): boolean {
    const intervalNs = this.netns.sysctls.get('net.ipv4.icmp_ratelimit') * 1_000_000;
    if (intervalNs === 0) return true;
    const { nowNs } = this.netns.lab.sim;
    const peer = this.peer(destination);
    peer.tokensNs = Math.min(intervalNs * BURST, peer.tokensNs + nowNs - peer.lastNs);
    peer.lastNs = nowNs;
    if (peer.tokensNs < intervalNs) return false;
    peer.tokensNs -= intervalNs;
    return true;
  }

  /** ip_rt_send_redirect. It takes the tokens of other errors away, so that one that follows is not sent. */
  allowRedirect(destination: Ipv4): boolean {
    const { nowNs } = this.netns.lab.sim;
    const peer = this.peer(destination);
    if (nowNs > peer.lastNs + REDIRECT_SILENCE_NS) {
      peer.tokensNs = 0;
      peer.redirects = 0;
    }
    if (peer.redirects >= REDIRECTS_MAX) {
      peer.lastNs = nowNs;
      return false;
    }
    if (peer.redirects > 0 && nowNs <= peer.lastNs + REDIRECT_LOAD_NS * 2 ** peer.redirects) return false;
    peer.lastNs = nowNs;
    peer.redirects++;
    return true;
  }

  /** A host not heard of has all its tokens: inet_getpeer sets its time 60 s back. */
  private peer(address: Ipv4): Peer {
    let peer = this.peers.get(address);
    if (!peer) {
      peer = { tokensNs: 0, lastNs: this.netns.lab.sim.nowNs - 60_000_000_000, redirects: 0 };
      this.peers.set(address, peer);
    }
    return peer;
  }
}

/**
 * Tells the sender of a packet that it went no further (net/ipv4/icmp.c, __icmp_send; RFC 1122
 * section 3.2.2 says about which packets nobody is told). The error speaks from the address the
 * packet was for, if that is ours, else from the address of the device it leaves by.
 */
export function sendIcmpError(netns: Netns, about: Skb, icmpType: number, code: number, because: DropReason, mtu = 0): void {
  const ip = about.payload as Ipv4Packet;
  const inner = ip.payload;
  if (ip.fragmentOffset > 0 || (inner.type === 'icmp' && ERROR_TYPES.has(inner.icmpType))) return;
  const chosen = routeOutput(netns, ip.src);
  if ('error' in chosen) return;
  const loopback = chosen.route.view.type === 'local';
  // Path MTU discovery must not be starved (icmpv4_mask_allow).
  const limited = !(icmpType === ICMP_UNREACHABLE && code === UNREACH_FRAG_NEEDED) && !loopback;
  if (limited && !netns.icmpRateLimit.allow(ip.src)) return;
  const src = netns.fib.isLocal(ip.dst) ? ip.dst : chosen.source;
  const recorder = netns.lab.recorder;
  if (recorder.on) recorder.packet('icmpError', netns.id, undefined, about, { icmpType, code, because });
  send(netns, about, src, ip.src, { type: 'icmp', icmpType, code, id: 0, seq: 0, mtu, gateway: 0 as Ipv4, quote: ip, data: '' });
}

/** The neighbour never answered: for a packet on its way an ICMP error, for a socket of our own the same over `lo` (net/ipv4/route.c, ipv4_link_failure). */
export function reportUnresolved(dev: InetDevice, skb: Skb): void {
  dev.netns.drop(skb, dev, 'neighbourFailed', undefined);
  if (skb.payload.type === 'ipv4') sendIcmpError(dev.netns, skb, ICMP_UNREACHABLE, UNREACH_HOST, 'neighbourFailed');
}

/**
 * Tells a host on this very link that its packet leaves by the device it came in by, so that it could
 * have sent it to the next hop itself (net/ipv4/route.c, __mkroute_input, ip_rt_send_redirect).
 */
export function sendRedirect(dev: InetDevice, about: Skb, gateway: Ipv4): void {
  const { netns } = dev;
  const { src } = about.payload as Ipv4Packet;
  const back = netns.fib.lookup(src);
  if (back?.device !== dev || back.via !== undefined || !netns.sysctls.either(dev.device.name, 'send_redirects')) return;
  if (!netns.icmpRateLimit.allowRedirect(src)) return;
  const source = dev.selectAddress(src);
  const quote = about.payload as Ipv4Packet;
  if (source === undefined) return;
  send(netns, about, source, src, {
    type: 'icmp',
    icmpType: ICMP_REDIRECT,
    code: REDIRECT_HOST,
    id: 0,
    seq: 0,
    mtu: 0,
    gateway,
    quote,
    data: '',
  });
}

const REDIRECT_HOST = 1;

export function icmpReceive(dev: InetDevice, skb: Skb, ip: Ipv4Packet, icmp: IcmpMessage): void {
  const { netns } = dev;
  if (icmp.icmpType === ICMP_ECHO_REQUEST) {
    if (netns.sysctls.get('net.ipv4.icmp_echo_ignore_all') === 1) {
      netns.drop(skb, dev, 'echoUnknown', 'net.ipv4.icmp_echo_ignore_all is 1');
      return;
    }
    deliver(netns, dev, skb, 'the kernel answers echo requests itself');
    send(netns, skb, ip.dst, ip.src, { ...icmp, icmpType: ICMP_ECHO_REPLY });
    return;
  }
  if (icmp.icmpType === ICMP_ECHO_REPLY) {
    const ping = netns.transports.icmp;
    if (ping) ping.receive(skb, ip);
    else netns.drop(skb, dev, 'echoUnknown', undefined);
    return;
  }
  if (icmp.icmpType === ICMP_REDIRECT) {
    // A router takes none (net/ipv4/devinet.c, inet_forward_change), and the lab's hosts have one gateway each.
    netns.drop(skb, dev, 'redirectIgnored', undefined);
    return;
  }
  const quote = icmp.quote;
  if (!quote) {
    netns.drop(skb, dev, 'icmpUnmatched', undefined);
    return;
  }
  if (icmp.icmpType === ICMP_UNREACHABLE && icmp.code === UNREACH_FRAG_NEEDED && icmp.mtu >= 68) netns.pathMtu.set(quote.dst, icmp.mtu);
  const transport = quote.payload.type === 'opaque' ? undefined : netns.transports[quote.payload.type];
  if (transport) transport.error(skb, icmp, quote);
  else netns.drop(skb, dev, 'icmpUnmatched', undefined);
}

function deliver(netns: Netns, dev: InetDevice, skb: Skb, to: string): void {
  const recorder = netns.lab.recorder;
  if (recorder.on) recorder.packet('deliver', netns.id, dev.device.name, skb, { to, process: undefined });
}

/** An answer of the kernel itself: the other direction than what it answers, no don't-fragment (net/ipv4/icmp.c, icmp_reply). */
function send(netns: Netns, about: Skb, src: Ipv4, dst: Ipv4, payload: IcmpMessage): void {
  const packet: Ipv4Packet = {
    type: 'ipv4',
    src,
    dst,
    ttl: netns.sysctls.defaultTtl,
    id: netns.nextIpId(),
    dontFragment: false,
    moreFragments: false,
    fragmentOffset: 0,
    tos: payload.quote ? 0xc0 : 0,
    payload,
  };
  localOut(netns, packet, { flow: about.flow, direction: about.direction === 'request' ? 'reply' : 'request', cause: about.cause });
}
