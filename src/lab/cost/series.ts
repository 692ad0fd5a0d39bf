import type { ProxyCost } from '../../protocol/engine.ts';
import type { ProxyMode } from '../../protocol/event.ts';
import { MODES } from '../shell/mode-name.ts';
import { pointKey, SIZES } from './cost-store.ts';

/** What is charted: of one connection, or of a change. */
export type Measure = 'first' | 'later' | 'change';

/** What a screen shows of a cost by one measure: one number for the chart, and in words. */
export function measured(cost: ProxyCost, measure: Measure): { readonly value: number; readonly text: string } {
  if (measure === 'change') return { value: cost.changeWrites, text: cost.changeWrites.toLocaleString('en') };
  const { rules, lookups } = measure === 'first' ? cost.firstPacket : cost.laterPacket;
  return { value: rules + lookups, text: `${rules.toLocaleString('en')} + ${lookups.toLocaleString('en')}` };
}

/** A line of a chart: points by the number of Services. */
export interface Series {
  readonly mode: ProxyMode;
  readonly points: readonly { readonly services: number; readonly value: number }[];
}

export function seriesOf(costs: ReadonlyMap<string, ProxyCost>, measure: Measure): readonly Series[] {
  return MODES.map((mode) => ({
    mode,
    points: SIZES.flatMap((services) => {
      const cost = costs.get(pointKey(mode, services));
      return cost ? [{ services, value: measured(cost, measure).value }] : [];
    }),
  }));
}

/** The power of ten that no value of a chart is above. */
export function ceilingOf(series: readonly Series[], least: number): number {
  const top = Math.max(least, ...series.flatMap(({ points }) => points.map((point) => point.value)));
  return 10 ** Math.ceil(Math.log10(top));
}

/**
 * Measured on real nodes, in microseconds: KEP-3866, "nftables mode for kube-proxy". A time, not a number of rules,
 * and the machine's own; what compares is how it grows.
 */
export const PUBLISHED: readonly { readonly mode: ProxyMode; readonly services: number; readonly p50: number; readonly p99: number }[] = [
  { mode: 'iptables', services: 5_000, p50: 47, p99: 154 },
  { mode: 'iptables', services: 10_000, p50: 59, p99: 260 },
  { mode: 'iptables', services: 30_000, p50: 272, p99: 713 },
  { mode: 'nftables', services: 5_000, p50: 12, p99: 35 },
  { mode: 'nftables', services: 10_000, p50: 12, p99: 35 },
  { mode: 'nftables', services: 30_000, p50: 12, p99: 35 },
];

export const PUBLISHED_AT = 'https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/3866-nftables-proxy';

export function publishedSeries(): readonly Series[] {
  return (['iptables', 'nftables'] as const).map((mode) => ({
    mode,
    points: PUBLISHED.filter((row) => row.mode === mode).map(({ services, p50 }) => ({ services, value: p50 })),
  }));
}
