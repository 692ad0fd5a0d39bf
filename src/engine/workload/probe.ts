import { formatIp, type Ipv4 } from '../../protocol/address.ts';
import type { FlowOutcome, ProbeProtocol } from '../../protocol/event.ts';
import { ICMP_TIME_EXCEEDED, type IcmpMessage, UNREACH_PORT } from '../../protocol/packet.ts';
import type { OutcomeKind } from '../../protocol/view.ts';
import { dnsQuery } from '../packet/dns.ts';
import type { FlowNote } from '../sim/lab-context.ts';
import type { Timer } from '../sim/simulation.ts';
import { endpointText, noteProcess, type SocketError } from '../socket/demux.ts';
import type { TcpConnection } from '../socket/tcp-connection.ts';
import { DNS_PORT } from './server.ts';
import type { Stack } from './stack.ts';

/** How long a client waits for a datagram or an echo reply. */
const ANSWER_TIMEOUT_NS = 5_000_000_000;
/** How long a client looks at what it got before it closes. */
const CLOSE_AFTER_NS = 100_000;
/** What a client asks a DNS server for: the name that every cluster has. */
const DNS_NAME = 'kubernetes.default.svc.cluster.local';
/** What `ping` sends by default: 56 octets of data in an IP packet of 84. */
const PING_SIZE = 84;

export interface ProbePlan {
  readonly flow: number;
  readonly protocol: ProbeProtocol;
  readonly to: Ipv4;
  /** Ignored for icmp. */
  readonly port: number;
  /** HTTP: what the Host header and the request line say. */
  readonly host: string;
  readonly path: string;
  readonly ttl: number | undefined;
  /** ICMP: total length of the IP packet; UDP: octets of data. */
  readonly size: number | undefined;
}

/** A client that tries one thing and ends in exactly one outcome. */
export class Probe {
  private readonly stack: Stack;
  private readonly plan: ProbePlan;
  private readonly onEnd: (outcome: FlowOutcome, cause: number) => void;
  private readonly startNs: number;
  private ended = false;
  private cause: number;
  private timer: Timer | undefined = undefined;
  private connectedNs = 0;

  constructor(stack: Stack, plan: ProbePlan, cause: number, onEnd: (outcome: FlowOutcome, cause: number) => void) {
    this.stack = stack;
    this.plan = plan;
    this.cause = cause;
    this.onEnd = onEnd;
    this.startNs = stack.netns.lab.sim.nowNs;
  }

  start(): void {
    switch (this.plan.protocol) {
      case 'tcp':
      case 'http':
        this.startTcp();
        return;
      case 'udp':
        this.startUdp();
        return;
      case 'icmp':
        this.startPing();
        return;
    }
  }

  private startTcp(): void {
    const { to, port, flow, protocol, ttl } = this.plan;
    const client = protocol === 'http' ? 'curl' : 'nc';
    let answer = '';
    const error = this.stack.tcp.connect({
      to,
      port,
      ttl,
      process: client,
      flow,
      cause: this.cause,
      handler: {
        opened: (connection) => {
          this.cause = connection.cause;
          this.connectedNs = this.nowNs;
          if (protocol === 'http') {
            connection.cause = noteProcess(this.stack.netns, client, `sent GET ${this.plan.path}`, connection.cause, flow, 'request');
            connection.send(`GET ${this.plan.path} HTTP/1.1\r\nHost: ${this.plan.host}\r\nUser-Agent: curl\r\nAccept: */*\r\n\r\n`);
          } else {
            // The server takes the connection when our ACK arrives; until then it is known by the address we asked for.
            const note = this.note;
            if (note) note.endpoint ??= endpointText(to, port);
            this.end('connected', () => `Connected to ${endpointText(to, port)} in ${duration(this.nowNs - this.startNs)}.`);
            this.stack.netns.lab.sim.post(CLOSE_AFTER_NS, closeConnection, connection, undefined);
          }
        },
        received: (connection, data) => {
          this.cause = connection.cause;
          answer += data;
          const status = completeResponse(answer);
          if (protocol !== 'http' || status === undefined || this.ended) return;
          this.end(
            'http',
            () => `${status} after ${duration(this.nowNs - this.startNs)}; connected in ${duration(this.connectedNs - this.startNs)}.`,
          );
          this.stack.netns.lab.sim.post(CLOSE_AFTER_NS, closeConnection, connection, undefined);
        },
        ended: (connection) => {
          if (protocol === 'http' && !this.ended) this.end('refused', () => 'The server closed the connection before it answered.');
          connection.close();
        },
        failed: (connection, why) => {
          this.cause = connection.cause;
          this.endWithError(why);
        },
      },
    });
    if (typeof error === 'string') this.endWithError(error);
  }

