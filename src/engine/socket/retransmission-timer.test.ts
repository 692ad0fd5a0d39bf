import { expect, it } from 'vitest';
import { Simulation } from '../sim/simulation.ts';
import { RetransmissionTimer } from './retransmission-timer.ts';

const SECOND = 1_000_000_000;

it('doubles its timeout with each expiry and recovers with an acknowledgement', () => {
  const sim = new Simulation();
  const times: number[] = [];
  const timer = new RetransmissionTimer(sim, () => {
    times.push(sim.nowNs / SECOND);
    timer.backOff();
    if (times.length < 4) timer.arm();
  });
  timer.arm();
  sim.runUntilQuiet(100);
  expect(times).toEqual([1, 3, 7, 15]);
  timer.measure(40_000_000);
  timer.arm();
  sim.runUntilQuiet(100);
  expect(times.at(-1)).toBeCloseTo(15.24, 9);
});

it('moves with the latest segment, and does not keep a run going while it rests', () => {
  const sim = new Simulation();
  let fired = 0;
  const timer = new RetransmissionTimer(sim, () => fired++);
  timer.arm();
  sim.runUntil(0.9 * SECOND, 10);
  timer.arm();
  sim.runUntil(1.5 * SECOND, 10);
  expect(fired).toBe(0);
  timer.rest();
  expect(sim.quiet).toBe(true);
  sim.runUntil(5 * SECOND, 10);
  expect(fired).toBe(0);
  timer.arm();
  expect(sim.quiet).toBe(false);
  sim.runUntilQuiet(10);
  expect(fired).toBe(1);
});
