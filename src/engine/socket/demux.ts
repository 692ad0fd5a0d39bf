import type { IpAddress, Ipv4 } from '../../protocol/address.ts';
import { ANY_V4, formatIp } from '../../protocol/address.ts';
import type { Direction, SocketView } from '../../protocol/event.ts';
import type { Netns } from '../ip/netns.ts';
import type { OutputError } from '../ip/output.ts';

/** Why a system call on a socket failed, as errno(3) names it. */
export type SocketError = OutputError | 'ECONNREFUSED' | 'ECONNRESET' | 'ETIMEDOUT' | 'ENOPROTOOPT' | 'EADDRINUSE';

/** A socket bound to a port: for one address, or for all of the namespace. */
export interface Bound {
  readonly address: Ipv4;
  readonly port: number;
  readonly process: string;
}

/** The bound ports of one protocol in one namespace (net/ipv4/inet_hashtables.c, compute_score: a specific address beats any). */
export class PortTable<B extends Bound> {
  private readonly byPort = new Map<number, B[]>();

  /** Returns the socket that already holds the port, if one does; two sockets conflict unless bound to different addresses. */
  bind(bound: B): B | undefined {
    const others = this.byPort.get(bound.port);
    const holder = others?.find((o) => o.address === ANY_V4 || bound.address === ANY_V4 || o.address === bound.address);
    if (holder) return holder;
    if (others) others.push(bound);
    else this.byPort.set(bound.port, [bound]);
    return undefined;
  }

  release(bound: B): void {
    const others = this.byPort.get(bound.port)?.filter((o) => o !== bound);
    if (others && others.length > 0) this.byPort.set(bound.port, others);
    else this.byPort.delete(bound.port);
  }

  lookup(address: IpAddress, port: number): B | undefined {
    const candidates = this.byPort.get(port);
    if (!candidates) return undefined;
    return candidates.find((c) => c.address === address) ?? candidates.find((c) => c.address === ANY_V4);
  }

  has(port: number): boolean {
    return this.byPort.has(port);
  }

  *all(): Iterable<B> {
    for (const bound of this.byPort.values()) yield* bound;
  }
}

/** net.ipv4.ip_local_port_range by default. */
const EPHEMERAL_FIRST = 32_768;
const EPHEMERAL_COUNT = 28_232;

/** A free port for a client: random, then upwards from there. */
export function ephemeralPort(netns: Netns, taken: (port: number) => boolean): number {
  const start = netns.lab.random('ephemeral-port').below(EPHEMERAL_COUNT);
  for (let i = 0; i < EPHEMERAL_COUNT; i++) {
    const port = EPHEMERAL_FIRST + ((start + i) % EPHEMERAL_COUNT);
    if (!taken(port)) return port;
  }
  throw new Error('assertion failed: no free local port');
}

/** Records a socket's present state. */
export function noteSocket(netns: Netns, view: SocketView, cause: number, flow: number, direction: Direction): void {
  const recorder = netns.lab.recorder;
  if (recorder.on) recorder.fact('socket', netns.id, undefined, { view }, cause, flow, direction);
}

/** Records what a process did; returns the event's seq, the cause of what follows. */
export function noteProcess(netns: Netns, name: string, did: string, cause: number, flow: number, direction: Direction): number {
  const recorder = netns.lab.recorder;
  return recorder.on ? recorder.fact('process', netns.id, undefined, { name, did }, cause, flow, direction) : cause;
}

export const endpointText = (address: IpAddress, port: number): string => `${formatIp(address)}:${port}`;

/** The error that an ICMP destination-unreachable code becomes (net/ipv4/icmp.c, icmp_err_convert). */
export function errorOfUnreachable(code: number): { readonly error: SocketError; readonly fatal: boolean } {
  switch (code) {
    case 0:
    case 6:
    case 11:
      return { error: 'ENETUNREACH', fatal: code === 6 };
    case 2:
      return { error: 'ENOPROTOOPT', fatal: true };
    case 3:
      return { error: 'ECONNREFUSED', fatal: true };
    case 4:
      return { error: 'EMSGSIZE', fatal: false };
    default:
      return { error: 'EHOSTUNREACH', fatal: code === 9 || code === 10 || code === 13 };
  }
}
