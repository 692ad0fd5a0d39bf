import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Rule } from '../../netfilter/iptables/model.ts';
import { GroupedRules } from './grouped-rules.ts';
import { comment, rule } from './rule.ts';

const ruleOf = (text: string): Rule => rule([comment(text)], undefined);

describe('grouped rules', () => {
  it('are those of every group, in the order of keys, however they came', () => {
    const change = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), fc.nat({ max: 3 }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const grouped = new GroupedRules();
        const expected = new Map<string, Rule[]>();
        for (const [key, count] of changes) {
          const rules = Array.from({ length: count }, (_, i) => ruleOf(`${key}${i}`));
          grouped.set(key, rules);
          expected.set(key, rules);
        }
        const last = [ruleOf('last')];
        const inOrder = [...expected].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, rules]) => rules);
        expect(grouped.list(last)).toEqual([...inOrder, ...last]);
        expect(grouped.list([])).toEqual(inOrder);
      }),
    );
  });

  it('that were handed out stay as they were', () => {
    const grouped = new GroupedRules();
    grouped.append('a', [ruleOf('a')]);
    const before = grouped.list([]);
    grouped.set('a', []);
    expect(before).toHaveLength(1);
    expect(grouped.list([])).toHaveLength(0);
  });
});
