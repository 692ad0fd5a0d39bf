import type { FlowOutcome, LabEvent, ProbeProtocol, ProxyMode } from './event.ts';
import type { LabState } from './fold.ts';
import type { Frame } from './packet.ts';
import type { NetnsView, PossibleOutcome, Problem, RuleChainView, Topology } from './view.ts';

/** A text to load, with the name that errors shall give it. */
export interface SourceFile {
  readonly name: string;
  readonly text: string;
}

/**
 * Something a person does. Inputs are applied one after the other at the engine's present virtual
 * time; scenario, seed and the list of inputs determine the recording.
 */
export type Input =
  /** One probe. `from`: `pod/NS/NAME[/CONTAINER]`, `node/NAME`, `external`. `to`: `host:port`, an address, a URL or a REF with an optional port. */
  | {
      readonly type: 'send';
      readonly from: string;
      readonly to: string;
      readonly protocol: ProbeProtocol;
      readonly count?: number;
      readonly intervalNs?: number;
      readonly ttl?: number;
      readonly size?: number;
    }
  | { readonly type: 'setSysctl'; readonly netns: string; readonly key: string; readonly value: string }
  | { readonly type: 'setDevice'; readonly netns: string; readonly device: string; readonly up: boolean }
  /** Restarts every kube-proxy in another mode: it removes the old rules and writes its own. */
  | { readonly type: 'setProxyMode'; readonly mode: ProxyMode }
  /** Let virtual time pass: timers fire, entries age. */
  | { readonly type: 'wait'; readonly durationNs: number };

export type InputAnswer =
  | { readonly accepted: true; readonly flows: readonly number[] }
  | { readonly accepted: false; readonly reason: string };

export type LoadAnswer =
  | { readonly loaded: true; readonly epoch: number; readonly topology: Topology; readonly state: LabState }
  | { readonly loaded: false; readonly problems: readonly Problem[] };

/** At most one a frame; events are in order and follow the previous batch without a gap. A batch of another epoch is stale. */
export interface Batch {
  readonly epoch: number;
  readonly timeNs: number;
  readonly events: readonly LabEvent[];
}

/** The engine as its clients see it: the same in a worker, in process, and in tests. */
export interface Engine {
  /** Replaces the cluster; on problems what was loaded stays. Raises the epoch. */
  load(files: readonly SourceFile[]): Promise<LoadAnswer>;
  /** Applies one input and runs until the traffic it started has ended. */
  input(input: Input): Promise<InputAnswer>;
  /** All tables of one namespace now, also of one that no packet has reached; undefined when there is none of that name. */
  inspect(netns: string): Promise<NetnsView | undefined>;
  /** The names of a namespace's chains, in the order the tools list them. */
  ruleChains(netns: string): Promise<readonly RuleChainName[]>;
  /** One chain with its rules; undefined when there is none. */
  ruleChain(netns: string, chain: RuleChainName): Promise<RuleChainView | undefined>;
  /** Everything that could come of a probe sent now, most likely first; or why it cannot be sent. */
  outcomes(send: Extract<Input, { type: 'send' }>): Promise<PossibleOutcomes>;
  /** A bash script that builds the cluster as it was loaded, in the present proxy mode, on a Linux machine. */
  linuxLab(): Promise<LinuxLab>;
  /** A capture file that Wireshark and tshark open. */
  pcapng(capture: Capture): Promise<Uint8Array>;
  /** The walk of one packet through a real node, as its own tools' output describes it. */
  traceRules(request: RulesTraceRequest): Promise<RulesTrace>;
  /** The same probe in every proxy mode, each in a fresh cluster of the same seed. */
  compareModes(send: Extract<Input, { type: 'send' }>): Promise<ModeComparison>;
  /** What a connection costs in one mode among so many Services, on a generated cluster. */
  proxyCost(mode: ProxyMode, services: number): Promise<ProxyCost>;
  /** The inputs so far, for links and replay. */
  inputs(): Promise<readonly Input[]>;
  onBatch(listener: (batch: Batch) => void): () => void;
  dispose(): void;
}

export type LinuxLab = { readonly known: true; readonly script: string } | { readonly known: false; readonly reason: string };

export interface Capture {
  /** Names of the interfaces, such as `node/worker-1:cni0`. */
  readonly interfaces: readonly string[];
  /** In the order of time. `interface` is an index of `interfaces`; `comment` goes to the packet. */
  readonly packets: readonly {
    readonly interface: number;
    readonly timeNs: number;
    readonly frame: Frame;
    readonly outgoing: boolean;
    readonly comment: string;
  }[];
}

export interface RulesTraceRequest {
  /** What the node's tools printed, one after the other: `iptables-save`, `nft list ruleset`, `ip addr`, `ip route`, `ipvsadm -Sn`, `ipset save`, `bridge fdb`, `sysctl`. */
  readonly dumps: string;
  readonly packet: DescribedPacket;
}

/** A packet as a person describes it. */
export interface DescribedPacket {
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly source: string;
  readonly destination: string;
  readonly sourcePort?: number | undefined;
  readonly destinationPort?: number | undefined;
  /** The device it comes in by; without one, a process of the node sends it. */
  readonly inDevice?: string | undefined;
}

export type RulesTrace =
  | {
      readonly ok: true;
      readonly events: readonly LabEvent[] /** What became of it, in one sentence. */;
      readonly verdict: string;
      readonly notes: readonly string[];
    }
  | { readonly ok: false; readonly problems: readonly { readonly line: number | undefined; readonly message: string }[] };

export type ModeComparison =
  | {
      readonly known: true;
      readonly runs: readonly { readonly mode: ProxyMode; readonly events: readonly LabEvent[]; readonly outcome: FlowOutcome }[];
    }
  | { readonly known: false; readonly reason: string };

/** Rules and lookups that Linux evaluates on the client's node, and what changing one Service rewrites. */
export interface ProxyCost {
  readonly mode: ProxyMode;
  readonly services: number;
  readonly firstPacket: { readonly rules: number; readonly lookups: number };
  readonly laterPacket: { readonly rules: number; readonly lookups: number };
  /** Rules, elements and servers written when one Service gets another endpoint. */
  readonly changeWrites: number;
}

export type RuleChainName = Pick<RuleChainView, 'framework' | 'family' | 'table' | 'name'>;

export type PossibleOutcomes =
  | {
      readonly known: true;
      readonly outcomes: readonly PossibleOutcome[] /** Ways were left out, since there are too many. */;
      readonly incomplete: boolean;
    }
  | { readonly known: false; readonly reason: string };

export interface FlowSummary {
  readonly flow: number;
  readonly from: string;
  readonly to: string;
  readonly protocol: ProbeProtocol;
  readonly startSeq: number;
  readonly outcome: FlowOutcome | undefined;
}
