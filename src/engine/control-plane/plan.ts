import type { Cidr, Ipv4 } from '../../protocol/address.ts';
import type { ProxyMode } from '../../protocol/event.ts';
import type { NotModelled, Problem, ServiceView } from '../../protocol/view.ts';
import type { EndpointSlice } from '../k8s/endpoint-slice.ts';
import type { TransportProtocol } from '../k8s/pod.ts';
import type { Service } from '../k8s/service.ts';

/**
 * What the control plane decided: which nodes and pods there are, where they run and which addresses
 * they have. The world builds namespaces from it. Pods of one workload share their container list.
 */
export interface ClusterPlan {
  readonly title: string;
  readonly seed: number;
  /** Network plugin; `bridge` is the reference bridge plugin with host-gateway routes. */
  readonly cni: 'bridge';
  readonly podCidr: Cidr;
  readonly serviceCidr: Cidr;
  readonly dnsDomain: string;
  readonly underlay: UnderlayPlan;
  /** Control planes first, then by name. */
  readonly nodes: readonly NodePlan[];
  /** By node (in the order of `nodes`), then namespace, then name. */
  readonly pods: readonly PodPlan[];
  /** In the order of `serviceObjects`. */
  readonly services: readonly ServiceView[];
  /** As the API server holds them, with defaults, addresses and ports; in the order of the manifests, `default/kubernetes` first unless they bring it. */
  readonly serviceObjects: readonly Service[];
  /** Those of each Service together, in the order of `serviceObjects`; last those that belong to none. */
  readonly endpointSlices: readonly EndpointSlice[];
  readonly proxy: ProxyPlan;
  readonly traffic: readonly TrafficPlan[];
  readonly notModelled: readonly NotModelled[];
  /** Warnings and notes; a plan with errors is never made. */
  readonly problems: readonly Problem[];
}

export interface UnderlayPlan {
  /** The network that the nodes' eth0 are in. */
  readonly cidr: Cidr;
  readonly router: Ipv4;
  /** The Internet side: the router's address there, and the outside client's. */
  readonly outsideCidr: Cidr;
  readonly outsideRouter: Ipv4;
  readonly outsideClient: Ipv4;
  /** Where the cloud's load balancers have their addresses; the router sends them to the cluster. Apart from all other networks. */
  readonly loadBalancerCidr: Cidr;
  /** Whether the router has a route for every node's podCIDR, as a cloud's route table or BGP would give it. */
  readonly podRoutes: boolean;
}

export interface NodePlan {
  readonly name: string;
  readonly ip: Ipv4;
  readonly podCidr: Cidr | undefined;
  readonly controlPlane: boolean;
  readonly labels: Readonly<Record<string, string>>;
}

export interface PodPlan {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  /** With hostNetwork, the node's. */
  readonly ip: Ipv4;
  readonly hostNetwork: boolean;
  readonly containers: readonly ContainerPlan[];
  readonly owner: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** The condition Ready; a terminating pod may have it, too. */
  readonly ready: boolean;
  readonly terminating: boolean;
}

export interface ContainerPlan {
  readonly name: string;
  readonly image: string;
  /** An init container that keeps running (restartPolicy: Always). */
  readonly sidecar: boolean;
  /** As declared, whether or not anything listens there: what a Service's targetPort may name. */
  readonly ports: readonly { readonly name: string | undefined; readonly port: number; readonly protocol: TransportProtocol }[];
  readonly listens: readonly ListenPlan[];
}

export interface ListenPlan {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** The address it binds; undefined means every one (0.0.0.0). */
  readonly address: Ipv4 | undefined;
  /** The port's name in the container spec. */
  readonly name: string | undefined;
}

/** Traffic that a Scenario document asks for, to be sent in order once the cluster is up. */
export interface TrafficPlan {
  readonly from: string;
  readonly to: string;
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'http';
}

/** How every kube-proxy is started: KubeProxyConfiguration with its defaults. */
export interface ProxyPlan {
  readonly mode: ProxyMode;
  /**
   * What counts as traffic of local pods: addresses in `clusterCidr`, or in the node's own podCIDR. `None` when the
   * mode is ClusterCIDR and there is no such CIDR: then nothing does.
   */
  readonly detectLocalMode: 'ClusterCIDR' | 'NodeCIDR' | 'None';
  readonly clusterCidr: Cidr | undefined;
  /**
   * CIDRs, or `primary` alone: the node's own address. Empty means every local address in the modes iptables and
   * ipvs, but `primary` in nftables (cmd/kube-proxy/app/server_linux.go, platformApplyDefaults).
   */
  readonly nodePortAddresses: readonly string[];
  readonly iptables: MasqueradePlan & { readonly localhostNodePorts: boolean };
  readonly nftables: MasqueradePlan;
  readonly ipvs: {
    readonly scheduler: string;
    readonly strictArp: boolean;
    readonly excludeCidrs: readonly string[];
    /** Durations as Go writes them; undefined leaves the kernel's. */
    readonly timeouts: { readonly tcp: string | undefined; readonly tcpFin: string | undefined; readonly udp: string | undefined };
  };
  /** Nodes have net.netfilter.nf_conntrack_tcp_be_liberal set. */
  readonly conntrackTcpBeLiberal: boolean;
}

export interface MasqueradePlan {
  readonly masqueradeAll: boolean;
  /** 0x4000 unless masqueradeBit says otherwise. */
  readonly masqueradeMark: number;
}
