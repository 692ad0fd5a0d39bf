import { performance } from 'node:perf_hooks';
import { World } from '../src/engine/index.ts';
import { loadObjects } from '../src/scenario/load-cluster.ts';

/** Pods of two nodes and, in the large cluster, thousands of others. */
function cluster(nodes: number, podsPerNode: number): unknown[] {
  const objects: unknown[] = [];
  for (let n = 0; n < nodes; n++) objects.push({ apiVersion: 'v1', kind: 'Node', metadata: { name: `node-${n}`, labels: { 'kubernetes.io/hostname': `node-${n}` } } });
  for (let n = 0; n < nodes; n++) {
    for (let p = 0; p < podsPerNode; p++) {
      objects.push({ apiVersion: 'v1', kind: 'Pod', metadata: { name: `pod-${n}-${p}`, namespace: 'default', labels: { app: 'web' } }, spec: { nodeName: `node-${n}`, containers: [{ name: 'nginx', image: 'nginx:1.29', ports: [{ containerPort: 80 }] }] } });
    }
  }
  return objects;
}

function worldOf(objects: unknown[]): World {
  const plan = loadObjects(objects);
  if (!plan.ok) throw new Error(plan.error[0]?.message);
  return new World(plan.value);
}

function exchange(world: World, from: string, to: string, count: number): void {
  const answer = world.apply({ type: 'send', from, to, protocol: 'http', count, intervalNs: 1_000_000 });
  if (!answer.accepted) throw new Error(answer.reason);
  world.run();
}

/** Exchanges a second between pods of two warm nodes, the best of five rounds. */
function rate(recording: boolean): { perSecond: number; eventsEach: number } {
  const world = worldOf(cluster(2, 30));
  exchange(world, 'pod/default/pod-0-0', 'pod/default/pod-1-0', 1);
  world.takeEvents();
  world.recording = recording;
  const rounds = recording ? 500 : 3_000;
  let best = 0;
  let events = 0;
  for (let i = 0; i < 7; i++) {
    const start = performance.now();
    exchange(world, 'pod/default/pod-0-0', 'pod/default/pod-1-0', rounds);
    best = Math.max(best, (rounds * 1000) / (performance.now() - start));
    events = world.takeEvents().length / rounds;
  }
  return { perSecond: Math.round(best), eventsEach: Math.round(events) };
}

/** Median time of the first, cold trace over worlds made anew, in milliseconds. */
function coldTrace(objects: unknown[], to: string): number {
  const times: number[] = [];
  for (let i = 0; i < 15; i++) {
    const world = worldOf(objects.slice());
    world.network.netns('pod/default/pod-0-0');
    world.network.netns(to);
    const start = performance.now();
    exchange(world, 'pod/default/pod-0-0', to, 1);
    times.push(performance.now() - start);
    if (objects.length > 10_000 && i >= 4) break;
  }
  return times.sort((a, b) => a - b)[times.length >> 1] as number;
}

export default async function bench() {
  const start = performance.now();
  const large = cluster(5_000, 30);
  const made = performance.now() - start;
  const loadStart = performance.now();
  const world = worldOf(large);
  exchange(world, 'pod/default/pod-0-0', 'pod/default/pod-4999-29', 1);
  const firstTrace = performance.now() - loadStart;
  const resident = process.memoryUsage().rss / 1_048_576;
  const ended = world.takeEvents().some((e) => e.type === 'flowEnded' && e.data.kind === 'http');
  if (!ended) throw new Error('the trace in the large cluster did not end in an answer');
  const recorded = rate(true);
  const counted = rate(false);
  const small = coldTrace(cluster(2, 30), 'pod/default/pod-1-29');
  const big = coldTrace(large, 'pod/default/pod-4999-29');
  return {
    name: 'engine',
    rows: [
      { label: `TCP connect with HTTP exchange across nodes, recorded (${recorded.eventsEach} events each)`, value: recorded.perSecond, unit: '/s', target: '>= 5000' },
      { label: 'the same, only counted', value: counted.perSecond, unit: '/s' },
      { label: 'counted : recorded', value: Number((counted.perSecond / recorded.perSecond).toFixed(2)), unit: '', target: '>= 5' },
      { label: '5,000 nodes and 150,000 pods from objects, loaded and first trace answered', value: Math.round(firstTrace), unit: 'ms', target: '< 6000' },
      { label: 'memory then, objects included', value: Math.round(resident), unit: 'MiB', target: '< 800' },
      { label: 'a cold trace there : in a cluster of two nodes', value: Number((big / small).toFixed(2)), unit: '', target: '<= 1.3' },
      { label: '(making the objects for it)', value: Math.round(made), unit: 'ms' },
    ],
  };
}
