import type { Step } from './steps.ts';

/** A row of the comparison: one stop, as each run makes it, or does not. */
export interface AlignedRow {
  readonly key: string;
  readonly label: string;
  readonly netns: string;
  readonly bridged: boolean;
  /** One for each run, in their order. */
  readonly cells: readonly (Step | undefined)[];
  /** `same`: nothing differs; `cost`: the same happens at another price; `differs`: something else happens, or nothing. */
  readonly difference: 'same' | 'cost' | 'differs';
}

/** Sets the stops of several runs beside each other: each stop once, every run's in its own order. */
export function alignRuns(runs: readonly (readonly Step[])[]): readonly AlignedRow[] {
  let merged: { readonly key: string; readonly cells: (Step | undefined)[] }[] = [];
  runs.forEach((steps, run) => {
    const empty = (): (Step | undefined)[] => Array.from({ length: runs.length }, () => undefined);
    const cellsOf = (step: Step): (Step | undefined)[] => empty().with(run, step);
    const next: typeof merged = [];
    const pairs = commonSubsequence(
      merged.map((row) => row.key),
      steps.map((step) => step.key),
    );
    let [left, right] = [0, 0];
    for (const [i, j] of [...pairs, [merged.length, steps.length] as const]) {
      for (; left < i; left++) next.push(merged[left] as (typeof merged)[number]);
      for (; right < j; right++) next.push({ key: (steps[right] as Step).key, cells: cellsOf(steps[right] as Step) });
      const row = merged[i];
      const step = steps[j];
      if (!row || !step) continue;
      next.push({ key: row.key, cells: row.cells.with(run, step) });
      left++;
      right++;
    }
    merged = next;
  });
  return merged.map(({ key, cells }, i) => {
    const first = cells.find((cell) => cell !== undefined) as Step;
    // Two runs may make the same stop in another order; then it has two rows.
    return { key: `${key} ${i}`, label: first.label, netns: first.netns, bridged: first.bridged, cells, difference: differenceOf(cells) };
  });
}

function differenceOf(cells: readonly (Step | undefined)[]): AlignedRow['difference'] {
  const [first, ...others] = cells;
  if (!first || others.some((cell) => !cell || cell.what !== first.what)) return 'differs';
  const price = ({ cost }: Step): string => `${cost.rules} ${cost.lookups} ${cost.ipvs}`;
  return others.every((cell) => cell && price(cell) === price(first)) ? 'same' : 'cost';
}

/** Index pairs of the longest common subsequence of two lists. */
function commonSubsequence(a: readonly string[], b: readonly string[]): readonly (readonly [number, number])[] {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number): number => lengths[i * width + j] as number;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pairs: (readonly [number, number])[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return pairs;
}
