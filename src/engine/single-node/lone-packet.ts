import { formatIp, type IpAddress, parseIp } from '../../protocol/address.ts';
import type { HookName } from '../../protocol/event.ts';
import type { ChainVerdict, RuleConntrack, RuleHost, RulePacket } from '../netfilter/evaluation.ts';
import type { Draws } from '../sim/lab-context.ts';

/** Who speaks to whom. */
export interface LoneFlow {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
}

const PROTOCOLS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** The first packet of a connection, shown to rules without a network around it. */
export class LonePacket implements RulePacket {
  hook: HookName = 'PREROUTING';
  readonly inDevice = 'eth0';
  readonly outDevice = 'eth0';
  readonly physInDevice = undefined;
  readonly physOutDevice = undefined;
  readonly src: IpAddress;
  dst: IpAddress;
  readonly protocol: number;
  readonly srcPort = 40_000;
  dstPort: number;
  readonly tcpFlags: number | undefined;
  readonly icmpType = undefined;
  readonly icmpCode = undefined;
  readonly laterFragment = false;
  readonly ttl = 64;
  readonly tos = 0;
  readonly length = 60;
  mark = 0;
  untracked = false;
  conntrack: RuleConntrack;

  constructor(flow: LoneFlow) {
    this.src = flow.source;
    this.dst = flow.destination;
    this.protocol = PROTOCOLS[flow.protocol] ?? 6;
    this.dstPort = flow.port;
    this.tcpFlags = flow.protocol === 'TCP' ? 2 : undefined;
    this.conntrack = connection(false);
  }

  /** Takes over the translation that a verdict asks for; returns the endpoint. */
  translate(verdict: ChainVerdict): string | undefined {
    if (verdict.kind !== 'nat' || verdict.nat.kind !== 'dnat') return undefined;
    this.dst = verdict.nat.addresses?.min ?? this.dst;
    this.dstPort = verdict.nat.ports?.min ?? this.dstPort;
    this.conntrack = connection(true);
    const address = formatIp(this.dst);
    return `${address.includes(':') ? `[${address}]` : address}:${this.dstPort}`;
  }
}

const connection = (dnat: boolean): RuleConntrack => ({
  state: 'NEW',
  direction: 'ORIGINAL',
  snat: false,
  dnat,
  seenReply: false,
  assured: false,
  confirmed: false,
  original: undefined,
  reply: undefined,
  mark: 0,
  expiresSeconds: 0,
});

const LOOPBACK_V6 = parseIp('::1');

/** A machine that has nothing but addresses. */
export class LoneHost implements RuleHost {
  readonly nowNs = 0;
  private readonly local: ReadonlySet<IpAddress>;
  private readonly draws: Draws;

  constructor(local: ReadonlySet<IpAddress>, draws: Draws) {
    this.local = local;
    this.draws = draws;
  }

  addressType(address: IpAddress): 'LOCAL' | 'UNICAST' {
    const loopback = typeof address === 'number' ? address >>> 24 === 127 : address === LOOPBACK_V6;
    return loopback || this.local.has(address) ? 'LOCAL' : 'UNICAST';
  }

  outDeviceOf(): string {
    return 'eth0';
  }

  chance(numerator: number): boolean {
    return this.draws.chance(numerator);
  }

  pick(n: number): number {
    return this.draws.pick(n);
  }
}
