import type { Cidr, IpAddress } from '../../../protocol/address.ts';
import type { Match, Negatable, Rule, Target } from '../../netfilter/iptables/model.ts';
import { hostPrefix } from '../node-port-addresses.ts';
import type { Protocol } from '../service-port.ts';

/*
 * The parts that kube-proxy's rules are made of. Parts that many rules have in common exist once: a
 * large cluster has hundreds of thousands of rules.
 */

const is = <T>(value: T): Negatable<T> => ({ value, negated: false });

const PROTOCOLS = { tcp: is(6), udp: is(17), sctp: is(132) } as const satisfies Record<Protocol, Negatable<number>>;

const PROTOCOL_MATCHES: Readonly<Record<Protocol, Match>> = { tcp: { type: 'tcp' }, udp: { type: 'udp' }, sctp: { type: 'sctp' } };

/** `-m tcp -p tcp` */
export const protocolMatch = (protocol: Protocol): Match => PROTOCOL_MATCHES[protocol];

/** `-m tcp -p tcp --dport N` */
export const portMatch = (protocol: Protocol, port: number): Match => ({
  type: protocol,
  destinationPort: is({ first: port, last: port }),
});

export const comment = (text: string): Match => ({ type: 'comment', text });

export const LOCAL_SOURCE: Match = { type: 'addrtype', source: is(['LOCAL']) };
export const LOCAL_DESTINATION: Match = { type: 'addrtype', destination: is(['LOCAL']) };

export const nfacct = (name: string): Match => ({ type: 'nfacct', name });

/** A probability together with the decimal text that kube-proxy writes; the kernel keeps the numerator. */
export interface WrittenProbability {
  readonly type: 'statistic';
  readonly mode: 'random';
  readonly numerator: number;
  readonly negated: boolean;
  readonly written: string;
}

const probabilities: WrittenProbability[] = [];

/** One in `n`, with ten decimals (computeProbability), as xtables' libxt_statistic.c and the kernel turn them into 31 bits. */
export function oneIn(n: number): Match {
  let known = probabilities[n];
  if (known === undefined) {
    const written = (1 / n).toFixed(10);
    known = { type: 'statistic', mode: 'random', numerator: Math.round(0x80000000 * Number(written)), negated: false, written };
    probabilities[n] = known;
  }
  return known;
}

export const MARK_MASQ_CHAIN = 'KUBE-MARK-MASQ';

export const jump = (chain: string): Target => ({ type: 'jump', chain });
export const MARK_MASQ: Target = jump(MARK_MASQ_CHAIN);
export const ACCEPT: Target = { type: 'ACCEPT' };
export const DROP: Target = { type: 'DROP' };
export const RETURN: Target = { type: 'RETURN' };

/** A prefix that is written with its length even when it holds one address only. */
export interface WrittenPrefix extends Cidr {
  readonly written: 'prefix';
}

export interface RuleParts {
  readonly protocol?: Protocol;
  readonly source?: Negatable<Cidr> | undefined;
  readonly destination?: Negatable<Cidr> | undefined;
}

/** All rules have the same fields in the same order, for the sake of those who walk them. */
export const rule = (matches: readonly Match[], target: Target | undefined, parts?: RuleParts): Rule => ({
  protocol: parts?.protocol === undefined ? undefined : PROTOCOLS[parts.protocol],
  source: parts?.source,
  destination: parts?.destination,
  matches,
  target,
});

/** `-d ADDRESS`, `-s ADDRESS` */
export const host = (address: IpAddress): Negatable<Cidr> => is(hostPrefix(address));
/** `-s PREFIX` */
export const within = (prefix: Cidr): Negatable<Cidr> => is<WrittenPrefix>({ ...prefix, written: 'prefix' });
/** `! -s PREFIX` */
export const outside = (prefix: Cidr): Negatable<Cidr> => ({ value: { ...prefix, written: 'prefix' } as WrittenPrefix, negated: true });
