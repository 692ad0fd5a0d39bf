import { expect, it } from 'vitest';
import { World } from '../engine/index.ts';
import type { NetnsView, RuleChainView } from '../protocol/view.ts';
import { FIRST_CLUSTER } from '../scenario/first-cluster.ts';
import { loadCluster } from '../scenario/load-cluster.ts';
import { stateJson } from './state-json.ts';
import { stateText } from './state-text.ts';

function worker(): [NetnsView, RuleChainView[]] {
  const plan = loadCluster(FIRST_CLUSTER);
  if (!plan.ok) throw new Error('the first cluster is refused');
  const world = new World(plan.value);
  world.apply({ type: 'send', from: 'pod/default/client', to: 'node/worker-2:10250', protocol: 'tcp' });
  world.run();
  const view = world.inspect('node/worker-1');
  if (!view) throw new Error('there is no worker-1');
  return [view, world.ruleChains('node/worker-1').flatMap((chain) => world.ruleChain('node/worker-1', chain) ?? [])];
}

it('prints tables as the tools do, and the same as JSON', () => {
  const [view, chains] = worker();
  const text = stateText(view, chains);
  expect(text.rules).toContain('nat: -A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES');
  expect(text.addresses).toContain('10.244.1.1/24 dev cni0');
  expect(text.routes).toContain('10.244.2.0/24 via 192.168.1.12 dev eth0 proto static');
  expect(text.neighbours?.some((line) => /^192\.168\.1\.12 dev eth0 lladdr 52:54:c0:a8:01:0c (REACHABLE|DELAY)$/.test(line))).toBe(true);
  const json = stateJson(view, chains) as Record<string, readonly Record<string, unknown>[]>;
  expect(json.routes).toContainEqual(expect.objectContaining({ destination: '10.244.2.0/24', via: '192.168.1.12', device: 'eth0' }));
  expect(json.conntrack).toContainEqual(
    expect.objectContaining({ state: 'TIME_WAIT', original: expect.objectContaining({ dst: '192.168.1.12', dstPort: 10250 }) }),
  );
  for (const [table, lines] of Object.entries(text)) {
    const entries = json[table];
    if (table !== 'namespace' && table !== 'sysctls') expect(entries).toHaveLength(lines.length);
  }
});
