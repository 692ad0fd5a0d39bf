import { execFileSync } from 'node:child_process';
import { describe, expect, it, vi } from 'vitest';
import type { IptablesFamily, TableName, TableRules } from './model.ts';
import { parseTables } from './parse.ts';
import { RANDOM_SETS, RandomRules } from './random-rules.ts';
import recorded from './recorded-rules.json' with { type: 'json' };
import { saveTables } from './save.ts';
import { IptablesTables } from './table.ts';

/*
 * Loads rules into the kernel of this machine, each ruleset into an empty network namespace's tables, and compares
 * what iptables-save prints with what this project prints of the same text. Needs root, iptables and ipset.
 */

vi.setConfig({ testTimeout: 60_000 });

const MARK = '=== next ===';
const SETS = ['S1 hash:ip', 'S2 hash:ip,port', 'S3 hash:ip,port,ip', ...RANDOM_SETS.map((name) => `${name} hash:ip`)];

/** What iptables-save prints after each of the texts was loaded; undefined where iptables-restore refused. One process for all. */
function printedByKernel(family: IptablesFamily, texts: readonly string[]): (string | undefined)[] {
  const tool = family === 'ip' ? 'iptables' : 'ip6tables';
  const script = [
    ...SETS.map((set) => `ipset create ${set} family ${family === 'ip' ? 'inet' : 'inet6'}`),
    ...texts.flatMap((text) => [
      'nft flush ruleset',
      `if ${tool}-restore 2>/dev/null <<'END OF RULES'\n${text}END OF RULES\nthen ${tool}-save | grep -v '^#'; else echo refused; fi`,
      `echo '${MARK}'`,
    ]),
  ];
  const output = execFileSync('unshare', ['-n', 'sh'], { input: `${script.join('\n')}\n`, encoding: 'utf8', maxBuffer: 2 ** 28 });
  const parts = output.split(`${MARK}\n`);
  expect(parts.pop()).toBe('');
  return parts.map((part) => (part === 'refused\n' ? undefined : part));
}

function printedHere(family: IptablesFamily, text: string): string {
  const parsed = parseTables(text, family);
  if (!parsed.ok) return parsed.error.map(({ line, message }) => `line ${line}: ${message}`).join('\n');
  const tables = new IptablesTables(family);
  for (const set of SETS) {
    const [name = '', type = ''] = set.split(' ');
    tables.sets.create(name, type as 'hash:ip');
  }
  for (const table of parsed.value) {
    const loaded = tables.load(table);
    if (!loaded.ok) return `${loaded.error.chain} ${loaded.error.rule}: ${loaded.error.message}`;
  }
  return saveTables(tables.allRules(), { family });
}

function compare(family: IptablesFamily, texts: readonly string[]): void {
  const printed = printedByKernel(family, texts);
  expect(printed).toHaveLength(texts.length);
  for (const [i, text] of texts.entries()) expect(printedHere(family, text).split('\n')).toEqual(printed[i]?.split('\n'));
}

const FAMILIES = ['ip', 'ip6'] as const;
const TABLES: readonly TableName[] = ['filter', 'nat', 'mangle', 'raw', 'security'];

describe('iptables-save of this kernel', () => {
  it.each(FAMILIES)('prints what was recorded of each match and target, and what is printed here, %s', (family) => {
    const texts = TABLES.map((table) => {
      const rules = recorded.accepted.filter((rule) => rule.family === family && rule.table === table);
      return `*${table}\n:X - [0:0]\n:Y - [0:0]\n${rules.map(({ line }) => `${line}\n`).join('')}COMMIT\n`;
    });
    compare(family, texts);
    const recordedLines = TABLES.map((table) =>
      recorded.accepted.filter((rule) => rule.family === family && rule.table === table).flatMap(({ printed }) => printed),
    );
    expect(printedByKernel(family, texts).map((text) => text?.split('\n').filter((line) => line.startsWith('-A')))).toEqual(recordedLines);
  });

  it.each(FAMILIES)('prints random rulesets as they are printed here, %s', (family) => {
    const texts = Array.from({ length: 80 }, (_, seed) => {
      const random = new RandomRules(seed, family);
      const tables: TableRules[] = TABLES.filter((_table, i) => i === seed % 5 || i === (seed + 2) % 5).map((name) =>
        random.table(name, 5, 14),
      );
      return saveTables(tables, { family });
    });
    compare(family, texts);
  });

  it('takes the rules of a node with Services', () => compare('ip', [SERVICES]));
});

