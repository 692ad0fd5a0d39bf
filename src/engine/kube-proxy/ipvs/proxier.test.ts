import { describe, expect, it } from 'vitest';
import type { ServiceSpec } from '../../k8s/service.ts';
import { elsewhere, HTTP, here, service, slice, TERMINATING, TEST_CONFIG, TEST_NODE } from '../object-fixtures.ts';
import { IPVS, ip, NO_CONNECTIONS, NODE_PORT, proxierWith, rulesIn, serversOf, syncOf, TestMachine, two, web } from './fixtures.ts';
import { IpvsProxier } from './proxier.ts';

describe('virtual servers', () => {
  it('71: one for each address and port; node ports at each address of the node', () => {
    const spec: ServiceSpec = { type: 'LoadBalancer', ports: [NODE_PORT], externalIPs: ['203.0.113.7', '2001:db8::7'] };
    expect(serversOf([web(spec, [{ ip: '198.51.100.9' }])], [slice('web', two)])).toEqual(
      ['172.30.0.41:80', '192.168.0.2:30080', '192.168.1.2:30080', '198.51.100.9:80', '203.0.113.7:80'].map(
        (server) => `${server}/tcp rr > 10.0.0.1:8080 10.0.0.2:8080`,
      ),
    );
  });

  it('71: kube-ipvs0 has an address once, for however many ports and services, and none of the node', () => {
    const ports = [HTTP, { ...HTTP, name: 'https', port: 443 }];
    const proxier = proxierWith({
      services: [
        web({ ports, externalIPs: ['203.0.113.7', '192.168.0.2'] }),
        service('other', '172.30.0.42', { externalIPs: ['203.0.113.7'], ports: [{ ...HTTP, port: 81 }] }),
      ],
    });
    const machine = new TestMachine();
    machine.apply(proxier.sync(0, NO_CONNECTIONS));
    expect([...machine.addresses]).toEqual(['172.30.0.42', '203.0.113.7', '172.30.0.41']);
    expect(proxier.setEntries.get('KUBE-IPVS-IPS')).toEqual([...machine.addresses]);
    expect(machine.servers.has('192.168.0.2:443/tcp')).toBe(true);

    proxier.update({ removedServices: ['ns/web'] });
    machine.apply(proxier.sync(1, NO_CONNECTIONS));
    expect([...machine.addresses]).toEqual(['172.30.0.42', '203.0.113.7']);
    proxier.update({ removedServices: ['ns/other'] });
    machine.apply(proxier.sync(2, NO_CONNECTIONS));
    expect([machine.addresses.size, machine.servers.size]).toEqual([0, 0]);
  });

  it('72: without endpoints there is a server without real servers, and no rule', () => {
    const sync = syncOf([web()], []);
    expect(serversOf([web()], [])).toEqual(['172.30.0.41:80/tcp rr >']);
    expect(JSON.stringify(rulesIn(sync, 'filter', 'KUBE-FORWARD'))).not.toContain('REJECT');
    expect(sync.noLocalEndpoints).toEqual({ internal: 0, external: 0 });
  });

  it('73: with policy Local there are the local endpoints, and without any those of the cluster', () => {
    const local: ServiceSpec = { type: 'NodePort', ports: [NODE_PORT], externalTrafficPolicy: 'Local' };
    expect(serversOf([web(local)], [slice('web', two)])).toEqual([
      '172.30.0.41:80/tcp rr > 10.0.0.1:8080 10.0.0.2:8080',
      '192.168.0.2:30080/tcp rr > 10.0.0.2:8080',
      '192.168.1.2:30080/tcp rr > 10.0.0.2:8080',
    ]);
    expect(serversOf([web(local)], [slice('web', [elsewhere('10.0.0.1')])])).toEqual(
      ['172.30.0.41:80', '192.168.0.2:30080', '192.168.1.2:30080'].map((server) => `${server}/tcp rr > 10.0.0.1:8080`),
    );
    const internal: ServiceSpec = { internalTrafficPolicy: 'Local' };
    expect(serversOf([web(internal)], [slice('web', two)])).toEqual(['172.30.0.41:80/tcp rr > 10.0.0.2:8080']);
    expect(serversOf([web(internal)], [slice('web', [elsewhere('10.0.0.1')])])).toEqual(['172.30.0.41:80/tcp rr >']);
    expect(serversOf([web({ ...internal, externalIPs: ['203.0.113.7'] })], [slice('web', [elsewhere('10.0.0.1')])])).toEqual([
      '172.30.0.41:80/tcp rr > 10.0.0.1:8080',
      '203.0.113.7:80/tcp rr > 10.0.0.1:8080',
    ]);
  });

  it('74: terminating endpoints serve when no other does', () => {
    expect(serversOf([web()], [slice('web', [here('10.0.0.1', TERMINATING), here('10.0.0.2', { ready: false, serving: false })])])).toEqual(
      ['172.30.0.41:80/tcp rr > 10.0.0.1:8080'],
    );
  });

  it('75: session affinity is persistence; the scheduler mh also looks at the port', () => {
    const affinity: ServiceSpec = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } };
    expect(serversOf([web(affinity)], [])).toEqual(['172.30.0.41:80/tcp rr -p 60 >']);
    expect(serversOf([web()], [], { ipvs: { ...IPVS, scheduler: 'mh' } })).toEqual(['172.30.0.41:80/tcp mh -b flag-2 >']);
    expect(serversOf([web()], [], { ipvs: { ...IPVS, scheduler: 'sh' } })).toEqual(['172.30.0.41:80/tcp sh >']);

    const proxier = proxierWith({ services: [web()] });
    proxier.sync(0, NO_CONNECTIONS);
    proxier.update({ services: [web(affinity)] });
    expect(proxier.sync(1, NO_CONNECTIONS).commands).toMatchObject([{ type: 'editServer', server: { persistenceSeconds: 60 } }]);
  });

  it('76: nodePortAddresses narrows the addresses; without one there is nothing for the node port, and no health check', () => {
    const spec: ServiceSpec = { type: 'LoadBalancer', ports: [NODE_PORT], externalTrafficPolicy: 'Local', healthCheckNodePort: 32000 };
    const having = (nodePortAddresses: string[]) => {
      const proxier = proxierWith({ services: [web(spec)] }, { nodePortAddresses });
      proxier.sync(0, NO_CONNECTIONS);
      return [
        proxier.virtualServers.length,
        proxier.setEntries.get('KUBE-NODE-PORT-TCP'),
        proxier.setEntries.get('KUBE-HEALTH-CHECK-NODE-PORT'),
      ];
    };
    expect(having([])).toEqual([3, ['30080'], ['32000']]);
    expect(having(['192.168.1.0/24', '127.0.0.0/8'])).toEqual([2, ['30080'], ['32000']]);
    expect(having(['primary'])).toEqual([2, ['30080'], ['32000']]);
    expect(having(['127.0.0.0/8'])).toEqual([1, [], []]);
  });

  it('76: of IPv6 addresses link-local ones are left out', () => {
    const node = { ...TEST_NODE, addresses: ['fe80::1', '2001:db8::1', '::1', '192.168.0.2'].map(ip), primaryAddress: ip('2001:db8::1') };
    const proxier = new IpvsProxier(node, { ...TEST_CONFIG, family: 'IPv6', detectLocalCidr: undefined });
    proxier.update({ services: [service('web', 'fd00::1', { type: 'NodePort', ports: [NODE_PORT] })] });
    const machine = new TestMachine();
    machine.apply(proxier.sync(0, NO_CONNECTIONS));
    expect([...machine.servers.keys()]).toEqual(['fd00::1:80/tcp', '2001:db8::1:30080/tcp']);
    expect(machine.sets.get('KUBE-6-CLUSTER-IP')?.size).toBe(1);
    expect([...machine.sets.keys()]).toContain('KUBE-6-LOAD-BALANCER-SOURCE-CID');
  });

  it('two services of one address and port: the last by name has it, the other when that is gone', () => {
    const spec: ServiceSpec = { externalIPs: ['203.0.113.7'] };
    const services = [service('a', '172.30.0.1', spec), service('b', '172.30.0.2', spec)];
    const proxier = proxierWith({ services, endpointSlices: [slice('a', ['10.0.0.1']), slice('b', ['10.0.0.2'])] });
    const machine = new TestMachine();
    machine.apply(proxier.sync(0, NO_CONNECTIONS));
    expect(machine.lines.at(-1)).toBe('203.0.113.7:80/tcp rr > 10.0.0.2:8080');
    proxier.update({ removedServices: ['ns/b'] });
    machine.apply(proxier.sync(1, NO_CONNECTIONS));
    expect(machine.lines).toEqual(['172.30.0.1:80/tcp rr > 10.0.0.1:8080', '203.0.113.7:80/tcp rr > 10.0.0.1:8080']);
    expect(proxier.setEntries.get('KUBE-EXTERNAL-IP')).toEqual(['203.0.113.7,tcp:80']);
  });
});

