import { beforeAll, describe, expect, it } from 'vitest';
import type { LabEvent } from '../../protocol/event.ts';
import { EMPTY_STATE } from '../../protocol/fold.ts';
import { exampleRecording } from '../example-recording.ts';
import { Recording } from '../stores/recording.ts';
import { PresentationAxis } from '../timeline/axis.ts';
import { type Motion, type Motions, motionsOf, shareAt } from './motions.ts';
import { netnsOfPlace } from './place.ts';

let events: readonly LabEvent[];
let axis: PresentationAxis;
let motions: Motions;
let all: readonly Motion[];

beforeAll(async () => {
  events = (await exampleRecording()).events;
  axis = new PresentationAxis(0);
  axis.append(events);
  const recording = new Recording(1, EMPTY_STATE);
  recording.append(events);
  motions = motionsOf(recording, axis);
  const flow = events.find((e) => e.type === 'flowStarted')?.flow ?? 0;
  all = motions.ofFlow(flow);
});

describe('motionsOf', () => {
  it('moves the first packet from the client to the server and back', () => {
    const started = events.find((e) => e.type === 'flowStarted');
    expect(netnsOfPlace(all[0]?.from ?? '#')).toBe(started?.netns);
    expect(new Set(all.map((m) => netnsOfPlace(m.to))).size).toBeGreaterThan(3);
    expect(all.some((m) => m.reply)).toBe(true);
    expect(all.some((m) => !m.reply)).toBe(true);
  });

  it('never moves backwards in time, and is there when its event has happened', () => {
    for (const motion of all) {
      expect(motion.start).toBeLessThanOrEqual(motion.depart);
      expect(motion.depart).toBeLessThanOrEqual(motion.end);
      expect(motion.end).toBeLessThanOrEqual(axis.positionOf(motion.index) + 1e-9);
    }
  });

  it('goes the whole way, and none of it before it departs', () => {
    for (const motion of all.filter((m) => m.end > m.depart)) {
      expect(shareAt(motion, motion.depart, false)).toBe(0);
      expect(shareAt(motion, motion.end, false)).toBe(1);
    }
  });

  it('leaves no place before rules and connection tracking are done with it there', () => {
    const bySeq = new Map(events.map((e, i) => [e.seq, { e, i }]));
    let held = 0;
    for (const motion of all) {
      const cause = bySeq.get(events[motion.index]?.cause ?? 0);
      if (!cause || !['conntrack', 'chain', 'nat'].includes(cause.e.type)) continue;
      held++;
      expect(motion.depart).toBeGreaterThanOrEqual(axis.positionOf(cause.i) - 1e-9);
    }
    expect(held).toBeGreaterThan(5);
  });

  it('tells ARP from TCP', () => {
    expect(new Set(all.map((m) => m.kind))).toEqual(new Set(['arp', 'tcp']));
  });
});
