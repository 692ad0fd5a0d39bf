import type { Ipv4 } from '../../protocol/address.ts';
import type { Direction, SocketView } from '../../protocol/event.ts';
import { ICMP_UNREACHABLE, type IcmpMessage, type Ipv4Packet, ipv4Length, type UdpDatagram, UNREACH_PORT } from '../../protocol/packet.ts';
import { sendIcmpError } from '../ip/icmp.ts';
import type { Netns, Transport } from '../ip/netns.ts';
import { localOut, pathMtu, routeOutput } from '../ip/output.ts';
import type { Skb } from '../link/skb.ts';
import { type Bound, endpointText, ephemeralPort, errorOfUnreachable, noteSocket, PortTable, type SocketError } from './demux.ts';

export interface UdpHandler {
  received(
    socket: UdpSocket,
    data: string,
    from: {
      readonly address: Ipv4;
      readonly port: number;
      readonly to: Ipv4;
      readonly flow: number;
      readonly direction: Direction;
      readonly cause: number;
    },
  ): void;
  failed?(socket: UdpSocket, error: SocketError, cause: number): void;
}

/** A UDP socket, bound; connected when it has a remote. */
export interface UdpSocket extends Bound {
  readonly id: number;
  readonly remote: { readonly address: Ipv4; readonly port: number } | undefined;
  readonly handler: UdpHandler;
}

/** UDP of one namespace (net/ipv4/udp.c): a datagram without a socket is answered with "port unreachable". */
export class UdpLayer implements Transport {
  private readonly netns: Netns;
  private readonly sockets = new PortTable<UdpSocket>();

  constructor(netns: Netns) {
    this.netns = netns;
    netns.transports.udp = this;
  }

  /** Returns the socket that holds the port already (EADDRINUSE), if one does. */
  bind(address: Ipv4, port: number, process: string, handler: UdpHandler): UdpSocket | undefined {
    return this.open({ id: this.netns.lab.nextSocket(), address, port, process, remote: undefined, handler });
  }

  /** A connected socket on a free port; fails at once when there is no route. */
  connect(to: Ipv4, port: number, process: string, handler: UdpHandler, localPort?: number, from?: Ipv4): UdpSocket | SocketError {
    const chosen = routeOutput(this.netns, to);
    if ('error' in chosen) return chosen.error;
    const own = localPort ?? ephemeralPort(this.netns, (p) => this.sockets.has(p));
    const socket: UdpSocket = {
      id: this.netns.lab.nextSocket(),
      address: from ?? chosen.source,
      port: own,
      process,
      remote: { address: to, port },
      handler,
    };
    return this.open(socket) ? 'EADDRINUSE' : socket;
  }

  send(
    socket: UdpSocket,
    data: string,
    to: { address: Ipv4; port: number; from?: Ipv4 },
    origin: { flow: number; direction: Direction; cause: number },
    options: { ttl?: number | undefined } = {},
  ): SocketError | undefined {
    const chosen = routeOutput(this.netns, to.address);
    if ('error' in chosen) return chosen.error;
    const src = to.from ?? (socket.address === 0 ? chosen.source : socket.address);
    const whole: Ipv4Packet = {
      type: 'ipv4',
      src,
      dst: to.address,
      ttl: options.ttl ?? this.netns.sysctls.defaultTtl,
      id: this.netns.nextIpId(),
      dontFragment: false,
      moreFragments: false,
      fragmentOffset: 0,
      tos: 0,
      payload: { type: 'udp', srcPort: socket.port, dstPort: to.port, data },
    };
    // Path MTU discovery is on by default (net.ipv4.ip_no_pmtu_disc 0): datagrams carry don't-fragment while they fit, and
    // are cut when they do not (net/ipv4/ip_output.c, __ip_make_skb).
    const fits = ipv4Length(whole) <= pathMtu(this.netns, chosen.route, to.address);
    return localOut(this.netns, { ...whole, dontFragment: fits }, origin);
  }

  close(socket: UdpSocket, cause: number): void {
    this.sockets.release(socket);
    noteSocket(this.netns, { ...socketView(socket), state: 'CLOSED' }, cause, 0, 'request');
  }

  receive(skb: Skb, packet: Ipv4Packet): void {
    const datagram = packet.payload as UdpDatagram;
    const socket = this.sockets.lookup(packet.dst, datagram.dstPort);
    // A connected socket hears its peer only.
    const match =
      socket && (!socket.remote || (socket.remote.address === packet.src && socket.remote.port === datagram.srcPort)) ? socket : undefined;
    if (!match) {
      this.netns.drop(skb, undefined, 'noSocket', endpointText(packet.dst, datagram.dstPort));
      sendIcmpError(this.netns, skb, ICMP_UNREACHABLE, UNREACH_PORT, 'noSocket');
      return;
    }
    const recorder = this.netns.lab.recorder;
    if (recorder.on)
      recorder.packet('deliver', this.netns.id, undefined, skb, { to: endpointText(packet.dst, datagram.dstPort), process: match.process });
    match.handler.received(match, datagram.data, {
      address: packet.src,
      port: datagram.srcPort,
      to: packet.dst,
      flow: skb.flow,
      direction: skb.direction,
      cause: skb.cause,
    });
  }

  /** Only fatal errors reach a UDP socket, so "net unreachable" stays silent (udp.c, __udp4_lib_err). */
  error(skb: Skb, icmp: IcmpMessage, quote: Ipv4Packet): void {
    const datagram = quote.payload as UdpDatagram;
    const socket = this.sockets.lookup(quote.src, datagram.srcPort);
    const converted = icmp.icmpType === ICMP_UNREACHABLE ? errorOfUnreachable(icmp.code) : { error: 'EHOSTUNREACH' as const, fatal: false };
    if (!socket) {
      this.netns.drop(skb, undefined, 'icmpUnmatched', undefined);
      return;
    }
    const recorder = this.netns.lab.recorder;
    if (recorder.on)
      recorder.packet('deliver', this.netns.id, undefined, skb, { to: endpointText(quote.src, datagram.srcPort), process: socket.process });
    if (converted.fatal) socket.handler.failed?.(socket, converted.error, skb.cause);
  }

  views(): SocketView[] {
    return [...this.sockets.all()].map(socketView);
  }

  private open(socket: UdpSocket): UdpSocket | undefined {
    const holder = this.sockets.bind(socket);
    if (!holder) noteSocket(this.netns, socketView(socket), 0, 0, 'request');
    return holder;
  }
}

const socketView = (s: UdpSocket): SocketView => ({
  id: s.id,
  protocol: 'udp',
  localAddress: s.address,
  localPort: s.port,
  remoteAddress: s.remote?.address,
  remotePort: s.remote?.port ?? 0,
  state: s.remote ? 'ESTAB' : 'UNCONN',
  process: s.process,
});
