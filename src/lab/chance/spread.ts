import type { FlowSummary } from '../../protocol/engine.ts';
import type { PossibleOutcome } from '../../protocol/view.ts';
import { outcomeName } from './outcome-name.ts';

/** One way a connection can end: how often it did, and how often it was expected to. */
export interface SpreadRow {
  readonly name: string;
  readonly probability: number;
  readonly count: number;
  readonly expected: number;
  /** Standard deviation of the count: two runs of three end within one of it. */
  readonly deviation: number;
}

export interface Spread {
  /** Connections that have ended. */
  readonly total: number;
  readonly rows: readonly SpreadRow[];
  /** Pearson's chi-square test against the expectation, where every row expects enough. */
  readonly test: { readonly chiSquare: number; readonly degrees: number; readonly pValue: number } | undefined;
}

/** Below this the chi-square distribution is no good approximation (Cochran's rule). */
const EXPECTED_MIN = 5;

/** How the connections that have ended are spread over everything that could come of each of them. */
export function spreadOf(ended: readonly FlowSummary[], outcomes: readonly PossibleOutcome[]): Spread {
  const total = ended.length;
  const counts = new Map<string, number>();
  for (const { outcome } of ended) {
    if (!outcome) continue;
    const name = outcomeName({ outcome: outcome.kind, endpoint: outcome.endpoint });
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const probabilities = new Map(outcomes.map((o) => [outcomeName(o), o.probability]));
  const names = [...probabilities.keys(), ...[...counts.keys()].filter((name) => !probabilities.has(name))];
  const rows = names.map((name): SpreadRow => {
    const p = probabilities.get(name) ?? 0;
    return { name, probability: p, count: counts.get(name) ?? 0, expected: total * p, deviation: Math.sqrt(total * p * (1 - p)) };
  });
  return { total, rows, test: testOf(rows) };
}

function testOf(rows: readonly SpreadRow[]): Spread['test'] {
  if (rows.length < 2 || rows.some((row) => row.expected < EXPECTED_MIN)) return undefined;
  const chiSquare = rows.reduce((sum, row) => sum + (row.count - row.expected) ** 2 / row.expected, 0);
  const degrees = rows.length - 1;
  return { chiSquare, degrees, pValue: upperGamma(degrees / 2, chiSquare / 2) };
}

/** Regularized upper incomplete gamma function Q(a, x), by its series below a + 1 and its continued fraction above (DLMF 8.7.1, 8.9.2). */
function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < 500 && term > sum * 1e-15; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return Math.max(0, 1 - scale * sum);
  }
  // Lentz's method.
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < 500; n++) {
    const an = -n * (n - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    const delta = c * d;
    fraction *= delta;
    if (Math.abs(delta - 1) < 1e-15) break;
  }
  return scale * fraction;
}

/** Of halves of whole numbers only: Γ(1/2) = √π, Γ(1) = 1, and each step up multiplies. */
function logGamma(a: number): number {
  let at = a % 1 === 0 ? 1 : 0.5;
  let log = at === 1 ? 0 : Math.log(Math.PI) / 2;
  for (; at < a; at++) log += Math.log(at);
  return log;
}
