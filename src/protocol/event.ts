import type { Cidr, IpAddress, Mac } from './address.ts';
import type { Frame } from './packet.ts';
import type { DeviceView, NetnsView, OutcomeKind } from './view.ts';

/**
 * What the engine records: facts, in causal order. `seq` rises by one per event and breaks ties of
 * `timeNs`; `cause` is the `seq` of the event that led here (0: an input or a timer), so following
 * causes back from a delivery gives the packet's way. Every change of a table is in some event, so
 * any view at time t is a fold (see fold.ts) from an earlier state.
 */
export interface EventOf<T extends EventType> {
  readonly type: T;
  readonly seq: number;
  /** Virtual time in nanoseconds; never falls from one event to the next. */
  readonly timeNs: number;
  readonly cause: number;
  /** `pod/NS/NAME`, `node/NAME` or `external/NAME`. */
  readonly netns: string;
  /** The device it happened at, where there is one. */
  readonly device: string | undefined;
  /** The packet (Linux: the skb) it happened to; 0 for none. A flooded copy keeps the number of its original. */
  readonly packet: number;
  /** The traffic it serves (see Input 'send'); 0 for none. */
  readonly flow: number;
  /** Of the packet, or of the packet that a helper (ARP, ICMP error) serves. */
  readonly direction: Direction;
  /** The frame as it is at this point, where the event concerns one. */
  readonly frame: Frame | undefined;
  readonly data: EventData[T];
}

export type Direction = 'request' | 'reply';
export type EventType = keyof EventData;
export type LabEvent = { [T in EventType]: EventOf<T> }[EventType];

export interface EventData {
  /** A frame leaves by a device (what `tcpdump` calls out). */
  tx: undefined;
  /** A frame arrives at a device. `otherHost`: it is addressed to another station, as a bridge port sees. */
  rx: { readonly otherHost: boolean };
  /** A bridge decided about a frame and learned from it. */
  bridge: BridgeDecision;
  /** A netfilter hook was passed. */
  hook: HookPassed;
  conntrack: ConntrackChange;
  /** A rule matched. All rules of a walk come in order, then one `chain`. */
  rule: RuleMatch;
  /** A base chain was walked to its end: what it decided, and what that cost. */
  chain: ChainWalk;
  /** Addresses or ports of the packet were rewritten; `frame` is the packet after it. */
  nat: NatRewrite;
  /** IPVS took a packet in hand (`frame` is the packet after it), or entries of its table went without one. */
  ipvs: IpvsStep;
  /** Virtual servers or their real servers were changed: all as they are now. */
  ipvsServersChanged: { readonly servers: readonly IpvsServerView[]; readonly serverCount: number };
  route: RouteDecision;
  /** The TTL fell by one: this namespace routes the packet. */
  forward: { readonly ttlBefore: number; readonly ttlAfter: number };
  /** A packet waits until its next hop's MAC is known. */
  queued: { readonly nextHop: IpAddress; readonly queueLength: number };
  neighbour: NeighbourChange;
  /** A packet too big for the outgoing device was cut into fragments. */
  fragmented: { readonly mtu: number; readonly fragments: number };
  /** All fragments of a packet are here. */
  reassembled: { readonly fragments: number };
  /** This namespace answers a packet with an ICMP error; the tx of that error follows. */
  icmpError: { readonly icmpType: number; readonly code: number; readonly because: DropReason };
  /** A packet reached a socket (or the kernel's own ICMP). */
  deliver: { readonly to: string; readonly process: string | undefined };
  drop: { readonly reason: DropReason; readonly detail: string | undefined };
  socket: SocketChange;
  /** What a process did: one short clause, e.g. `sent GET / HTTP/1.1`. */
  process: { readonly name: string; readonly did: string };
  /** A process could not bind its port. */
  bindFailed: {
    readonly process: string;
    readonly protocol: 'tcp' | 'udp';
    readonly address: string;
    readonly port: number;
    readonly holder: string;
  };
  /** A flow began. `from` and `to` as asked for. */
  flowStarted: { readonly from: string; readonly to: string; readonly protocol: ProbeProtocol };
  /** A flow ended: exactly one for each flow. */
  flowEnded: FlowOutcome;
  /** A namespace came into view with all its tables. */
  netnsAppeared: { readonly view: NetnsView };
  deviceChanged: { readonly view: DeviceView };
  routeChanged: { readonly action: 'added' | 'removed'; readonly route: RouteView };
  sysctlChanged: { readonly key: string; readonly value: string };
  /** kube-proxy of this node wrote its rules. */
  proxySynced: ProxySync;
}

