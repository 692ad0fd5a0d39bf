import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ipv4 } from '../../protocol/address.ts';
import type { Taint } from '../k8s/node.ts';
import type { PodSpec } from '../k8s/pod.ts';
import { cidr4 } from './address-range.ts';
import type { SchedulableNode } from './nodes.ts';
import { requirementMatches, Scheduler, tolerates } from './scheduler.ts';

interface NodeOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly taints?: readonly Taint[];
  readonly unschedulable?: boolean;
  readonly podsMax?: number;
}

function nodesOf(...options: readonly NodeOptions[]): readonly SchedulableNode[] {
  return options.map(({ labels = {}, taints = [], unschedulable = false, podsMax = 110 }, i) => {
    const podCidr = cidr4(0x0af40000 + i * 256, 24);
    return {
      plan: { name: `n${i}`, ip: (0xc0a8010a + i) as Ipv4, podCidr, controlPlane: false, labels },
      podCidr,
      taints,
      unschedulable,
      podsMax,
    };
  });
}

const podSpec = (more: Partial<PodSpec> = {}): PodSpec => ({ containers: [{ name: 'web' }], ...more });
const withPort = (hostPort: number, protocol?: 'TCP' | 'UDP'): PodSpec => ({
  containers: [{ name: 'web', ports: [{ containerPort: 80, hostPort, protocol }] }],
});
const ALL: PodSpec['tolerations'] = [{ operator: 'Exists' }];
const NO_SCHEDULE: Taint = { key: 'dedicated', value: 'gpu', effect: 'NoSchedule' };

/** Index of the node, or the reason. */
function placed(scheduler: Scheduler, spec: PodSpec): number | string {
  const result = scheduler.schedule(spec);
  return 'node' in result ? result.node : result.reason;
}

describe('a pod goes', () => {
  it('to the node with the fewest pods, of equals the first', () => {
    const scheduler = new Scheduler(nodesOf({}, {}, {}));
    scheduler.bind(0, podSpec());
    expect(Array.from({ length: 6 }, () => placed(scheduler, podSpec()))).toEqual([1, 2, 0, 1, 2, 0]);
  });

  it('past full nodes, until all are full', () => {
    const scheduler = new Scheduler(nodesOf({ podsMax: 1 }, { podsMax: 2 }));
    expect(Array.from({ length: 4 }, () => placed(scheduler, podSpec()))).toEqual([0, 1, 1, '0/2 nodes are available: 2 Too many pods.']);
  });

  it('past taints that it does not tolerate', () => {
    const nodes = nodesOf({ taints: [NO_SCHEDULE] }, { taints: [{ key: 'soft', effect: 'PreferNoSchedule' }] });
    expect(placed(new Scheduler(nodes), podSpec())).toBe(1);
    expect(placed(new Scheduler(nodes), podSpec({ tolerations: ALL }))).toBe(0);
    expect(placed(new Scheduler(nodesOf({ taints: [NO_SCHEDULE] })), podSpec())).toBe(
      '0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: gpu}.',
    );
  });

  it('past cordoned nodes, unless it tolerates that', () => {
    const nodes = nodesOf({ unschedulable: true });
    expect(placed(new Scheduler(nodes), podSpec())).toBe('0/1 nodes are available: 1 node(s) were unschedulable.');
    expect(placed(new Scheduler(nodes), podSpec({ tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] }))).toBe(
      0,
    );
  });

  it('where its selector and affinity say', () => {
    const nodes = nodesOf({ labels: { disk: 'hdd' } }, { labels: { disk: 'ssd', zone: 'a' } }, { labels: { disk: 'ssd', zone: 'b' } });
    expect(placed(new Scheduler(nodes), podSpec({ nodeSelector: { disk: 'ssd' } }))).toBe(1);
    expect(placed(new Scheduler(nodes), podSpec({ nodeSelector: { disk: 'ssd', zone: 'b' } }))).toBe(2);
    expect(placed(new Scheduler(nodes), podSpec({ nodeSelector: { constructor: 'x' } }))).toContain("3 node(s) didn't match");
    const terms = (
      ...nodeSelectorTerms: NonNullable<
        NonNullable<NonNullable<PodSpec['affinity']>['nodeAffinity']>['requiredDuringSchedulingIgnoredDuringExecution']
      >['nodeSelectorTerms'][number][]
    ) => podSpec({ affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } });
    expect(placed(new Scheduler(nodes), terms({ matchFields: [{ key: 'metadata.name', operator: 'In', values: ['n2'] }] }))).toBe(2);
    expect(placed(new Scheduler(nodes), terms({}, { matchExpressions: [{ key: 'zone', operator: 'Exists' }] }))).toBe(1);
    expect(placed(new Scheduler(nodes), terms({}))).toContain("didn't match");
  });

  it('where its host ports are free', () => {
    const scheduler = new Scheduler(nodesOf({}, {}));
    expect([withPort(80), withPort(80), withPort(80, 'UDP'), withPort(80)].map((spec) => placed(scheduler, spec))).toEqual([
      0,
      1,
      0,
      "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.",
    ]);
    const host = { hostNetwork: true, containers: [{ name: 'a', ports: [{ containerPort: 80 }] }] };
    expect(placed(scheduler, host)).toContain('free ports');
  });
});

