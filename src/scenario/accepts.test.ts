import fc from 'fast-check';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { acceptsOf } from './accepts.ts';
import { ANY_OBJECT, SCHEMAS } from './schema.ts';

/** Objects that are right or nearly so, so that both answers occur. */
const name = fc.constantFrom<unknown>('web', 'Web', '', 7, undefined);
const port = fc.constantFrom<unknown>(80, 0, 70_000, '80', undefined);
const container = fc.oneof(
  fc.record({
    name,
    image: name,
    ports: fc.array(fc.record({ containerPort: port, protocol: fc.constantFrom('TCP', 'tcp', undefined) }), { maxLength: 2 }),
  }),
  fc.constant({ name: 'web' }),
);
const podSpec = fc.record({
  containers: fc.array(container, { maxLength: 2 }),
  nodeSelector: fc.constantFrom<unknown>(undefined, { disk: 'ssd' }, { disk: 1 }, []),
});
const spec = fc.oneof(
  podSpec,
  fc.record({ replicas: port, template: fc.record({ spec: podSpec }) }),
  fc.record({ ports: fc.array(fc.record({ port, targetPort: fc.constantFrom<unknown>('http', '', 80) }), { maxLength: 2 }) }),
  fc.record({
    sessionAffinity: fc.constantFrom<unknown>('None', 'ClientIP', 'client', undefined),
    externalTrafficPolicy: fc.constantFrom<unknown>('Local', 'local', undefined),
    proxyMode: fc.constantFrom<unknown>('nftables', 'userspace', undefined),
  }),
  fc.jsonValue(),
);
const metadata = fc.oneof(
  fc.record({ name, generateName: name, labels: fc.constantFrom<unknown>(undefined, { a: 'b' }, { a: 1 }) }),
  fc.constant({ name: 'web' }),
  fc.jsonValue(),
);
const status = fc.oneof(
  fc.constantFrom<unknown>(undefined, { capacity: { pods: '110' } }, { capacity: { pods: -1 } }, { podIPs: [{ ip: '10.0.0.1' }] }),
  fc.jsonValue(),
);

it.each([...Object.entries(SCHEMAS), ['any object', ANY_OBJECT] as const])('the predicate of %s agrees with its schema', (kind, schema) => {
  const accepts = acceptsOf(schema);
  const objects = fc.record({
    apiVersion: fc.constantFrom<unknown>('v1', 'apps/v1', 'batch/v1', 'hoplab.dev/v1', 7),
    kind: fc.constantFrom<unknown>(kind, kind, kind, 'Other'),
    metadata,
    spec,
    status,
    addressType: fc.constantFrom<unknown>('IPv4', 'IPv4', 'IP', undefined),
    endpoints: fc.constantFrom<unknown>(undefined, [{ addresses: ['10.0.0.1'] }], [{ addresses: [] }], [{}]),
    subsets: fc.constantFrom<unknown>(undefined, [{ addresses: [{ ip: '10.0.0.1' }] }], [{ addresses: [{}] }]),
    mode: fc.constantFrom<unknown>(undefined, '', 'ipvs', 'userspace'),
  });
  fc.assert(
    fc.property(fc.oneof(objects, fc.jsonValue()), (value) => void expect(accepts(value)).toBe(schema.safeParse(value).success)),
    { numRuns: 500 },
  );
});

it('a schema of a type that is not known here decides itself', () => {
  const accepts = acceptsOf(z.strictObject({ at: z.iso.date() }));
  expect([{ at: '2024-01-31' }, { at: '2024-01-32' }, { at: '2024-01-31', more: 1 }].map(accepts)).toEqual([true, false, false]);
});
