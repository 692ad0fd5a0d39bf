import type { Ipv4 } from '../../protocol/address.ts';
import { type Endpoint, type EndpointPort, type EndpointSlice, SERVICE_NAME_LABEL } from '../k8s/endpoint-slice.ts';
import type { LoadBalancerIngress, Service, ServicePort, ServiceSpec } from '../k8s/service.ts';
import { parseIpSloppy } from './addresses.ts';
import type { ProxyConfig, ProxyNode } from './model.ts';

/* Objects and settings for tests. Addresses follow the conventions of Kubernetes' own proxier tests. */

export const TEST_NODE: ProxyNode = {
  name: 'test-node',
  addresses: ['192.168.0.2', '192.168.1.2', '2001:db8::1'].map((text) => parseIpSloppy(text) as Ipv4),
  primaryAddress: parseIpSloppy('192.168.0.2') as Ipv4,
  zone: 'zone-a',
};

export const TEST_CONFIG: ProxyConfig = {
  family: 'IPv4',
  masqueradeAll: false,
  masqueradeMark: 0x4000,
  detectLocalCidr: { address: 0x0a000000 as Ipv4, length: 8 },
  nodePortAddresses: [],
  localhostNodePorts: true,
  conntrackTcpBeLiberal: false,
  nfacctCounters: [],
  randomFully: false,
  serviceCidrs: ['172.30.0.0/16'],
};

export const HTTP: ServicePort = { name: 'http', port: 80, protocol: 'TCP' };

/** A Service in namespace `ns`; a ClusterIP Service with TCP port 80 unless told otherwise. */
export const service = (
  name: string,
  clusterIP: string,
  spec: ServiceSpec = {},
  ingress: readonly LoadBalancerIngress[] = [],
): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'ns' },
  spec: { type: 'ClusterIP', clusterIP, ports: [HTTP], ...spec },
  status: { loadBalancer: { ingress } },
});

/** A slice of a Service; endpoints are addresses, or more where the case is about more. */
export const slice = (
  serviceName: string,
  endpoints: readonly (string | Endpoint)[],
  ports: readonly EndpointPort[] = [{ name: 'http', port: 8080, protocol: 'TCP' }],
  name = `${serviceName}-1`,
): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'ns', labels: { [SERVICE_NAME_LABEL]: serviceName } },
  addressType: 'IPv4',
  endpoints: endpoints.map((endpoint) => (typeof endpoint === 'string' ? { addresses: [endpoint] } : endpoint)),
  ports,
});

/** An endpoint on the test's node. */
export const here = (address: string, conditions: Endpoint['conditions'] = {}): Endpoint => ({
  addresses: [address],
  nodeName: TEST_NODE.name,
  conditions,
});

/** An endpoint on another node. */
export const elsewhere = (address: string, conditions: Endpoint['conditions'] = {}): Endpoint => ({
  addresses: [address],
  nodeName: 'other-node',
  conditions,
});

export const TERMINATING: Endpoint['conditions'] = { ready: false, serving: true, terminating: true };
