import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ClusterPlan } from '../engine/control-plane/plan.ts';
import type { ServiceView } from '../protocol/view.ts';
import { loadCluster } from './load-cluster.ts';

const FOLDER = new URL('../../public/scenarios/', import.meta.url);

function planOf(name: string): ClusterPlan {
  const result = loadCluster([{ name, text: readFileSync(new URL(name, FOLDER), 'utf8') }]);
  if (!result.ok) throw new Error(`${name}: ${result.error.map((problem) => problem.message).join('\n')}`);
  return result.value;
}

/** `namespace/name address type endpoints`, with `-` for an endpoint that is not ready. */
const servicesOf = (plan: ClusterPlan): readonly string[] =>
  plan.services
    .filter((service) => service.name !== 'kubernetes')
    .map((service) => `${service.name} ${service.clusterIp} ${service.type} ${endpointsOf(service)}`);

const endpointsOf = (service: ServiceView): string =>
  service.endpoints
    .map(
      (endpoint) =>
        `${endpoint.ready ? '' : endpoint.terminating ? '~' : '-'}${endpoint.ip}:${endpoint.ports.map((p) => p.port).join('+')}`,
    )
    .join(' ');

/** What each is about: its Services with their endpoints. */
const PROMISED: Readonly<Record<string, readonly string[]>> = {
  'clusterip.yaml': ['web 10.96.0.20 ClusterIP 10.244.2.2:80 10.244.2.3:80'],
  'egress.yaml': [],
  'external-traffic-policy-local.yaml': ['web 10.96.0.20 NodePort 10.244.1.2:80'],
  'hairpin.yaml': ['web 10.96.0.20 ClusterIP 10.244.1.2:80'],
  'internal-traffic-policy-local.yaml': ['web 10.96.0.20 ClusterIP 10.244.1.3:80'],
  'ipvs.yaml': ['web 10.96.0.20 ClusterIP 10.244.1.3:80 10.244.2.2:80'],
  'loadbalancer-source-ranges.yaml': [
    'open 10.96.0.20 LoadBalancer 10.244.1.2:80 10.244.2.2:80',
    'closed 10.96.0.21 LoadBalancer 10.244.1.2:80 10.244.2.2:80',
  ],
  'named-and-multi-port.yaml': [
    'web 10.96.0.20 ClusterIP 10.244.1.3:8080+9100 10.244.2.2:9090+9100',
    'dns 10.96.0.21 ClusterIP 10.244.2.3:53+53',
  ],
  'no-endpoints.yaml': ['nobody 10.96.0.20 ClusterIP ', 'unready 10.96.0.21 ClusterIP -10.244.2.2:80', 'manual 10.96.0.22 ClusterIP '],
  'nodeport.yaml': ['web 10.96.0.20 NodePort 10.244.2.2:80'],
  'same-node-endpoint.yaml': ['web 10.96.0.20 ClusterIP 10.244.1.3:80'],
  'session-affinity.yaml': ['web 10.96.0.20 ClusterIP 10.244.1.4:80 10.244.2.2:80 10.244.2.3:80'],
  'terminating-endpoints.yaml': [
    'web 10.96.0.20 ClusterIP 10.244.2.2:80 ~10.244.2.3:80',
    'last 10.96.0.21 ClusterIP ~10.244.1.3:80 ~10.244.2.4:80',
  ],
};

it('every ready-made scenario is checked here', () => {
  expect(readdirSync(FOLDER).sort()).toEqual(Object.keys(PROMISED).sort());
});

describe.each(Object.entries(PROMISED))('%s', (name, services) => {
  const plan = planOf(name);

  it('has the Services and endpoints that it is about', () => expect(servicesOf(plan)).toEqual(services));

  it('sends traffic, with nothing left out, and has a title', () => {
    expect(plan.problems.filter((problem) => problem.severity !== 'info')).toEqual([]);
    expect(plan.notModelled).toEqual([]);
    expect(plan.traffic.length).toBeGreaterThan(0);
    expect(plan.title).not.toBe('Untitled cluster');
  });
});

it('the scenarios with other settings have them', () => {
  const service = (name: string, index = 1): ServiceView => planOf(name).services[index] as ServiceView;
  expect(service('session-affinity.yaml').affinityTimeoutS).toBe(600);
  expect(service('external-traffic-policy-local.yaml')).toMatchObject({ externalTrafficPolicy: 'Local', ports: [{ nodePort: 30080 }] });
  expect(service('internal-traffic-policy-local.yaml').internalTrafficPolicy).toBe('Local');
  expect(service('loadbalancer-source-ranges.yaml')).toMatchObject({
    loadBalancerIps: ['198.51.100.1'],
    loadBalancerSourceRanges: ['203.0.113.0/28'],
  });
  expect(service('loadbalancer-source-ranges.yaml', 2).loadBalancerIps).toEqual(['198.51.100.2']);
  expect(planOf('egress.yaml').underlay.podRoutes).toBe(false);
});
