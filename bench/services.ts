import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type ClusterPlan, proxyCost, World } from '../src/engine/index.ts';
import { loadObjects } from '../src/scenario/load-cluster.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const MODES = ['iptables', 'nftables', 'ipvs'] as const;
const ENDPOINTS = 10;
const PODS_PER_NODE = 50;

/** Two nodes with a hundred pods, and Services whose ten endpoints are ten of them. */
function cluster(services: number): unknown[] {
  const objects: unknown[] = [];
  for (const node of ['node-0', 'node-1']) objects.push({ apiVersion: 'v1', kind: 'Node', metadata: { name: node } });
  for (let i = 0; i < 2 * PODS_PER_NODE; i++) {
    objects.push({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `pod-${i}`, namespace: 'default' },
      spec: { nodeName: `node-${i % 2}`, containers: [{ name: 'nginx', image: 'nginx:1.29', ports: [{ containerPort: 80 }] }] },
      status: { podIP: podIp(i) },
    });
  }
  for (let s = 0; s < services; s++) {
    const ports = [{ name: 'http', port: 80, targetPort: 80 }];
    objects.push({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `svc-${s}`, namespace: 'default' },
      spec: { clusterIP: clusterIp(s), ports },
    });
    objects.push(slice(s));
  }
  return objects;
}

function slice(s: number, first = 0): unknown {
  const endpoints = Array.from({ length: ENDPOINTS - first }, (_, e) => {
    const pod = (s * ENDPOINTS + e + first) % (2 * PODS_PER_NODE);
    return { addresses: [podIp(pod)], conditions: { ready: true }, nodeName: `node-${pod % 2}` };
  });
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `svc-${s}-a`, namespace: 'default', labels: { 'kubernetes.io/service-name': `svc-${s}` } },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 80 }],
    endpoints,
  };
}

const podIp = (i: number): string => `10.244.${i % 2}.${2 + Math.floor(i / 2)}`;
const clusterIp = (s: number): string => `10.${100 + (s >> 16)}.${(s >> 8) & 255}.${s & 255}`;

function planOf(services: number, mode: (typeof MODES)[number]): ClusterPlan {
  const plan = loadObjects(cluster(services));
  if (!plan.ok) throw new Error(plan.error[0]?.message);
  return { ...plan.value, proxy: { ...plan.value.proxy, mode } };
}

/** A TCP connect from a pod to the last Service, with the rules evaluated on its way. */
function connect(world: World, services: number): number {
  const answer = world.apply({ type: 'send', from: 'pod/default/pod-0', to: `${clusterIp(services - 1)}:80`, protocol: 'tcp' });
  if (!answer.accepted) throw new Error(answer.reason);
  world.run();
  let rules = 0;
  for (const event of world.takeEvents()) {
    if (event.type === 'chain') rules += event.data.rules;
    if (event.type === 'flowEnded' && event.data.kind !== 'connected') throw new Error(`the connect ended as ${event.data.kind}`);
  }
  return rules;
}

const median = (all: readonly number[]): number => [...all].sort((a, b) => a - b)[all.length >> 1] as number;

/** Median of the ratios of many connects taken in turn, so that both worlds meet the same machine. */
function connectRatio(large: World, small: World, services: number): number {
  const time = (world: World, n: number): number => {
    const start = performance.now();
    for (let i = 0; i < 20; i++) connect(world, n);
    return performance.now() - start;
  };
  const ratios: number[] = [];
  for (let i = 0; i < 60; i++) {
    const few = time(small, 10);
    const many = time(large, services);
    if (i >= 10) ratios.push(many / few);
  }
  return median(ratios);
}

export default async function bench() {
  const rows = [];
  for (const mode of MODES) {
    const services = 10_000;
    const plan = planOf(services, mode);
    collectGarbage();
    const before = process.memoryUsage();
    const world = new World(plan);
    const start = performance.now();
    world.network.rulesOf('node-0');
    const compiled = performance.now() - start;
    const used = (process.memoryUsage().heapUsed - before.heapUsed) / 1_048_576;
    const changes: number[] = [];
    for (let i = 0; i < 40; i++) {
      const s = (i * 251) % services;
      const changed = slice(s, 1 + (i % 2)) as ClusterPlan['endpointSlices'][number];
      const changeStart = performance.now();
      world.network.updateServices('node-0', { endpointSlices: [changed] });
      changes.push(performance.now() - changeStart);
    }
    const small = new World(planOf(10, mode));
    const ratio = connectRatio(world, small, services);
    rows.push(
      {
        label: `${mode}: a node's rules for 10,000 Services of 10 endpoints, written and loaded`,
        value: Math.round(compiled),
        unit: 'ms',
        target: '< 3000',
      },
      { label: `${mode}: heap for them`, value: Math.round(used), unit: 'MiB', target: '< 600' },
      { label: `${mode}: one Service changed, median`, value: Number(median(changes).toFixed(2)), unit: 'ms', target: '< 10' },
      { label: `${mode}: one Service changed, slowest of 40`, value: Number(Math.max(...changes).toFixed(2)), unit: 'ms' },
      { label: `${mode}: connect to the last of 10,000 Services : of 10`, value: Number(ratio.toFixed(2)), unit: '', target: '<= 1.3' },
      { label: `${mode}: rules evaluated for that connect, of 10,000 Services`, value: connect(world, services), unit: '' },
      { label: `${mode}: and of 10`, value: connect(small, 10), unit: '' },
    );
  }
  const start = performance.now();
  for (const mode of MODES) for (const services of [10, 100, 1_000, 5_000, 10_000, 30_000]) proxyCost(mode, services);
  rows.push({ label: 'all 18 points of the chart of costs', value: Math.round(performance.now() - start), unit: 'ms', target: '< 5000' });
  return { name: 'services', rows };
}
