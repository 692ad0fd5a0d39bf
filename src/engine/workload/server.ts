import type { Ipv4 } from '../../protocol/address.ts';
import type { Netns } from '../ip/netns.ts';
import { dnsAnswer, isDnsQuery } from '../packet/dns.ts';
import { endpointText, noteProcess } from '../socket/demux.ts';
import type { TcpConnection, TcpHandler } from '../socket/tcp-connection.ts';
import type { UdpHandler, UdpLayer, UdpSocket } from '../socket/udp.ts';

export const DNS_PORT = 53;

/** How long a process thinks before it answers. */
const THINK_NS = 100_000;

/** The status line that a server answers with at present, such as `200 OK`. */
export type HttpStatus = () => string;
const OK: HttpStatus = () => '200 OK';

/**
 * What a container serves on a TCP port: a small HTTP/1.1 server (RFC 9112) that says who it is and
 * whom it saw; what is not HTTP it sends back. It closes when the client has.
 */
export function tcpServer(netns: Netns, process: string, status: HttpStatus = OK): TcpHandler {
  let received = '';
  return {
    opened: (connection) => noteEndpoint(netns, connection),
    received: (connection, data) => {
      received += data;
      const end = received.indexOf('\r\n\r\n');
      if (/^[A-Z]+ /.test(received) && end < 0) return;
      const request = received;
      received = '';
      netns.lab.sim.post(THINK_NS, answer, { netns, connection, process, request, status: status() }, undefined);
    },
    ended: (connection) => netns.lab.sim.post(THINK_NS, closeConnection, connection, undefined),
  };
}

function noteEndpoint(netns: Netns, connection: TcpConnection): void {
  const note = netns.lab.flowNotes.get(connection.flow);
  if (note) note.endpoint = endpointText(connection.localAddress, connection.localPort);
}

function answer(task: { netns: Netns; connection: TcpConnection; process: string; request: string; status: string }): void {
  const { netns, connection, process, request, status } = task;
  const http = /^[A-Z]+ \S+ HTTP\/1\.[01]\r\n/.test(request);
  if (!http) {
    connection.cause = noteProcess(
      netns,
      process,
      `sent ${request.length} octets back`,
      connection.cause,
      connection.flow,
      connection.direction,
    );
    connection.send(request);
    return;
  }
  const body = `served by ${process} in ${netns.id}, for ${endpointText(connection.remoteAddress, connection.remotePort)}\n`;
  connection.cause = noteProcess(netns, process, `answered HTTP/1.1 ${status}`, connection.cause, connection.flow, connection.direction);
  connection.send(`HTTP/1.1 ${status}\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
}

function closeConnection(connection: TcpConnection): void {
  connection.close();
}

/**
 * What a container serves on a UDP port: one datagram back for each, saying who answered. A DNS query
 * is answered with `dnsAddress`, or refused.
 */
export function udpServer(udp: UdpLayer, netns: Netns, process: string, dnsAddress: Ipv4 | undefined): UdpHandler {
  return {
    received: (socket, data, from) => {
      const note = netns.lab.flowNotes.get(from.flow);
      if (note) note.endpoint = endpointText(from.to, socket.port);
      netns.lab.sim.post(THINK_NS, answerDatagram, { udp, netns, process, socket, from, data, dnsAddress }, undefined);
    },
  };
}

function answerDatagram(task: {
  udp: UdpLayer;
  netns: Netns;
  process: string;
  socket: UdpSocket;
  from: Parameters<UdpHandler['received']>[2];
  data: string;
  dnsAddress: Ipv4 | undefined;
}): void {
  const { udp, netns, process, socket, from, data, dnsAddress } = task;
  const peer = endpointText(from.address, from.port);
  const cause = noteProcess(netns, process, `answered ${peer}`, from.cause, from.flow, 'reply');
  const answer =
    socket.port === DNS_PORT && isDnsQuery(data) ? dnsAnswer(data, dnsAddress) : `served by ${process} in ${netns.id}, for ${peer}\n`;
  udp.send(socket, answer, { address: from.address, port: from.port, from: from.to }, { flow: from.flow, direction: 'reply', cause });
}
