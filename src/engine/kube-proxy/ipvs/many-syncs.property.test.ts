import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ServicePort, ServiceSpec } from '../../k8s/service.ts';
import type { ProxyChanges } from '../model.ts';
import { elsewhere, HTTP, here, service, slice } from '../object-fixtures.ts';
import { BUSY, NO_CONNECTIONS, NODE_PORT, proxierWith, TestMachine } from './fixtures.ts';

describe('many syncs', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const spec = fc.record<ServiceSpec>(
    {
      type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
      ports: fc.subarray<ServicePort>([
        NODE_PORT,
        { ...HTTP, name: 'dns', protocol: 'UDP', nodePort: 30053 },
        { ...HTTP, name: 'sctp', protocol: 'SCTP', nodePort: 30080 },
      ]),
      externalIPs: fc.subarray(['203.0.113.7', '203.0.113.8', '192.168.0.2']),
      externalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
      internalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
      loadBalancerSourceRanges: fc.subarray(['10.0.0.0/8', '192.168.0.0/16']),
      healthCheckNodePort: fc.constantFrom(0, 32000),
      sessionAffinity: fc.constantFrom('None', 'ClientIP'),
    },
    { requiredKeys: ['type', 'ports'] },
  );
  const endpoint = fc.record({ n: fc.integer({ min: 1, max: 5 }), local: fc.boolean(), ready: fc.boolean() });
  const change = fc.oneof(
    fc.record({ name, spec, vip: fc.boolean() }).map(
      ({ name: of, spec: given, vip }): ProxyChanges => ({
        services: [service(of, `172.30.0.${of.charCodeAt(0)}`, given, vip ? [{ ip: '198.51.100.9' }] : [])],
      }),
    ),
    name.map((of): ProxyChanges => ({ removedServices: [`ns/${of}`] })),
    fc.record({ name, endpoints: fc.array(endpoint, { maxLength: 5 }) }).map(
      ({ name: of, endpoints }): ProxyChanges => ({
        endpointSlices: [
          slice(
            of,
            endpoints.map(({ n, local, ready }) => (local ? here : elsewhere)(`10.0.${of.charCodeAt(0)}.${n}`, { ready })),
            [
              { name: 'http', port: 8080, protocol: 'TCP' },
              { name: 'dns', port: 53, protocol: 'UDP' },
              { name: 'sctp', port: 9, protocol: 'SCTP' },
            ],
          ),
        ],
      }),
    ),
    name.map((of): ProxyChanges => ({ removedEndpointSlices: [`ns/${of}-1`] })),
  );

  it('one after the other leave the machine as one sync of all would', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ change, sync: fc.boolean(), busy: fc.boolean() }), { maxLength: 25 }), (steps) => {
        const machine = new TestMachine();
        const proxier = proxierWith({});
        const atOnce = proxierWith({});
        let now = 0;
        for (const { change: changes, sync, busy } of steps) {
          proxier.update(changes);
          atOnce.update(changes);
          if (sync) machine.apply(proxier.sync(now++, busy ? BUSY : NO_CONNECTIONS));
        }
        const last = proxier.sync(now, NO_CONNECTIONS);
        machine.apply(last);
        machine.run(proxier.checkTermination(NO_CONNECTIONS));
        const other = new TestMachine();
        const only = atOnce.sync(0, NO_CONNECTIONS);
        other.apply(only);
        expect(machine.lines).toEqual(other.lines);
        expect([...machine.addresses].sort()).toEqual([...other.addresses].sort());
        const sets = ({ sets: all }: TestMachine) => [...all].map(([set, entries]) => [set, [...entries].sort()]);
        expect(sets(machine)).toEqual(sets(other));
        expect(last.patches).toEqual(only.patches);
        expect(last.noLocalEndpoints).toEqual(only.noLocalEndpoints);
        expect(proxier.virtualServers).toHaveLength(machine.servers.size);
      }),
      { numRuns: 150 },
    );
  });
});
