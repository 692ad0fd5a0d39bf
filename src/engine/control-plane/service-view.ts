import type { ServiceEndpointView, ServiceView } from '../../protocol/view.ts';
import type { EndpointSlice } from '../k8s/endpoint-slice.ts';
import { namespaceOf } from '../k8s/metadata.ts';
import type { Service } from '../k8s/service.ts';
import { isHeadless } from './service-defaults.ts';

/** More endpoints of one Service are counted, not listed: the screen could not show them. */
const LISTED_MAX = 250;

/** A stored Service and its EndpointSlices as the screen draws them. `hasPod` tells whether `namespace/name` is in the plan. */
export function serviceView(service: Service, slices: readonly EndpointSlice[], hasPod: (key: string) => boolean): ServiceView {
  const spec = service.spec ?? {};
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  return {
    namespace: namespaceOf(service),
    name: service.metadata?.name ?? '',
    type: spec.type ?? 'ClusterIP',
    clusterIp: spec.clusterIP || undefined,
    headless: isHeadless(service),
    externalName: spec.type === 'ExternalName' ? spec.externalName : undefined,
    externalIps: spec.externalIPs ?? [],
    loadBalancerIps: ingress.flatMap(({ ip, hostname }) => ip || hostname || []),
    loadBalancerSourceRanges: spec.loadBalancerSourceRanges ?? [],
    ports: (spec.ports ?? []).map((port) => ({
      name: port.name,
      protocol: port.protocol ?? 'TCP',
      port: port.port,
      targetPort: port.targetPort === undefined ? undefined : String(port.targetPort),
      nodePort: port.nodePort || undefined,
    })),
    selector: spec.selector,
    internalTrafficPolicy: spec.internalTrafficPolicy,
    externalTrafficPolicy: spec.externalTrafficPolicy,
    healthCheckNodePort: spec.healthCheckNodePort || undefined,
    affinityTimeoutS: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds,
    trafficDistribution: spec.trafficDistribution,
    ...endpointViews(slices, hasPod),
  };
}

function endpointViews(
  slices: readonly EndpointSlice[],
  hasPod: (key: string) => boolean,
): { readonly endpoints: readonly ServiceEndpointView[]; readonly endpointCount: number } {
  const endpoints: ServiceEndpointView[] = [];
  let endpointCount = 0;
  for (const slice of slices) {
    const ports = (slice.ports ?? []).flatMap(({ name, protocol = 'TCP', port }) =>
      port === undefined ? [] : [{ name: name || undefined, protocol, port }],
    );
    for (const { addresses, conditions, nodeName, targetRef } of slice.endpoints ?? []) {
      endpointCount++;
      if (endpoints.length >= LISTED_MAX) continue;
      const pod = `${targetRef?.namespace ?? namespaceOf(slice)}/${targetRef?.name}`;
      endpoints.push({
        // kube-proxy looks at the first address only (pkg/proxy/endpointslicecache.go).
        ip: addresses[0] as string,
        ports,
        node: nodeName,
        pod: targetRef?.kind === 'Pod' && hasPod(pod) ? `pod/${pod}` : undefined,
        ready: conditions?.ready ?? true,
        serving: conditions?.serving ?? conditions?.ready ?? true,
        terminating: conditions?.terminating ?? false,
      });
    }
  }
  return { endpoints, endpointCount };
}
