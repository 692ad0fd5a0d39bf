import type { Ipv4 } from '../../protocol/address.ts';
import type { Direction, SocketState, SocketView } from '../../protocol/event.ts';
import {
  ICMP_UNREACHABLE,
  type IcmpMessage,
  type Ipv4Packet,
  TCP_ACK,
  TCP_FIN,
  TCP_PSH,
  TCP_RST,
  TCP_SYN,
  type TcpSegment,
} from '../../protocol/packet.ts';
import type { InetDevice } from '../ip/inet-device.ts';
import { localOut, pathMtu, routeOutput } from '../ip/output.ts';
import type { HostQueueTicket, Skb } from '../link/skb.ts';
import type { Timer } from '../sim/simulation.ts';
import { errorOfUnreachable, noteSocket, type SocketError } from './demux.ts';
import { RetransmissionTimer } from './retransmission-timer.ts';
import type { TcpLayer } from './tcp.ts';
import { type Sent, seqAdd, seqLength, seqLess } from './tcp-sequence.ts';

const MS = 1_000_000;
const SECOND = 1000 * MS;
const DELAYED_ACK_NS = 40 * MS;
const TIME_WAIT_NS = 60 * SECOND;
const INITIAL_WINDOW_SEGMENTS = 10;
const WINDOW_SCALE = 7;
const RECEIVE_WINDOW = 64_240;
const HEADERS_WITH_TIMESTAMP = 52;

/** What a process does with its connection. Every call happens in virtual time, after the kernel's work. */
export interface TcpHandler {
  opened?(connection: TcpConnection): void;
  received?(connection: TcpConnection, data: string): void;
  /** The peer will send no more. */
  ended?(connection: TcpConnection): void;
  failed?(connection: TcpConnection, error: SocketError): void;
}

/**
 * One TCP connection (RFC 9293): handshake, data in order, acknowledgements, retransmission with
 * exponential backoff, close and reset, with Linux's timers. Not modelled: congestion control beyond
 * the initial window, selective acknowledgement, urgent data.
 */
export class TcpConnection {
  readonly id: number;
  readonly layer: TcpLayer;
  readonly localAddress: Ipv4;
  readonly localPort: number;
  readonly remoteAddress: Ipv4;
  readonly remotePort: number;
  readonly process: string;
  readonly flow: number;
  readonly direction: Direction;
  handler: TcpHandler;
  state: SocketState = 'CLOSED';
  /** Event that the next segment is caused by. */
  cause: number;
  private readonly iss: number;
  private sendNext: number;
  private sendUnacked: number;
  private receiveNext = 0;
  private peerWindow = RECEIVE_WINDOW;
  private peerMss = 536;
  private peerTimestamps = false;
  private timestampEcho = 0;
  private readonly timestampOffset: number;
  private outgoing = '';
  private finQueued = false;
  private inFlight: Sent[] = [];
  private outOfOrder: TcpSegment[] = [];
  private congestionWindow = INITIAL_WINDOW_SEGMENTS;
  private retries = 0;
  private readonly retransmission: RetransmissionTimer;
  private timeWaitTimer: Timer | undefined = undefined;
  private delayedAckTimer: Timer | undefined = undefined;
  private hostQueue: HostQueueTicket = { waiting: false };
  private ipId: number;
  private answered = false;
  private ttl: number | undefined = undefined;

  constructor(
    layer: TcpLayer,
    local: { address: Ipv4; port: number },
    remote: { address: Ipv4; port: number },
    process: string,
    flow: number,
    direction: Direction,
    cause: number,
    handler: TcpHandler,
  ) {
    const lab = layer.netns.lab;
    this.layer = layer;
    this.id = lab.nextSocket();
    this.localAddress = local.address;
    this.localPort = local.port;
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
    this.process = process;
    this.flow = flow;
    this.direction = direction;
    this.cause = cause;
    this.handler = handler;
    this.retransmission = new RetransmissionTimer(lab.sim, () => this.onRetransmissionTimeout());
    const random = lab.random('tcp');
    this.iss = random.uint32();
    this.timestampOffset = random.uint32();
    this.ipId = random.below(65_536);
    this.sendNext = this.iss;
    this.sendUnacked = this.iss;
  }

