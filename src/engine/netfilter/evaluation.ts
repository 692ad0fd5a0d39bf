import type { IpAddress } from '../../protocol/address.ts';
import type { ConntrackTuple, HookName, RuleDraw, RulePlace } from '../../protocol/event.ts';

export type { RuleDraw, RulePlace };

/*
 * What a packet and its surroundings look like to rules, whichever tool wrote them, and what rules
 * answer. The rules never touch more than this: a verdict is what `ip` and `conntrack` act on.
 */

/** A packet at a hook, as rules see it. One object serves a packet through all tables of a hook. */
export interface RulePacket {
  readonly hook: HookName;
  /** Names; undefined where the hook has none: no output device at PREROUTING and INPUT, no input device at OUTPUT, nor at POSTROUTING for a packet made here. */
  readonly inDevice: string | undefined;
  readonly outDevice: string | undefined;
  /** The bridge ports of a frame that is only switched (br_netfilter). */
  readonly physInDevice: string | undefined;
  readonly physOutDevice: string | undefined;
  /** The header as it is now; NAT changes it between tables. */
  readonly src: IpAddress;
  readonly dst: IpAddress;
  /** IP protocol number (IANA). */
  readonly protocol: number;
  /** TCP, UDP and SCTP; undefined for other protocols and for fragments that are not the first. */
  readonly srcPort: number | undefined;
  readonly dstPort: number | undefined;
  /** A union of the TCP_* bits; undefined unless it is TCP. */
  readonly tcpFlags: number | undefined;
  readonly icmpType: number | undefined;
  readonly icmpCode: number | undefined;
  /** A fragment that is not the first (`-f`). */
  readonly laterFragment: boolean;
  readonly ttl: number;
  readonly tos: number;
  /** Octets of the IP packet: what counters add up. */
  readonly length: number;
  /** The skb's mark; MARK and `meta mark set` write it. 32 bits, unsigned. */
  mark: number;
  /** How connection tracking relates it; undefined where nothing is tracked. */
  readonly conntrack: RuleConntrack | undefined;
  /** Set by NOTRACK, before connection tracking has looked. */
  untracked: boolean;
  /** The virtual server of the IPVS connection, once IPVS has sent the packet on to the real server. */
  readonly ipvs?: RuleIpvs | undefined;
}

/** A virtual server as `-m ipvs` sees it. */
export interface RuleIpvs {
  readonly protocol: number;
  readonly address: IpAddress;
  readonly port: number;
}

/** The connection a packet belongs to, as `-m conntrack` and `ct` see it. */
export interface RuleConntrack {
  readonly state: 'NEW' | 'ESTABLISHED' | 'RELATED' | 'INVALID' | 'UNTRACKED';
  readonly direction: 'ORIGINAL' | 'REPLY';
  /** IPS_SRC_NAT and IPS_DST_NAT of the connection: it is translated, in whichever direction this packet goes. */
  readonly snat: boolean;
  readonly dnat: boolean;
  readonly seenReply: boolean;
  readonly assured: boolean;
  readonly confirmed: boolean;
  readonly original: ConntrackTuple | undefined;
  readonly reply: ConntrackTuple | undefined;
  /** The connection's mark; CONNMARK and `ct mark set` write it. */
  mark: number;
  /** Seconds until it goes. */
  readonly expiresSeconds: number;
}

/** The namespace that rules are in, as far as they may ask. */
export interface RuleHost {
  readonly nowNs: number;
  /** What kind of address this is to the namespace's routing tables (net/netfilter/xt_addrtype.c; nft `fib … type`). With `device`: as seen on that device. */
  addressType(address: IpAddress, device?: string): AddressType;
  /** The device a packet to this address would leave by; undefined without a route (nft `fib … oif`). */
  outDeviceOf(address: IpAddress): string | undefined;
  /** One random draw: true with probability `numerator` / 2^31 (net/netfilter/xt_statistic.c). */
  chance(numerator: number): boolean;
  /** One random draw of a whole number from 0 to `n` - 1, all equally likely (net/netfilter/nft_numgen.c). */
  pick(n: number): number;
}

