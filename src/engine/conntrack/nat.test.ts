import { describe, expect, it } from 'vitest';
import { formatIp, type Ipv4, parseIpv4 } from '../../protocol/address.ts';
import type { ConntrackTuple } from '../../protocol/event.ts';
import { LabContext } from '../sim/lab-context.ts';
import { ConntrackEntry } from './entry.ts';
import { type NatOwner, type NatRange, nullRange, setUpNat } from './nat.ts';

const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const tcp = (src: string, srcPort: number, dst: string, dstPort: number): ConntrackTuple => ({
  src: ip(src),
  dst: ip(dst),
  protocol: 6,
  srcPort,
  dstPort,
});
const text = (t: ConntrackTuple): string => `${formatIp(t.src)}:${t.srcPort}>${formatIp(t.dst)}:${t.dstPort}`;
const to = (address: string, more: Partial<NatRange> = {}): NatRange => ({
  addresses: { min: ip(address), max: ip(address) },
  ports: undefined,
  random: false,
  fullyRandom: false,
  persistent: false,
  ...more,
});

/** A table that holds these reply tuples already. */
function owner(taken: (tuple: ConntrackTuple) => boolean = () => false): NatOwner {
  return { id: 'node', lab: new LabContext(1), tupleTaken: taken };
}

const newEntry = (): ConntrackEntry => new ConntrackEntry(1, tcp('10.244.1.10', 40_001, '10.96.0.10', 80), 0);

describe('setting up NAT', () => {
  it('DNAT changes where replies come from, and nothing else', () => {
    const entry = newEntry();
    expect(setUpNat(owner(), entry, 'destination', to('10.244.2.7', { ports: { min: 8080, max: 8080 } }))).toBe(true);
    expect(text(entry.reply)).toBe('10.244.2.7:8080>10.244.1.10:40001');
    expect([entry.dnat, entry.snat, entry.destinationDone, entry.sourceDone]).toEqual([true, false, true, false]);
  });

  it('SNAT keeps the port while it is free', () => {
    const entry = newEntry();
    setUpNat(owner(), entry, 'source', to('192.168.1.11'));
    expect(text(entry.reply)).toBe('10.96.0.10:80>192.168.1.11:40001');
  });

  it('a port that another connection has is replaced by a free one of the same class', () => {
    const entry = newEntry();
    setUpNat(
      owner((tuple) => tuple.dstPort === 40_001),
      entry,
      'source',
      to('192.168.1.11'),
    );
    expect(entry.reply.dstPort).not.toBe(40_001);
    expect(entry.reply.dstPort).toBeGreaterThanOrEqual(1024);
  });

  it('privileged ports stay privileged', () => {
    const entry = new ConntrackEntry(1, tcp('10.244.1.10', 100, '10.96.0.10', 80), 0);
    setUpNat(
      owner((tuple) => tuple.dstPort === 100),
      entry,
      'source',
      to('192.168.1.11'),
    );
    expect(entry.reply.dstPort).toBeLessThan(512);
  });

  it('fully random never asks for the old port', () => {
    const ports = new Set(
      Array.from({ length: 50 }, () => {
        const entry = newEntry();
        setUpNat(shared, entry, 'source', to('192.168.1.11', { fullyRandom: true }));
        return entry.reply.dstPort;
      }),
    );
    expect(ports.size).toBeGreaterThan(45);
    expect(ports.has(40_001)).toBe(false);
  });
  const shared = owner();

  it('a rule with ports chooses among them, and fails when none is free', () => {
    const range = to('192.168.1.11', { ports: { min: 5000, max: 5003 } });
    const entry = newEntry();
    expect(
      setUpNat(
        owner((tuple) => tuple.dstPort !== 5002),
        entry,
        'source',
        range,
      ),
    ).toBe(true);
    expect(entry.reply.dstPort).toBe(5002);
    expect(
      setUpNat(
        owner(() => true),
        newEntry(),
        'source',
        range,
      ),
    ).toBe(false);
  });

  it('a connection that nobody translates keeps its tuple, unless another has it', () => {
    const entry = newEntry();
    setUpNat(owner(), entry, 'source', nullRange(entry, 'source'));
    expect([text(entry.reply), entry.snat, entry.sourceDone]).toEqual(['10.96.0.10:80>10.244.1.10:40001', false, true]);
    const second = newEntry();
    setUpNat(
      owner((tuple) => tuple.dstPort === 40_001),
      second,
      'source',
      nullRange(second, 'source'),
    );
    expect([formatIp(second.reply.dst), second.reply.dstPort === 40_001, second.snat]).toEqual(['10.244.1.10', false, true]);
  });

  it('a confirmed connection is not translated any more', () => {
    const entry = newEntry();
    entry.confirmed = true;
    expect(setUpNat(owner(), entry, 'destination', to('10.244.2.7'))).toBe(true);
    expect([text(entry.reply), entry.dnat]).toEqual(['10.96.0.10:80>10.244.1.10:40001', false]);
  });

  it('of several addresses a client keeps its own', () => {
    const range: NatRange = { ...to('192.0.2.1'), addresses: { min: ip('192.0.2.1'), max: ip('192.0.2.8') }, persistent: true };
    const chosen = Array.from({ length: 20 }, (_, i) => {
      const entry = new ConntrackEntry(i, tcp('10.244.1.10', 40_000 + i, '198.51.100.1', 80), 0);
      setUpNat(owner(), entry, 'source', range);
      return entry.reply.dst;
    });
    expect(new Set(chosen).size).toBe(1);
  });
});
