import type { Cidr, IpAddress, Ipv4, Mac } from './address.ts';
import type {
  ConntrackView,
  IpvsConnectionView,
  IpvsServerView,
  NeighbourView,
  ProbeProtocol,
  ProxyMode,
  RouteView,
  RuleTableView,
  SocketView,
} from './event.ts';

/** What a client of a probe sees in the end; exactly one of these. */
export type OutcomeKind = 'connected' | 'refused' | 'unreachable' | 'timeout' | 'dns-failure' | 'http';

export interface DeviceView {
  readonly name: string;
  readonly kind: 'loopback' | 'veth' | 'bridge' | 'physical' | 'dummy';
  readonly mac: Mac;
  readonly mtu: number;
  readonly up: boolean;
  /** False when the other end is down or the cable is cut. */
  readonly carrier: boolean;
  /** The bridge it is a port of. */
  readonly master: string | undefined;
  readonly hairpin: boolean;
  readonly addresses: readonly Cidr[];
  /** The other end of the veth pair or cable. */
  readonly peer: { readonly netns: string; readonly device: string } | undefined;
}

export interface FdbView {
  readonly bridge: string;
  readonly mac: Mac;
  readonly port: string;
  readonly local: boolean;
  /** Virtual time of the last frame from there; entries not local age out after the bridge's ageing time. */
  readonly updatedNs: number;
}

/** Everything a network namespace holds at one moment. Tables are in the order the tools print them. */
export interface NetnsView {
  readonly id: string;
  readonly kind: 'pod' | 'node' | 'host' | 'router' | 'switch';
  readonly devices: readonly DeviceView[];
  readonly routes: readonly RouteView[];
  readonly neighbours: readonly NeighbourView[];
  readonly fdb: readonly FdbView[];
  readonly conntrack: readonly ConntrackView[];
  readonly sockets: readonly SocketView[];
  readonly sysctls: Readonly<Record<string, string>>;
  /** Tables of rules, by size; empty in a namespace without rules. */
  readonly ruleTables: readonly RuleTableView[];
  /** Virtual servers in the order in which `ipvsadm -Ln` lists them; at most 250, `ipvsServerCount` says how many there are. */
  readonly ipvsServers: readonly IpvsServerView[];
  readonly ipvsServerCount: number;
  readonly ipvsConnections: readonly IpvsConnectionView[];
}

export interface ContainerView {
  readonly name: string;
  readonly image: string;
  readonly listens: readonly { readonly protocol: 'tcp' | 'udp'; readonly port: number; readonly address: string | undefined }[];
  /** Set when it could not start: e.g. its port was taken by another container of the pod. */
  readonly problem: string | undefined;
}

export interface PodView {
  readonly namespace: string;
  readonly name: string;
  /** `pod/NS/NAME`; a pod with hostNetwork lives in `node/NAME`. */
  readonly netns: string;
  readonly node: string;
  readonly ip: IpAddress;
  readonly hostNetwork: boolean;
  readonly containers: readonly ContainerView[];
  /** Kind and name of the workload that owns it, e.g. `Deployment/web`. */
  readonly owner: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** Name of the node's end of the pod's veth pair; undefined with hostNetwork. */
  readonly hostVeth: string | undefined;
}

export interface NodeView {
  readonly name: string;
  readonly netns: string;
  readonly ip: Ipv4;
  readonly podCidr: Cidr | undefined;
  readonly controlPlane: boolean;
}

export interface ExternalView {
  readonly name: string;
  readonly netns: string;
  readonly role: 'router' | 'client' | 'underlay';
  readonly ip: Ipv4 | undefined;
}

