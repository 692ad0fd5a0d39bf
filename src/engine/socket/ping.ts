import type { Ipv4 } from '../../protocol/address.ts';
import type { Direction, SocketView } from '../../protocol/event.ts';
import { ICMP_ECHO_REQUEST, type IcmpMessage, type Ipv4Packet } from '../../protocol/packet.ts';
import type { Netns, Transport } from '../ip/netns.ts';
import { localOut, routeOutput } from '../ip/output.ts';
import type { Skb } from '../link/skb.ts';
import type { SocketError } from './demux.ts';
import { noteSocket } from './demux.ts';

export interface PingHandler {
  replied(packet: Ipv4Packet, cause: number): void;
  /** An ICMP error about the request. */
  failed(icmp: IcmpMessage, from: Ipv4, cause: number): void;
}

interface PingSocket {
  readonly id: number;
  readonly ident: number;
  readonly process: string;
  readonly handler: PingHandler;
}

/** Echo requests and who waits for their replies, by identifier. */
export class PingLayer implements Transport {
  private readonly netns: Netns;
  private readonly waiting = new Map<number, PingSocket>();

  constructor(netns: Netns) {
    this.netns = netns;
    netns.transports.icmp = this;
  }

  /** Sends one echo request of `size` octets of IP in all; returns the error of the system call, or a function that stops waiting. */
  send(options: {
    to: Ipv4;
    size: number;
    ttl?: number | undefined;
    dontFragment: boolean;
    process: string;
    origin: { flow: number; direction: Direction; cause: number };
    handler: PingHandler;
  }): SocketError | (() => void) {
    const chosen = routeOutput(this.netns, options.to);
    if ('error' in chosen) return chosen.error;
    let ident = this.netns.lab.random('ping').below(65_536);
    while (this.waiting.has(ident)) ident = (ident + 1) & 0xffff;
    const socket: PingSocket = { id: this.netns.lab.nextSocket(), ident, process: options.process, handler: options.handler };
    this.waiting.set(ident, socket);
    noteSocket(this.netns, socketView(socket), options.origin.cause, options.origin.flow, options.origin.direction);
    const payload: IcmpMessage = {
      type: 'icmp',
      icmpType: ICMP_ECHO_REQUEST,
      code: 0,
      id: ident,
      seq: 1,
      mtu: 0,
      gateway: 0 as Ipv4,
      quote: undefined,
      data: 'Z'.repeat(Math.max(0, options.size - 28)),
    };
    const packet: Ipv4Packet = {
      type: 'ipv4',
      src: chosen.source,
      dst: options.to,
      ttl: options.ttl ?? this.netns.sysctls.defaultTtl,
      id: this.netns.nextIpId(),
      dontFragment: options.dontFragment,
      moreFragments: false,
      fragmentOffset: 0,
      tos: 0,
      payload,
    };
    const stop = (): void => {
      if (!this.waiting.delete(ident)) return;
      noteSocket(this.netns, { ...socketView(socket), state: 'CLOSED' }, 0, options.origin.flow, options.origin.direction);
    };
    const error = localOut(this.netns, packet, options.origin);
    if (error) {
      stop();
      return error;
    }
    return stop;
  }

  receive(skb: Skb, packet: Ipv4Packet): void {
    const icmp = packet.payload as IcmpMessage;
    const socket = this.waiting.get(icmp.id);
    if (!socket) {
      this.netns.drop(skb, undefined, 'echoUnknown', undefined);
      return;
    }
    this.noteDelivery(skb, socket);
    socket.handler.replied(packet, skb.cause);
  }

  error(skb: Skb, icmp: IcmpMessage, quote: Ipv4Packet): void {
    const socket = this.waiting.get((quote.payload as IcmpMessage).id);
    if (!socket) {
      this.netns.drop(skb, undefined, 'icmpUnmatched', undefined);
      return;
    }
    this.noteDelivery(skb, socket);
    socket.handler.failed(icmp, (skb.payload as Ipv4Packet).src, skb.cause);
  }

  views(): SocketView[] {
    return [...this.waiting.values()].map(socketView);
  }

  private noteDelivery(skb: Skb, socket: PingSocket): void {
    const recorder = this.netns.lab.recorder;
    if (recorder.on)
      recorder.packet('deliver', this.netns.id, undefined, skb, { to: `echo identifier ${socket.ident}`, process: socket.process });
  }
}

const socketView = (s: PingSocket): SocketView => ({
  id: s.id,
  protocol: 'icmp',
  localAddress: 0 as Ipv4,
  localPort: s.ident,
  remoteAddress: undefined,
  remotePort: 0,
  state: 'UNCONN',
  process: s.process,
});
