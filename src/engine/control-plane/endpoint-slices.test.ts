import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EndpointSlice } from '../k8s/endpoint-slice.ts';
import type { ApiObject, ObjectMeta } from '../k8s/metadata.ts';
import type { Container, Pod, PodSpec, PodStatus } from '../k8s/pod.ts';
import type { ServiceSpec } from '../k8s/service.ts';
import type { ClusterPlan } from './plan.ts';
import { planCluster } from './plan-cluster.ts';

const WEB: Container = { name: 'web', image: 'nginx', ports: [{ name: 'http', containerPort: 80 }] };
const LABELS = { app: 'web' };

const pod = (name: string, spec: Partial<PodSpec> = {}, meta: ObjectMeta = {}, status?: PodStatus): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: LABELS, ...meta },
  spec: { nodeName: 'worker-1', containers: [WEB], ...spec },
  ...(status ? { status } : {}),
});

const service = (spec: ServiceSpec = {}, meta: ObjectMeta = {}): ApiObject & { readonly spec: ServiceSpec } => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', ...meta },
  spec: { selector: LABELS, ports: [{ port: 80, targetPort: 'http' }], ...spec },
});

const slice = (name: string, address: string, labels: Readonly<Record<string, string>> = {}): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, labels: { 'kubernetes.io/service-name': 'web', ...labels } },
  addressType: 'IPv4',
  endpoints: [{ addresses: [address] }],
  ports: [{ port: 8080 }],
});

const endpoints = (labels: Readonly<Record<string, string>> = {}): ApiObject & { readonly subsets: unknown } => ({
  apiVersion: 'v1',
  kind: 'Endpoints',
  metadata: { name: 'web', labels },
  subsets: [{ addresses: [{ ip: '192.0.2.1' }], notReadyAddresses: [{ ip: '192.0.2.2' }], ports: [{ port: 8080 }] }],
});

function planOf(...objects: readonly ApiObject[]): ClusterPlan {
  const plan = planCluster(objects);
  if (!plan.ok) throw new Error(plan.error.map((problem) => problem.message).join('\n'));
  return plan.value;
}

/** The slices of the Service `web`. */
const slicesOf = (plan: ClusterPlan): readonly EndpointSlice[] =>
  plan.endpointSlices.filter((s) => s.metadata?.labels?.['kubernetes.io/service-name'] === 'web');

/** `ports: addresses` of each slice. */
const summary = (plan: ClusterPlan): readonly string[] =>
  slicesOf(plan).map(
    (s) => `${(s.ports ?? []).map((p) => p.port).join('+')}: ${(s.endpoints ?? []).map((e) => e.addresses.join()).join(' ')}`,
  );

const infosOf = (plan: ClusterPlan): readonly string[] => plan.problems.map((p) => `${p.severity} ${p.field}: ${p.message}`);

