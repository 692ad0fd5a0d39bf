import { ANY_V4, formatIp, type Ipv4 } from '../../protocol/address.ts';
import type { Netns } from '../ip/netns.ts';
import { PingLayer } from '../socket/ping.ts';
import { TcpLayer } from '../socket/tcp.ts';
import { UdpLayer } from '../socket/udp.ts';
import { type HttpStatus, tcpServer, udpServer } from './server.ts';

/** The sockets of one namespace, and the processes that use them. */
export class Stack {
  readonly netns: Netns;
  readonly tcp: TcpLayer;
  readonly udp: UdpLayer;
  readonly ping: PingLayer;
  /** What a DNS server here answers with; undefined refuses. */
  dnsAddress: Ipv4 | undefined = undefined;

  constructor(netns: Netns) {
    this.netns = netns;
    this.tcp = new TcpLayer(netns);
    this.udp = new UdpLayer(netns);
    this.ping = new PingLayer(netns);
  }

  /** Lets a process serve a port; returns what is wrong when another process holds it. */
  serve(process: string, protocol: 'tcp' | 'udp', port: number, address: Ipv4 = ANY_V4, status?: HttpStatus): string | undefined {
    const holder =
      protocol === 'tcp'
        ? this.tcp.listen(address, port, process, () => tcpServer(this.netns, process, status))
        : this.udp.bind(address, port, process, udpServer(this.udp, this.netns, process, this.dnsAddress));
    if (!holder) return undefined;
    this.netns.lab.recorder.fact('bindFailed', this.netns.id, undefined, {
      process,
      protocol,
      address: formatIp(address),
      port,
      holder: holder.process,
    });
    return `bind ${formatIp(address)}:${port}/${protocol}: address already in use (EADDRINUSE), held by ${holder.process}`;
  }
}
