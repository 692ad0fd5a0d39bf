import type { IpAddress } from '../../../protocol/address.ts';
import type { HookName } from '../../../protocol/event.ts';
import type { NatRequest, RejectType } from '../evaluation.ts';

/*
 * Rules of nftables as data: what `nft -f` is told and `nft list ruleset` prints. kube-proxy writes
 * them, `parse.ts` reads them from text, `ruleset.ts` holds and evaluates them.
 */

export type Family = 'ip' | 'ip6' | 'inet' | 'bridge' | 'arp' | 'netdev';

export interface Table {
  readonly family: Family;
  readonly name: string;
  readonly comment?: string | undefined;
  /** Each in the order of creation, which is the order listed. */
  readonly chains: readonly Chain[];
  readonly sets: readonly SetDefinition[];
  readonly maps: readonly SetDefinition[];
  /** Names of sets and maps together in the order of creation, where it matters to a listing; without it sets come first. */
  readonly setOrder?: readonly string[] | undefined;
}

export interface Chain {
  readonly name: string;
  readonly base?: BaseHook | undefined;
  readonly comment?: string | undefined;
  readonly rules: readonly Rule[];
}

export interface BaseHook {
  readonly type: 'filter' | 'nat' | 'route';
  readonly hook: HookName;
  readonly priority: number;
  readonly policy: 'accept' | 'drop';
}

export interface Rule {
  /** Evaluated from left to right; the first that does not match ends the rule. */
  readonly statements: readonly Statement[];
  readonly comment?: string | undefined;
}

/** What a key or a value is made of; a concatenation has several. */
export type DataType =
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'mark'
  | 'ifname'
  | 'iface_index'
  | 'icmp_type'
  | 'icmpv6_type'
  | 'icmp_code'
  | 'tcp_flag'
  | 'dscp'
  | 'ct_state'
  | 'ct_status'
  | 'ct_dir'
  | 'nf_proto'
  | 'ether_type'
  | 'pkt_type'
  | 'fib_addrtype'
  | 'time'
  | 'integer'
  | 'verdict';

/** A field of the packet or of its surroundings. */
export type Selector =
  | 'ip saddr'
  | 'ip daddr'
  | 'ip protocol'
  | 'ip ttl'
  | 'ip length'
  | 'ip dscp'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'ip6 nexthdr'
  | 'ip6 hoplimit'
  | 'tcp sport'
  | 'tcp dport'
  | 'tcp flags'
  | 'udp sport'
  | 'udp dport'
  | 'sctp sport'
  | 'sctp dport'
  | 'th sport'
  | 'th dport'
  | 'icmp type'
  | 'icmp code'
  | 'icmpv6 type'
  | 'meta l4proto'
  | 'meta mark'
  | 'meta iifname'
  | 'meta oifname'
  | 'meta iif'
  | 'meta oif'
  | 'meta nfproto'
  | 'meta protocol'
  | 'meta length'
  | 'meta pkttype'
  | 'ct state'
  | 'ct status'
  | 'ct mark'
  | 'ct direction'
  | 'ct original saddr'
  | 'ct original daddr'
  | 'ct reply saddr'
  | 'ct reply daddr'
  | 'ct original proto-src'
  | 'ct original proto-dst'
  | 'ct expiration'
  | 'fib saddr type'
  | 'fib daddr type'
  | 'fib saddr oif'
  | 'fib saddr oifname'
  | 'fib daddr oif'
  | 'fib daddr oifname'
  | 'fib saddr . iif oif'
  | 'fib saddr . iif type'
  | 'fib daddr . iif type';

export type Expression =
  | { readonly type: 'selector'; readonly selector: Selector }
  | { readonly type: 'concat'; readonly parts: readonly Expression[] }
  /** `numgen random mod N` or `numgen inc mod N`, with an optional offset. */
  | { readonly type: 'numgen'; readonly mode: 'random' | 'inc'; readonly mod: number; readonly offset: number }
  /** Bitwise, as in `mark and 0x4000` or `mark xor 0x4000`. */
  | { readonly type: 'bits'; readonly operator: 'and' | 'or' | 'xor'; readonly left: Expression; readonly right: number }
  | { readonly type: 'value'; readonly value: Value }
  /** The value that a map gives for a key: `KEY map @NAME`, or `KEY map { … }`. */
  | { readonly type: 'map'; readonly key: Expression; readonly map: SetReference };

/** One component of a key or value. Addresses are IpAddress; protocols, ports, marks and states numbers; names strings. */
export type Atom = IpAddress | number | bigint | string;

/** A value to compare with, or a key of an element. A concatenation has one entry for each part. */
export type Value =
  | { readonly type: 'atom'; readonly atom: Atom }
  | { readonly type: 'prefix'; readonly address: IpAddress; readonly length: number }
  | { readonly type: 'range'; readonly first: Atom; readonly last: Atom }
  | { readonly type: 'concat'; readonly parts: readonly Value[] }
  /** `*`: every key that no other element has. */
  | { readonly type: 'any' };