  /** Active open: sends SYN. */
  connect(ttl: number | undefined): void {
    this.ttl = ttl;
    this.setState('SYN-SENT');
    this.transmit({ seq: this.iss, flags: TCP_SYN, data: '', sentNs: 0, retransmitted: false });
  }

  /** Passive open: a SYN came for a listening socket; answers SYN, ACK. */
  accept(syn: TcpSegment): void {
    this.takeSynOptions(syn);
    this.receiveNext = seqAdd(syn.seq, 1);
    this.setState('SYN-RECV');
    this.transmit({ seq: this.iss, flags: TCP_SYN | TCP_ACK, data: '', sentNs: 0, retransmitted: false });
  }

  send(data: string): void {
    this.outgoing += data;
    this.answered = true;
    this.push();
  }

  /** No more data will be sent: FIN after what is queued (shutdown and close alike). */
  close(): void {
    if (this.finQueued || this.state === 'CLOSED') return;
    if (this.state === 'SYN-SENT') {
      this.done();
      return;
    }
    this.finQueued = true;
    this.push();
  }

  view(): SocketView {
    return {
      id: this.id,
      protocol: 'tcp',
      localAddress: this.localAddress,
      localPort: this.localPort,
      remoteAddress: this.remoteAddress,
      remotePort: this.remotePort,
      state: this.state,
      process: this.process,
    };
  }

  /** A segment for this connection. */
  receive(skb: Skb, segment: TcpSegment): void {
    this.cause = skb.cause;
    if (this.state === 'SYN-SENT') {
      this.receiveInSynSent(segment);
      return;
    }
    if (segment.flags & TCP_RST) {
      this.receiveReset(segment);
      return;
    }
    if (segment.flags & TCP_SYN) {
      // A SYN again: the answer was lost. In any other state it is challenged with an ACK (RFC 5961 section 4).
      if (this.state === 'SYN-RECV') this.resendSynAck();
      else this.acknowledge();
      return;
    }
    if (segment.options?.timestamp) this.timestampEcho = segment.options.timestamp.value;
    if (segment.flags & TCP_ACK) this.receiveAck(segment);
    if (this.state === 'CLOSED') return;
    if (segment.data.length > 0 || segment.flags & TCP_FIN) this.receiveData(segment);
  }

  /** An ICMP error quotes one of our segments (net/ipv4/tcp_ipv4.c, tcp_v4_err). */
  receiveError(skb: Skb, icmp: IcmpMessage, quoted: TcpSegment): void {
    if (seqLess(quoted.seq, this.sendUnacked) || seqLess(this.sendNext, quoted.seq)) return;
    this.cause = skb.cause;
    if (icmp.icmpType === ICMP_UNREACHABLE && icmp.code === 4) {
      const mtu = Math.max(icmp.mtu, 552);
      this.peerMss = Math.min(this.peerMss, mtu - 40);
      this.splitAndResend();
      return;
    }
    const error = icmp.icmpType === ICMP_UNREACHABLE ? errorOfUnreachable(icmp.code).error : 'EHOSTUNREACH';
    if (this.state === 'SYN-SENT') this.fail(error);
    else if (this.state === 'SYN-RECV' && (icmp.icmpType !== ICMP_UNREACHABLE || icmp.code <= 1)) this.done();
  }

  private receiveInSynSent(segment: TcpSegment): void {
    const acceptable = segment.flags & TCP_ACK && segment.ack === this.sendNext;
    if (segment.flags & TCP_RST) {
      if (acceptable) this.fail('ECONNREFUSED');
      return;
    }
    if (!(segment.flags & TCP_SYN) || !acceptable) return;
    this.takeSynOptions(segment);
    this.receiveNext = seqAdd(segment.seq, 1);
    this.takeAck(segment);
    this.setState('ESTAB');
    this.acknowledge();
    this.handler.opened?.(this);
  }

