import { describe, expect, test } from 'vitest';
import commands from './fixtures/commands.json' with { type: 'json' };
import type { Command, Transaction } from './model.ts';
import { parseTransactions } from './parse.ts';
import { printRuleset } from './print.ts';
import { NftRuleset } from './ruleset.ts';

function apply(ruleset: NftRuleset, text: string, nowNs = 0): string {
  const parsed = parseTransactions(text, ruleset.tables(nowNs));
  if (!parsed.ok) return parsed.error.map(({ message }) => message).join('\n');
  const applied = ruleset.apply(parsed.value, nowNs);
  return applied.ok ? 'ok' : applied.error.message;
}

function loaded(): NftRuleset {
  const ruleset = new NftRuleset();
  expect(apply(ruleset, commands.before.join('\n'))).toBe('ok');
  return ruleset;
}

describe('what the kernel takes and refuses', () => {
  test.each(commands.cases)('$commands', ({ commands: text, error }) => {
    const ruleset = loaded();
    const before = printRuleset(ruleset.tables(0));
    const result = apply(ruleset, text);
    expect(result === 'ok').toBe(error === null);
    // All or nothing: a refused transaction leaves everything as it was, and nothing in the way of the next.
    if (error !== null) expect(printRuleset(ruleset.tables(0))).toBe(before);
    expect(apply(ruleset, 'flush ruleset')).toBe('ok');
    expect(ruleset.tables(0)).toEqual([]);
    expect(apply(ruleset, commands.before.join('\n'))).toBe('ok');
    expect(printRuleset(ruleset.tables(0))).toBe(before);
  });
});

describe('errors name the command', () => {
  test.each([
    ['add rule ip t b jump nope', 'add rule ip t b: the chain "nope" does not exist'],
    ['add chain ip t new; delete chain ip t x', 'delete chain ip t x: Device or resource busy'],
    ['add element ip t mm { 1.1.1.1 : 6 }', 'add element ip t mm { 1.1.1.1 }: File exists'],
    ['delete element ip t s { 9.9.9.9 }', 'delete element ip t s { 9.9.9.9 }: No such file or directory'],
    ['add rule ip t x jump x', 'add rule ip t x: Too many links'],
    ['delete table ip nope', 'delete table ip nope: No such file or directory'],
    ['add chain ip nope c', 'add chain ip nope c: the table ip nope does not exist'],
    ['add rule ip t b ip saddr @nope', 'add rule ip t b: the set "nope" does not exist'],
  ])('%s', (text, message) => {
    expect(apply(loaded(), text)).toBe(message);
  });

  test('and its place in the transaction', () => {
    const list: readonly Command[] = [
      { type: 'addChain', chain: 'a' },
      { type: 'deleteChain', chain: 'b' },
    ];
    const result = loaded().apply(
      [
        { family: 'ip', table: 't', commands: [] },
        { family: 'ip', table: 't', commands: list },
      ],
      0,
    );
    // The chain b is a base chain with rules that nobody jumps to, so it goes.
    expect(result.ok).toBe(true);
    const again = loaded().apply([{ family: 'ip', table: 't', commands: [...list, { type: 'deleteChain', chain: 'b' }] }], 0);
    expect(again).toEqual({
      ok: false,
      error: { transaction: 0, command: 2, message: 'delete chain ip t b: the chain "b" does not exist' },
    });
  });
});

test('a refused transaction takes back everything before it, also what was deleted', () => {
  const ruleset = loaded();
  const before = printRuleset(ruleset.tables(0));
  const text =
    'flush chain ip t b; delete map ip t m; delete chain ip t x; add chain ip t fresh; add element ip t s { 5.5.5.5 }; ' +
    'delete element ip t iv { 10.0.0.0/8 }; add table inet other; add rule ip t w jump z; delete chain ip t nope';
  expect(apply(ruleset, text)).toBe('delete chain ip t nope: the chain "nope" does not exist');
  expect(printRuleset(ruleset.tables(0))).toBe(before);
  expect(apply(ruleset, 'delete chain ip t x')).toContain('busy');
});

test('a loop that was undone is not in the way', () => {
  const ruleset = loaded();
  expect(apply(ruleset, 'add rule ip t x jump w; add rule ip t w jump x')).toContain('Too many links');
  expect(apply(ruleset, 'add rule ip t x jump w')).toBe('ok');
  expect(apply(ruleset, 'flush chain ip t x; add rule ip t w jump x')).toBe('ok');
});

test('a chain may stand elsewhere when nobody jumps there any more', () => {
  const ruleset = loaded();
  expect(apply(ruleset, 'add rule ip t b jump y')).toBe('ok');
  expect(apply(ruleset, 'add rule ip t y masquerade')).toContain('Operation not supported');
  expect(apply(ruleset, 'flush chain ip t b; flush chain ip t y; add rule ip t y masquerade; add rule ip t n jump y')).toBe('ok');
});

test('elements go when their time is over, and begin anew when added again', () => {
  const ruleset = loaded();
  expect(apply(ruleset, 'add set ip t short { type ipv4_addr; timeout 10s; size 1; }; add element ip t short { 1.1.1.1 }', 0)).toBe('ok');
  const elements = (nowNs: number): number | undefined =>
    ruleset.table('ip', 't', nowNs)?.sets.find(({ name }) => name === 'short')?.elements.length;
  expect([elements(0), elements(9_999_999_999), elements(10_000_000_000)]).toEqual([1, 1, 0]);
  expect(apply(ruleset, 'add element ip t short { 1.1.1.1 }', 5e9)).toBe('ok');
  expect([elements(10e9), elements(15e9)]).toEqual([1, 0]);
  expect(apply(ruleset, 'add element ip t short { 2.2.2.2 }', 14e9)).toContain('Too many open files in system');
  expect(apply(ruleset, 'add element ip t short { 2.2.2.2 }', 15e9)).toBe('ok');
});

test('an element that has expired holds no chain', () => {
  const ruleset = loaded();
  const map = 'add map ip t brief { type ipv4_addr : verdict; timeout 10s; size 1; }; add chain ip t once';
  expect(apply(ruleset, `${map}; add element ip t brief { 1.1.1.1 : goto once }`, 0)).toBe('ok');
  expect(apply(ruleset, 'delete chain ip t once', 9e9)).toContain('busy');
  expect(apply(ruleset, 'delete chain ip t once', 10e9)).toBe('ok');
});

test('base chains are the same objects until something changes', () => {
  const ruleset = loaded();
  const before = ruleset.baseChains();
  expect(before.map(({ name, hook, type, priority }) => `${name} ${hook} ${type} ${priority}`)).toEqual([
    'b INPUT filter 0',
    'n POSTROUTING nat 100',
    'np PREROUTING nat -100',
  ]);
  expect(ruleset.baseChains()).toBe(before);
  apply(ruleset, 'add chain ip t late { type filter hook output priority mangle; }');
  expect(ruleset.baseChains().map(({ name }) => name)).toEqual(['b', 'n', 'np', 'late']);
});

test('whole tables are loaded as they are listed', () => {
  const tables = loaded().tables(0);
  const copy = new NftRuleset();
  expect(copy.load(tables, 0).ok).toBe(true);
  expect(copy.tables(0)).toEqual(tables);
  const wrong: Transaction = { family: 'bridge', table: 'x', commands: [{ type: 'addTable', family: 'bridge', table: 'x' }] };
  expect(copy.apply([wrong], 0)).toMatchObject({ ok: false, error: { message: 'add table bridge x: the family bridge is not modelled' } });
});
