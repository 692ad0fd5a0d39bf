import { describe, expect, test } from 'vitest';
import type { Table } from './model.ts';
import { parseTransactions } from './parse.ts';
import { NftRuleset } from './ruleset.ts';

const refusal = (text: string, known: readonly Table[] = []): string => {
  const parsed = parseTransactions(text, known);
  return parsed.ok ? 'read' : parsed.error.map(({ line, message }) => `line ${line}: ${message}`).join('\n');
};

const inChain = (rule: string): string => `add table ip t\nadd chain ip t c\n\nadd rule ip t c ${rule}\n`;

describe('what is not understood is refused by name and line', () => {
  test.each([
    ['queue', 'line 4: the statement "queue" is not modelled'],
    ['ip saddr 1.1.1.1 dup to 2.2.2.2', 'line 4: the statement "dup" is not modelled'],
    ['ip version 4', 'line 4: the field "ip version" is not modelled'],
    ['ip saddr 1.1.1.300', 'line 4: "1.1.1.300" is no value of type ipv4_addr'],
    ['tcp dport 70000', 'line 4: "70000" is no value of type inet_service'],
    ['ip saddr 10.0.0.9-10.0.0.1', 'read'],
    ['limit rate 10/week', 'line 4: the rate "10/week" is not modelled'],
    ['counter name "x"', 'line 4: named counters are not modelled'],
    ['log group 5', 'line 4: the log option "group" is not modelled'],
    ['reject with icmp nonsense', 'line 4: the reject "icmp nonsense" is not known'],
    ['dnat to nowhere', 'line 4: "nowhere" is no target of dnat'],
    ['dnat', 'line 4: expected "to", found the end of the command'],
    ['jump', 'line 4: expected a chain, found the end of the command'],
    ['accept # a comment', 'read'],
    ['mark or 1 and 2 == 3', 'line 4: "and" after a weaker operator needs parentheses'],
    ['ip saddr { 1.1.1.1', 'line 5: expected "," or "}", found the end of the command'],
    ['comment "a', 'line 4: a string does not end'],
    ['accept ~', 'line 4: the statement "~" is not modelled'],
  ])('%s', (rule, message) => {
    expect(refusal(inChain(rule))).toBe(message);
  });

  test.each([
    ['list ruleset', 'line 1: the command "list" is not modelled'],
    ['define x = 5', 'line 1: the command "define" is not modelled'],
    ['add table bridge t', 'line 1: the family "bridge" is not modelled'],
    ['add flowtable ip t f { }', 'line 1: "add flowtable" is not modelled'],
    ['delete rule ip t c handle 5', 'line 1: "delete rule" is not modelled'],
    ['add rule ip t c position 5 accept', 'line 1: "position" of a rule is not modelled'],
    ['add element ip t s { 1.1.1.1 }', 'line 1: the set "s" is not declared'],
    ['add set ip t s { typeof ip saddr; }', 'line 1: "typeof" in a set is not modelled'],
    ['add set ip t s { type ether_addr; }', 'line 1: the type "ether_addr" is not modelled'],
    ['add set ip t s { flags interval; }', 'line 1: set definition does not specify key'],
    ['add chain ip t c { type filter hook ingress priority 0; }', 'line 1: the hook "ingress" is not modelled'],
    ['add chain ip t c { type filter hook input priority dstnat; }', 'line 1: the priority "dstnat" is not known at input'],
    ['table ip t {\n flags dormant\n}', 'line 2: "flags" in a table is not modelled'],
    ['table ip t {\n chain c {\n  accept\n', 'line 4: expected "}", found the end of the command'],
    ['add chain ip t c d', 'line 1: "d" is not expected here'],
  ])('%s', (text, message) => {
    expect(refusal(text)).toBe(message);
  });
});

test('commands for one table in a row are one transaction, of several tables several', () => {
  const parsed = parseTransactions('add table ip a; add chain ip a c\nadd table b { comment "x" ; }\nflush ruleset');
  expect(parsed.ok && parsed.value.map(({ family, table, commands }) => `${family} ${table} ${commands.map(({ type }) => type)}`)).toEqual([
    'ip a addTable,addChain',
    'ip b addTable',
    'ip  flushRuleset',
  ]);
});

test('elements of a set that is there already are read by its types', () => {
  const ruleset = new NftRuleset();
  const first = parseTransactions('table ip t {\n map m { type ipv4_addr . inet_service : verdict; }\n}\n');
  expect(first.ok && ruleset.apply(first.value, 0).ok).toBe(true);
  const second = parseTransactions('add element ip t m { 1.1.1.1 . http comment "x" : drop, 1.1.1.2 . 81: accept }', ruleset.tables(0));
  expect(second.ok && ruleset.apply(second.value, 0).ok).toBe(true);
  expect(ruleset.tables(0)[0]?.maps[0]?.elements).toHaveLength(2);
});

test('a script may go over lines, and names may hold slashes and dots', () => {
  const text =
    'add table ip t\nadd chain ip t service-ULMVA6XW-ns1/svc1/tcp/p80\nadd rule ip t \\\n service-ULMVA6XW-ns1/svc1/tcp/p80 \\\n drop\n';
  const parsed = parseTransactions(text);
  expect(parsed.ok && parsed.value[0]?.commands[2]).toEqual({
    type: 'addRule',
    chain: 'service-ULMVA6XW-ns1/svc1/tcp/p80',
    rule: { statements: [{ type: 'verdict', verdict: { type: 'drop' } }] },
  });
});
