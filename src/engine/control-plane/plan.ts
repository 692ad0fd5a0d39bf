import type { Cidr, Ipv4 } from '../../protocol/address.ts';
import type { NotModelled, Problem, ServiceView } from '../../protocol/view.ts';

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
  readonly services: readonly ServiceView[];
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
}

export interface ContainerPlan {
  readonly name: string;
  readonly image: string;
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