describe('settings', () => {
  it('sysctls, with strictArp two more', () => {
    expect(proxierWith({}).sysctls).toEqual([
      { name: 'net.ipv4.vs.conntrack', value: '1' },
      { name: 'net.ipv4.vs.expire_nodest_conn', value: '1' },
      { name: 'net.ipv4.vs.expire_quiescent_template', value: '1' },
      { name: 'net.ipv4.ip_forward', value: '1' },
    ]);
    expect(proxierWith({}, { ipvs: { ...IPVS, strictArp: true } }).sysctls.slice(4)).toEqual([
      { name: 'net.ipv4.conf.all.arp_ignore', value: '1' },
      { name: 'net.ipv4.conf.all.arp_announce', value: '2' },
    ]);
  });

  it('timeouts are told to the kernel once, if there are any', () => {
    const timeouts = { tcp: 0, tcpFin: 30, udp: 0 };
    const proxier = proxierWith({}, { ipvs: { ...IPVS, timeouts } });
    expect(proxier.sync(0, NO_CONNECTIONS).commands).toEqual([{ type: 'setTimeouts', timeouts }]);
    expect(proxier.sync(1, NO_CONNECTIONS).commands).toEqual([]);
    expect(proxierWith({}).sync(0, NO_CONNECTIONS).commands).toEqual([]);
  });

  it('86: services without local endpoints are counted, not their ports', () => {
    const ports = [NODE_PORT, { ...HTTP, name: 'https', port: 443, nodePort: 30443 }];
    const policies: ServiceSpec = { type: 'NodePort', ports, internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local' };
    const endpointPorts = ['http', 'https'].map((name) => ({ name, port: 8080, protocol: 'TCP' as const }));
    const proxier = proxierWith({ services: [web(policies)], endpointSlices: [slice('web', [elsewhere('10.0.0.1')], endpointPorts)] });
    expect(proxier.sync(0, NO_CONNECTIONS).noLocalEndpoints).toEqual({ internal: 1, external: 1 });
    proxier.update({ endpointSlices: [slice('web', two, endpointPorts)] });
    expect(proxier.sync(1, NO_CONNECTIONS).noLocalEndpoints).toEqual({ internal: 0, external: 0 });
    proxier.update({ endpointSlices: [slice('web', [], endpointPorts)] });
    expect(proxier.sync(2, NO_CONNECTIONS).noLocalEndpoints).toEqual({ internal: 0, external: 0 });
  });

  it('conntrack entries of UDP are cleaned up when its endpoints changed', () => {
    const ports = [{ ...HTTP, protocol: 'UDP' as const }];
    const proxier = proxierWith({ services: [web({ ports })], endpointSlices: [slice('web', two)] });
    expect(proxier.sync(0, NO_CONNECTIONS).conntrack).toBeUndefined();
    proxier.update({ endpointSlices: [slice('web', two, [{ name: 'http', port: 53, protocol: 'UDP' }])] });
    expect(proxier.sync(1, NO_CONNECTIONS).conntrack).toBeDefined();
    expect(proxier.healthChecks()).toEqual([]);
  });
});
