import { expect, it } from 'vitest';
import { parseDurationNs } from './go-duration.ts';

it('reads durations as Go writes them', () => {
  expect(['15m0s', '1h30m', '1.5s', '.5s', '250ms', '10us', '10µs', '7ns', '0', '0s'].map(parseDurationNs)).toEqual([
    900e9, 5400e9, 1.5e9, 0.5e9, 250e6, 10e3, 10e3, 7, 0, 0,
  ]);
  expect(['', '5', '-1s', '1x', '1s 2s', 's', '1.2.3s'].map(parseDurationNs)).toEqual(Array(7).fill(undefined));
});
