import type { ProxyNode } from './model.ts';
import type { ProxyState } from './state.ts';

/** What kube-proxy answers on a health check node port (pkg/proxy/healthcheck/service_health.go). */
export interface HealthCheck {
  readonly port: number;
  /** `namespace/name` */
  readonly service: string;
  /** Addresses of ready endpoints on this node: 200 OK if there are any, else 503. */
  readonly localEndpoints: number;
}

/** The health check server's ports. Terminating endpoints do not count, even while they still serve. */
export function healthChecks(state: ProxyState, node: ProxyNode): readonly HealthCheck[] {
  const checks: HealthCheck[] = [];
  for (const [service, ports] of state.services) {
    const port = ports[0]?.healthCheckNodePort ?? 0;
    if (port === 0) continue;
    const local = new Set<string | number | bigint>();
    for (const endpoints of state.endpointsOfService(service)) {
      for (const endpoint of endpoints)
        if (endpoint.ready && node.name !== '' && endpoint.nodeName === node.name) local.add(endpoint.address);
    }
    checks.push({ port, service, localEndpoints: local.size });
  }
  return checks;
}