describe('slices derived from pods', () => {
  it('name the pod, its node and its zone, and belong to their Service', () => {
    const zone = { 'topology.kubernetes.io/zone': 'a' };
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'worker-1', labels: zone } };
    const [only] = slicesOf(planOf(node, pod('a'), service({}, { labels: { team: 'x' } })));
    expect(only).toEqual({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: expect.stringMatching(/^web-[bcdf-hj-np-tv-xz24-9]{5}$/),
        namespace: 'default',
        labels: {
          team: 'x',
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'web', controller: true }],
      },
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: ['10.244.0.2'],
          conditions: { ready: true, serving: true, terminating: false },
          nodeName: 'worker-1',
          zone: 'a',
          targetRef: { kind: 'Pod', namespace: 'default', name: 'a' },
        },
      ],
      ports: [{ name: '', protocol: 'TCP', port: 80 }],
    });
  });

  it('take pods of the own namespace that have every label, also those on the host network', () => {
    const plan = planOf(
      pod('a'),
      pod('b', {}, { labels: { app: 'web', tier: 'front' } }),
      pod('c', {}, { labels: { app: 'web', tier: 'back' } }),
      pod('d', {}, { namespace: 'other', labels: { app: 'web', tier: 'front' } }),
      pod('e', { hostNetwork: true }, { labels: { app: 'web', tier: 'front' } }),
      pod('f', { nodeName: '', nodeSelector: { disk: 'ssd' } }, { labels: { app: 'web', tier: 'front' } }),
      service({ selector: { app: 'web', tier: 'front' } }),
    );
    expect(summary(plan)).toEqual(['80: 10.244.1.3 192.168.1.11']);
  });

  it('hold at most 100 endpoints', () => {
    const nodes = ['n1', 'n2'].map((name) => ({ apiVersion: 'v1', kind: 'Node', metadata: { name } }));
    const pods = Array.from({ length: 250 }, (_, i) => pod(`p${i}`, { nodeName: i % 2 === 0 ? 'n1' : 'n2' }));
    const plan = planOf(...nodes, ...pods, service());
    expect(slicesOf(plan).map((s) => s.endpoints?.length)).toEqual([100, 100, 50]);
    expect(new Set(slicesOf(plan).map((s) => s.metadata?.name)).size).toBe(3);
    expect(plan.services[1]).toMatchObject({ endpointCount: 250 });
  });

  it('are apart for pods whose named port has another number; a sidecar\u2019s port counts last', () => {
    const sidecar: Container = { name: 'side', restartPolicy: 'Always', ports: [{ name: 'http', containerPort: 15001 }] };
    const other: Container = { name: 'web', ports: [{ name: 'http', containerPort: 8080 }] };
    const plan = planOf(
      pod('a', { initContainers: [sidecar] }),
      pod('b', { containers: [other] }),
      pod('c', { initContainers: [sidecar], containers: [{ name: 'web' }] }),
      service(),
    );
    expect(summary(plan)).toEqual(['80: 10.244.1.2', '8080: 10.244.1.3', '15001: 10.244.1.4']);
    expect(plan.problems).toEqual([]);
  });

  it('leave out the port of pods that do not know its name, with a warning', () => {
    const ports = [
      { name: 'web', port: 80, targetPort: 'http' },
      { name: 'metrics', port: 9100, targetPort: 'metrics' },
    ];
    const some = planOf(
      pod('a', { containers: [{ name: 'a', ports: [{ name: 'metrics', containerPort: 9100 }] }] }),
      pod('b'),
      service({ ports }),
    );
    expect(summary(some)).toEqual(['9100: 10.244.1.2', '80: 10.244.1.3']);
    expect(infosOf(some)).toEqual([
      expect.stringMatching(
        /^warning spec\.ports\[0\]\.targetPort: 1 of its 2 pods have no container with a TCP port of the name "http".*They have metrics/,
      ),
      expect.stringMatching(/^warning spec\.ports\[1\]\.targetPort: 1 of its 2 pods/),
    ]);
    const udp = planOf(pod('a'), service({ ports: [{ port: 80, protocol: 'UDP', targetPort: 'http' }] }));
    expect(summary(udp)).toEqual([': 10.244.1.2']);
    expect(infosOf(udp)).toEqual([expect.stringContaining('none of its pods has a container with a UDP port of the name "http"')]);
  });

  it('are one empty slice when no pod matches, which is said', () => {
    const plan = planOf(service());
    expect(slicesOf(plan)).toMatchObject([{ endpoints: [], ports: [] }]);
    expect(infosOf(plan)).toEqual([expect.stringMatching(/^info spec\.selector: matches no pod in namespace default/)]);
  });

  it('are none for an ExternalName', () => {
    expect(slicesOf(planOf(pod('a'), service({ type: 'ExternalName', externalName: 'example.com' })))).toEqual([]);
  });

  it('of a headless Service without ports still have addresses', () => {
    const plan = planOf(pod('a'), service({ clusterIP: 'None', ports: [] }));
    expect(summary(plan)).toEqual([': 10.244.1.2']);
    expect(slicesOf(plan)[0]?.metadata?.labels).toMatchObject({ 'service.kubernetes.io/headless': '' });
  });

  it('agree with a look at every pod', () => {
    const label = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'constructor'), fc.constantFrom('1', '2'), { maxKeys: 3 });
    const selector = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'constructor'), fc.constantFrom('1', '2'), { minKeys: 1, maxKeys: 2 });
    fc.assert(
      fc.property(fc.array(label, { maxLength: 12 }), fc.array(selector, { minLength: 1, maxLength: 4 }), (pods, selectors) => {
        const plan = planOf(
          ...pods.map((labels, i) => pod(`p${i}`, {}, { labels: { ...labels } })),
          ...selectors.map((s, i) => service({ selector: { ...s } }, { name: `s${i}` })),
        );
        for (const [i, s] of selectors.entries()) {
          const wanted = plan.pods.filter((p) => Object.keys(s).every((key) => Object.hasOwn(p.labels, key) && p.labels[key] === s[key]));
          expect(plan.services[i + 1]?.endpoints.map((e) => e.pod)).toEqual(wanted.map((p) => `pod/default/${p.name}`));
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('the state of a pod', () => {
  const conditionsOf = (p: Pod, spec: ServiceSpec = {}) => slicesOf(planOf(p, service(spec)))[0]?.endpoints?.[0]?.conditions;
  const state = (ready: boolean, serving: boolean, terminating: boolean) => ({ ready, serving, terminating });
  const notReady: PodStatus = { conditions: [{ type: 'Ready', status: 'False' }] };
  const annotated = (annotations: Readonly<Record<string, string>>): ObjectMeta => ({ annotations });

  it.each([
    ['as its status says', pod('a', {}, {}, notReady), state(false, false, false)],
    ['ready when its status says so', pod('a', {}, {}, { conditions: [{ type: 'Ready', status: 'True' }] }), state(true, true, false)],
    ['terminating once deleted, and then not ready', pod('a', {}, { deletionTimestamp: '2024-01-31T00:00:00Z' }), state(false, true, true)],
    ['terminating and not serving', pod('a', {}, { deletionTimestamp: '2024-01-31T00:00:00Z' }, notReady), state(false, false, true)],
    ['as annotated: not ready', pod('a', {}, annotated({ 'hoplab.dev/ready': 'false' })), state(false, false, false)],
    ['as annotated, whatever its status', pod('a', {}, annotated({ 'hoplab.dev/ready': 'true' }), notReady), state(true, true, false)],
    ['as annotated: terminating', pod('a', {}, annotated({ 'hoplab.dev/terminating': 'true' })), state(false, true, true)],
    [
      'not ready when a container cannot bind its port',
      pod('a', { containers: [WEB, { name: 'b', image: 'nginx', ports: [{ containerPort: 80 }] }] }),
      state(false, false, false),
    ],
  ])('is %s', (_, p, expected) => expect(conditionsOf(p)).toEqual(expected));

  it('does not matter to a Service that publishes all', () => {
    expect(conditionsOf(pod('a', {}, {}, notReady), { publishNotReadyAddresses: true })).toEqual(state(true, false, false));
  });

  it('goes for all pods of an annotated template', () => {
    const deployment = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        replicas: 2,
        template: { metadata: { labels: LABELS, annotations: { 'hoplab.dev/ready': 'false' } }, spec: { containers: [WEB] } },
      },
    };
    const plan = planOf(deployment, service());
    expect(plan.pods.map((p) => p.ready)).toEqual([false, false]);
    expect(infosOf(plan)).toEqual([expect.stringContaining('none of its 2 endpoints is ready: connections to it are refused')]);
  });

  it('is told when only terminating pods are left', () => {
    const plan = planOf(pod('a', {}, annotated({ 'hoplab.dev/terminating': 'true' })), service());
    expect(infosOf(plan)).toEqual([expect.stringContaining('its only endpoint is not ready: traffic goes to what is terminating')]);
  });

  it('is annotated with true or false', () => {
    const plan = planCluster([pod('a', {}, annotated({ 'hoplab.dev/ready': 'no' }))]);
    expect(plan).toMatchObject({
      ok: false,
      error: [{ field: 'metadata.annotations["hoplab.dev/ready"]', message: 'expected "true" or "false", got "no"' }],
    });
  });
});

describe('hints', () => {
  const hintsOf = (trafficDistribution: string | undefined, zone: string | undefined, meta: ObjectMeta = {}, p = pod('a')) => {
    const labels = zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone };
    const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'worker-1', labels } };
    return slicesOf(planOf(node, p, service({ trafficDistribution }, meta)))[0]?.endpoints?.[0]?.hints;
  };

  it('follow trafficDistribution', () => {
    const forZones = [{ name: 'a' }];
    const forNodes = [{ name: 'worker-1' }];
    expect(hintsOf(undefined, 'a')).toBeUndefined();
    expect(hintsOf('PreferClose', 'a')).toEqual({ forZones });
    expect(hintsOf('PreferSameZone', 'a')).toEqual({ forZones });
    expect(hintsOf('PreferSameNode', 'a')).toEqual({ forZones, forNodes });
    expect(hintsOf('PreferSameNode', undefined)).toEqual({ forNodes });
    expect(hintsOf('PreferClose', undefined)).toBeUndefined();
  });

  it('are for ready endpoints, and not for Services that ask for the older topology mode', () => {
    expect(hintsOf('PreferClose', 'a', {}, pod('a', {}, { annotations: { 'hoplab.dev/ready': 'false' } }))).toBeUndefined();
    expect(hintsOf('PreferClose', 'a', { annotations: { 'service.kubernetes.io/topology-mode': 'Auto' } })).toBeUndefined();
  });
});

