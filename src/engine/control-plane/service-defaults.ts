import { namespaceOf } from '../k8s/metadata.ts';
import type { Service, ServiceSpec } from '../k8s/service.ts';

/** Seconds that a client stays with its endpoint (core/v1, DefaultClientIPServiceAffinitySeconds). */
export const AFFINITY_TIMEOUT_S = 10_800;

export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';

export const typeOf = (service: Service): ServiceType => (service.spec?.type || 'ClusterIP') as ServiceType;

export const isHeadless = (service: Service): boolean => service.spec?.clusterIP === 'None';

/** Whether it has an address or port for clients outside of the cluster (pkg/api/service, ExternallyAccessible). */
export function isExternallyAccessible(service: Service): boolean {
  const type = typeOf(service);
  if (type === 'NodePort' || type === 'LoadBalancer') return true;
  return type === 'ClusterIP' && (service.spec?.externalIPs ?? []).length > 0;
}

/** Whether load balancers ask each node for local endpoints (pkg/api/service, NeedsHealthCheck). */
export const needsHealthCheck = (service: Service): boolean =>
  typeOf(service) === 'LoadBalancer' && service.spec?.externalTrafficPolicy === 'Local';

/** Null and empty select nothing: the endpoints are somebody else's business. */
export const hasSelector = (service: Service): boolean => Object.keys(service.spec?.selector ?? {}).length > 0;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * What the API server fills in before it validates (SetDefaults_Service in pkg/apis/core/v1/defaults.go): texts that
 * are empty and a targetPort of 0 count as absent, as templates write them. Addresses and ports are allocated later.
 */
export function withServiceDefaults(service: Service): Service {
  const given = service.spec ?? {};
  const type = typeOf(service);
  const spec: Writable<ServiceSpec> = { ...given, type, sessionAffinity: given.sessionAffinity || 'None' };
  if (given.ports) {
    spec.ports = given.ports.map((port) => ({
      ...port,
      protocol: port.protocol ?? 'TCP',
      targetPort: port.targetPort || port.port,
    }));
  }
  if (spec.sessionAffinity === 'ClientIP') {
    spec.sessionAffinityConfig = {
      clientIP: { timeoutSeconds: given.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_TIMEOUT_S },
    };
  } else delete spec.sessionAffinityConfig;
  if (type !== 'ExternalName') spec.internalTrafficPolicy = given.internalTrafficPolicy ?? 'Cluster';
  if (isExternallyAccessible(service)) spec.externalTrafficPolicy = given.externalTrafficPolicy ?? 'Cluster';
  if (type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts = given.allocateLoadBalancerNodePorts ?? true;
  return { ...service, metadata: { ...service.metadata, namespace: namespaceOf(service) }, spec };
}
