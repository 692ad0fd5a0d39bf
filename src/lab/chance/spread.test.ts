import { describe, expect, it } from 'vitest';
import type { FlowSummary } from '../../protocol/engine.ts';
import type { PossibleOutcome } from '../../protocol/view.ts';
import { spreadOf } from './spread.ts';

const flow = (endpoint: string | undefined, kind: 'http' | 'refused' = 'http'): FlowSummary => ({
  flow: 1,
  from: 'a',
  to: 'b',
  protocol: 'http',
  startSeq: 1,
  outcome: { kind, detail: '', endpoint, lost: undefined },
});
const times = (n: number, made: FlowSummary): FlowSummary[] => Array.from({ length: n }, () => made);
const thirds: PossibleOutcome[] = ['a:80', 'b:80', 'c:80'].map((endpoint) => ({ outcome: 'http', endpoint, probability: 1 / 3 }));

describe('spreadOf', () => {
  it('sets counts beside what was expected', () => {
    const { total, rows } = spreadOf([...times(40, flow('a:80')), ...times(20, flow('b:80'))], thirds);
    expect(total).toBe(60);
    expect(rows.map(({ name, count }) => [name, count])).toEqual([
      ['a:80', 40],
      ['b:80', 20],
      ['c:80', 0],
    ]);
    expect(rows[0]?.expected).toBeCloseTo(20);
    expect(rows[0]?.deviation).toBeCloseTo(3.6515, 4);
  });

  it('lists what nobody expected', () => {
    const { rows } = spreadOf([flow(undefined, 'refused')], thirds);
    expect(rows.at(-1)).toMatchObject({ name: 'refused', count: 1, expected: 0 });
  });

  it('tests against the chi-square distribution, where there is enough to test', () => {
    const even = spreadOf([...times(20, flow('a:80')), ...times(20, flow('b:80')), ...times(20, flow('c:80'))], thirds);
    expect(even.test).toMatchObject({ degrees: 2, pValue: 1 });
    const uneven = spreadOf([...times(30, flow('a:80')), ...times(18, flow('b:80')), ...times(12, flow('c:80'))], thirds);
    // R: chisq.test(c(30, 18, 12)) gives X-squared = 8.4, df = 2, p-value = exp(-4.2).
    expect(uneven.test?.chiSquare).toBeCloseTo(8.4);
    expect(uneven.test?.pValue).toBeCloseTo(Math.exp(-4.2), 10);
    expect(spreadOf(times(6, flow('a:80')), thirds).test).toBeUndefined();
    expect(spreadOf([], thirds).test).toBeUndefined();
  });

  it('knows odd numbers of degrees of freedom', () => {
    const halves = thirds.slice(0, 2).map((o) => ({ ...o, probability: 1 / 2 }));
    const { test } = spreadOf([...times(60, flow('a:80')), ...times(40, flow('b:80'))], halves);
    // R: pchisq(4, df = 1, lower.tail = FALSE)
    expect(test?.pValue).toBeCloseTo(0.0455002638964, 10);
  });
});
