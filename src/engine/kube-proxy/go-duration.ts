const UNITS_NS: Readonly<Record<string, number>> = { h: 3600e9, m: 60e9, s: 1e9, ms: 1e6, us: 1e3, µs: 1e3, ns: 1 };
const PART = /(\d+(?:\.\d*)?|\.\d+)(ms|us|µs|ns|h|m|s)/g;

/** A duration as Go writes it, `15m0s` or `1.5h`, in nanoseconds; undefined if it is none, or negative. */
export function parseDurationNs(text: string): number | undefined {
  if (text === '0') return 0;
  let total = 0;
  let length = 0;
  for (const [part, count, unit] of text.matchAll(PART)) {
    total += Number(count) * (UNITS_NS[unit as string] ?? 0);
    length += part.length;
  }
  return length > 0 && length === text.length ? total : undefined;
}
