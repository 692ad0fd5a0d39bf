import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClusterPlan } from '../engine/control-plane/plan.ts';
import { formatCidr, formatIp } from '../protocol/address.ts';
import type { Problem } from '../protocol/view.ts';
import { FIRST_CLUSTER } from './first-cluster.ts';
import { loadCluster, loadObjects } from './load-cluster.ts';

const load = (...texts: readonly string[]) => loadCluster(texts.map((text, i) => ({ name: `file-${i + 1}.yaml`, text })));

function planOf(...texts: readonly string[]): ClusterPlan {
  const result = load(...texts);
  if (!result.ok) throw new Error(result.error.map((problem) => problem.message).join('\n'));
  return result.value;
}

function errorsOf(...texts: readonly string[]): readonly Problem[] {
  const result = load(...texts);
  if (result.ok) throw new Error('this cluster can be loaded');
  return result.error.filter((problem) => problem.severity === 'error');
}

/** `node namespace/name address` of every pod. */
const podsOf = (plan: ClusterPlan): readonly string[] =>
  plan.pods.map((pod) => `${pod.node} ${pod.namespace}/${pod.name} ${formatIp(pod.ip)}`);

const pod = (name: string, spec = '', status = ''): string => `apiVersion: v1
kind: Pod
metadata:
  name: ${name}
spec:
  containers: [{ name: web, image: nginx }]
${spec}
${status}
`;

const workload = (kind: string, name: string, spec = '', podSpec = ''): string => `apiVersion: apps/v1
kind: ${kind}
metadata:
  name: ${name}
spec:
${spec}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      containers: [{ name: ${name}, image: "registry.example/${name}:1" }]
${podSpec}
`;

const node = (name: string, podCidr?: string): string => `apiVersion: v1
kind: Node
metadata:
  name: ${name}
spec:
  ${podCidr === undefined ? '{}' : `podCIDR: ${podCidr}`}
`;

describe('the first cluster', () => {
  const result = loadCluster(FIRST_CLUSTER);

  it('loads without a word', () => expect(result).toMatchObject({ ok: true, value: { problems: [], notModelled: [] } }));

  it('has two pods on each of three nodes, and its request goes to a pod on the other worker', () => {
    if (!result.ok) throw new Error('the first cluster does not load');
    const { nodes, pods, traffic } = result.value;
    expect(nodes.map((n) => `${n.name} ${formatIp(n.ip)} ${n.podCidr && formatCidr(n.podCidr)}`)).toEqual([
      'control-plane 192.168.1.10 10.244.0.0/24',
      'worker-1 192.168.1.11 10.244.1.0/24',
      'worker-2 192.168.1.12 10.244.2.0/24',
    ]);
    expect(nodes.map((n) => pods.filter((p) => p.node === n.name).length)).toEqual([2, 2, 2]);
    expect(traffic).toEqual([{ from: 'pod/default/client', to: 'http://10.244.2.2/', protocol: 'http' }]);
    const target = pods.find((p) => formatIp(p.ip) === '10.244.2.2');
    expect(target?.owner).toBe('Deployment/web');
    expect(target?.containers.some((c) => c.listens.some((l) => l.protocol === 'tcp' && l.port === 80))).toBe(true);
  });
});