  private receiveReset(segment: TcpSegment): void {
    // Only an exact sequence number resets (RFC 5961 section 3.2).
    if (segment.seq !== this.receiveNext && !(segment.flags & TCP_ACK && segment.ack === this.sendNext)) return;
    if (this.state === 'TIME-WAIT' || this.state === 'SYN-RECV') this.done();
    else this.fail('ECONNRESET');
  }

  private receiveAck(segment: TcpSegment): void {
    if (this.state === 'SYN-RECV') {
      if (segment.ack !== this.sendNext) return;
      this.takeAck(segment);
      this.setState('ESTAB');
      this.handler.opened?.(this);
      return;
    }
    const finAcked = this.takeAck(segment);
    if (finAcked) {
      if (this.state === 'FIN-WAIT-1') this.setState('FIN-WAIT-2');
      else if (this.state === 'CLOSING') this.enterTimeWait();
      else if (this.state === 'LAST-ACK') this.done();
    }
    this.push();
  }

  /** Takes what an ACK acknowledges off the queue; true when our FIN is among it. */
  private takeAck(segment: TcpSegment): boolean {
    this.peerWindow = segment.flags & TCP_SYN ? segment.window : segment.window << WINDOW_SCALE;
    if (!seqLess(this.sendUnacked, segment.ack) || seqLess(this.sendNext, segment.ack)) return false;
    this.sendUnacked = segment.ack;
    let finAcked = false;
    while (this.inFlight.length > 0) {
      const first = this.inFlight[0] as Sent;
      if (seqLess(segment.ack, seqAdd(first.seq, seqLength(first)))) break;
      this.inFlight.shift();
      this.congestionWindow++;
      if (first.flags & TCP_FIN) finAcked = true;
      if (!first.retransmitted) this.retransmission.measure(this.layer.netns.lab.sim.nowNs - first.sentNs);
    }
    if (this.retries > 0) this.retransmission.recover();
    this.retries = 0;
    if (this.inFlight.length > 0) this.retransmission.arm();
    else this.retransmission.rest();
    // New data got through: the next hop is alive.
    this.confirmNeighbour();
    return finAcked;
  }

  private receiveData(segment: TcpSegment): void {
    if (seqLess(segment.seq, this.receiveNext)) {
      // Seen already: the ACK was lost.
      this.acknowledge();
      return;
    }
    if (segment.seq !== this.receiveNext) {
      this.outOfOrder.push(segment);
      this.acknowledge();
      return;
    }
    this.takeInOrder(segment);
    for (
      let next = this.outOfOrder.findIndex((s) => s.seq === this.receiveNext);
      next >= 0;
      next = this.outOfOrder.findIndex((s) => s.seq === this.receiveNext)
    ) {
      this.takeInOrder(this.outOfOrder.splice(next, 1)[0] as TcpSegment);
    }
  }

  private takeInOrder(segment: TcpSegment): void {
    const { data } = segment;
    this.receiveNext = seqAdd(segment.seq, seqLength(segment));
    const fin = (segment.flags & TCP_FIN) !== 0;
    if (data.length > 0) {
      // A connection that has not sent anything acknowledges at once (quick acks); one that answers waits for its answer.
      if (this.answered && fin) this.scheduleAck();
      else this.acknowledge();
      this.handler.received?.(this, data);
    }
    if (fin) this.receiveFin();
  }

  private receiveFin(): void {
    if (this.state === 'ESTAB') {
      this.setState('CLOSE-WAIT');
      this.scheduleAck();
      this.handler.ended?.(this);
    } else if (this.state === 'FIN-WAIT-1') {
      this.setState('CLOSING');
      this.acknowledge();
    } else if (this.state === 'FIN-WAIT-2') {
      this.acknowledge();
      this.enterTimeWait();
    }
  }

  private enterTimeWait(): void {
    this.setState('TIME-WAIT');
    this.cancelTimers();
    this.timeWaitTimer = this.layer.netns.lab.sim.schedule(TIME_WAIT_NS, expireTimeWait, this as TcpConnection, undefined, true);
  }

