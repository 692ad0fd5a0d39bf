import { beforeAll, describe, expect, it } from 'vitest';
import type { LabEvent } from '../../protocol/event.ts';
import { exampleRecording } from '../example-recording.ts';
import { BREAK_NS, PresentationAxis } from './axis.ts';
import { advance, beatOf } from './playback.ts';

let events: readonly LabEvent[];
let axis: PresentationAxis;

beforeAll(async () => {
  events = (await exampleRecording()).events;
  axis = new PresentationAxis(0);
  axis.append(events);
});

describe('PresentationAxis', () => {
  it('rises from event to event, and finds the count again', () => {
    for (let i = 0; i < events.length; i++) {
      expect(axis.positionOf(i)).toBeGreaterThan(axis.positionOf(i - 1));
      expect(axis.countAt(axis.positionOf(i))).toBe(i + 1);
      expect(axis.countAt(axis.positionOf(i) - 1e-9)).toBe(i);
    }
  });

  it('shows the time of an event at its position', () => {
    events.forEach((event, i) => {
      expect(axis.timeAt(axis.positionOf(i))).toBe(event.timeNs);
    });
  });

  it('is the same whether events come at once or one by one', () => {
    const slowly = new PresentationAxis(0);
    for (const event of events) slowly.append([event]);
    expect(slowly.end).toBe(axis.end);
  });

  it('makes a break of a long wait', () => {
    const [first, second] = events as [LabEvent, LabEvent];
    const waited = new PresentationAxis(0);
    waited.append([first, { ...second, timeNs: first.timeNs + 2 * BREAK_NS }]);
    expect(waited.breaks).toEqual([{ from: waited.positionOf(0), to: waited.positionOf(1), durationNs: 2 * BREAK_NS }]);
  });
});

describe('playback', () => {
  it('stops at the end, and a hidden page does not jump', () => {
    expect(advance(axis.end - 0.01, 1, 1, axis.end)).toBe(axis.end);
    expect(advance(0, 60, 1, 1000)).toBe(advance(0, 0.1, 1, 1000));
    expect(advance(0, 0.1, 2, 1000)).toBe(2 * advance(0, 0.1, 1, 1000));
  });

  it('stands where exactly so many events have happened', () => {
    for (const position of [0, 1, 10, events.length]) expect(axis.countAt(beatOf(axis, position))).toBe(position);
  });
});
