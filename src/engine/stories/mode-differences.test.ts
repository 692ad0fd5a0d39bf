import { expect, it } from 'vitest';
import { send, worldOf } from './stage.ts';

/** What users meet when they change the mode: the same probe in each, and how it ends. The comparison view says so in words. */
it.each([
  ['a Service without endpoints', 'no-endpoints.yaml', 'pod/default/client', 'http://10.96.0.20/', ['refused', 'refused', 'refused']],
  ['an unused port of a ClusterIP', 'clusterip.yaml', 'pod/default/client', '10.96.0.20:81', ['unreachable', 'refused', 'refused']],
  ['a node port on loopback', 'nodeport.yaml', 'node/worker-1', 'http://127.0.0.1:30080/', ['http', 'refused', 'refused']],
  [
    'externalTrafficPolicy Local by a node without endpoint',
    'external-traffic-policy-local.yaml',
    'external',
    'http://192.168.1.12:30080/',
    ['timeout', 'timeout', 'http'],
  ],
] as const)('%s', (_what, scenario, from, to, kinds) => {
  const modes = ['iptables', 'nftables', 'ipvs'] as const;
  expect(modes.map((mode) => send(worldOf(scenario, mode), from, to, to.startsWith('http') ? 'http' : 'tcp').kind)).toEqual(kinds);
});
