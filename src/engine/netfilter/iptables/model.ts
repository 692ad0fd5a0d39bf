import type { Cidr } from '../../../protocol/address.ts';
import type { NatRequest, RejectType } from '../evaluation.ts';

/*
 * Rules of iptables as data: what iptables-restore is told and iptables-save prints. kube-proxy and
 * network plugins write them, `parse.ts` reads them from text, `table.ts` evaluates them.
 */

export type TableName = 'raw' | 'mangle' | 'nat' | 'filter' | 'security';
export const BUILT_IN_CHAINS = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const;
export type BuiltInChain = (typeof BUILT_IN_CHAINS)[number];

/** Which of the two tools: iptables or ip6tables. */
export type IptablesFamily = 'ip' | 'ip6';

/** The built-in chains of each table, in the order in which iptables-save prints them. */
export const TABLE_CHAINS: Readonly<Record<TableName, readonly BuiltInChain[]>> = {
  mangle: BUILT_IN_CHAINS,
  security: ['INPUT', 'FORWARD', 'OUTPUT'],
  raw: ['PREROUTING', 'OUTPUT'],
  filter: ['INPUT', 'FORWARD', 'OUTPUT'],
  nat: ['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'],
};

/** iptables-save prints tables in this order, whichever was written first (iptables v1.8.9, nf_tables). */
export const TABLE_ORDER: readonly TableName[] = ['mangle', 'security', 'raw', 'filter', 'nat'];

/** One rule. A rule never changes; its counters are kept by the table it is in. */
export interface Rule {
  readonly protocol?: Negatable<number> | undefined;
  readonly source?: Negatable<Cidr> | undefined;
  readonly destination?: Negatable<Cidr> | undefined;
  /** Interface names; a trailing `+` matches every name that begins so. */
  readonly inInterface?: Negatable<string> | undefined;
  readonly outInterface?: Negatable<string> | undefined;
  /** `-f`: fragments that are not the first. */
  readonly fragment?: boolean | undefined;
  /** In the order written, which is the order evaluated. */
  readonly matches: readonly Match[];
  /** undefined: the rule only counts, and goes on. */
  readonly target: Target | undefined;
}

export interface Negatable<T> {
  readonly value: T;
  readonly negated: boolean;
}

/** An inclusive range of ports; of one port, both are the same. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export type CtState = 'INVALID' | 'NEW' | 'ESTABLISHED' | 'RELATED' | 'UNTRACKED' | 'SNAT' | 'DNAT';
export type CtStatus = 'NONE' | 'EXPECTED' | 'SEEN_REPLY' | 'ASSURED' | 'CONFIRMED';

export type Match =
  | { readonly type: 'comment'; readonly text: string }
  /** `-m tcp`, `-m udp`, `-m sctp`: also without ports, as kube-proxy writes it. */
  | {
      readonly type: 'tcp' | 'udp' | 'sctp';
      readonly sourcePort?: Negatable<PortRange> | undefined;
      readonly destinationPort?: Negatable<PortRange> | undefined;
      /** TCP only: of the flags in `mask`, exactly those in `set` are on; unions of the TCP_* bits. */
      readonly flags?: Negatable<{ readonly mask: number; readonly set: number }> | undefined;
    }
  | { readonly type: 'icmp'; readonly icmpType: Negatable<{ readonly icmpType: number; readonly code: number | undefined }> }
  | { readonly type: 'multiport'; readonly which: 'sports' | 'dports' | 'ports'; readonly ports: Negatable<readonly PortRange[]> }
  /** `ctstate` also holds for `-m state`; `module` says which of the two it is printed as. */
  | {
      readonly type: 'conntrack';
      readonly module: 'conntrack' | 'state';
      readonly state?: Negatable<readonly CtState[]> | undefined;
      readonly status?: Negatable<readonly CtStatus[]> | undefined;
      readonly direction?: 'ORIGINAL' | 'REPLY' | undefined;
      readonly protocol?: Negatable<number> | undefined;
      readonly originalSource?: Negatable<Cidr> | undefined;
      readonly originalDestination?: Negatable<Cidr> | undefined;
      readonly replySource?: Negatable<Cidr> | undefined;
      readonly replyDestination?: Negatable<Cidr> | undefined;
      readonly originalSourcePort?: Negatable<PortRange> | undefined;
      readonly originalDestinationPort?: Negatable<PortRange> | undefined;
      readonly expiresSeconds?: Negatable<PortRange> | undefined;
    }
  | { readonly type: 'mark' | 'connmark'; readonly mark: Negatable<{ readonly value: number; readonly mask: number }> }
  /** `numerator` / 2^31 is the probability, as the kernel keeps it (net/netfilter/xt_statistic.c). */
  | { readonly type: 'statistic'; readonly mode: 'random'; readonly numerator: number; readonly negated: boolean }
  | { readonly type: 'statistic'; readonly mode: 'nth'; readonly every: number; readonly packet: number; readonly negated: boolean }
  | {
      readonly type: 'addrtype';
      readonly source?: Negatable<readonly string[]> | undefined;
      readonly destination?: Negatable<readonly string[]> | undefined;
      readonly limitTo?: 'in' | 'out' | undefined;
    }
  | {
      readonly type: 'recent';
      readonly name: string;
      readonly action: 'set' | 'rcheck' | 'update' | 'remove';
      readonly negated: boolean;
      readonly seconds?: number | undefined;
      readonly hitCount?: number | undefined;
      readonly reap?: boolean | undefined;
      readonly rttl?: boolean | undefined;
      readonly side: 'rsource' | 'rdest';
      /** A full mask when not written. */
      readonly mask?: string | undefined;
    }
  | {
      readonly type: 'physdev';
      readonly in?: Negatable<string> | undefined;
      readonly out?: Negatable<string> | undefined;
      readonly isIn?: Negatable<true> | undefined;
      readonly isOut?: Negatable<true> | undefined;
      readonly isBridged?: Negatable<true> | undefined;
    }
  | { readonly type: 'set'; readonly name: string; readonly directions: readonly ('src' | 'dst')[]; readonly negated: boolean }
  /** `rate` per `unit`, as written; `burst` at once. */
  | { readonly type: 'limit'; readonly rate: number; readonly unit: LimitUnit; readonly burst: number }
  | { readonly type: 'nfacct'; readonly name: string }
  /** The packet belongs to a connection of IPVS, with this virtual server. */
  | {
      readonly type: 'ipvs';
      readonly protocol?: Negatable<number> | undefined;
      readonly address?: Negatable<Cidr> | undefined;
      readonly port?: Negatable<number> | undefined;
    };