describe('a DaemonSet', () => {
  it('runs on cordoned nodes too, and not on tainted ones', () => {
    const scheduler = new Scheduler(nodesOf({ taints: [NO_SCHEDULE] }, { unschedulable: true }, {}));
    expect(scheduler.nodesForDaemon(podSpec())).toEqual([1, 2]);
    expect(scheduler.nodesForDaemon(podSpec({ tolerations: ALL }))).toEqual([0, 1, 2]);
  });

  it('on the host network runs before the network is there', () => {
    const scheduler = new Scheduler(nodesOf({ taints: [{ key: 'node.kubernetes.io/network-unavailable', effect: 'NoSchedule' }] }));
    expect(scheduler.nodesForDaemon(podSpec())).toEqual([]);
    expect(scheduler.nodesForDaemon(podSpec({ hostNetwork: true }))).toEqual([0]);
  });
});

it.each([
  [{ key: 'a', operator: 'Exists' }, true],
  [{ key: 'a', operator: 'Exists', effect: 'NoExecute' }, false],
  [{ key: 'a', operator: 'Exists', effect: '' }, true],
  [{ key: 'a', value: 'x' }, true],
  [{ key: 'a', operator: 'Equal', value: 'y' }, false],
  [{ key: 'a' }, false],
  [{ key: 'b', operator: 'Exists' }, false],
  [{ operator: 'Exists' }, true],
  [{ operator: 'Equal', value: 'x' }, false],
] as const)('the toleration %j of a taint a=x:NoSchedule', (toleration, expected) => {
  expect(tolerates(toleration, { key: 'a', value: 'x', effect: 'NoSchedule' })).toBe(expected);
});

it.each([
  ['In', ['x', 'y'], 'x', true],
  ['In', ['x'], undefined, false],
  ['NotIn', ['x'], 'x', false],
  ['NotIn', ['x'], undefined, true],
  ['Exists', undefined, '', true],
  ['Exists', undefined, undefined, false],
  ['DoesNotExist', undefined, undefined, true],
  ['DoesNotExist', undefined, '', false],
  ['Gt', ['9'], '10', true],
  ['Gt', ['10'], '10', false],
  ['Lt', ['10'], '-3', true],
  ['Lt', ['10'], 'x', false],
  ['Gt', undefined, '1', false],
] as const)('the requirement %s %j of the value %j', (operator, values, value, expected) => {
  expect(requirementMatches({ key: 'k', operator, values }, value)).toBe(expected);
});

it('always chooses the first of the emptiest nodes that fit, also when pods of different kinds alternate', () => {
  const nodes = fc.array(fc.record({ labels: fc.constantFrom({ zone: 'a' }, { zone: 'b' }), podsMax: fc.integer({ min: 0, max: 6 }) }), {
    minLength: 1,
    maxLength: 8,
  });
  const pods = fc.array(fc.constantFrom<(string | undefined)[]>('a', 'b', undefined), { maxLength: 60 });
  fc.assert(
    fc.property(nodes, pods, (options, zones) => {
      const scheduler = new Scheduler(nodesOf(...options));
      const counts = options.map(() => 0);
      for (const zone of zones) {
        let best = -1;
        for (const [i, { labels, podsMax }] of options.entries()) {
          if ((zone !== undefined && labels.zone !== zone) || (counts[i] as number) >= podsMax) continue;
          if (best < 0 || (counts[i] as number) < (counts[best] as number)) best = i;
        }
        const got = placed(scheduler, podSpec(zone === undefined ? {} : { nodeSelector: { zone } }));
        if (best < 0) expect(got).toMatch(/^0\/\d+ nodes are available: /);
        else {
          expect(got).toBe(best);
          counts[best] = (counts[best] as number) + 1;
        }
      }
    }),
  );
});