/** A Service as the API holds it: an overlay, not a place that packets pass. */
export interface ServiceView {
  readonly namespace: string;
  readonly name: string;
  readonly type: string;
  /** `None` for a headless Service; undefined for type ExternalName. */
  readonly clusterIp: string | undefined;
  readonly headless: boolean;
  /** The DNS name that a Service of type ExternalName stands for. */
  readonly externalName: string | undefined;
  readonly externalIps: readonly string[];
  /** Addresses or names of the cloud's load balancer; empty while pending. */
  readonly loadBalancerIps: readonly string[];
  readonly loadBalancerSourceRanges: readonly string[];
  readonly ports: readonly {
    readonly name: string | undefined;
    readonly protocol: string;
    readonly port: number;
    /** A number, or the name of a container's port. */
    readonly targetPort: string | undefined;
    readonly nodePort: number | undefined;
  }[];
  readonly selector: Readonly<Record<string, string>> | undefined;
  /** undefined for type ExternalName. */
  readonly internalTrafficPolicy: 'Cluster' | 'Local' | undefined;
  /** undefined for Services that clients outside cannot reach. */
  readonly externalTrafficPolicy: 'Cluster' | 'Local' | undefined;
  readonly healthCheckNodePort: number | undefined;
  /** Set with sessionAffinity ClientIP: how long a client stays with its endpoint, in seconds. */
  readonly affinityTimeoutS: number | undefined;
  readonly trafficDistribution: string | undefined;
  /** At most 250 are listed; `endpointCount` says how many there are. */
  readonly endpoints: readonly ServiceEndpointView[];
  readonly endpointCount: number;
}

/** One endpoint of the Service's EndpointSlices, with the state that decides whether it gets traffic. */
export interface ServiceEndpointView {
  readonly ip: string;
  readonly ports: readonly { readonly name: string | undefined; readonly protocol: string; readonly port: number }[];
  readonly node: string | undefined;
  /** `pod/NS/NAME`, when that pod is in the cluster. */
  readonly pod: string | undefined;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

/** Objects that were kept but take no part in the simulation yet. */
export interface NotModelled {
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
}

/** Severity 'error' refuses the load; the others let it go on. */
export interface Problem {
  readonly severity: 'error' | 'warning' | 'info';
  readonly file: string | undefined;
  /** Number of the YAML document in its file, from 1. */
  readonly document: number | undefined;
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** `Pod default/web` */
  readonly object: string | undefined;
  /** `spec.containers[0].ports[0].containerPort` */
  readonly field: string | undefined;
  /** What is wrong and what to do next, without the place. */
  readonly message: string;
}

/** The structure that the canvas draws. Arrays are sorted: nodes by name with control planes first, pods by node, namespace, name. */
export interface Topology {
  readonly title: string;
  readonly seed: number;
  readonly cni: string;
  /** kube-proxy's mode as loaded; a `proxySynced` event tells of a change. */
  readonly proxyMode: ProxyMode;
  readonly nodes: readonly NodeView[];
  readonly pods: readonly PodView[];
  readonly externals: readonly ExternalView[];
  readonly services: readonly ServiceView[];
  /** What the scenario asks to send, in order; the first is what a person sends without choosing. */
  readonly traffic: readonly { readonly from: string; readonly to: string; readonly protocol: ProbeProtocol }[];
  readonly notModelled: readonly NotModelled[];
  readonly problems: readonly Problem[];
}

/** One chain with its rules, counters as they are now. */
export interface RuleChainView {
  readonly framework: 'iptables' | 'nftables';
  readonly family: string;
  readonly table: string;
  readonly name: string;
  /** Base and built-in chains only. */
  readonly base: { readonly hook: string; readonly priority: number; readonly type: string; readonly policy: string } | undefined;
  /** At most 2,000 are listed; `ruleCount` says how many there are. */
  readonly rules: readonly { readonly text: string; readonly packets: number; readonly bytes: number }[];
  readonly ruleCount: number;
}

/** One way in which a flow can end, over everything that chance decides. */
export interface PossibleOutcome {
  readonly outcome: OutcomeKind;
  /** `address:port` that serves; undefined when none does. */
  readonly endpoint: string | undefined;
  /** Exact up to rounding of the last digit; all of a flow's add up to 1. */
  readonly probability: number;
}
