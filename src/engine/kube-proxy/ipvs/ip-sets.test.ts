import { describe, expect, it } from 'vitest';
import type { EndpointSlice } from '../../k8s/endpoint-slice.ts';
import type { Service, ServiceSpec } from '../../k8s/service.ts';
import { elsewhere, HTTP, here, slice } from '../object-fixtures.ts';
import { entriesOf, NO_CONNECTIONS, proxierWith, rulesIn, syncOf, web } from './fixtures.ts';

describe('ipsets', () => {
  const entries = (services: Service[], endpointSlices: EndpointSlice[] = []): Record<string, readonly string[]> => {
    const proxier = proxierWith({ services, endpointSlices });
    proxier.sync(0, NO_CONNECTIONS);
    return entriesOf(proxier);
  };

  it('77: every set has its type, and its entries their form', () => {
    const { ensuredSets } = syncOf([], []);
    expect(Object.fromEntries(ensuredSets.map(({ name, type }) => [name, type]))).toMatchObject({
      'KUBE-LOOP-BACK': 'hash:ip,port,ip',
      'KUBE-CLUSTER-IP': 'hash:ip,port',
      'KUBE-LOAD-BALANCER-SOURCE-CIDR': 'hash:ip,port,net',
      'KUBE-NODE-PORT-TCP': 'bitmap:port',
      'KUBE-NODE-PORT-SCTP-HASH': 'hash:ip,port',
      'KUBE-IPVS-IPS': 'hash:ip',
    });
    expect(ensuredSets).toHaveLength(17);
    expect(ensuredSets.every(({ name }) => name.length <= 31)).toBe(true);
    expect(ensuredSets[0]?.options).toMatchObject({ family: 'inet', hashSize: 1024, maxElements: 65536, range: { first: 0, last: 65535 } });
  });

  it('77 and 81: node ports by protocol; with policy Local they are in two sets', () => {
    const ports = (['TCP', 'UDP', 'SCTP'] as const).map((protocol, i) => ({ ...HTTP, name: protocol, protocol, nodePort: 30001 + i }));
    const expected = {
      'KUBE-NODE-PORT-TCP': ['30001'],
      'KUBE-NODE-PORT-UDP': ['30002'],
      'KUBE-NODE-PORT-SCTP-HASH': ['192.168.0.2,sctp:30003', '192.168.1.2,sctp:30003'],
    };
    const cluster = entries([web({ type: 'NodePort', ports })]);
    expect(cluster).toMatchObject(expected);
    expect(Object.keys(cluster)).toHaveLength(5);
    expect(entries([web({ type: 'NodePort', ports, externalTrafficPolicy: 'Local' })])).toMatchObject({
      ...expected,
      'KUBE-NODE-PORT-LOCAL-TCP': ['30001'],
      'KUBE-NODE-PORT-LOCAL-UDP': ['30002'],
      'KUBE-NODE-PORT-LOCAL-SCTP-HASH': ['192.168.0.2,sctp:30003', '192.168.1.2,sctp:30003'],
    });
  });

  it('78: hairpin: every local endpoint of a service, whatever its state', () => {
    const endpoints = [here('10.0.0.1'), here('10.0.0.2', { ready: false, serving: false }), elsewhere('10.0.0.3'), '10.0.0.4'];
    expect(entries([web()], [slice('web', endpoints)])['KUBE-LOOP-BACK']).toEqual([
      '10.0.0.1,tcp:8080,10.0.0.1',
      '10.0.0.2,tcp:8080,10.0.0.2',
    ]);
    expect(entries([], [slice('web', endpoints)])).toEqual({});
  });

  it('82: external IPs and load balancers with policy Local', () => {
    const spec: ServiceSpec = {
      type: 'LoadBalancer',
      externalIPs: ['203.0.113.7'],
      externalTrafficPolicy: 'Local',
      healthCheckNodePort: 32000,
    };
    expect(entries([web(spec, [{ ip: '198.51.100.9' }])])).toEqual({
      'KUBE-CLUSTER-IP': ['172.30.0.41,tcp:80'],
      'KUBE-EXTERNAL-IP-LOCAL': ['203.0.113.7,tcp:80'],
      'KUBE-LOAD-BALANCER': ['198.51.100.9,tcp:80'],
      'KUBE-LOAD-BALANCER-LOCAL': ['198.51.100.9,tcp:80'],
      'KUBE-HEALTH-CHECK-NODE-PORT': ['32000'],
      'KUBE-IPVS-IPS': ['172.30.0.41', '203.0.113.7', '198.51.100.9'],
    });
  });

  it('83: source ranges; the balancer itself is a source if the node is', () => {
    const ranged = (...loadBalancerSourceRanges: string[]) => {
      const services = [web({ type: 'LoadBalancer', loadBalancerSourceRanges }, [{ ip: '198.51.100.9' }])];
      const sync = syncOf(services, []);
      const {
        'KUBE-LOAD-BALANCER-SOURCE-CIDR': cidrs,
        'KUBE-LOAD-BALANCER-SOURCE-IP': ips,
        'KUBE-LOAD-BALANCER-FW': firewall,
      } = entries(services);
      return { cidrs, ips, firewall, out: rulesIn(sync, 'filter', 'KUBE-IPVS-OUT-FILTER') };
    };
    const firewall = ['198.51.100.9,tcp:80'];
    expect(ranged('10.0.0.0/8', '192.168.0.0/24')).toEqual({
      cidrs: ['198.51.100.9,tcp:80,10.0.0.0/8', '198.51.100.9,tcp:80,192.168.0.0/24'],
      ips: ['198.51.100.9,tcp:80,198.51.100.9'],
      firewall,
      out: [],
    });
    expect(ranged('10.0.0.0/8')).toEqual({
      cidrs: ['198.51.100.9,tcp:80,10.0.0.0/8'],
      ips: undefined,
      firewall,
      out: ['-s 198.51.100.9 -m ipvs --vaddr 198.51.100.9 --vproto tcp --vport 80 -j DROP'],
    });
    expect(ranged('0.0.0.0/0').firewall).toBeUndefined();
  });
});
