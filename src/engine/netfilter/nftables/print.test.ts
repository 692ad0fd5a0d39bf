import { describe, expect, test } from 'vitest';
import kubeProxy from './fixtures/kube-proxy-rulesets.json' with { type: 'json' };
import refused from './fixtures/refused-rules.json' with { type: 'json' };
import forms from './fixtures/rule-forms.json' with { type: 'json' };
import { loadable } from './kube-proxy-fixture.ts';
import type { Table } from './model.ts';
import { parseTransactions } from './parse.ts';
import { printRuleset, printTable } from './print.ts';
import { ruleText } from './print-rule.ts';
import { RandomRuleset } from './random-ruleset.ts';
import { NftRuleset } from './ruleset.ts';

function load(text: string): readonly Table[] {
  const parsed = parseTransactions(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  const ruleset = new NftRuleset();
  const applied = ruleset.apply(parsed.value, 0);
  if (!applied.ok) throw new Error(applied.error.message);
  return ruleset.tables(0);
}

const withRule = (family: 'ip' | 'ip6' | 'inet', rule: string): string =>
  `table ${family} t {\n${forms.objects[family].join('\n')}\n chain c {\n  ${rule}\n }\n}\n`;

describe('a rule as nft lists it', () => {
  test.each(forms.rules)('$family: $written', ({ family, written, listed }) => {
    const table = load(withRule(family as 'ip', written))[0] as Table;
    const rule = table.chains.find(({ name }) => name === 'c')?.rules[0];
    expect(rule && ruleText(rule, table)).toBe(listed);
  });

  /** Of these, nft itself lists another form when it has read what it listed. */
  const unstable = (listed: string): boolean => /^\S+ \S+ \{ [^,]* \}$/.test(listed) || listed === 'meta l4proto tcp tcp dport 80';

  test.each(forms.rules.filter(({ listed }) => !unstable(listed)))('$family: $listed, read again', ({ family, listed }) => {
    const table = load(withRule(family as 'ip', listed))[0] as Table;
    const rule = table.chains.find(({ name }) => name === 'c')?.rules[0];
    expect(rule && ruleText(rule, table)).toBe(listed);
  });

  test.each(refused)('$family: $written is refused', ({ family, written }) => {
    const parsed = parseTransactions(withRule(family as 'ip', written));
    expect(parsed.ok && new NftRuleset().apply(parsed.value, 0).ok).toBe(false);
  });
});

describe('a ruleset as nft lists it', () => {
  test('read and printed again, it stays as it is', () => {
    for (let seed = 0; seed < 300; seed++) {
      const once = load(printTable(new RandomRuleset(seed).table()));
      const text = printRuleset(once);
      expect(printRuleset(load(text)), `seed ${seed}`).toBe(text);
    }
  });

  test('what was listed by this model is read as the same ruleset', () => {
    for (let seed = 0; seed < 100; seed++) {
      const listed = load(printTable(new RandomRuleset(seed).table()));
      // Listing forgets nothing but what can be told otherwise, so that the second reading is that of the first.
      const again = load(printRuleset(listed));
      expect(load(printRuleset(again)), `seed ${seed}`).toEqual(again);
    }
  });

  test('sets and maps in the order of creation, before the chains', () => {
    const text = 'table ip t {\n map m { type ipv4_addr : verdict; }\n chain c { }\n set s { type ipv4_addr; }\n}\n';
    expect(printRuleset(load(text))).toBe(
      [
        'table ip t {',
        '\tmap m {',
        '\t\ttype ipv4_addr : verdict',
        '\t}',
        '',
        '\tset s {',
        '\t\ttype ipv4_addr',
        '\t}',
        '',
        '\tchain c {',
        '\t}',
        '}',
        '',
      ].join('\n'),
    );
  });

  test('concatenations by their octets from the last to the first', () => {
    const set = 'set s { type ipv4_addr . inet_service; elements = { 10.0.0.9 . 80, 10.0.0.1 . 81, 10.0.0.2 . 79, 10.0.0.3 . 80 } }';
    expect(printRuleset(load(`table ip t {\n ${set}\n}\n`))).toContain(
      'elements = { 10.0.0.2 . 79,\n\t\t\t     10.0.0.3 . 80,\n\t\t\t     10.0.0.9 . 80,\n\t\t\t     10.0.0.1 . 81 }',
    );
  });

  test('what is left of a timeout', () => {
    const text = 'table ip t {\n set s { type ipv4_addr; timeout 3h; elements = { 1.2.3.4, 1.2.3.5 timeout 90s } }\n}\n';
    const parsed = parseTransactions(text);
    const ruleset = new NftRuleset();
    if (parsed.ok) ruleset.apply(parsed.value, 1e9);
    expect(printRuleset(ruleset.tables(2_004_000_000))).toContain(
      'elements = { 1.2.3.4 expires 2h59m58s996ms, 1.2.3.5 timeout 1m30s expires 1m28s996ms }',
    );
    expect(printRuleset(ruleset.tables(91_000_000_001))).toContain('elements = { 1.2.3.4 expires 2h58m29s999ms }');
  });

  test.each(kubeProxy)('$id is read, and every rule of it has a text', ({ ruleset }) => {
    const [table] = load(loadable(ruleset));
    const rules = table?.chains.flatMap((chain) => chain.rules) ?? [];
    expect(rules).toHaveLength(ruleset.filter((line) => line.startsWith('add rule')).length);
    const elements = [...(table?.sets ?? []), ...(table?.maps ?? [])].flatMap((set) => set.elements);
    expect(elements).toHaveLength(ruleset.filter((line) => line.startsWith('add element')).length);
  });
});