describe('workloads', () => {
  it('a DaemonSet on the host network that tolerates all is on every node, with the nodes\u2019 addresses', () => {
    const plan = planOf(workload('DaemonSet', 'probe', '', '      hostNetwork: true\n      tolerations: [{ operator: Exists }]'));
    expect(plan.pods.map((p) => p.node)).toEqual(['control-plane', 'worker-1', 'worker-2']);
    expect(plan.pods.map((p) => p.ip)).toEqual(plan.nodes.map((n) => n.ip));
    expect(plan.pods.every((p) => p.hostNetwork && p.owner === 'DaemonSet/probe')).toBe(true);
  });

  it('a DaemonSet without tolerations stays off the control plane', () => {
    expect(planOf(workload('DaemonSet', 'probe')).pods.map((p) => p.node)).toEqual(['worker-1', 'worker-2']);
  });

  it('a StatefulSet numbers its pods', () => {
    expect(
      podsOf(planOf(workload('StatefulSet', 'db', '  replicas: 3\n  ordinals: { start: 2 }')))
        .map((text) => text.split(' ')[1])
        .sort(),
    ).toEqual(['default/db-2', 'default/db-3', 'default/db-4']);
  });

  it('a Deployment has its replicas, spread over the workers, and one when it does not say', () => {
    const plan = planOf(workload('Deployment', 'web', '  replicas: 4'), workload('Deployment', 'one'));
    const web = plan.pods.filter((p) => p.owner === 'Deployment/web');
    expect(web.map((p) => p.node)).toEqual(['worker-1', 'worker-1', 'worker-2', 'worker-2']);
    for (const p of web) {
      expect(p.name).toMatch(/^web-[bcdf-hj-np-tv-xz24-9]{10}-[bcdf-hj-np-tv-xz24-9]{5}$/);
      expect(p.labels).toEqual({ app: 'web', 'pod-template-hash': p.name.split('-')[1] });
    }
    expect(plan.pods.filter((p) => p.owner === 'Deployment/one')).toHaveLength(1);
  });

  it('replicas that are there already are not made again', () => {
    const template = { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } };
    const owner = (kind: string, name: string) => [{ apiVersion: 'apps/v1', kind, name, controller: true }];
    const result = loadObjects([
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec: { replicas: 2, template } },
      {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: { name: 'web-abc', ownerReferences: owner('Deployment', 'web') },
        spec: { replicas: 2, template },
      },
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'web-abc-1', ownerReferences: owner('ReplicaSet', 'web-abc') },
        spec: template.spec,
      },
    ]);
    expect(result.ok && result.value.pods.map((p) => p.owner)).toEqual(['Deployment/web', 'Deployment/web']);
    expect(result.ok && result.value.pods.map((p) => p.name)).toContain('web-abc-1');
  });

  it('a Job has pods until it has ended, or is suspended', () => {
    const job = (name: string, spec: string, status = '') =>
      `apiVersion: batch/v1\nkind: Job\nmetadata: { name: ${name} }\nspec:\n${spec}\n  template: { spec: { containers: [{ name: a }] } }\n${status}\n`;
    expect(planOf(job('a', '  parallelism: 2')).pods).toHaveLength(2);
    expect(planOf(job('a', '  parallelism: 5\n  completions: 3')).pods).toHaveLength(3);
    for (const ended of [
      job('a', '  suspend: true'),
      job('a', '  parallelism: 1', 'status: { conditions: [{ type: Complete, status: "True" }] }'),
    ]) {
      expect(planOf(ended)).toMatchObject({ pods: [], problems: [{ severity: 'info', object: 'Job default/a' }] });
    }
  });

  it('a workload that fits nowhere is told, with the scheduler\u2019s reason', () => {
    expect(planOf(workload('Deployment', 'web', '  replicas: 3', '      nodeSelector: { disk: ssd }'))).toMatchObject({
      pods: [],
      problems: [
        {
          severity: 'warning',
          object: 'Deployment default/web',
          line: expect.any(Number),
          message: expect.stringMatching(/^3 pods Pending: 0\/3 nodes are available: .*affinity\/selector/),
        },
      ],
    });
  });

  it('of an old API version is told, not lost', () => {
    expect(planOf(workload('Deployment', 'web').replace('apps/v1', 'extensions/v1beta1'))).toMatchObject({
      pods: [],
      notModelled: [{ kind: 'Deployment', namespace: 'default', name: 'web' }],
      problems: [{ severity: 'warning', field: 'apiVersion', line: 1, message: expect.stringContaining('expected apiVersion apps/v1') }],
    });
  });

  it('that is there twice is taken from its last document', () => {
    const plan = planOf(workload('Deployment', 'web', '  replicas: 1'), workload('Deployment', 'web', '  replicas: 2'));
    expect(plan.pods).toHaveLength(2);
    expect(plan.problems).toMatchObject([
      { severity: 'warning', file: 'file-2.yaml', line: 4, message: expect.stringContaining('in file-1.yaml line 4') },
    ]);
  });
});

