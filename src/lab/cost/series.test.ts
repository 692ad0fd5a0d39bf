import { describe, expect, it } from 'vitest';
import type { ProxyCost } from '../../protocol/engine.ts';
import { pointKey } from './cost-store.ts';
import { ceilingOf, measured, PUBLISHED, publishedSeries, seriesOf } from './series.ts';

const cost = (services: number, rules: number): ProxyCost => ({
  mode: 'nftables',
  services,
  firstPacket: { rules, lookups: 7 },
  laterPacket: { rules: 3, lookups: 0 },
  changeWrites: 1_019,
});

describe('series', () => {
  it('have the points that are known, by rising number of Services', () => {
    const costs = new Map([1_000, 10].map((size) => [pointKey('nftables', size), cost(size, size + 4)]));
    const [iptables, nftables] = seriesOf(costs, 'first');
    expect(iptables).toEqual({ mode: 'iptables', points: [] });
    expect(nftables?.points).toEqual([
      { services: 10, value: 21 },
      { services: 1_000, value: 1_011 },
    ]);
  });

  it('tell rules and lookups apart in words', () => {
    expect(measured(cost(10, 1_200), 'first')).toEqual({ value: 1_207, text: '1,200 + 7' });
    expect(measured(cost(10, 14), 'later')).toEqual({ value: 3, text: '3 + 0' });
    expect(measured(cost(10, 14), 'change')).toEqual({ value: 1_019, text: '1,019' });
  });

  it('have a ceiling that holds them', () => {
    const of = (...values: number[]) => [{ mode: 'ipvs' as const, points: values.map((value) => ({ services: 10, value })) }];
    expect(ceilingOf(of(15_015), 100)).toBe(100_000);
    expect(ceilingOf(of(7, 12), 100)).toBe(100);
    expect(ceilingOf([], 100)).toBe(100);
  });

  it('of published measurements are medians, below their 99th percentiles', () => {
    expect(publishedSeries().map(({ points }) => points.map((p) => p.value))).toEqual([
      [47, 59, 272],
      [12, 12, 12],
    ]);
    expect(PUBLISHED.every(({ p50, p99 }) => p50 < p99)).toBe(true);
  });
});