  private startUdp(): void {
    const { to, port, flow, size, ttl } = this.plan;
    const dns = port === DNS_PORT && size === undefined;
    const data = dns
      ? dnsQuery(this.stack.netns.lab.random('dns').below(65_536), DNS_NAME)
      : size === undefined
        ? 'hello'
        : 'q'.repeat(size);
    const socket = this.stack.udp.connect(to, port, dns ? 'dig' : 'nc', {
      received: (own, answer, from) => {
        this.cause = from.cause;
        this.end(
          'connected',
          () =>
            `${endpointText(from.address, from.port)} answered with ${answer.length} octets after ${duration(this.nowNs - this.startNs)}.`,
        );
        this.stack.udp.close(own, from.cause);
      },
      failed: (own, why, cause) => {
        this.cause = cause;
        this.endWithError(why);
        this.stack.udp.close(own, cause);
      },
    });
    if (typeof socket === 'string') {
      this.endWithError(socket);
      return;
    }
    const error = this.stack.udp.send(socket, data, { address: to, port }, { flow, direction: 'request', cause: this.cause }, { ttl });
    if (error) {
      this.endWithError(error);
      this.stack.udp.close(socket, 0);
      return;
    }
    this.waitForAnswer(() => this.stack.udp.close(socket, 0));
  }

  private startPing(): void {
    const { to, flow, ttl, size } = this.plan;
    const stop = this.stack.ping.send({
      to,
      size: size ?? PING_SIZE,
      ttl,
      dontFragment: size === undefined,
      process: 'ping',
      origin: { flow, direction: 'request', cause: this.cause },
      handler: {
        replied: (packet, cause) => {
          this.cause = cause;
          this.end(
            'connected',
            () => `${formatIp(packet.src)} replied after ${duration(this.nowNs - this.startNs)} with TTL ${packet.ttl}.`,
          );
          if (typeof stop === 'function') stop();
        },
        failed: (icmp, from, cause) => {
          this.cause = cause;
          this.end('unreachable', () => `${formatIp(from)} says: ${icmpText(icmp)}.`);
          if (typeof stop === 'function') stop();
        },
      },
    });
    if (typeof stop === 'string') this.endWithError(stop);
    else this.waitForAnswer(stop);
  }

  private waitForAnswer(giveUp: () => void): void {
    if (this.ended) return;
    this.timer = this.stack.netns.lab.sim.schedule(
      ANSWER_TIMEOUT_NS,
      () => {
        this.cause = 0;
        this.end('timeout', () => `No answer within ${duration(ANSWER_TIMEOUT_NS)}.`);
        giveUp();
      },
      undefined,
      undefined,
    );
  }

  private endWithError(error: SocketError): void {
    const after = duration(this.nowNs - this.startNs);
    const target = this.plan.protocol === 'icmp' ? formatIp(this.plan.to) : endpointText(this.plan.to, this.plan.port);
    switch (error) {
      case 'ECONNREFUSED':
        this.end('refused', () => `${target} refused after ${after} (ECONNREFUSED).`);
        return;
      case 'ECONNRESET':
        this.end('refused', () => `${target} reset the connection after ${after} (ECONNRESET).`);
        return;
      case 'ETIMEDOUT':
        this.end('timeout', () => `No answer from ${target} for ${after}, whatever was sent again (ETIMEDOUT).`);
        return;
      default:
        this.end('unreachable', () => `${target} cannot be reached, known after ${after} (${error}).`);
    }
  }

  /** `detail` is only worked out when somebody will read it. */
  private end(kind: OutcomeKind, detail: () => string): void {
    if (this.ended) return;
    this.ended = true;
    this.stack.netns.lab.sim.cancel(this.timer);
    const good = kind === 'connected' || kind === 'http';
    this.onEnd(
      {
        kind,
        detail: this.stack.netns.lab.recorder.on ? detail() : '',
        endpoint: good ? this.note?.endpoint : undefined,
        lost: good ? undefined : this.note?.lastDrop,
      },
      this.cause,
    );
  }

  private get note(): FlowNote | undefined {
    return this.stack.netns.lab.flowNotes.get(this.plan.flow);
  }

  private get nowNs(): number {
    return this.stack.netns.lab.sim.nowNs;
  }
}

const closeConnection = (connection: TcpConnection): void => connection.close();

/** The status line once the whole body is there. */
function completeResponse(text: string): string | undefined {
  const head = text.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const length = Number(/\r\nContent-Length: (\d+)/i.exec(text.slice(0, head))?.[1] ?? 0);
  if (text.length < head + 4 + length) return undefined;
  return /^HTTP\/1\.\d (.*)$/m.exec(text)?.[1]?.trim();
}

function icmpText(icmp: IcmpMessage): string {
  if (icmp.icmpType === ICMP_TIME_EXCEEDED) return 'the time to live ran out here';
  const names = [
    'network unreachable',
    'host unreachable',
    'protocol unreachable',
    'port unreachable',
    `fragmentation needed, at most ${icmp.mtu} octets`,
  ];
  return icmp.code <= UNREACH_PORT + 1 ? (names[icmp.code] as string) : 'administratively prohibited';
}

/** 1234567 -> `1.23 ms`. */
export function duration(ns: number): string {
  if (ns < 1_000) return `${ns} ns`;
  if (ns < 1_000_000) return `${round(ns / 1_000)} µs`;
  if (ns < 1_000_000_000) return `${round(ns / 1_000_000)} ms`;
  return `${round(ns / 1_000_000_000)} s`;
}

const round = (x: number): number => Number(x.toPrecision(3));