describe('slices that the manifests give', () => {
  const bare = service({ selector: {} });

  it('are those of a Service without selector', () => {
    const plan = planOf(bare, slice('web-1', '192.0.2.7'));
    expect(summary(plan)).toEqual(['8080: 192.0.2.7']);
    expect(slicesOf(plan)[0]).toMatchObject({ metadata: { namespace: 'default' }, ports: [{ name: '', protocol: 'TCP', port: 8080 }] });
    expect(plan.services[1]?.endpoints).toEqual([
      {
        ip: '192.0.2.7',
        ports: [{ name: undefined, protocol: 'TCP', port: 8080 }],
        node: undefined,
        pod: undefined,
        ready: true,
        serving: true,
        terminating: false,
      },
    ]);
    expect(infosOf(planOf(bare))).toEqual([expect.stringContaining('has no selector and no EndpointSlice')]);
  });

  it('mirror old Endpoints, unless they ask not to be or are mirrored already', () => {
    const plan = planOf(bare, endpoints());
    expect(slicesOf(plan)).toMatchObject([
      {
        metadata: { labels: { 'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io' } },
        endpoints: [
          { addresses: ['192.0.2.1'], conditions: { ready: true } },
          { addresses: ['192.0.2.2'], conditions: { ready: false } },
        ],
      },
    ]);
    expect(slicesOf(planOf(bare, endpoints({ 'endpointslice.kubernetes.io/skip-mirror': 'true' })))).toEqual([]);
    const mirrored = slice('web-1', '192.0.2.1', { 'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io' });
    expect(summary(planOf(bare, endpoints(), mirrored))).toEqual(['8080: 192.0.2.1']);
  });

  it('give way to pods that a selector matches, unless they are somebody else\u2019s', () => {
    const controller = { 'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io' };
    const other = { 'endpointslice.kubernetes.io/managed-by': 'example.com' };
    const plan = planOf(pod('a'), service(), endpoints(), slice('web-1', '192.0.2.7', controller), slice('web-2', '192.0.2.8', other));
    expect(summary(plan)).toEqual(['80: 10.244.1.2', '8080: 192.0.2.8']);
    expect(summary(planOf(service(), endpoints(), slice('web-1', '192.0.2.7', controller)))).toEqual(['8080: 192.0.2.7']);
    expect(summary(planOf(service(), endpoints()))).toEqual(['8080: 192.0.2.1 192.0.2.2']);
  });

  it('that belong to no Service are kept, which is said', () => {
    const plan = planOf(slice('web-1', '192.0.2.7'), endpoints());
    expect(summary(plan)).toEqual(['8080: 192.0.2.7']);
    expect(infosOf(plan)).toEqual([
      expect.stringContaining('there is no Service default/web'),
      expect.stringContaining('there is no Service of this name'),
    ]);
  });

  const errorsOf = (...objects: readonly ApiObject[]) => {
    const plan = planCluster(objects);
    return plan.ok ? [] : plan.error.filter((p) => p.severity === 'error').map((p) => `${p.field}: ${p.message}`);
  };

  it('are refused where the API server would', () => {
    const of = (fields: Partial<EndpointSlice>) => errorsOf(bare, { ...slice('web-1', '192.0.2.7'), ...fields });
    const many = (count: number) => Array.from({ length: count }, () => '192.0.2.7');
    expect(of({ endpoints: many(1001).map((address) => ({ addresses: [address] })) })).toEqual([
      expect.stringMatching(/^endpoints: 1001 /),
    ]);
    expect(of({ endpoints: [{ addresses: many(101) }] })).toEqual([expect.stringMatching(/^endpoints\[0\]\.addresses: 101 /)]);
    expect(of({ endpoints: [{ addresses: many(100), nodeName: 'a b' }] })).toEqual([expect.stringMatching(/^endpoints\[0\]\.nodeName: /)]);
    const forZones = ['a', 'b', 'a', 'a b'].map((name) => ({ name }));
    expect(of({ endpoints: [{ addresses: many(1), hints: { forZones } }] })).toEqual([
      expect.stringMatching(/^endpoints\[0\]\.hints\.forZones\[2\]\.name: .*twice/),
      expect.stringMatching(/^endpoints\[0\]\.hints\.forZones\[3\]\.name: /),
    ]);
    expect(of({ ports: [{ name: 'A_b', port: 80 }] })).toEqual([expect.stringMatching(/^ports\[0\]\.name: expected a name/)]);
    const names = ['example.com.', 'example', 'a b.c', ''].map((address) => ({ addresses: [address] }));
    expect(of({ addressType: 'FQDN', endpoints: names }).map((text) => text.slice(0, 30))).toEqual(
      [1, 2, 3].map((i) => `endpoints[${i}].addresses[0]: exp`),
    );
    expect(of({ addressType: 'IPv6', endpoints: [{ addresses: ['fd00::1', '::1'] }] })).toEqual([
      expect.stringMatching(/^endpoints\[0\]\.addresses\[1\]: ::1 is a loopback/),
    ]);
  });

  it('that nobody can use are told', () => {
    const of = (fields: Partial<EndpointSlice>) => infosOf(planOf(bare, { ...slice('web-1', '192.0.2.7'), ...fields }));
    expect(of({})).toEqual([]);
    for (const ports of [[{ name: 'http', port: 8080 }], [{ port: 8080, protocol: 'UDP' as const }], [{}], []])
      expect(of({ ports })).toEqual([
        expect.stringMatching(/^info spec\.ports\[0\]: .*no port of the same name and protocol, without a name/),
      ]);
    expect(of({ ports: [{ name: 'http', port: 8080 }] })[0]).toMatch(/They have "http" \(TCP\)$/);
    expect(of({ addressType: 'IPv6', endpoints: [{ addresses: ['fd00::1'] }] })).toEqual([
      expect.stringMatching(/addressType: IPv6 is not/),
    ]);
  });

  it('of old Endpoints are refused without addresses, or without the names that several ports need', () => {
    const of = (...subsets: readonly unknown[]) => errorsOf(bare, { ...endpoints(), subsets } as ApiObject);
    expect(of({}, { ports: [{ port: 80 }] })).toEqual([
      expect.stringMatching(/^subsets\[0\]: has no addresses/),
      expect.stringMatching(/^subsets\[1\]: has no addresses/),
    ]);
    expect(of({ addresses: [{ ip: '192.0.2.1' }], ports: [{ port: 80 }, { name: 'B', port: 81 }] })).toEqual([
      expect.stringMatching(/^subsets\[0\]\.ports\[0\]\.name: is missing/),
      expect.stringMatching(/^subsets\[0\]\.ports\[1\]\.name: expected a name/),
    ]);
  });

  it('are refused with addresses that cannot be', () => {
    expect(errorsOf(bare, slice('web-1', '127.0.0.1'))).toEqual([expect.stringMatching(/^endpoints\[0\]\.addresses\[0\]: .*loopback/)]);
    expect(errorsOf(bare, slice('web-1', 'fd00::1'))).toEqual([expect.stringContaining('addressType IPv4')]);
    const wrong = { ...endpoints(), subsets: [{ addresses: [{ ip: '169.254.1.1' }], ports: [{ name: 'a' }] }] };
    expect(errorsOf(bare, wrong)).toEqual([
      expect.stringMatching(/^subsets\[0\]\.addresses\[0\]\.ip: .*link-local/),
      expect.stringMatching(/^subsets\[0\]\.ports\[0\]\.port: is missing/),
    ]);
  });
});

describe('the API server\u2019s slice', () => {
  it('has the control planes', () => {
    expect(planOf(pod('a')).endpointSlices).toMatchObject([
      {
        metadata: { name: 'kubernetes', namespace: 'default' },
        endpoints: [{ addresses: ['192.168.1.10'] }],
        ports: [{ name: 'https', port: 6443 }],
      },
    ]);
  });

  it('is the given one when there is one', () => {
    const given = {
      ...slice('kubernetes', '192.0.2.7'),
      metadata: { name: 'kubernetes', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
    };
    expect(planOf(given).endpointSlices).toMatchObject([{ endpoints: [{ addresses: ['192.0.2.7'] }] }]);
  });
});
