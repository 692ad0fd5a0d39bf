import { beforeAll, describe, expect, it } from 'vitest';
import type { LabEvent } from '../../protocol/event.ts';
import { exampleRecording } from '../example-recording.ts';
import { currentHop, type Hop, hopsOf, placeTitle, rowsOf } from './hops.ts';

let events: readonly LabEvent[];
let packets: readonly Hop[];
let everything: readonly Hop[];

beforeAll(async () => {
  events = (await exampleRecording()).events;
  const flow = events.find((e) => e.type === 'flowStarted')?.flow ?? 0;
  packets = hopsOf(events, flow, true);
  everything = hopsOf(events, flow, false);
});

describe('hopsOf', () => {
  it('hides ARP and the keeping of tables in "Packets only", and nothing in "Everything"', () => {
    expect(packets.length).toBeGreaterThan(20);
    expect(packets.length).toBeLessThan(everything.length);
    for (const { event } of packets) {
      expect(['neighbour', 'conntrack', 'socket']).not.toContain(event.type);
      expect(event.frame?.payload.type).not.toBe('arp');
    }
    expect(everything.some((h) => h.event.frame?.payload.type === 'arp')).toBe(true);
  });

  it('has nothing to show of no flow', () => {
    expect(hopsOf(events, 0, false)).toEqual([]);
  });
});

describe('rowsOf', () => {
  it('has one heading before each run of hops in one namespace', () => {
    const rows = rowsOf(packets);
    expect(rows[0]).toMatchObject({ type: 'place', netns: packets[0]?.event.netns });
    let netns: string | undefined;
    for (const row of rows) {
      if (row.type === 'place') {
        expect(row.netns).not.toBe(netns);
        netns = row.netns;
      } else expect(row.hop.event.netns).toBe(netns);
    }
    expect(rows.filter((r) => r.type === 'hop').length).toBe(packets.length);
  });
});

describe('currentHop', () => {
  it('is the hop of the last event, or the nearest before it', () => {
    expect(currentHop(packets, 0)).toBeUndefined();
    for (let position = 1; position <= events.length; position++) {
      const expected = packets.findLast((h) => h.index < position);
      expect(currentHop(packets, position)).toBe(expected);
    }
  });
});

describe('placeTitle', () => {
  it('says what kind of place it is', () => {
    expect(placeTitle('pod/default/client')).toBe('pod default/client');
    expect(placeTitle('node/worker-1')).toBe('node worker-1');
    expect(placeTitle('external/underlay')).toBe('outside underlay');
  });
});
