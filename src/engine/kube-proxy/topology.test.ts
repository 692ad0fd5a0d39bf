import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../k8s/endpoint-slice.ts';
import type { ServiceSpec } from '../k8s/service.ts';
import { type Endpoints, endpointsOfSlice, mergeSlices } from './endpoints.ts';
import type { ProxyNode } from './model.ts';
import { elsewhere, HTTP, here, service, slice, TERMINATING, TEST_NODE } from './object-fixtures.ts';
import { servicePorts } from './service-port.ts';
import { categorizeEndpoints } from './topology.ts';

const texts = (endpoints: Endpoints): string[] => endpoints.map((endpoint) => endpoint.text);

function categorize(endpoints: readonly (string | Endpoint)[], spec: ServiceSpec = {}, node: ProxyNode = TEST_NODE) {
  const [port] = servicePorts(service('web', '172.30.0.41', spec), 'IPv4');
  if (port === undefined) throw new Error('the Service has a port');
  const list = endpointsOfSlice(slice('web', endpoints)).get(port.key) ?? [];
  const { cluster, local, reachable, hasAny } = categorizeEndpoints(list, port, node);
  return { cluster: texts(cluster), local: texts(local), reachable: texts(reachable), hasAny };
}

const NODE_PORT: ServiceSpec = { type: 'NodePort', ports: [{ ...HTTP, nodePort: 30080 }], externalTrafficPolicy: 'Local' };
const UNREADY: Endpoint['conditions'] = { ready: false, serving: false, terminating: false };

describe('endpoints of slices', () => {
  it('3: belong to a port by name and protocol, with the number that the slice has', () => {
    const ports = [
      { name: 'http', port: 8080, protocol: 'TCP' },
      { name: 'http', port: 9090, protocol: 'UDP' },
      { name: 'all', protocol: 'TCP' },
    ] as const;
    const byPort = endpointsOfSlice(slice('web', ['10.0.0.1'], ports));
    expect([...byPort].map(([key, endpoints]) => [key, texts(endpoints)])).toEqual([
      ['ns/web:http/tcp', ['10.0.0.1:8080']],
      ['ns/web:http/udp', ['10.0.0.1:9090']],
    ]);
  });

  it('4: are unique over all slices and sorted as text', () => {
    const merged = mergeSlices([
      slice('web', ['10.1.1.2', '10.1.1.1', '10.1.1.1']),
      slice('web', ['10.1.1.11', '10.1.1.2'], undefined, 'web-2'),
    ]);
    expect(texts(merged.get('ns/web:http/tcp') ?? [])).toEqual(['10.1.1.11:8080', '10.1.1.1:8080', '10.1.1.2:8080']);
  });

  it('an address used again by a running pod is not the terminating pod any more, in whichever slice', () => {
    for (const endpoints of [
      [elsewhere('10.0.0.1', TERMINATING), here('10.0.0.1')],
      [here('10.0.0.1'), elsewhere('10.0.0.1', TERMINATING)],
    ]) {
      const slices = endpoints.map((endpoint, i) => slice('web', [endpoint], undefined, `web-${i}`));
      expect(mergeSlices(slices).get('ns/web:http/tcp')).toMatchObject([{ nodeName: TEST_NODE.name, terminating: false }]);
    }
  });

  it('15: addresses with leading zeros are written canonically', () => {
    const byPort = endpointsOfSlice(slice('web', ['10.180.000.001']));
    expect(texts(byPort.get('ns/web:http/tcp') ?? [])).toEqual(['10.180.0.1:8080']);
  });
});

