import type { Endpoints } from './endpoints.ts';
import type { ProxyNode } from './model.ts';
import type { ServicePortInfo } from './service-port.ts';
import { categorizeEndpoints, type UsableEndpoints } from './topology.ts';

/** What both compilers decide alike about one service port, before any rule is written. */
export interface ServiceTraffic extends UsableEndpoints {
  /** The chain with the endpoints of that policy exists. */
  readonly usesClusterChain: boolean;
  readonly usesLocalChain: boolean;
  /** Traffic to the cluster IP has somewhere to go. */
  readonly hasInternal: boolean;
  /** Traffic from outside to an external IP, load balancer IP or node port has somewhere to go. */
  readonly hasExternal: boolean;
  /** The chain for external destinations exists: also without external endpoints, because pods and the node are short-circuited. */
  readonly usesExternalChain: boolean;
}

export function trafficOf(port: ServicePortInfo, endpoints: Endpoints, node: ProxyNode): ServiceTraffic {
  const usable = categorizeEndpoints(endpoints, port, node);
  const hasLocal = usable.local.length > 0;
  return {
    ...usable,
    usesClusterChain: port.usesClusterEndpoints && usable.cluster.length > 0,
    usesLocalChain: port.usesLocalEndpoints && hasLocal,
    hasInternal: usable.hasAny && (!port.internalPolicyLocal || hasLocal),
    hasExternal: usable.hasAny && (!port.externalPolicyLocal || hasLocal),
    usesExternalChain: usable.hasAny && port.externallyAccessible,
  };
}

/** Service ports that lack local endpoints though others exist (metric sync_proxy_rules_no_local_endpoints_total). */
export interface NoLocalEndpoints {
  readonly internal: number;
  readonly external: number;
}