export type AddressType = 'UNSPEC' | 'UNICAST' | 'LOCAL' | 'BROADCAST' | 'ANYCAST' | 'MULTICAST' | 'BLACKHOLE' | 'UNREACHABLE' | 'PROHIBIT';

export type RejectType =
  | 'icmp-net-unreachable'
  | 'icmp-host-unreachable'
  | 'icmp-proto-unreachable'
  | 'icmp-port-unreachable'
  | 'icmp-net-prohibited'
  | 'icmp-host-prohibited'
  | 'icmp-admin-prohibited'
  | 'icmp6-no-route'
  | 'icmp6-adm-prohibited'
  | 'icmp6-addr-unreachable'
  | 'icmp6-port-unreachable'
  | 'tcp-reset';

/** What a NAT target asks of the NAT core (include/uapi/linux/netfilter/nf_nat.h, nf_nat_range2). */
export interface NatRequest {
  /** `masquerade`: to the address of the outgoing device. `redirect`: to the address of the incoming one, or 127.0.0.1 for local output. */
  readonly kind: 'dnat' | 'snat' | 'masquerade' | 'redirect';
  /** First and last address, where given. */
  readonly addresses: { readonly min: IpAddress; readonly max: IpAddress } | undefined;
  /** First and last port, where given. */
  readonly ports: { readonly min: number; readonly max: number } | undefined;
  /** `--random` */
  readonly random: boolean;
  /** `--random-fully`, `fully-random` */
  readonly fullyRandom: boolean;
  readonly persistent: boolean;
}

/** What all rules of one base chain (and what it jumps to) say about a packet. */
export type ChainVerdict =
  | { readonly kind: 'accept' }
  | { readonly kind: 'drop'; readonly place: RulePlace }
  | { readonly kind: 'reject'; readonly with: RejectType; readonly place: RulePlace }
  /** Ends this chain like accept, with the connection's translation asked for. Only chains of the nat type give it. */
  | { readonly kind: 'nat'; readonly nat: NatRequest; readonly place: RulePlace };

export const ACCEPT: ChainVerdict = { kind: 'accept' };

/** A rule that matched: told to whoever watches the walk, in order. */
export interface MatchedRule {
  readonly place: RulePlace;
  /** How deep in jumps: 0 is the base chain. */
  readonly depth: number;
  /** The rule as the tool prints it (`iptables-save` without the counters, `nft list`); worked out only when asked. */
  readonly text: () => string;
  /** What it did, in the tool's words: `jump KUBE-SVC-…`, `goto …`, `return`, `accept`, `drop`, `reject icmp-port-unreachable`, `dnat 10.244.2.7:8080`, `masquerade`, `continue`. */
  readonly action: string;
  /** Rules of this chain that were looked at and did not match, since its beginning or its last matched rule. */
  readonly unmatchedBefore: number;
  /** The mark before and after, where it was changed. */
  readonly mark: { readonly before: number; readonly after: number } | undefined;
  /** The draw that made it match or chose its outcome. */
  readonly draw: RuleDraw | undefined;
}

/** Adds up what one walk costs, as Linux would have paid. */
export interface WalkCost {
  /** Rules whose matches were looked at, also those that did not match. */
  rules: number;
  /** Sets, maps and ipsets that were looked into. */
  lookups: number;
}

/** Follows a walk; both members are optional work, so that traffic that nobody watches costs little. */
export interface WalkWatcher {
  matched(rule: MatchedRule): void;
  /** A statistic rule was drawn and did not match, or a walk reached the end of a chain it had jumped to: only for people. */
  drawFailed?(place: RulePlace, draw: RuleDraw): void;
}

/** A chain that netfilter calls: of iptables a built-in chain, of nftables a base chain. */
export interface BaseChain {
  readonly framework: 'iptables' | 'nftables';
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook: HookName;
  readonly type: 'filter' | 'nat' | 'route';
  readonly priority: number;
  /** Walks the rules for a packet; adds to `cost`. */
  evaluate(packet: RulePacket, host: RuleHost, cost: WalkCost, watcher: WalkWatcher | undefined): ChainVerdict;
}