  private push(): void {
    if (this.state !== 'ESTAB' && this.state !== 'CLOSE-WAIT') return;
    const room = (): boolean => this.inFlight.length < this.congestionWindow;
    while (this.outgoing.length > 0 && room()) {
      const take = Math.min(this.outgoing.length, this.segmentSize(), Math.max(this.peerWindow, 1));
      const data = this.outgoing.slice(0, take);
      this.outgoing = this.outgoing.slice(take);
      this.transmit({
        seq: this.sendNext,
        flags: TCP_ACK | (this.outgoing.length === 0 ? TCP_PSH : 0),
        data,
        sentNs: 0,
        retransmitted: false,
      });
    }
    if (this.finQueued && this.outgoing.length === 0 && room()) {
      this.setState(this.state === 'ESTAB' ? 'FIN-WAIT-1' : 'LAST-ACK');
      this.transmit({ seq: this.sendNext, flags: TCP_FIN | TCP_ACK, data: '', sentNs: 0, retransmitted: false });
    }
  }

  private segmentSize(): number {
    const chosen = routeOutput(this.layer.netns, this.remoteAddress);
    const mtu = 'error' in chosen ? 1500 : pathMtu(this.layer.netns, chosen.route, this.remoteAddress);
    return Math.min(this.peerMss - (this.peerTimestamps ? 12 : 0), mtu - (this.peerTimestamps ? HEADERS_WITH_TIMESTAMP : 40));
  }

  /** Sends something that must be acknowledged and keeps it until it is. */
  private transmit(sent: Sent): void {
    sent.sentNs = this.layer.netns.lab.sim.nowNs;
    this.inFlight.push(sent);
    this.sendNext = seqAdd(sent.seq, seqLength(sent));
    const error = this.output(sent.seq, sent.flags, sent.data);
    // A hook that drops the SYN fails nothing: it is sent again like any lost one (net/ipv4/tcp_output.c, tcp_connect).
    if (error && error !== 'EPERM' && this.state === 'SYN-SENT') {
      this.fail(error);
      return;
    }
    if (this.inFlight.length === 1) this.retransmission.arm();
  }

  private onRetransmissionTimeout(): void {
    const first = this.inFlight[0];
    if (!first) return;
    const sysctls = this.layer.netns.sysctls;
    const max =
      this.state === 'SYN-SENT'
        ? sysctls.get('net.ipv4.tcp_syn_retries')
        : this.state === 'SYN-RECV'
          ? sysctls.get('net.ipv4.tcp_synack_retries')
          : sysctls.get('net.ipv4.tcp_retries2');
    if (this.retries >= max) {
      if (this.state === 'SYN-RECV') this.done();
      else this.fail('ETIMEDOUT');
      return;
    }
    this.retries++;
    const linear = this.state === 'SYN-SENT' && this.retries <= sysctls.get('net.ipv4.tcp_syn_linear_timeouts');
    if (!linear) this.retransmission.backOff();
    this.retransmission.arm();
    // While the last copy still waits for the neighbour there is nothing to add (tcp_output.c, skb_still_in_host_queue).
    if (this.hostQueue.waiting) return;
    this.cause = 0;
    first.retransmitted = true;
    this.output(first.seq, first.flags, first.data);
  }

  private resendSynAck(): void {
    const first = this.inFlight[0];
    if (!first) return;
    first.retransmitted = true;
    this.retransmission.arm();
    this.output(first.seq, first.flags, first.data);
  }

  /** The path takes less than we sent: cut what is in flight again and resend. */
  private splitAndResend(): void {
    const waiting = this.inFlight.map((s) => s.data).join('');
    const fin = this.inFlight.some((s) => s.flags & TCP_FIN);
    if (waiting.length === 0) return;
    this.inFlight = [];
    this.sendNext = this.sendUnacked;
    this.outgoing = waiting + this.outgoing;
    if (fin) this.setState(this.state === 'LAST-ACK' ? 'CLOSE-WAIT' : 'ESTAB');
    this.push();
  }

