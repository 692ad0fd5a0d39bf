import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alignRuns } from './align.ts';
import type { Step } from './steps.ts';

const step = (key: string, change: Partial<Step> = {}): Step => ({
  key,
  netns: 'node/worker-1',
  label: key,
  bridged: false,
  atHook: true,
  title: key,
  detail: '',
  where: '',
  by: '',
  what: change.title ?? key,
  tone: 'quiet',
  chooses: false,
  marks: false,
  masquerades: false,
  cost: { rules: 0, lookups: 0, ipvs: 0 },
  ...change,
});
const steps = (keys: string): readonly Step[] => [...keys].map((key) => step(key));
const shown = (...runs: readonly string[]): readonly string[] =>
  alignRuns(runs.map(steps)).map((row) => row.cells.map((cell) => cell?.key ?? '.').join(''));

describe('alignRuns', () => {
  it('sets equal stops side by side and gives a stop of one run a row of its own', () => {
    expect(shown('prFo', 'prFo')).toEqual(['pp', 'rr', 'FF', 'oo']);
    expect(shown('prFo', 'prIOo')).toEqual(['pp', 'rr', 'F.', '.I', '.O', 'oo']);
  });

  it('takes a third run', () => {
    expect(shown('cprFod', 'cprFod', 'cprIOod')).toEqual(['ccc', 'ppp', 'rrr', 'FF.', '..I', '..O', 'ooo', 'ddd']);
  });

  it('takes runs that end early, and runs without any stop', () => {
    expect(shown('abc', 'a')).toEqual(['aa', 'b.', 'c.']);
    expect(shown('', 'ab')).toEqual(['.a', '.b']);
    expect(shown('', '')).toEqual([]);
    expect(alignRuns([])).toEqual([]);
  });

  it('tells what is the same, what only costs another price, and what differs', () => {
    const price = { rules: 7, lookups: 0, ipvs: 0 };
    const rows = alignRuns([
      [step('a'), step('b'), step('c'), step('d')],
      [step('a'), step('b', { cost: price }), step('c', { title: 'DNAT' })],
    ]);
    expect(rows.map((row) => row.difference)).toEqual(['same', 'cost', 'differs', 'differs']);
  });

  it('keeps every stop of every run once, in its order', () => {
    const run = fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { maxLength: 8 });
    fc.assert(
      fc.property(fc.array(run, { minLength: 1, maxLength: 3 }), (runs) => {
        const rows = alignRuns(runs.map((keys) => keys.map((key) => step(key))));
        runs.forEach((keys, i) => {
          expect(rows.flatMap((row) => row.cells[i]?.key ?? [])).toEqual(keys);
        });
        expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
        expect(rows.every((row) => row.cells.some((cell) => cell !== undefined))).toBe(true);
      }),
    );
  });
});
