import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Rule } from './model.ts';
import { ruleChanges } from './rule-changes.ts';

const rules: readonly Rule[] = Array.from({ length: 40 }, () => ({ matches: [], target: undefined }));
const listOf = fc.array(fc.integer({ min: 0, max: 39 }), { maxLength: 60 }).map((numbers) => numbers.map((n) => rules[n] as Rule));

const without = (list: readonly Rule[], spans: readonly { first: number; end: number }[]): Rule[] =>
  list.filter((_, i) => !spans.some(({ first, end }) => i >= first && i < end));

describe('the changes of a list of rules', () => {
  it('leave the same rules in both', () => {
    fc.assert(
      fc.property(listOf, listOf, (before, after) => {
        const { removed, added } = ruleChanges(before, after);
        const [kept, same] = [without(before, removed), without(after, added)];
        expect(kept.map((rule) => rules.indexOf(rule))).toEqual(same.map((rule) => rules.indexOf(rule)));
      }),
      { numRuns: 300, seed: 20251125 },
    );
  });

  it('are what was changed in a long list', () => {
    const before = Array.from({ length: 5000 }, (): Rule => ({ matches: [], target: undefined }));
    const after = [...before];
    after.splice(4000, 1);
    after.splice(2000, 3, rules[1] as Rule);
    after.splice(10, 0, rules[0] as Rule);
    expect(ruleChanges(before, after)).toEqual({
      removed: [
        { first: 2000, end: 2003 },
        { first: 4000, end: 4001 },
      ],
      added: [
        { first: 10, end: 11 },
        { first: 2001, end: 2002 },
      ],
    });
  });
});
