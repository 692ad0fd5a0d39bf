import type { Rule } from './model.ts';

/** Positions from `first` up to, without, `end`. */
export interface Span {
  readonly first: number;
  readonly end: number;
}

/** Which rules a chain loses and gets when one list of rules takes the place of another. */
export interface RuleChanges {
  /** Positions in the list before. */
  readonly removed: readonly Span[];
  /** Positions in the list after. */
  readonly added: readonly Span[];
}

/** So far is looked ahead for where the lists agree again. */
const WINDOW = 32;

/**
 * Compares by identity: whoever writes a long chain anew gives most of its rules as the same objects. Not always
 * the shortest difference, but every rule that is not in it is in both lists, in the same order.
 */
export function ruleChanges(before: readonly Rule[], after: readonly Rule[]): RuleChanges {
  const removed: Span[] = [];
  const added: Span[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length && j < after.length) {
    if (before[i] === after[j]) {
      i++;
      j++;
      continue;
    }
    const startI = i;
    const startJ = j;
    let skip: readonly [number, number] | undefined;
    while (i < before.length && j < after.length) {
      skip = resynchronized(before, after, i, j);
      if (skip !== undefined) break;
      i++;
      j++;
    }
    i += skip?.[0] ?? 0;
    j += skip?.[1] ?? 0;
    if (i > startI) removed.push({ first: startI, end: i });
    if (j > startJ) added.push({ first: startJ, end: j });
  }
  if (i < before.length) removed.push({ first: i, end: before.length });
  if (j < after.length) added.push({ first: j, end: after.length });
  return { removed, added };
}

/** How many rules to skip in each list until they agree: of the one, the other, or both. */
function resynchronized(before: readonly Rule[], after: readonly Rule[], i: number, j: number): readonly [number, number] | undefined {
  for (let k = 0; k < WINDOW; k++) {
    if (i + k < before.length && j + k < after.length && before[i + k] === after[j + k]) return [k, k];
    if (i + k < before.length && before[i + k] === after[j]) return [k, 0];
    if (j + k < after.length && before[i] === after[j + k]) return [0, k];
  }
  return undefined;
}