describe('usable endpoints', () => {
  it('6: are the ready ones, else those that serve while they terminate', () => {
    const all = [elsewhere('10.0.0.1', TERMINATING), elsewhere('10.0.0.2', UNREADY), elsewhere('10.0.0.3')];
    expect(categorize(all)).toMatchObject({ cluster: ['10.0.0.3:8080'], hasAny: true });
    expect(categorize(all.slice(0, 2))).toMatchObject({ cluster: ['10.0.0.1:8080'], hasAny: true });
    expect(categorize(all.slice(1, 2))).toMatchObject({ cluster: [], hasAny: false });
    expect(categorize([elsewhere('10.0.0.1', { ready: false, serving: false, terminating: true })])).toMatchObject({ hasAny: false });
  });

  it('7: Local falls back to terminating ones apart from Cluster', () => {
    expect(categorize([here('10.0.0.1', TERMINATING), elsewhere('10.0.0.2')], NODE_PORT)).toEqual({
      cluster: ['10.0.0.2:8080'],
      local: ['10.0.0.1:8080'],
      reachable: ['10.0.0.1:8080', '10.0.0.2:8080'],
      hasAny: true,
    });
  });

  it('5 and 8: without a node name an endpoint is remote; endpoints elsewhere are endpoints', () => {
    const local: ServiceSpec = { internalTrafficPolicy: 'Local' };
    expect(categorize(['10.0.0.1'], local)).toEqual({ cluster: [], local: [], reachable: [], hasAny: true });
    expect(categorize([here('10.0.0.1'), '10.0.0.2'], local)).toMatchObject({ local: ['10.0.0.1:8080'], reachable: ['10.0.0.1:8080'] });
  });

  describe('10: topology hints', () => {
    const hinted = (address: string, zones: string[], nodes: string[] = [], conditions: Endpoint['conditions'] = {}): Endpoint => ({
      ...elsewhere(address, conditions),
      hints: { forZones: zones.map((name) => ({ name })), forNodes: nodes.map((name) => ({ name })) },
    });

    it('of the zone choose among ready endpoints', () => {
      const all = [hinted('10.0.0.1', ['zone-a']), hinted('10.0.0.2', ['zone-b']), hinted('10.0.0.3', [], [], UNREADY)];
      expect(categorize(all).cluster).toEqual(['10.0.0.1:8080']);
    });

    it('are ignored if one ready endpoint has none, if none is for the zone, or if the node has no zone', () => {
      expect(categorize([hinted('10.0.0.1', ['zone-a']), '10.0.0.2']).cluster).toHaveLength(2);
      expect(categorize([hinted('10.0.0.1', ['zone-b']), hinted('10.0.0.2', ['zone-c'])]).cluster).toHaveLength(2);
      const nowhere: ProxyNode = { ...TEST_NODE, zone: undefined };
      expect(categorize([hinted('10.0.0.1', ['zone-a']), hinted('10.0.0.2', ['zone-b'])], {}, nowhere).cluster).toHaveLength(2);
    });

    it('for the node go before those for its zone', () => {
      const all = [hinted('10.0.0.1', ['zone-a'], ['other-node']), hinted('10.0.0.2', ['zone-b'], ['test-node'])];
      expect(categorize(all).cluster).toEqual(['10.0.0.2:8080']);
      const noneForThisNode = [hinted('10.0.0.1', ['zone-a'], ['other-node']), hinted('10.0.0.2', ['zone-b'], ['third-node'])];
      expect(categorize(noneForThisNode).cluster).toEqual(['10.0.0.1:8080']);
    });

    it('have no part in Local policy, nor in the fallback to terminating endpoints', () => {
      const here2: Endpoint = { ...hinted('10.0.0.2', ['zone-b']), nodeName: TEST_NODE.name };
      expect(categorize([hinted('10.0.0.1', ['zone-a']), here2], NODE_PORT)).toMatchObject({
        cluster: ['10.0.0.1:8080'],
        local: ['10.0.0.2:8080'],
        reachable: ['10.0.0.1:8080', '10.0.0.2:8080'],
      });
      const terminating = [hinted('10.0.0.1', ['zone-a'], [], TERMINATING), hinted('10.0.0.2', ['zone-b'], [], TERMINATING)];
      expect(categorize(terminating).cluster).toHaveLength(2);
    });
  });
});
