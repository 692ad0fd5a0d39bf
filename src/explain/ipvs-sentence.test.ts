import { describe, expect, it } from 'vitest';
import type { IpvsConnectionView, IpvsStep } from '../protocol/event.ts';
import { event, ip } from './example-events.ts';
import { sentence } from './sentence.ts';

const connection: IpvsConnectionView = {
  id: 1,
  protocol: 'tcp',
  client: { address: ip('10.244.1.5'), port: 40_000 },
  virtual: { address: ip('10.96.0.10'), port: 80 },
  real: { address: ip('10.244.2.7'), port: 8080 },
  state: 'SYN_RECV',
  template: false,
  active: true,
  expiresNs: 60e9,
};

const tuple = (dst: string, dstPort: number) => ({ src: ip('10.244.1.5'), dst: ip(dst), protocol: 6, srcPort: 40_000, dstPort });

const step = (change: Partial<IpvsStep>): string[] => {
  const data: IpvsStep = {
    verdict: 'toServer',
    hook: 'INPUT',
    virtual: { protocol: 'tcp', ...connection.virtual },
    real: connection.real,
    scheduler: 'rr',
    chosenBy: 'scheduler',
    before: tuple('10.96.0.10', 80),
    after: tuple('10.244.2.7', 8080),
    quoted: false,
    connections: [connection],
    removed: [],
    ...change,
  };
  const { title, detail, kind } = sentence(event('ipvs', data));
  return [title, detail, kind];
};

const ENTRY = 'TCP SYN_RECV 10.244.1.5:40000 10.96.0.10:80 10.244.2.7:8080';

describe('what IPVS did, in words', () => {
  it('the first packet of a connection', () => {
    expect(step({})).toEqual([
      'IPVS sends it on to 10.244.2.7:8080, chosen by its scheduler rr',
      `10.244.1.5:40000 > 10.96.0.10:80 becomes 10.244.1.5:40000 > 10.244.2.7:8080; ${ENTRY}`,
      'nat',
    ]);
  });

  it('who chose', () => {
    expect(step({ chosenBy: 'connection' })[0]).toBe('IPVS sends it on to 10.244.2.7:8080, the server of this connection');
    expect(step({ chosenBy: 'template' })[0]).toBe('IPVS sends it on to 10.244.2.7:8080, the server that this client stays with');
  });

  it('an answer', () => {
    const [title, , kind] = step({ verdict: 'toClient', hook: 'FORWARD', chosenBy: 'connection' });
    expect([title, kind]).toEqual(['IPVS puts the virtual address 10.96.0.10:80 back as the source', 'reply']);
  });

  it('ICMP errors', () => {
    expect(step({ quoted: true })[0]).toBe(
      'IPVS passes the ICMP error on to 10.244.2.7:8080, rewritten in the packet that it quotes as well',
    );
    expect(step({ quoted: true, verdict: 'toClient' })[0]).toBe(
      'IPVS puts the virtual address 10.96.0.10:80 back, in the packet that the ICMP error quotes as well',
    );
  });

  it('no server', () => {
    expect(step({ verdict: 'refused', real: undefined, after: undefined, connections: [] })).toEqual([
      'IPVS has no server for 10.96.0.10:80: its scheduler rr finds none with a weight above 0',
      '',
      'drop',
    ]);
  });

  it('a server that is gone', () => {
    expect(step({ verdict: 'dropped', after: undefined, connections: [] })[0]).toBe(
      'IPVS drops it: the entry of this connection still leads to 10.244.2.7:8080',
    );
  });

  it('entries that go, or are kept', () => {
    const table = { verdict: 'expired', before: undefined, after: undefined } as const;
    expect(step({ ...table, connections: [], removed: [1] })[0]).toBe('An entry leaves the IPVS table');
    expect(step({ ...table, connections: [], removed: [1, 2] })[0]).toBe('2 entries leave the IPVS table');
    expect(step({ ...table, connections: [connection] })[0]).toBe('IPVS keeps an entry that is still needed');
  });

  it('virtual servers', () => {
    const server = {
      protocol: 'tcp' as const,
      address: ip('10.96.0.10'),
      port: 80,
      scheduler: 'rr',
      schedulerFlags: [],
      persistenceSeconds: undefined,
      onePacket: false,
      realServers: [],
    };
    const told = (serverCount: number) => sentence(event('ipvsServersChanged', { servers: [server], serverCount }));
    expect(told(1)).toMatchObject({ title: 'IPVS has 1 virtual server', detail: 'tcp 10.96.0.10:80 rr' });
    expect(told(300)).toMatchObject({ title: 'IPVS has 300 virtual servers', detail: 'tcp 10.96.0.10:80 rr, ...' });
  });
});