/** A named set or map, or one written into the rule. */
export type SetReference =
  | { readonly type: 'named'; readonly name: string }
  | { readonly type: 'anonymous'; readonly elements: readonly Element[] };

export interface Element {
  readonly key: Value;
  /** Of maps: the data, a value or a verdict. */
  readonly data?: Value | Verdict | undefined;
  readonly comment?: string | undefined;
  readonly timeoutSeconds?: number | undefined;
  /** What is left of the timeout, where that is not all of it. */
  readonly expiresSeconds?: number | undefined;
}

export interface SetDefinition {
  readonly name: string;
  readonly key: readonly DataType[];
  /** Maps only. */
  readonly data?: readonly DataType[] | undefined;
  readonly flags: readonly ('constant' | 'dynamic' | 'interval' | 'timeout')[];
  readonly timeoutSeconds?: number | undefined;
  /** How often the kernel looks for expired elements; nothing else depends on it. */
  readonly gcIntervalSeconds?: number | undefined;
  readonly size?: number | undefined;
  readonly autoMerge?: boolean | undefined;
  readonly comment?: string | undefined;
  readonly elements: readonly Element[];
}

export type Verdict =
  | { readonly type: 'accept' | 'drop' | 'return' | 'continue' }
  | { readonly type: 'jump' | 'goto'; readonly chain: string };

/** `reject with icmpx …` of the family inet: ICMP or ICMPv6, as the packet is (net/netfilter/nft_reject.c). */
export type IcmpxRejectType = 'icmpx-no-route' | 'icmpx-port-unreachable' | 'icmpx-host-unreachable' | 'icmpx-admin-prohibited';

export type Statement =
  /** A comparison; with a set, membership. `bits` is an implicit comparison as in `ct state new`, where any of the bits will do. */
  | {
      readonly type: 'match';
      readonly left: Expression;
      readonly operator: '==' | '!=' | '<' | '>' | '<=' | '>=' | 'in' | 'notIn' | 'bits' | 'noBits';
      readonly right: Value | SetReference;
    }
  | { readonly type: 'verdict'; readonly verdict: Verdict }
  /** `KEY vmap @NAME`: the verdict found, if any, is taken. */
  | { readonly type: 'vmap'; readonly key: Expression; readonly map: SetReference }
  | { readonly type: 'counter'; readonly packets: number; readonly bytes: number }
  | { readonly type: 'setMark'; readonly which: 'meta mark' | 'ct mark'; readonly value: Expression }
  | {
      readonly type: 'reject';
      readonly with: RejectType | IcmpxRejectType | undefined /** Written out, as in `reject with icmp port-unreachable`. */;
      readonly written: boolean;
    }
  /** `dnat to A:P`, `snat to …`, `masquerade`, `redirect`: constant. */
  | {
      readonly type: 'nat';
      readonly nat: NatRequest /** Family written before `to`, as in `dnat ip to`. */;
      readonly family: 'ip' | 'ip6' | undefined;
    }
  /** `dnat ip addr . port to EXPR`: address and port out of a map. */
  | { readonly type: 'natMap'; readonly kind: 'dnat' | 'snat'; readonly family: 'ip' | 'ip6'; readonly to: Expression }
  /** `update @SET { KEY }`, `add @SET { KEY }`. */
  | {
      readonly type: 'setUpdate';
      readonly operation: 'add' | 'update' | 'delete';
      readonly set: string;
      readonly key: Expression;
      readonly timeoutSeconds: number | undefined;
    }
  | { readonly type: 'notrack' }
  | { readonly type: 'log'; readonly prefix: string | undefined; readonly level: string | undefined }
  | {
      readonly type: 'limit';
      readonly rate: number;
      readonly unit: 'second' | 'minute' | 'hour' | 'day';
      readonly burst: number;
      readonly over: boolean;
    };

/** One command of a transaction (`nft -f`), as kube-proxy sends them. */
export type Command =
  | { readonly type: 'addTable'; readonly family: Family; readonly table: string; readonly comment?: string | undefined }
  | { readonly type: 'deleteTable'; readonly family: Family; readonly table: string }
  | { readonly type: 'addChain'; readonly chain: string; readonly base?: BaseHook | undefined; readonly comment?: string | undefined }
  /** The rules of all chains go; sets and their elements stay. */
  | { readonly type: 'flushTable' }
  /** Every table of every family goes, whichever table the transaction is of. */
  | { readonly type: 'flushRuleset' }
  | { readonly type: 'flushChain' | 'deleteChain'; readonly chain: string }
  | { readonly type: 'addRule'; readonly chain: string; readonly rule: Rule }
  | { readonly type: 'addSet' | 'addMap'; readonly definition: SetDefinition }
  | { readonly type: 'flushSet' | 'deleteSet' | 'flushMap' | 'deleteMap'; readonly name: string }
  | { readonly type: 'addElement' | 'deleteElement'; readonly set: string; readonly element: Element };

/** All commands take effect together, or none does. */
export interface Transaction {
  readonly family: Family;
  readonly table: string;
  readonly commands: readonly Command[];
}