export type LimitUnit = 'second' | 'minute' | 'hour' | 'day';

/** A word of a mark as iptables keeps it: (mark & ~mask) ^ value. `--set-mark`, `--or-mark` and the like are all this. */
export interface MarkChange {
  readonly value: number;
  readonly mask: number;
}

export type Target =
  | { readonly type: 'ACCEPT' | 'DROP' | 'RETURN' | 'NOTRACK' | 'TRACE' }
  /** `-j CT --notrack`: what NOTRACK does, printed as it was written. */
  | { readonly type: 'CT'; readonly notrack: true }
  | { readonly type: 'jump' | 'goto'; readonly chain: string }
  | { readonly type: 'REJECT'; readonly with: RejectType }
  | { readonly type: 'MARK'; readonly change: MarkChange }
  | { readonly type: 'CONNMARK'; readonly change: MarkChange }
  | { readonly type: 'CONNMARK-save' | 'CONNMARK-restore'; readonly nfmask: number; readonly ctmask: number }
  | { readonly type: 'DNAT' | 'SNAT' | 'MASQUERADE' | 'REDIRECT'; readonly nat: NatRequest }
  | { readonly type: 'LOG'; readonly prefix: string | undefined; readonly level: number | undefined; readonly options: readonly string[] };

/** One chain of a table. */
export interface Chain {
  readonly name: string;
  /** Built-in chains only. */
  readonly policy: 'ACCEPT' | 'DROP' | undefined;
  readonly rules: readonly Rule[];
}

/** A table as iptables-restore takes it. Chains keep the order in which they were declared. */
export interface TableRules {
  readonly table: TableName;
  readonly chains: readonly Chain[];
}

/**
 * What one `iptables-restore --noflush` does to a table: chains named are created or emptied and
 * refilled; chains not named stay; then chains are deleted.
 */
export interface TablePatch {
  readonly table: TableName;
  readonly chains: ReadonlyMap<string, readonly Rule[]>;
  readonly deleted: readonly string[];
}

/** What a chain has counted. */
export interface ChainCounters {
  /** Packets and bytes that the policy decided on; of chains without a policy, 0. */
  readonly packets: number;
  readonly bytes: number;
  /** Packets and bytes of rule n, counted from 0, at 2n and 2n + 1; undefined while there is nothing. */
  readonly rules: ArrayLike<number> | undefined;
}
