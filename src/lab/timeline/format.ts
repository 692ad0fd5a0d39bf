/** Virtual time for people: three to four digits and a unit. */
export function formatTime(ns: number): string {
  if (ns < 1000) return `${Math.round(ns)} ns`;
  if (ns < 1_000_000) return `${(ns / 1000).toFixed(1)} µs`;
  if (ns < 1_000_000_000) return `${(ns / 1_000_000).toFixed(2)} ms`;
  return `${(ns / 1_000_000_000).toFixed(3)} s`;
}

/** A duration without digits that say nothing: `1 s`, `200 ms`. */
export function formatDuration(ns: number): string {
  const [value, unit] = ns < 1_000_000 ? [ns / 1000, 'µs'] : ns < 1_000_000_000 ? [ns / 1_000_000, 'ms'] : [ns / 1_000_000_000, 's'];
  return `${Number(value.toPrecision(3))} ${unit}`;
}
