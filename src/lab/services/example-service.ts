import type { ServiceEndpointView, ServiceView } from '../../protocol/view.ts';

/** For tests: a Service with one ready endpoint. */
export const exampleService = (change: Partial<ServiceView> = {}): ServiceView => {
  const endpoints = change.endpoints ?? [exampleEndpoint()];
  return {
    namespace: 'default',
    name: 'web',
    type: 'ClusterIP',
    clusterIp: '10.96.0.20',
    headless: false,
    externalName: undefined,
    externalIps: [],
    loadBalancerIps: [],
    loadBalancerSourceRanges: [],
    ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 'http', nodePort: undefined }],
    selector: { app: 'web' },
    internalTrafficPolicy: 'Cluster',
    externalTrafficPolicy: undefined,
    healthCheckNodePort: undefined,
    affinityTimeoutS: undefined,
    trafficDistribution: undefined,
    endpointCount: endpoints.length,
    ...change,
    endpoints,
  };
};

export const exampleEndpoint = (change: Partial<ServiceEndpointView> = {}): ServiceEndpointView => ({
  ip: '10.244.2.7',
  ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  node: 'worker-2',
  pod: 'pod/default/web-1',
  ready: true,
  serving: true,
  terminating: false,
  ...change,
});
