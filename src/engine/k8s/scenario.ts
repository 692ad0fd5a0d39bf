import type { ApiObject } from './metadata.ts';

/** The lab's own document: all that a scenario says besides its Kubernetes objects. */
export interface Scenario extends ApiObject {
  readonly apiVersion: 'hoplab.dev/v1';
  readonly kind: 'Scenario';
  readonly spec?: ScenarioSpec | undefined;
}

export interface ScenarioSpec {
  readonly title?: string | undefined;
  /** Of every random stream; an integer from 0 to 2^32 - 1. Absent means 1. */
  readonly seed?: number | undefined;
  /** Network plugin. Absent means `bridge`. */
  readonly cni?: 'bridge' | undefined;
  /** kube-proxy's mode; goes before the one of a KubeProxyConfiguration. Absent in both means `iptables`. */
  readonly proxyMode?: 'iptables' | 'nftables' | 'ipvs' | undefined;
  readonly underlay?: UnderlaySpec | undefined;
  /** Sent in order once the cluster is up. */
  readonly traffic?: readonly TrafficSpec[] | undefined;
}

/** The network between the nodes. */
export interface UnderlaySpec {
  /** Must hold every node's address. Absent: inferred from them, else 192.168.1.0/24. */
  readonly cidr?: string | undefined;
  /** The nodes' default gateway. Absent: the first free address of `cidr`. */
  readonly router?: string | undefined;
  /** Whether the router has a route for every node's podCIDR. Absent means true. */
  readonly podRoutes?: boolean | undefined;
}

export interface TrafficSpec {
  /** `pod/NS/NAME[/CONTAINER]`, `node/NAME` or `external`. */
  readonly from: string;
  /** `host:port`, an address, a URL, `pod/NS/NAME:port` or `svc/NS/NAME:port`. */
  readonly to: string;
  /** Absent means `http` for a URL and `tcp` for everything else. */
  readonly protocol?: 'tcp' | 'udp' | 'icmp' | 'http' | undefined;
}
