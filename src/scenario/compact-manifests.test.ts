import { describe, expect, it } from 'vitest';
import { compactFiles } from './compact-manifests.ts';
import { encodeLink } from './encode-link.ts';
import { FIRST_CLUSTER } from './first-cluster.ts';
import { decodeLink } from './link.ts';
import { loadCluster } from './load-cluster.ts';
import { readDocuments } from './read-manifests.ts';

const compact = (text: string): string => compactFiles([{ name: 'a.yaml', text }])[0]?.text ?? '';
const asData = (text: string): readonly unknown[] | undefined => readDocuments({ name: 'a.yaml', text });

const SECRET = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' }, data: { key: 'aHVudGVyMg==' }, stringData: { key: 'hunter2' } };
const WITHOUT_DATA = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 's' } };

/** As `kubectl get pods -o yaml` prints one. */
const PRINTED_POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'web',
    namespace: 'default',
    uid: '3f1c',
    resourceVersion: '77',
    creationTimestamp: '2024-01-31T00:00:00Z',
    labels: { app: 'web' },
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', uid: '9a', controller: true, blockOwnerDeletion: true }],
    managedFields: [{ manager: 'kubectl' }],
  },
  spec: {
    nodeName: 'worker-1',
    containers: [{ name: 'web', image: 'nginx', volumeMounts: [{ name: 'kube-api-access-x7k2p', mountPath: '/var/run' }] }],
    volumes: [{ name: 'kube-api-access-x7k2p', projected: {} }],
  },
  status: {
    phase: 'Running',
    podIP: '10.244.1.9',
    podIPs: [{ ip: '10.244.1.9' }],
    hostIP: '192.168.1.11',
    conditions: [{ type: 'Ready', status: 'True' }],
  },
};

describe('a file for a link', () => {
  it('with nothing to take out keeps its text, comments and all', () => {
    expect(compactFiles(FIRST_CLUSTER)).toEqual(FIRST_CLUSTER);
    for (const text of ['', '# nothing\n', 'kind: [broken\n', 'hello\n', '7\n', '- a\n']) expect(compact(text)).toBe(text);
  });

  it('loses what the API server and its controllers filled in, and loads the same', () => {
    const text = JSON.stringify(PRINTED_POD);
    expect(asData(compact(text))).toEqual([
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          name: 'web',
          namespace: 'default',
          labels: { app: 'web' },
          ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-1', controller: true }],
        },
        spec: { nodeName: 'worker-1', containers: [{ name: 'web', image: 'nginx' }] },
        status: { phase: 'Running', podIP: '10.244.1.9', podIPs: [{ ip: '10.244.1.9' }] },
      },
    ]);
    expect(loadCluster([{ name: 'a.yaml', text: compact(text) }])).toEqual(loadCluster([{ name: 'a.yaml', text }]));
  });

  it('keeps of a pod\u2019s conditions what makes it not ready', () => {
    const conditions = [
      { type: 'PodScheduled', status: 'True' },
      { type: 'Ready', status: 'False', lastTransitionTime: '2024-01-31T00:00:00Z' },
    ];
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
    };
    const items = [{ ...PRINTED_POD, status: { ...PRINTED_POD.status, conditions } }, service];
    const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    expect(compact(text)).toContain('Ready');
    expect(compact(text)).not.toMatch(/PodScheduled|lastTransitionTime/);
    const plan = loadCluster([{ name: 'a.yaml', text: compact(text) }]);
    expect(plan.ok && plan.value.services[1]?.endpoints.map((endpoint) => endpoint.ready)).toEqual([false]);
    expect(compact(compact(text))).toBe(compact(text));
  });

  it.each([
    ['a document', SECRET, WITHOUT_DATA],
    ['a List', { apiVersion: 'v1', kind: 'List', items: [SECRET] }, { apiVersion: 'v1', kind: 'List', items: [WITHOUT_DATA] }],
    [
      'a List in a List',
      { apiVersion: 'v1', kind: 'List', items: [{ apiVersion: 'v1', kind: 'List', items: [SECRET] }] },
      { apiVersion: 'v1', kind: 'List', items: [{ apiVersion: 'v1', kind: 'List', items: [WITHOUT_DATA] }] },
    ],
    [
      'a SecretList without kinds',
      { apiVersion: 'v1', kind: 'SecretList', items: [{ metadata: { name: 's' }, data: { key: 'aHVudGVyMg==' } }] },
      { apiVersion: 'v1', kind: 'SecretList', items: [{ metadata: { name: 's' } }] },
    ],
  ])('never carries the contents of a Secret: %s', (_, before, after) => {
    const decoded = decodeLink(encodeLink([{ name: 'a.yaml', text: JSON.stringify(before) }]));
    expect(decoded.ok && asData(decoded.value.files[0]?.text ?? '')).toEqual([after]);
  });

  it('carries no Secret that stands after a lost marker either', () => {
    const text =
      'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a---\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  key: hunter2\n';
    expect(compact(text)).not.toContain('hunter2');
    expect(asData(compact(text))).toHaveLength(2);
  });
});