export type ProxyMode = 'iptables' | 'ipvs' | 'nftables';

export interface ProxySync {
  readonly mode: ProxyMode;
  /** All tables of rules of the namespace as they are now. */
  readonly tables: readonly RuleTableView[];
  /** kube-ipvs0 with the addresses of all services; undefined where the mode has no such device. */
  readonly ipvsDevice: DeviceView | undefined;
}

/** One table of rules of a namespace, by its size. The rules themselves are asked for chain by chain (Engine.ruleChain). */
export interface RuleTableView {
  readonly framework: 'iptables' | 'nftables';
  readonly family: string;
  readonly name: string;
  readonly chains: number;
  readonly rules: number;
}

/** Where a rule stands. `rule` counts from 1 within its chain; 0 is the chain's policy. */
export interface RulePlace {
  readonly framework: 'iptables' | 'nftables';
  /** nftables: the table's family, such as `ip` or `inet`. iptables: `ip` or `ip6`. */
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly rule: number;
}

export interface RuleDraw {
  /** Exact chance of what came out. */
  readonly probability: number;
  /** In how many equally likely ways it could come out, where that is the kind of draw (`numgen`); which one did. */
  readonly pick: { readonly of: number; readonly chosen: number } | undefined;
}

export interface RuleMatch {
  readonly place: RulePlace;
  /** How deep in jumps: 0 is the base chain. */
  readonly depth: number;
  /** The rule as the tool prints it (`iptables-save`, `nft list`). */
  readonly text: string;
  /** What it did: `jump KUBE-SVC-…`, `goto …`, `return`, `accept`, `drop`, `reject icmp-port-unreachable`, `dnat 10.244.2.7:8080`, `masquerade`, `continue`. */
  readonly action: string;
  /** Rules of this chain that were looked at and did not match, since its beginning or its last matched rule. */
  readonly unmatchedBefore: number;
  readonly mark: { readonly before: number; readonly after: number } | undefined;
  /** The draw that made it match or chose its outcome. */
  readonly draw: RuleDraw | undefined;
}

export interface ChainWalk {
  readonly framework: 'iptables' | 'nftables';
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly hook: HookName;
  readonly priority: number;
  readonly verdict: 'accept' | 'drop' | 'reject' | 'dnat' | 'snat' | 'masquerade' | 'redirect';
  /** The rule that decided; `rule` 0 is the policy. undefined: no rule said anything, and the chain accepts. */
  readonly decidedBy: RulePlace | undefined;
  /** Rules looked at, and sets and maps looked into, as Linux would have. */
  readonly rules: number;
  readonly lookups: number;
}

export interface NatRewrite {
  readonly manip: 'source' | 'destination';
  /** Undoing for a reply what was done to the connection's other direction. */
  readonly undo: boolean;
  /** The addressing before and after; of an ICMP error that of the packet it quotes. */
  readonly before: ConntrackTuple;
  readonly after: ConntrackTuple;
  /** Number of the conntrack entry that holds the translation. */
  readonly entry: number;
  /** The packet quoted in an ICMP error was rewritten as well. */
  readonly quoted: boolean;
}

export type ProbeProtocol = 'tcp' | 'udp' | 'icmp' | 'http';

export interface FlowOutcome {
  readonly kind: OutcomeKind;
  /** One sentence for people: what the client saw. */
  readonly detail: string;
  /** `address:port` that served, where one did. */
  readonly endpoint: string | undefined;
  /** Where the flow last lost a packet, unless it succeeded: the place and the reason that ended it. */
  readonly lost: Loss | undefined;
}

