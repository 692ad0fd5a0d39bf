import type { ApiObject } from './metadata.ts';
import type { TransportProtocol } from './pod.ts';

export interface Service extends ApiObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Service';
  readonly spec?: ServiceSpec | undefined;
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly LoadBalancerIngress[] | undefined } | undefined } | undefined;
}

export type TrafficPolicy = 'Cluster' | 'Local';

export interface ServiceSpec {
  readonly type?: string | undefined;
  /** An address, or `None` for a headless Service. */
  readonly clusterIP?: string | undefined;
  readonly clusterIPs?: readonly string[] | undefined;
  readonly externalIPs?: readonly string[] | undefined;
  readonly externalName?: string | undefined;
  readonly selector?: Readonly<Record<string, string>> | undefined;
  readonly ports?: readonly ServicePort[] | undefined;
  readonly sessionAffinity?: string | undefined;
  readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number | undefined } | undefined } | undefined;
  readonly internalTrafficPolicy?: TrafficPolicy | undefined;
  readonly externalTrafficPolicy?: TrafficPolicy | undefined;
  readonly healthCheckNodePort?: number | undefined;
  readonly loadBalancerIP?: string | undefined;
  readonly loadBalancerClass?: string | undefined;
  readonly loadBalancerSourceRanges?: readonly string[] | undefined;
  readonly allocateLoadBalancerNodePorts?: boolean | undefined;
  readonly publishNotReadyAddresses?: boolean | undefined;
  readonly trafficDistribution?: string | undefined;
  readonly ipFamilies?: readonly string[] | undefined;
  readonly ipFamilyPolicy?: string | undefined;
}

export interface LoadBalancerIngress {
  readonly ip?: string | undefined;
  readonly hostname?: string | undefined;
  /** `VIP` when absent. */
  readonly ipMode?: string | undefined;
}

export interface ServicePort {
  readonly name?: string | undefined;
  readonly port: number;
  /** A number, or the name of a container's port; absent means the same as `port`. */
  readonly targetPort?: number | string | undefined;
  readonly nodePort?: number | undefined;
  readonly protocol?: TransportProtocol | undefined;
}
