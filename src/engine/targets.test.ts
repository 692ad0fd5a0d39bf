import { describe, expect, it } from 'vitest';
import { planCluster } from './control-plane/plan-cluster.ts';
import { World } from './world.ts';

function rejectionOf(to: string): string | undefined {
  const plan = planCluster([]);
  if (!plan.ok) throw new Error('an empty cluster is a cluster');
  const answer = new World(plan.value).apply({ type: 'send', from: 'external', to, protocol: 'tcp' });
  return answer.accepted ? undefined : answer.reason;
}

describe('targets', () => {
  it.each(['fd00::1', '[fd00::1]:80', '[fd00::1]', 'http://[fd00::1]/', 'https://[fd00::1]:443/x'])(
    '%s is of IPv6, which is said',
    (to) => {
      expect(rejectionOf(to)).toBe('to: fd00::1 is an IPv6 address, which is not modelled yet');
    },
  );

  it.each(['[x]:80', 'web:80', 'http://web/'])('%s is a name', (to) => {
    expect(rejectionOf(to)).toMatch(/is a name, and DNS is not modelled yet/);
  });
});
