import { describe, expect, it } from 'vitest';
import type { Rule, TableRules } from './model.ts';
import { hostOf, ip, newCost, packetOf } from './packet-fixtures.ts';
import { parseRule, parseTables } from './parse.ts';
import { saveTables } from './save.ts';
import { IptablesTables } from './table.ts';

function tableOf(text: string): TableRules {
  const parsed = parseTables(`${text}COMMIT\n`);
  if (!parsed.ok) expect.fail(parsed.error.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  return parsed.value[0] as TableRules;
}

function loaded(...texts: string[]): IptablesTables {
  const tables = new IptablesTables('ip');
  for (const text of texts) expect(tables.load(tableOf(text))).toEqual({ ok: true, value: undefined });
  return tables;
}

function rule(text: string): Rule {
  const parsed = parseRule(`-A X ${text}`);
  if (!parsed.ok) expect.fail(parsed.error);
  return parsed.value.rules[0] as Rule;
}

const saved = (tables: IptablesTables): string[] => saveTables(tables.allRules()).split('\n');
const ACCEPTED = { ok: true, value: undefined };

function send(tables: IptablesTables, chain: string, packet = packetOf()) {
  const base = tables.baseChains().find(({ name }) => name === chain);
  return base?.evaluate(packet, hostOf(), newCost(), undefined);
}

describe('base chains', () => {
  it('are those that were named, with the priorities of Linux', () => {
    const tables = loaded(
      '*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n',
      '*mangle\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n',
      '*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n',
      '*filter\n:INPUT ACCEPT\n',
      '*security\n:INPUT ACCEPT\n',
    );
    expect(tables.baseChains().map(({ table, name, type, priority }) => `${table} ${name} ${type} ${priority}`)).toEqual([
      'mangle FORWARD filter -150',
      'mangle OUTPUT route -150',
      'security INPUT filter 50',
      'raw PREROUTING filter -300',
      'raw OUTPUT filter -300',
      'filter INPUT filter 0',
      'nat PREROUTING nat -100',
      'nat INPUT nat 100',
      'nat OUTPUT nat -100',
      'nat POSTROUTING nat 100',
    ]);
  });

  it('stay the same objects while only rules change, and see the new rules', () => {
    const tables = loaded('*filter\n:INPUT ACCEPT\n:A -\n-A INPUT -j A\n');
    const before = tables.baseChains();
    expect(send(tables, 'INPUT')).toEqual({ kind: 'accept' });
    expect(tables.patch({ table: 'filter', chains: new Map([['A', [rule('-j DROP')]]]), deleted: [] })).toEqual(ACCEPTED);
    expect(tables.baseChains()).toBe(before);
    expect(send(tables, 'INPUT')).toMatchObject({ kind: 'drop', place: { chain: 'A', rule: 1 } });
    expect(tables.append('filter', 'FORWARD', rule('-j ACCEPT'))).toEqual(ACCEPTED);
    expect(tables.baseChains().map(({ name }) => name)).toEqual(['INPUT', 'FORWARD']);
  });
});

describe('a patch', () => {
  const base = '*nat\n:PREROUTING ACCEPT\n:SVC -\n:SEP -\n:OLD -\n-A PREROUTING -j SVC\n-A SVC -j SEP\n-A SVC -j OLD\n-A SEP -j RETURN\n';

  it('fills the chains it names, leaves others, then deletes', () => {
    const tables = loaded(base);
    const jump = tables.chain('nat', 'SVC')?.rules[0] as Rule;
    const patched = tables.patch({
      table: 'nat',
      chains: new Map([
        ['SVC', [jump, rule('-j NEW')]],
        ['NEW', [rule('-j ACCEPT')]],
        ['OLD', []],
      ]),
      deleted: ['OLD'],
    });
    expect(patched).toEqual(ACCEPTED);
    expect(saved(tables).filter((line) => line.startsWith(':') || line.startsWith('-A'))).toEqual([
      ':PREROUTING ACCEPT [0:0]',
      ':INPUT ACCEPT [0:0]',
      ':OUTPUT ACCEPT [0:0]',
      ':POSTROUTING ACCEPT [0:0]',
      ':NEW - [0:0]',
      ':SEP - [0:0]',
      ':SVC - [0:0]',
      '-A PREROUTING -j SVC',
      '-A NEW -j ACCEPT',
      '-A SEP -j RETURN',
      '-A SVC -j SEP',
      '-A SVC -j NEW',
    ]);
  });

  it('starts the counters of the chains it names from zero, and of no others', () => {
    const tables = loaded(base);
    for (let i = 0; i < 3; i++) send(tables, 'PREROUTING');
    expect(tables.patch({ table: 'nat', chains: new Map([['SVC', tables.chain('nat', 'SVC')?.rules ?? []]]), deleted: [] })).toEqual(
      ACCEPTED,
    );
    expect(tables.counters('nat', 'PREROUTING')).toMatchObject({ packets: 3, bytes: 180, rules: new Float64Array([3, 180]) });
    expect(tables.counters('nat', 'SVC')?.rules).toBeUndefined();
  });

  const refused: readonly (readonly [string, Map<string, readonly Rule[]>, string[], { chain: string; rule: number; message: string }])[] =
    [
      [
        'a jump to nowhere',
        new Map([['SVC', [rule('-j SEP'), rule('-j GONE')]]]),
        [],
        { chain: 'SVC', rule: 2, message: 'the chain GONE does not exist' },
      ],
      [
        'a loop',
        new Map([['SEP', [rule('-j SVC')]]]),
        [],
        { chain: expect.any(String), rule: expect.any(Number), message: expect.stringContaining('too many links') },
      ],
      [
        'deleting a chain in use',
        new Map([['OLD', []]]),
        ['OLD'],
        { chain: 'OLD', rule: 0, message: 'the chain to delete is still the target of 1 rules' },
      ],
      [
        'deleting a chain with rules',
        new Map([['SVC', []]]),
        ['SEP'],
        { chain: 'SEP', rule: 0, message: 'the chain to delete still has rules' },
      ],
      ['deleting what is not there', new Map(), ['GONE'], { chain: 'GONE', rule: 0, message: 'the chain to delete does not exist' }],
      [
        'SNAT where PREROUTING leads',
        new Map([['SEP', [rule('-j SNAT --to-source 1.2.3.4')]]]),
        [],
        { chain: 'SEP', rule: 1, message: 'SNAT cannot be reached from PREROUTING, only from INPUT and POSTROUTING' },
      ],
      [
        'a filter in nat',
        new Map([['SEP', [rule('-j DROP')]]]),
        [],
        { chain: 'SEP', rule: 1, message: expect.stringContaining('DROP is refused') },
      ],
      [
        'a name too long',
        new Map([['A'.repeat(29), []]]),
        [],
        { chain: 'A'.repeat(29), rule: 0, message: expect.stringContaining('28 characters') },
      ],
    ];

  it.each(refused)('is refused as a whole for %s', (_what, chains, deleted, problem) => {
    const tables = loaded(base);
    send(tables, 'PREROUTING');
    const before = [saved(tables), tables.counters('nat', 'SVC')];
    expect(tables.patch({ table: 'nat', chains: new Map([['EXTRA', [rule('-j SEP')]], ...chains]), deleted })).toEqual({
      ok: false,
      error: { table: 'nat', ...problem },
    });
    expect([saved(tables), tables.counters('nat', 'SVC')]).toEqual(before);
    // What it referred to is as free as before.
    expect(
      tables.patch({
        table: 'nat',
        chains: new Map([
          ['SVC', []],
          ['SEP', []],
          ['OLD', []],
        ]),
        deleted: ['SEP', 'OLD'],
      }),
    ).toEqual(ACCEPTED);
  });

  it('may turn the order of chains round', () => {
    const tables = loaded('*filter\n:INPUT ACCEPT\n:A -\n:B -\n-A INPUT -j A\n-A A -j B\n');
    const turned = new Map([
      ['INPUT', [rule('-j B')]],
      ['B', [rule('-j A')]],
      ['A', []],
    ]);
    expect(tables.patch({ table: 'filter', chains: turned, deleted: [] })).toEqual(ACCEPTED);
    expect(tables.patch({ table: 'filter', chains: new Map([['A', [rule('-j B')]]]), deleted: [] }).ok).toBe(false);
  });

  it('remembers no longer how a chain was reached before', () => {
    const tables = loaded('*nat\n:PREROUTING ACCEPT\n:POSTROUTING ACCEPT\n:A -\n-A PREROUTING -j A\n-A POSTROUTING -j A\n');
    const masquerade = new Map([['A', [rule('-j MASQUERADE')]]]);
    expect(tables.patch({ table: 'nat', chains: masquerade, deleted: [] }).ok).toBe(false);
    expect(tables.patch({ table: 'nat', chains: new Map([['PREROUTING', []]]), deleted: [] })).toEqual(ACCEPTED);
    expect(tables.patch({ table: 'nat', chains: masquerade, deleted: [] })).toEqual(ACCEPTED);
    expect(tables.append('nat', 'PREROUTING', rule('-j A'))).toMatchObject({ ok: false, error: { chain: 'A', rule: 1 } });
  });

  it('keeps a recent list while a rule names it, and forgets it after the last', () => {
    const tables = loaded(
      '*nat\n:PREROUTING ACCEPT\n:A -\n:B -\n-A PREROUTING -j A\n-A A -m recent --name R --set\n-A B -m recent --name R --rcheck\n',
    );
    send(tables, 'PREROUTING');
    expect(tables.recent.seen('R')).toEqual([{ address: ip('10.244.1.5'), lastSeenNs: 0 }]);
    const same = new Map([['A', [rule('-m recent --name R --set')]]]);
    expect(tables.patch({ table: 'nat', chains: same, deleted: [] })).toEqual(ACCEPTED);
    expect(tables.patch({ table: 'nat', chains: new Map([['B', []]]), deleted: [] })).toEqual(ACCEPTED);
    expect(tables.recent.seen('R')).toHaveLength(1);
    expect(tables.patch({ table: 'nat', chains: new Map([['A', []]]), deleted: [] })).toEqual(ACCEPTED);
    expect(tables.patch({ table: 'nat', chains: same, deleted: [] })).toEqual(ACCEPTED);
    expect(tables.recent.seen('R')).toEqual([]);
  });

  it('holds ipsets that its rules look into', () => {
    const tables = new IptablesTables('ip');
    const text = '*filter\n:INPUT ACCEPT\n-A INPUT -m set --match-set S src -j DROP\n';
    expect(tables.load(tableOf(text))).toMatchObject({ ok: false, error: { rule: 1, message: 'the set S does not exist' } });
    tables.sets.create('S', 'hash:ip');
    expect(tables.load(tableOf(text))).toEqual(ACCEPTED);
    expect(tables.load(tableOf(text))).toEqual(ACCEPTED);
    expect(tables.sets.destroy('S').ok).toBe(false);
    expect(tables.load(tableOf('*filter\n:INPUT ACCEPT\n'))).toEqual(ACCEPTED);
    expect(tables.sets.destroy('S').ok).toBe(true);
  });
});

describe('loading', () => {
  it('replaces a table, and none of it when something is wrong', () => {
    const tables = loaded('*filter\n:INPUT DROP\n:A -\n-A INPUT -j A\n');
    const before = saved(tables);
    const wrong: TableRules = { table: 'filter', chains: [{ name: 'INPUT', policy: 'ACCEPT', rules: [rule('-j A')] }] };
    expect(tables.load(wrong)).toMatchObject({ ok: false, error: { table: 'filter', chain: 'INPUT', rule: 1 } });
    expect(saved(tables)).toEqual(before);
    expect(tables.load({ table: 'filter', chains: [] })).toEqual(ACCEPTED);
    expect(saved(tables)).toContain(':INPUT ACCEPT [0:0]');
    expect(tables.baseChains()).toEqual([]);
  });

  it('takes over counters only when they are given', () => {
    const parsed = parseTables('*filter\n:INPUT DROP [1:2]\n[3:4] -A INPUT -s 1.2.3.4\n-A INPUT -j DROP\nCOMMIT\n');
    if (!parsed.ok) expect.fail();
    const [table] = parsed.value;
    const tables = new IptablesTables('ip');
    if (table) expect(tables.load(table)).toEqual(ACCEPTED);
    expect(tables.counters('filter', 'INPUT')).toEqual({ packets: 0, bytes: 0, rules: undefined });
    if (table) expect(tables.load(table, table.counters)).toEqual(ACCEPTED);
    expect(tables.counters('filter', 'INPUT')).toEqual({ packets: 1, bytes: 2, rules: new Float64Array([3, 4, 0, 0]) });
  });
});

describe('single rules', () => {
  it('are appended, inserted and deleted, and the others keep their counters and states', () => {
    const tables = loaded(
      '*filter\n:INPUT ACCEPT\n-A INPUT -m statistic --mode nth --every 2 --packet 0 -j ACCEPT\n-A INPUT -s 10.244.1.5\n',
    );
    send(tables, 'INPUT');
    expect(tables.insert('filter', 'INPUT', 1, rule('-s 9.9.9.9 -j DROP'))).toEqual(ACCEPTED);
    send(tables, 'INPUT');
    send(tables, 'INPUT');
    expect(Array.from(tables.counters('filter', 'INPUT')?.rules ?? [])).toEqual([0, 0, 2, 120, 1, 60]);
    expect(tables.deleteRule('filter', 'INPUT', 1)).toEqual(ACCEPTED);
    expect(Array.from(tables.counters('filter', 'INPUT')?.rules ?? [])).toEqual([2, 120, 1, 60]);
    expect(tables.append('filter', 'INPUT', rule('-j DROP'))).toEqual(ACCEPTED);
    expect(send(tables, 'INPUT')).toMatchObject({ kind: 'drop', place: { rule: 3 } });
    expect(send(tables, 'INPUT')).toEqual({ kind: 'accept' });
    tables.zeroCounters('filter');
    expect(tables.counters('filter', 'INPUT')).toEqual({ packets: 0, bytes: 0, rules: undefined });
  });

  it('are refused where there is no such place, chain or target', () => {
    const tables = loaded('*filter\n:INPUT ACCEPT\n');
    expect(tables.deleteRule('filter', 'INPUT', 1)).toMatchObject({ ok: false, error: { chain: 'INPUT' } });
    expect(tables.insert('filter', 'INPUT', 3, rule('-j DROP')).ok).toBe(false);
    expect(tables.append('filter', 'A', rule('-j DROP')).ok).toBe(false);
    expect(tables.append('filter', 'OUTPUT', rule('-j A'))).toMatchObject({ ok: false, error: { chain: 'OUTPUT', rule: 1 } });
    expect(tables.baseChains().map(({ name }) => name)).toEqual(['INPUT']);
  });

  it('create the table and the chain they are the first of; so does a policy', () => {
    const tables = new IptablesTables('ip');
    expect(tables.append('nat', 'POSTROUTING', rule('-j MASQUERADE'))).toEqual(ACCEPTED);
    expect(tables.setPolicy('filter', 'FORWARD', 'DROP')).toEqual(ACCEPTED);
    expect(tables.setPolicy('nat', 'FORWARD', 'DROP').ok).toBe(false);
    expect(tables.allRules().map(({ table }) => table)).toEqual(['filter', 'nat']);
    expect(send(tables, 'FORWARD')).toMatchObject({ kind: 'drop', place: { table: 'filter', chain: 'FORWARD', rule: 0 } });
    expect(tables.counters('filter', 'FORWARD')).toMatchObject({ packets: 1, bytes: 60 });
  });
});