  private acknowledge(): void {
    this.output(this.sendNext, TCP_ACK, '');
  }

  private scheduleAck(): void {
    if (this.delayedAckTimer) return;
    this.delayedAckTimer = this.layer.netns.lab.sim.schedule(DELAYED_ACK_NS, delayedAck, this as TcpConnection, undefined);
  }

  private output(seq: number, flags: number, data: string): ReturnType<typeof localOut> {
    const sim = this.layer.netns.lab.sim;
    if (flags & TCP_ACK && this.delayedAckTimer) {
      sim.cancel(this.delayedAckTimer);
      this.delayedAckTimer = undefined;
    }
    const syn = (flags & TCP_SYN) !== 0;
    const value = (Math.floor(sim.nowNs / MS) + this.timestampOffset) >>> 0;
    const timestamp = this.peerTimestamps || flags === TCP_SYN ? { value, echo: this.timestampEcho } : undefined;
    const payload: TcpSegment = {
      type: 'tcp',
      srcPort: this.localPort,
      dstPort: this.remotePort,
      seq,
      ack: flags & TCP_ACK ? this.receiveNext : 0,
      flags,
      window: syn ? RECEIVE_WINDOW : RECEIVE_WINDOW >>> WINDOW_SCALE,
      options: syn
        ? { mss: this.ownMss(), windowScale: WINDOW_SCALE, sackPermitted: true, timestamp }
        : timestamp
          ? { mss: undefined, windowScale: undefined, sackPermitted: false, timestamp }
          : undefined,
      data,
    };
    // Linux numbers the packets of a connection one by one, but sends SYN, ACK before there is one, with 0.
    const id = syn && flags & TCP_ACK ? 0 : this.ipId++ & 0xffff;
    const packet: Ipv4Packet = {
      type: 'ipv4',
      src: this.localAddress,
      dst: this.remoteAddress,
      ttl: this.ttl ?? this.layer.netns.sysctls.defaultTtl,
      id,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      tos: 0,
      payload,
    };
    return localOut(this.layer.netns, packet, { flow: this.flow, direction: this.direction, cause: this.cause, hostQueue: this.hostQueue });
  }

  private ownMss(): number {
    const chosen = routeOutput(this.layer.netns, this.remoteAddress);
    return 'error' in chosen ? 1460 : (chosen.route.device as InetDevice).device.mtu - 40;
  }

  private takeSynOptions(segment: TcpSegment): void {
    this.peerMss = segment.options?.mss ?? 536;
    this.peerTimestamps = segment.options?.timestamp !== undefined;
    this.timestampEcho = segment.options?.timestamp?.value ?? 0;
  }

  private confirmNeighbour(): void {
    const route = this.layer.netns.fib.lookup(this.remoteAddress);
    route?.device?.neighbours.get(route.via ?? this.remoteAddress)?.confirm();
  }

  private fail(error: SocketError): void {
    this.done();
    this.handler.failed?.(this, error);
  }

  private done(): void {
    this.cancelTimers();
    this.inFlight = [];
    this.setState('CLOSED');
    this.layer.forget(this);
  }

  private cancelTimers(): void {
    const sim = this.layer.netns.lab.sim;
    this.retransmission.stop();
    sim.cancel(this.timeWaitTimer);
    sim.cancel(this.delayedAckTimer);
    this.delayedAckTimer = undefined;
  }

  private setState(state: SocketState): void {
    this.state = state;
    if (this.layer.netns.lab.recorder.on) noteSocket(this.layer.netns, this.view(), this.cause, this.flow, this.direction);
  }

  static readonly timers = {
    delayedAck: (c: TcpConnection): void => {
      c.delayedAckTimer = undefined;
      c.acknowledge();
    },
    timeWait: (c: TcpConnection): void => c.done(),
  };
}

const delayedAck = (c: TcpConnection): void => TcpConnection.timers.delayedAck(c);
const expireTimeWait = (c: TcpConnection): void => TcpConnection.timers.timeWait(c);