export interface Loss {
  readonly netns: string;
  readonly device: string | undefined;
  readonly reason: DropReason;
}

export interface BridgeDecision {
  readonly bridge: string;
  readonly verdict: 'forward' | 'flood' | 'local' | 'floodAndLocal' | 'drop';
  /** Ports that get a copy, in port order; where `omitted` > 0 only the first ones are named and recorded. */
  readonly ports: readonly string[];
  readonly omitted: number;
  /** What the source address taught the FDB; undefined when the frame comes from the bridge device itself. */
  readonly learned: 'new' | 'moved' | 'known' | undefined;
  readonly ingress: string | undefined;
}

export type HookName = 'PREROUTING' | 'INPUT' | 'FORWARD' | 'OUTPUT' | 'POSTROUTING';

export interface HookPassed {
  readonly hook: HookName;
  readonly inDevice: string | undefined;
  readonly outDevice: string | undefined;
  /** The packet is only being switched; br_netfilter shows it to the IP hooks. */
  readonly bridged: boolean;
}

export interface ConntrackTuple {
  readonly src: IpAddress;
  readonly dst: IpAddress;
  readonly protocol: number;
  /** Ports; for ICMP the identifier in `srcPort` and type*256+code in `dstPort`. */
  readonly srcPort: number;
  readonly dstPort: number;
}

export interface ConntrackView {
  readonly id: number;
  readonly original: ConntrackTuple;
  readonly reply: ConntrackTuple;
  /** TCP only: SYN_SENT, ESTABLISHED, ... */
  readonly state: string | undefined;
  readonly assured: boolean;
  readonly seenReply: boolean;
  /** Virtual time at which the entry goes unless refreshed. */
  readonly expiresNs: number;
  readonly mark: number;
}

export interface ConntrackChange {
  readonly action: 'new' | 'confirmed' | 'updated' | 'destroyed' | 'invalid';
  /** How the packet relates to the entry: conntrack's ctstate. */
  readonly packetState: 'NEW' | 'ESTABLISHED' | 'RELATED' | 'INVALID';
  readonly packetDirection: 'original' | 'reply';
  /** The entry after the change; undefined for an invalid packet, which has none. */
  readonly entry: ConntrackView | undefined;
}

/** What a virtual or real server is reached at. */
export interface IpvsEndpoint {
  readonly address: IpAddress;
  readonly port: number;
}

export interface IpvsServerView extends IpvsEndpoint {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly scheduler: string;
  /** As ipvsadm names them: `sh-port`, `flag-1`, ... */
  readonly schedulerFlags: readonly string[];
  readonly persistenceSeconds: number | undefined;
  readonly onePacket: boolean;
  /** In the kernel's order: the newest first. */
  readonly realServers: readonly (IpvsEndpoint & { readonly weight: number })[];
}

/** An entry of the table of connections (`ipvsadm -Lnc`). */
export interface IpvsConnectionView {
  readonly id: number;
  readonly protocol: 'tcp' | 'udp';
  /** Port 0: a template, by which a client stays with its server. */
  readonly client: IpvsEndpoint;
  /** Port 65535 of a template: set aside, since its server takes no new connections. */
  readonly virtual: IpvsEndpoint;
  readonly real: IpvsEndpoint;
  readonly state: string;
  readonly template: boolean;
  /** Counts among the active connections of its server; a template counts nowhere. */
  readonly active: boolean;
  /** Virtual time at which it goes unless refreshed. */
  readonly expiresNs: number;
}

