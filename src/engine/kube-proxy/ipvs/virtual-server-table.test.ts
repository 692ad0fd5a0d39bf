import { describe, expect, it } from 'vitest';
import type { IpvsCommand, VirtualServer } from '../../ipvs/model.ts';
import type { ProxyChanges } from '../model.ts';
import { HTTP, slice } from '../object-fixtures.ts';
import { BUSY, CLUSTER_IP, IPVS, ip, NO_CONNECTIONS, proxierWith, TestMachine, web } from './fixtures.ts';

describe('what is removed', () => {
  const real = (address: string, weight = 1) => ({ address: ip(address), port: 8080, forwarding: 'masq' as const, weight });
  const found = (address: string, realServers: VirtualServer['realServers'] = []): VirtualServer => ({
    protocol: 'tcp',
    address: ip(address),
    port: 80,
    scheduler: 'rr',
    schedulerFlags: [],
    persistenceSeconds: undefined,
    onePacket: false,
    realServers,
  });
  const typesOf = (commands: readonly IpvsCommand[]): string[] => commands.map(({ type }) => type);
  const withEndpoints = (...addresses: string[]): ProxyChanges => ({ services: [web()], endpointSlices: [slice('web', addresses)] });

  it('84: servers of others go at once, unless their address is excluded or of the other family', () => {
    const virtualServers = ['1.1.1.1', '2.2.2.2', '2001:db8::9'].map((address) => found(address, [real('10.0.0.9')]));
    const proxier = proxierWith(
      {},
      { ipvs: { ...IPVS, excludeCidrs: ['2.2.0.0/16'] } },
      { virtualServers, addresses: [], sets: new Map() },
    );
    expect(proxier.sync(0, BUSY).commands).toEqual([
      { type: 'deleteServer', server: { protocol: 'tcp', address: ip('1.1.1.1'), port: 80 } },
    ]);
    expect(proxier.sync(1, BUSY).commands).toEqual([]);
  });

  it('84: a server of its own stays as well, if its address is excluded, and is taken up again', () => {
    const proxier = proxierWith(withEndpoints('10.0.0.1'), { ipvs: { ...IPVS, excludeCidrs: ['172.30.0.0/16'] } });
    proxier.sync(0, NO_CONNECTIONS);
    proxier.update({ removedServices: ['ns/web'] });
    expect(proxier.sync(1, NO_CONNECTIONS).commands).toEqual([]);
    proxier.update({ services: [web()], endpointSlices: [slice('web', ['10.0.0.2'])] });
    expect(typesOf(proxier.sync(2, NO_CONNECTIONS).commands)).toEqual(['addRealServer', 'deleteRealServer']);
  });

  it('84: after a restart what is right stays, and weights are put right', () => {
    const machine = new TestMachine();
    const before = found(CLUSTER_IP, [real('10.0.0.1', 0), real('10.0.0.2'), real('10.0.0.3')]);
    const { realServers, ...settings } = before;
    machine.run([{ type: 'addServer', server: settings }]);
    for (const one of realServers) machine.run([{ type: 'addRealServer', server: settings, real: one }]);
    const proxier = proxierWith(
      withEndpoints('10.0.0.1', '10.0.0.2', '10.0.0.4'),
      {},
      {
        virtualServers: [before],
        addresses: [ip(CLUSTER_IP), ip('172.30.9.9')],
        sets: new Map([
          [
            'KUBE-CLUSTER-IP',
            [
              { net: { address: ip(CLUSTER_IP), length: 32 }, protocol: 6, port: 80 },
              { net: { address: ip('1.1.1.1'), length: 32 }, protocol: 17, port: 53 },
            ],
          ],
        ]),
      },
    );
    const sync = proxier.sync(0, BUSY);
    machine.run(sync.commands);
    expect(machine.lines).toEqual(['172.30.0.41:80/tcp rr > 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080*0 10.0.0.4:8080']);
    expect(typesOf(sync.commands)).toEqual(['editRealServer', 'addRealServer', 'editRealServer']);
    expect([sync.addedAddresses, sync.removedAddresses]).toEqual([[], [ip('172.30.9.9')]]);
    expect(sync.setChanges).toMatchObject([{ set: 'KUBE-CLUSTER-IP', removed: [{ protocol: 17 }], added: [] }, { set: 'KUBE-IPVS-IPS' }]);
  });

  it('84: a real server with connections gets weight 0 and goes with the last of them, which is looked for every minute', () => {
    const machine = new TestMachine();
    const proxier = proxierWith(withEndpoints('10.0.0.1', '10.0.0.2'));
    machine.apply(proxier.sync(5e9, NO_CONNECTIONS));
    expect(proxier.nextTerminationCheckNs(6e9)).toBeUndefined();
    proxier.update({ endpointSlices: [slice('web', ['10.0.0.1'])] });
    machine.apply(proxier.sync(70e9, BUSY));
    expect(machine.lines).toEqual(['172.30.0.41:80/tcp rr > 10.0.0.1:8080 10.0.0.2:8080*0']);
    expect(proxier.nextTerminationCheckNs(70e9)).toBe(125e9);
    expect(proxier.nextTerminationCheckNs(125e9)).toBe(185e9);
    expect(proxier.checkTermination(BUSY)).toEqual([]);
    machine.apply(proxier.sync(126e9, BUSY));
    machine.run(proxier.checkTermination(NO_CONNECTIONS));
    expect(machine.lines).toEqual(['172.30.0.41:80/tcp rr > 10.0.0.1:8080']);
    expect(proxier.nextTerminationCheckNs(130e9)).toBeUndefined();
  });

  it('84: an endpoint that returns meanwhile is removed and added anew', () => {
    const machine = new TestMachine();
    const proxier = proxierWith(withEndpoints('10.0.0.1', '10.0.0.2'));
    machine.apply(proxier.sync(0, NO_CONNECTIONS));
    proxier.update({ endpointSlices: [slice('web', ['10.0.0.1'])] });
    machine.apply(proxier.sync(1, BUSY));
    proxier.update(withEndpoints('10.0.0.1', '10.0.0.2'));
    const back = proxier.sync(2, BUSY);
    machine.apply(back);
    expect(typesOf(back.commands)).toEqual(['deleteRealServer', 'addRealServer']);
    expect(machine.lines).toEqual(['172.30.0.41:80/tcp rr > 10.0.0.1:8080 10.0.0.2:8080']);
    expect(proxier.checkTermination(NO_CONNECTIONS)).toEqual([]);
  });

  it('84: connections of UDP and SCTP are not waited for, nor those of a server that goes itself', () => {
    for (const protocol of ['UDP', 'SCTP'] as const) {
      const ports = [{ ...HTTP, protocol }];
      const endpoints = (...addresses: string[]) => [slice('web', addresses, [{ name: 'http', port: 53, protocol }])];
      const proxier = proxierWith({ services: [web({ ports })], endpointSlices: endpoints('10.0.0.1', '10.0.0.2') });
      proxier.sync(0, NO_CONNECTIONS);
      proxier.update({ endpointSlices: endpoints('10.0.0.1') });
      expect(typesOf(proxier.sync(1, BUSY).commands)).toEqual(['deleteRealServer']);
    }
    const proxier = proxierWith(withEndpoints('10.0.0.1', '10.0.0.2'));
    proxier.sync(0, NO_CONNECTIONS);
    proxier.update({ endpointSlices: [slice('web', ['10.0.0.1'])] });
    proxier.sync(1, BUSY);
    proxier.update({ removedServices: ['ns/web'] });
    expect(typesOf(proxier.sync(2, BUSY).commands)).toEqual(['deleteServer']);
    expect(proxier.checkTermination(NO_CONNECTIONS)).toEqual([]);
  });
});