describe('iptables-restore of this kernel', () => {
  it.each(FAMILIES)('refuses the rules that are refused here, %s', (family) => {
    const rules = recorded.refused.filter((rule) => rule.family === family);
    const texts = rules.map(({ table, line }) => `*${table}\n:X - [0:0]\n:Y - [0:0]\n${line}\nCOMMIT\n`);
    expect(printedByKernel(family, texts).map((text, i) => [rules[i]?.line, text])).toEqual(rules.map(({ line }) => [line, undefined]));
  });

  const tree = (depth: number): string => {
    const chains = Array.from({ length: depth }, (_, i) => `C${i}`);
    const rules = chains.map((name, i) => `-A ${i === 0 ? 'INPUT' : `C${i - 1}`} -j ${name}\n`);
    return `*filter\n${chains.map((name) => `:${name} - [0:0]\n`).join('')}${rules.join('')}COMMIT\n`;
  };
  const cases: readonly (readonly [what: string, text: string, taken: boolean])[] = [
    ['15 jumps deep', tree(15), true],
    ['16 jumps deep', tree(16), false],
    ['a loop', '*filter\n:A - [0:0]\n:B - [0:0]\n-A INPUT -j A\n-A A -j B\n-A B -g A\nCOMMIT\n', false],
    ['a loop that nothing leads to', '*filter\n:A - [0:0]\n:B - [0:0]\n-A A -j B\n-A B -j A\nCOMMIT\n', true],
    ['a jump to a built-in chain', '*filter\n:A - [0:0]\n-A A -j INPUT\nCOMMIT\n', false],
    ['MASQUERADE that PREROUTING leads to', '*nat\n:A - [0:0]\n-A PREROUTING -j A\n-A A -j MASQUERADE\nCOMMIT\n', false],
    ['MASQUERADE that nothing leads to', '*nat\n:A - [0:0]\n-A A -j MASQUERADE\nCOMMIT\n', true],
    ['DNAT in POSTROUTING', '*nat\n-A POSTROUTING -j DNAT --to-destination 1.2.3.4\nCOMMIT\n', false],
    ['SNAT in INPUT', '*nat\n-A INPUT -j SNAT --to-source 1.2.3.4\nCOMMIT\n', true],
    ['DROP in nat', '*nat\n-A PREROUTING -j DROP\nCOMMIT\n', false],
    ['-i in POSTROUTING', '*nat\n-A POSTROUTING -i eth0 -j ACCEPT\nCOMMIT\n', false],
    ['-o in INPUT', '*filter\n-A INPUT -o eth0 -j ACCEPT\nCOMMIT\n', false],
    ['--limit-iface-in in POSTROUTING', '*nat\n-A POSTROUTING -m addrtype --dst-type LOCAL --limit-iface-in -j ACCEPT\nCOMMIT\n', false],
    ['a name of 28 characters', `*filter\n:${'A'.repeat(28)} - [0:0]\nCOMMIT\n`, true],
    ['a name of 29 characters', `*filter\n:${'A'.repeat(29)} - [0:0]\nCOMMIT\n`, false],
    ['a chain that is not declared', '*filter\n-A A -j ACCEPT\nCOMMIT\n', false],
    ['a table without COMMIT', '*filter\n-A INPUT -j ACCEPT\n', false],
  ];

  it.each(cases)('agrees about %s', (_what, text, taken) => {
    const kernel = printedByKernel('ip', [text])[0];
    expect(kernel !== undefined).toBe(taken);
    const here = printedHere('ip', text);
    expect(here.startsWith('*')).toBe(taken);
    if (taken) expect(here).toBe(kernel);
  });
});