export interface IpvsStep {
  /**
   * `toServer`: a packet of a client, on to its real server. `toClient`: an answer, with the virtual address put back.
   * `refused`: no server can take it. `dropped`: its server is gone, or its entry is about to make room. `expired`: no packet.
   */
  readonly verdict: 'toServer' | 'toClient' | 'refused' | 'dropped' | 'expired';
  readonly hook: HookName | undefined;
  readonly virtual: (IpvsEndpoint & { readonly protocol: 'tcp' | 'udp' }) | undefined;
  readonly real: IpvsEndpoint | undefined;
  readonly scheduler: string | undefined;
  /** Who named the server: the scheduler, a template, or the entry of a connection that is known. */
  readonly chosenBy: 'scheduler' | 'template' | 'connection' | undefined;
  /** The addressing before and after; of an ICMP error that of the packet it quotes. */
  readonly before: ConntrackTuple | undefined;
  readonly after: ConntrackTuple | undefined;
  /** The packet is an ICMP error, and the packet it quotes was rewritten as well. */
  readonly quoted: boolean;
  /** Entries that are new or changed, as they are now. */
  readonly connections: readonly IpvsConnectionView[];
  /** Ids of entries that went. */
  readonly removed: readonly number[];
}

export type RouteType = 'unicast' | 'local' | 'broadcast' | 'blackhole' | 'unreachable' | 'prohibit';

export interface RouteView {
  readonly table: 'local' | 'main';
  readonly type: RouteType;
  /** Prefix; 0.0.0.0/0 is the default route. */
  readonly destination: Cidr;
  readonly via: IpAddress | undefined;
  readonly device: string | undefined;
  readonly prefSrc: IpAddress | undefined;
  readonly scope: 'global' | 'link' | 'host';
  readonly protocol: 'kernel' | 'static' | 'boot';
}

export interface RouteDecision {
  readonly destination: IpAddress;
  /** The route chosen by longest prefix; undefined when none matched. */
  readonly route: RouteView | undefined;
  /** Address to resolve on the link: the gateway, or the destination when it is on the link. */
  readonly nextHop: IpAddress | undefined;
  readonly input: boolean;
}

export type NeighbourState = 'INCOMPLETE' | 'REACHABLE' | 'STALE' | 'DELAY' | 'PROBE' | 'FAILED' | 'PERMANENT';

export interface NeighbourView {
  readonly address: IpAddress;
  readonly device: string;
  readonly mac: Mac | undefined;
  readonly state: NeighbourState;
}

export interface NeighbourChange {
  readonly action: 'created' | 'updated' | 'removed';
  readonly entry: NeighbourView;
}

export type SocketState =
  | 'LISTEN'
  | 'SYN-SENT'
  | 'SYN-RECV'
  | 'ESTAB'
  | 'FIN-WAIT-1'
  | 'FIN-WAIT-2'
  | 'CLOSE-WAIT'
  | 'CLOSING'
  | 'LAST-ACK'
  | 'TIME-WAIT'
  | 'UNCONN'
  | 'CLOSED';

export interface SocketView {
  readonly id: number;
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly localAddress: IpAddress;
  readonly localPort: number;
  readonly remoteAddress: IpAddress | undefined;
  readonly remotePort: number;
  readonly state: SocketState;
  readonly process: string;
}

/** State CLOSED removes the socket. */
export interface SocketChange {
  readonly view: SocketView;
}

/** Why a packet went no further. The exact condition of each is documented in docs of `explain/reasons.ts`. */
export type DropReason =
  | 'otherHost'
  | 'deviceDown'
  | 'noCarrier'
  | 'bridgePortSame'
  | 'noL3'
  | 'forwardingOff'
  | 'ttlExceeded'
  | 'noRoute'
  | 'routeBlackhole'
  | 'routeUnreachable'
  | 'routeProhibit'
  | 'reversePath'
  | 'martianSource'
  | 'localSource'
  | 'martianDestination'
  | 'neighbourFailed'
  | 'neighbourQueueFull'
  | 'tooBig'
  | 'mtuReceive'
  | 'noSocket'
  | 'protocolUnreachable'
  | 'tcpUnexpected'
  | 'echoUnknown'
  | 'icmpUnmatched'
  | 'checksum'
  | 'conntrackFull'
  | 'conntrackInvalid'
  | 'droppedByRule'
  | 'rejectedByRule'
  | 'natClash'
  | 'redirectOfNat'
  | 'redirectIgnored'
  | 'ipvsNoServer'
  | 'ipvsServerGone'
  | 'ipvsReuse'
  | 'fragmentTimeout'
  | 'netnsGone'
  | 'hopLimit'
  | 'notUnderstood';