describe('addresses', () => {
  it('that manifests give are kept, and the others go around them', () => {
    const plan = planOf(pod('a', '  nodeName: worker-1'), pod('b', '  nodeName: worker-1', 'status: { podIP: 10.244.1.2 }'));
    expect(podsOf(plan)).toEqual(['worker-1 default/a 10.244.1.3', 'worker-1 default/b 10.244.1.2']);
  });

  it('tell the node of a pod that names none', () => {
    expect(podsOf(planOf(pod('a', '', 'status: { podIP: 10.244.2.9 }')))).toEqual(['worker-2 default/a 10.244.2.9']);
  });

  it('of nodes come from their documents', () => {
    const plan = planOf(node('n1', '10.9.1.0/24'), node('n2', '10.9.7.0/24'), pod('a', '  nodeName: n2'));
    expect(podsOf(plan)).toEqual(['n2 default/a 10.9.7.2']);
  });
});

describe('what contradicts itself has a place and a message', () => {
  const status = (ip: string): string => `status:\n  podIP: ${ip}`;
  const onWorker1 = (name: string, ip: string): string => pod(name, '  nodeName: worker-1', status(ip));
  const cases: readonly (readonly [what: string, texts: readonly string[], problem: Partial<Problem>, message: RegExp])[] = [
    [
      'an address outside the podCIDR',
      [onWorker1('a', '10.244.2.7')],
      { file: 'file-1.yaml', line: 9, column: 10, object: 'Pod default/a', field: 'status.podIP' },
      /10\.244\.2\.7 is outside 10\.244\.1\.0\/24/,
    ],
    ['an address of no node', [pod('a', '', status('10.99.0.7'))], { line: 9, field: 'status.podIP' }, /no node's podCIDR/],
    ['the gateway\u2019s address', [onWorker1('a', '10.244.1.1')], { line: 9 }, /gateway/],
    ['the broadcast address', [onWorker1('a', '10.244.1.255')], { line: 9 }, /broadcast/],
    [
      'one address for two pods',
      [onWorker1('a', '10.244.1.7'), onWorker1('b', '10.244.1.7')],
      { file: 'file-2.yaml', line: 9, object: 'Pod default/b' },
      /already the address of pod default\/a/,
    ],
    ['no address at all', [onWorker1('a', '10.244.1')], { line: 9 }, /IPv4 address/],
    ['an address of IPv6', [onWorker1('a', '"fd00::7"')], { line: 9 }, /IPv6/],
    [
      'a node that is not there',
      [pod('a', '  nodeName: worker-9')],
      { file: 'file-1.yaml', document: 1, line: 7, column: 13, field: 'spec.nodeName' },
      /no node "worker-9".*worker-1/,
    ],
    [
      'a node that is not there, in a template',
      [workload('Deployment', 'w', '', '      nodeName: worker-9')],
      { line: 12, field: 'spec.template.spec.nodeName', object: 'Deployment default/w' },
      /no node/,
    ],
    [
      'two pods of one name',
      [`${pod('a')}---\n${pod('a', '  nodeName: worker-1')}`],
      { document: 2, object: 'Pod default/a' },
      /other content in file-1\.yaml line 4/,
    ],
    [
      'two containers of one name',
      [pod('a').replace('[{', '[{ name: web }, {')],
      { line: 6, field: 'spec.containers[1].name' },
      /two containers/,
    ],
    [
      'podCIDRs that overlap',
      [node('n1', '10.9.0.0/16'), node('n2', '10.9.7.0/24')],
      { file: 'file-2.yaml', line: 6, object: 'Node n2', field: 'spec.podCIDR' },
      /overlaps 10\.9\.0\.0\/16 of node n1/,
    ],
    ['a podCIDR without room', [node('n1', '10.9.0.0/31')], { line: 6, field: 'spec.podCIDR' }, /no room/],
    ['a podCIDR that is none', [node('n1', '10.9.0.0')], { line: 6, field: 'spec.podCIDR' }, /IPv4 network/],
    [
      'a listen annotation',
      [pod('a').replace('name: a', 'name: a\n  annotations: { hoplab.dev/listen: "web=0" }')],
      { line: 5, field: 'metadata.annotations["hoplab.dev/listen"]' },
      /at character 5: expected a port/,
    ],
    [
      'more pods than addresses',
      [node('n1', '10.9.0.0/30'), pod('a', '  nodeName: n1'), pod('b', '  nodeName: n1')],
      { file: 'file-3.yaml', object: 'Pod default/b' },
      /no address is left/,
    ],
    [
      'traffic from nowhere',
      ['apiVersion: hoplab.dev/v1\nkind: Scenario\nspec:\n  traffic:\n    - from: moon\n      to: 10.244.1.2\n'],
      { line: 5, column: 13, field: 'spec.traffic[0].from', object: 'Scenario' },
      /got "moon"/,
    ],
  ];
  it.each(cases)('%s', (_, texts, problem, message) => {
    expect(errorsOf(...texts)[0]).toMatchObject({ severity: 'error', document: 1, ...problem, message: expect.stringMatching(message) });
  });
});

describe('labels', () => {
  it('that the API server would refuse are refused, on objects and in templates', () => {
    expect(errorsOf(pod('web').replace('name: web\n', 'name: web\n  labels: { "a b": c }\n'))).toMatchObject([
      { line: 5, object: 'Pod default/web', field: 'metadata.labels', message: expect.stringContaining('"a b"') },
    ]);
    expect(errorsOf(workload('Deployment', 'web').replace('{ labels: { app: web }', '{ labels: { app: "w b" }'))).toMatchObject([
      { field: 'spec.template.metadata.labels', message: expect.stringContaining('"w b"') },
    ]);
  });
});

describe('Services', () => {
  const service = (spec: string): string => `apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n${spec}\n`;
  const traffic = (to: string): string =>
    `apiVersion: hoplab.dev/v1\nkind: Scenario\nspec:\n  traffic:\n    - { from: external, to: "${to}" }\n`;

  it.each([
    ['sessionAffinity: client', 'spec.sessionAffinity', 'expected one of None, ClientIP'],
    ['externalTrafficPolicy: local', 'spec.externalTrafficPolicy', 'expected one of Cluster, Local'],
    ['sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } }', 'spec.sessionAffinityConfig.clientIP.timeoutSeconds', 'from 1 to 86400'],
    ['clusterIP: 10.43.0.1', 'spec.clusterIP', 'not in the Service network'],
  ])('with %s have their line', (field, path, message) => {
    expect(errorsOf(service(`  ports: [{ port: 80 }]\n  ${field}`))).toMatchObject([
      { file: 'file-1.yaml', line: 7, object: 'Service default/web', field: path, message: expect.stringContaining(message) },
    ]);
  });

  it.each(['1web', 'a.b', 'x'.repeat(64), 'a-'])('are not called %s', (name) => {
    expect(errorsOf(service('  ports: [{ port: 80 }]').replace('name: web', `name: ${name}`))).toMatchObject([
      { line: 4, field: 'metadata.name', message: expect.stringContaining('that begins with a letter') },
    ]);
  });

  it('that take one node port point to each other', () => {
    const web = service('  type: NodePort\n  ports:\n    - port: 80\n      nodePort: 30080');
    expect(errorsOf(web, web.replace('name: web', 'name: api'))).toMatchObject([
      {
        file: 'file-2.yaml',
        line: 9,
        field: 'spec.ports[0].nodePort',
        message: expect.stringContaining('Service default/web in file-1.yaml line 9'),
      },
    ]);
  });

  it.each(['svc/default/web:80', '10.96.1.1:80', 'http://10.96.1.1/'])('can be where traffic goes: %s', (to) => {
    const plan = planOf(service('  ports: [{ port: 80 }]'), traffic(to));
    expect(plan.traffic).toMatchObject([{ from: 'external', to }]);
  });

  it('that are not there get no traffic, and the right one is proposed', () => {
    const plan = planOf(service('  ports: [{ port: 80 }]'), traffic('svc/shop/web:80'));
    expect(plan.traffic).toEqual([]);
    expect(plan.problems).toContainEqual(
      expect.objectContaining({
        severity: 'warning',
        message: expect.stringMatching(/no Service shop\/web.*did you mean svc\/default\/web\?/),
      }),
    );
  });
});

describe('kube-proxy\u2019s configuration', () => {
  const configMap = (name: string, key: string, text: string): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: ${name}\n  namespace: kube-system\ndata:\n  ${key}: |\n${text.replaceAll(/^/gm, '    ')}\n`;
  const proxy = (fields: string): string => `apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n${fields}`;

  it('may be a document, and a Scenario has the last word on the mode', () => {
    expect(planOf(proxy('mode: nftables')).proxy.mode).toBe('nftables');
    const scenario = 'apiVersion: hoplab.dev/v1\nkind: Scenario\nspec: { proxyMode: ipvs }\n';
    expect(planOf(proxy('mode: nftables'), scenario)).toMatchObject({ proxy: { mode: 'ipvs' }, problems: [] });
    expect(planOf(pod('a')).proxy.mode).toBe('iptables');
  });

  it('may be text in the ConfigMaps of kubeadm', () => {
    const plan = planOf(
      configMap(
        'kube-proxy',
        'config.conf',
        proxy('mode: ""\nclusterCIDR: 10.9.0.0/16\nnodePortAddresses: null\niptables: { masqueradeAll: true }'),
      ),
      configMap(
        'kubeadm-config',
        'ClusterConfiguration',
        'apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nnetworking: { serviceSubnet: 10.43.0.0/16 }',
      ),
    );
    expect(plan).toMatchObject({ proxy: { mode: 'iptables', iptables: { masqueradeAll: true } }, notModelled: [], problems: [] });
    expect(plan.proxy.clusterCidr && formatCidr(plan.proxy.clusterCidr)).toBe('10.9.0.0/16');
    expect(plan.services[0]?.clusterIp).toBe('10.43.0.1');
  });

  it('that is wrong there has the line of the text', () => {
    expect(errorsOf(configMap('kube-proxy', 'config.conf', proxy('mode: userspace')))).toMatchObject([
      { line: 7, object: 'KubeProxyConfiguration', field: 'mode', message: expect.stringContaining('iptables, nftables, ipvs') },
    ]);
  });

  it('is not looked for in other ConfigMaps, and one that is no YAML is only kept', () => {
    for (const text of [configMap('mine', 'config.conf', proxy('mode: ipvs')), configMap('kube-proxy', 'config.conf', 'a: [')])
      expect(planOf(text)).toMatchObject({ proxy: { mode: 'iptables' }, notModelled: [{ kind: 'ConfigMap' }] });
  });
});

describe('objects that are data already', () => {
  it('give the same plan as their text', () => {
    const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: { containers: [{ name: 'web', image: 'nginx' }] } };
    expect(loadObjects([object])).toEqual(load(JSON.stringify(object)));
  });

  it('have problems with the object only', () => {
    const result = loadObjects([
      7,
      null,
      { apiVersion: 'v1' },
      { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: { containers: [] } },
    ]);
    if (result.ok) throw new Error('these objects can be loaded');
    expect(result.error.map((p) => `${p.object} ${p.message}`)).toEqual([
      expect.stringContaining('object 1: expected an object with apiVersion and kind, got 7'),
      expect.stringContaining('object 2: is missing'),
      expect.stringContaining('object 3:'),
      expect.stringContaining('Pod default/a expected at least one container'),
    ]);
  });

  it('never make it throw', () => {
    const objects = fc.record({
      apiVersion: fc.constantFrom('v1', 'apps/v1', 'batch/v1'),
      kind: fc.constantFrom('Pod', 'Node', 'Service', 'Endpoints', 'Deployment', 'Job'),
      metadata: fc.oneof(fc.constant({ name: 'a' }), fc.jsonValue()),
      spec: fc.oneof(fc.constant({ containers: [{ name: 'a' }] }), fc.jsonValue()),
    });
    fc.assert(fc.property(fc.array(fc.oneof(objects, fc.jsonValue()), { maxLength: 6 }), (list) => void loadObjects(list)));
  });
});

it('no two pods have one address, and every address is in its node\u2019s podCIDR', () => {
  const replicas = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(replicas, (counts) => {
      const plan = planOf(counts.map((count, i) => workload('Deployment', `d${i}`, `  replicas: ${count}`)).join('---\n'));
      expect(plan.pods).toHaveLength(counts.reduce((sum, count) => sum + count, 0));
      expect(new Set(plan.pods.map((p) => p.ip)).size).toBe(plan.pods.length);
      expect(new Set(plan.pods.map((p) => p.name)).size).toBe(plan.pods.length);
      for (const p of plan.pods) expect(formatIp(p.ip).startsWith(p.node === 'worker-1' ? '10.244.1.' : '10.244.2.')).toBe(true);
    }),
    { numRuns: 30 },
  );
});