/** Rules in the manner of a node's: portals, affinity, node ports, load balancer sources, masquerading. */
const SERVICES = `*filter
:INPUT ACCEPT [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-A INPUT -j KUBE-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-FIREWALL -m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A KUBE-SERVICES -m comment --comment "ns2/web:http has no endpoints" -m tcp -p tcp -d 10.96.7.7 --dport 80 -j REJECT
-A KUBE-NODEPORTS -m comment --comment "ns1/lb:http health check node port" -m tcp -p tcp --dport 32000 -j ACCEPT
-A KUBE-PROXY-FIREWALL -m comment --comment "ns1/lb:http traffic not accepted by KUBE-FW-AAAAAAAAAAAAAAAA" -m tcp -p tcp -d 1.2.3.4 --dport 80 -j DROP
COMMIT
*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-EXT-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-SEP-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-SEP-BBBBBBBBBBBBBBBB - [0:0]
:KUBE-SEP-CCCCCCCCCCCCCCCC - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark 0x00004000/0x00004000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x00004000
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x00004000
-A KUBE-SERVICES -m comment --comment "ns1/web:http cluster IP" -m tcp -p tcp -d 10.96.0.10/32 --dport 80 -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-SERVICES -m comment --comment "ns1/web:http loadbalancer IP" -m tcp -p tcp -d 1.2.3.4 --dport 80 -j KUBE-EXT-AAAAAAAAAAAAAAAA
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-NODEPORTS -m comment --comment ns1/web:http -m tcp -p tcp -d 127.0.0.0/8 --dport 30080 -j KUBE-EXT-AAAAAAAAAAAAAAAA
-A KUBE-NODEPORTS -m comment --comment ns1/web:http -m tcp -p tcp --dport 30080 -j KUBE-EXT-AAAAAAAAAAAAAAAA
-A KUBE-EXT-AAAAAAAAAAAAAAAA -m comment --comment "pod traffic for ns1/web:http external destinations" -s 10.244.0.0/16 -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-EXT-AAAAAAAAAAAAAAAA -m comment --comment "masquerade LOCAL traffic for ns1/web:http external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ
-A KUBE-EXT-AAAAAAAAAAAAAAAA -m comment --comment "route LOCAL traffic for ns1/web:http external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment "ns1/web:http cluster IP" -m tcp -p tcp -d 10.96.0.10 --dport 80 ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ
-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment "ns1/web:http -> 10.244.1.2:8080" -m recent --name KUBE-SEP-AAAAAAAAAAAAAAAA --rcheck --seconds 10800 --reap -j KUBE-SEP-AAAAAAAAAAAAAAAA
-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment "ns1/web:http -> 10.244.1.2:8080" -m statistic --mode random --probability 0.3333333333 -j KUBE-SEP-AAAAAAAAAAAAAAAA
-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment "ns1/web:http -> 10.244.1.3:8080" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-BBBBBBBBBBBBBBBB
-A KUBE-SVC-AAAAAAAAAAAAAAAA -m comment --comment "ns1/web:http -> 10.244.2.4:8080" -j KUBE-SEP-CCCCCCCCCCCCCCCC
-A KUBE-SEP-AAAAAAAAAAAAAAAA -m comment --comment ns1/web:http -s 10.244.1.2 -j KUBE-MARK-MASQ
-A KUBE-SEP-AAAAAAAAAAAAAAAA -m comment --comment ns1/web:http -m recent --name KUBE-SEP-AAAAAAAAAAAAAAAA --set -m tcp -p tcp -j DNAT --to-destination 10.244.1.2:8080
-A KUBE-SEP-BBBBBBBBBBBBBBBB -m comment --comment ns1/web:http -m tcp -p tcp -j DNAT --to-destination 10.244.1.3:8080
-A KUBE-SEP-CCCCCCCCCCCCCCCC -m comment --comment ns1/web:http -m tcp -p tcp -j DNAT --to-destination 10.244.2.4:8080
COMMIT
`;
