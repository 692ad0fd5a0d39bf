import type { Ipv4 } from '../../protocol/address.ts';
import type { Direction, SocketView } from '../../protocol/event.ts';
import { type IcmpMessage, type Ipv4Packet, TCP_ACK, TCP_RST, TCP_SYN, type TcpSegment } from '../../protocol/packet.ts';
import type { Netns, Transport } from '../ip/netns.ts';
import { routeOutput } from '../ip/output.ts';
import { answerWithReset } from '../ip/reject.ts';
import type { Skb } from '../link/skb.ts';
import { type Bound, endpointText, ephemeralPort, noteSocket, PortTable, type SocketError } from './demux.ts';
import { TcpConnection, type TcpHandler } from './tcp-connection.ts';

/** A listening socket; `handler` makes what serves one accepted connection. */
export interface TcpListener extends Bound {
  readonly id: number;
  readonly handler: () => TcpHandler;
}

/** TCP of one namespace (net/ipv4/tcp_ipv4.c): finds the socket of a segment, or answers with a reset. */
export class TcpLayer implements Transport {
  readonly netns: Netns;
  private readonly listeners = new PortTable<TcpListener>();
  /** By local and remote port; connections that share both differ in addresses. */
  private readonly connections = new Map<number, TcpConnection[]>();

  constructor(netns: Netns) {
    this.netns = netns;
    netns.transports.tcp = this;
  }

  /** Returns the socket that holds the port already (EADDRINUSE), if one does. */
  listen(address: Ipv4, port: number, process: string, handler: () => TcpHandler): TcpListener | undefined {
    const listener: TcpListener = { id: this.netns.lab.nextSocket(), address, port, process, handler };
    const holder = this.listeners.bind(listener);
    if (!holder) noteSocket(this.netns, listenerView(listener), 0, 0, 'request');
    return holder;
  }

  /** Starts a connection; fails at once when there is no route. */
  connect(options: {
    to: Ipv4;
    port: number;
    from?: Ipv4 | undefined;
    localPort?: number | undefined;
    ttl?: number | undefined;
    process: string;
    flow: number;
    cause: number;
    handler: TcpHandler;
  }): TcpConnection | SocketError {
    const chosen = routeOutput(this.netns, options.to);
    if ('error' in chosen) return chosen.error;
    const address = options.from ?? chosen.source;
    const localPort =
      options.localPort ?? ephemeralPort(this.netns, (port) => this.listeners.has(port) || this.connections.has(key(port, options.port)));
    const connection = new TcpConnection(
      this,
      { address, port: localPort },
      { address: options.to, port: options.port },
      options.process,
      options.flow,
      'request',
      options.cause,
      options.handler,
    );
    this.remember(connection);
    connection.connect(options.ttl);
    return connection;
  }

  receive(skb: Skb, packet: Ipv4Packet): void {
    const segment = packet.payload as TcpSegment;
    const connection = this.find(packet.dst, segment.dstPort, packet.src, segment.srcPort);
    if (connection) {
      this.noteDelivery(skb, packet.dst, segment.dstPort, '', connection.process);
      if (connection.state === 'TIME-WAIT' && segment.flags & TCP_SYN) this.forget(connection);
      else {
        connection.receive(skb, segment);
        return;
      }
    }
    const listener =
      segment.flags & TCP_SYN && !(segment.flags & (TCP_ACK | TCP_RST)) ? this.listeners.lookup(packet.dst, segment.dstPort) : undefined;
    if (listener) {
      this.noteDelivery(skb, packet.dst, segment.dstPort, ' LISTEN', listener.process);
      const opposite: Direction = skb.direction === 'request' ? 'reply' : 'request';
      const child = new TcpConnection(
        this,
        { address: packet.dst, port: segment.dstPort },
        { address: packet.src, port: segment.srcPort },
        listener.process,
        skb.flow,
        opposite,
        skb.cause,
        listener.handler(),
      );
      this.remember(child);
      // Who serves is known as soon as the connection reaches it, whatever address the client asked for.
      const note = this.netns.lab.flowNotes.get(skb.flow);
      if (note) note.endpoint = endpointText(packet.dst, segment.dstPort);
      child.accept(segment);
      return;
    }
    this.netns.drop(skb, undefined, 'noSocket', endpointText(packet.dst, segment.dstPort));
    if (!(segment.flags & TCP_RST)) answerWithReset(this.netns, skb, packet, segment, false);
  }

  error(skb: Skb, icmp: IcmpMessage, quote: Ipv4Packet): void {
    const segment = quote.payload as TcpSegment;
    const connection = this.find(quote.src, segment.srcPort, quote.dst, segment.dstPort);
    if (!connection) {
      this.netns.drop(skb, undefined, 'icmpUnmatched', undefined);
      return;
    }
    this.noteDelivery(skb, quote.src, segment.srcPort, '', connection.process);
    connection.receiveError(skb, icmp, segment);
  }

  forget(connection: TcpConnection): void {
    const k = key(connection.localPort, connection.remotePort);
    const rest = this.connections.get(k)?.filter((c) => c !== connection);
    if (rest && rest.length > 0) this.connections.set(k, rest);
    else this.connections.delete(k);
  }

  views(): SocketView[] {
    return [...[...this.listeners.all()].map(listenerView), ...[...this.connections.values()].flat().map((c) => c.view())].sort(
      (a, b) => a.id - b.id,
    );
  }

  private find(local: Ipv4, localPort: number, remote: Ipv4, remotePort: number): TcpConnection | undefined {
    const candidates = this.connections.get(key(localPort, remotePort));
    if (!candidates) return undefined;
    for (const c of candidates) if (c.localAddress === local && c.remoteAddress === remote) return c;
    return undefined;
  }

  private remember(connection: TcpConnection): void {
    const k = key(connection.localPort, connection.remotePort);
    const others = this.connections.get(k);
    // The newest first, as in a hash chain of the kernel: it is found before one in TIME-WAIT with the same ports and addresses.
    if (others) others.unshift(connection);
    else this.connections.set(k, [connection]);
  }

  private noteDelivery(skb: Skb, address: Ipv4, port: number, suffix: string, process: string): void {
    const recorder = this.netns.lab.recorder;
    if (recorder.on) recorder.packet('deliver', this.netns.id, undefined, skb, { to: `${endpointText(address, port)}${suffix}`, process });
  }
}

/** Both ports in one signed 32-bit number. */
const key = (localPort: number, remotePort: number): number => (localPort << 16) | remotePort;

const listenerView = (l: TcpListener): SocketView => ({
  id: l.id,
  protocol: 'tcp',
  localAddress: l.address,
  localPort: l.port,
  remoteAddress: undefined,
  remotePort: 0,
  state: 'LISTEN',
  process: l.process,
});
