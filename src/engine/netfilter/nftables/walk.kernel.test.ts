import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { RandomStream } from '../../../base/prng.ts';
import { formatIpv4, type Ipv4 } from '../../../protocol/address.ts';
import { conntrackOf, hostOf, packetOf } from '../iptables/packet-fixtures.ts';
import type { Expression, Rule, Statement, Table } from './model.ts';
import { parseTransactions } from './parse.ts';
import { printRuleset } from './print.ts';
import { RandomRuleset } from './random-ruleset.ts';
import { NftRuleset } from './ruleset.ts';

/*
 * Real UDP datagrams on the loopback device of an empty network namespace, walked through random
 * rules by Linux and by this model: afterwards the counters of all rules are the same. Every rule
 * begins with a counter, so what is compared is which rules were evaluated, and how often. Needs root
 * and nft.
 */

const folder = mkdtempSync(join(tmpdir(), 'nft-walk-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Datagram {
  readonly src: Ipv4;
  readonly dst: Ipv4;
  readonly srcPort: number;
  readonly dstPort: number;
  readonly ttl: number;
}

function datagrams(seed: number): readonly Datagram[] {
  const random = new RandomStream(seed, 'datagrams');
  const one = <T>(of: readonly T[]): T => of[random.below(of.length)] as T;
  const address = (): Ipv4 => (0x0a000001 + one([0, 1, 2, 3, 0x10000, 0xff, 9])) as Ipv4;
  const port = (): number => one([53, 80, 81, 443, 8080, 9]);
  const drawn = Array.from({ length: 60 }, () => ({
    src: address(),
    dst: address(),
    srcPort: port(),
    dstPort: port(),
    ttl: one([63, 64]),
  }));
  // A datagram that would be the reply to an earlier one belongs to an established connection: here all are to be new.
  const ends = (from: Ipv4, fromPort: number, to: Ipv4, toPort: number): string => `${from}:${fromPort} ${to}:${toPort}`;
  const sent = new Set<string>();
  return drawn.filter(({ src, srcPort, dst, dstPort }) => {
    sent.add(ends(src, srcPort, dst, dstPort));
    return !sent.has(ends(dst, dstPort, src, srcPort));
  });
}

const COUNTER: Statement = { type: 'counter', packets: 0, bytes: 0 };

/** Chance is taken out of the rules, and a counter put before each. */
function counted(rule: Rule): Rule {
  const inTurn = (expression: Expression): Expression =>
    expression.type === 'numgen'
      ? { ...expression, mode: 'inc' }
      : expression.type === 'map'
        ? { ...expression, key: inTurn(expression.key) }
        : expression;
  const statements = rule.statements.map((statement): Statement => {
    if (statement.type === 'match') return { ...statement, left: inTurn(statement.left) };
    return statement.type === 'vmap' ? { ...statement, key: inTurn(statement.key) } : statement;
  });
  return { ...rule, statements: [COUNTER, ...statements] };
}

/** Errors that the datagrams cause never come to the rules that are tested. */
const QUIET = 'table ip quiet {\n chain early {\n  type filter hook prerouting priority raw;\n  meta l4proto icmp drop\n }\n}\n';

function tableOf(seed: number): Table {
  const table = new RandomRuleset(seed).table();
  const chains = table.chains.filter(({ base }) => base === undefined || (base.type === 'filter' && base.hook === 'PREROUTING'));
  return {
    ...table,
    chains: chains.map((chain) => ({
      ...chain,
      base: chain.base && { ...chain.base, priority: -150 },
      rules: chain.rules.map(counted),
    })),
  };
}

const SENDER = `
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
const i = process.argv[2];
const run = JSON.parse(readFileSync('runs.json', 'utf8'))[i];
execFileSync('ip', ['link', 'set', 'lo', 'up']);
execFileSync('ip', ['address', 'add', '10.0.0.1/8', 'dev', 'lo']);
execFileSync('nft', ['-f', '-'], { input: run.rules });
for (const { src, srcPort, dst, dstPort, ttl } of run.datagrams) {
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  await new Promise((resolve) => socket.bind(srcPort, src, resolve));
  socket.setTTL(ttl);
  await new Promise((resolve) => socket.send('twelve bytes', dstPort, dst, resolve));
  await new Promise((resolve) => socket.close(resolve));
}
writeFileSync(i + '.out', execFileSync('nft', ['list', 'table', run.family, 'drawn']));
`;

test('Linux evaluates the same rules as often', { timeout: 120_000 }, () => {
  const seeds = Array.from({ length: 60 }, (_, i) => 1000 + i);
  const runs = seeds.map((seed) => {
    const table = tableOf(seed);
    const sent = datagrams(seed).map((datagram) => ({ ...datagram, src: formatIpv4(datagram.src), dst: formatIpv4(datagram.dst) }));
    return { family: table.family, rules: QUIET + printRuleset([table]), datagrams: sent };
  });
  writeFileSync(join(folder, 'runs.json'), JSON.stringify(runs));
  writeFileSync(join(folder, 'sender.mjs'), SENDER);
  // A namespace for each run, since connections are remembered.
  const each = `cd ${folder}; for i in $(seq 0 ${runs.length - 1}); do unshare -n ${process.execPath} sender.mjs $i; done`;
  execFileSync('bash', ['-c', each], { stdio: ['ignore', 'pipe', 'inherit'] });

  let evaluated = 0;
  for (const [i, seed] of seeds.entries()) {
    const ruleset = new NftRuleset();
    const parsed = parseTransactions(printRuleset([tableOf(seed)]));
    expect(parsed.ok && ruleset.apply(parsed.value, 0).ok).toBe(true);
    const host = hostOf({ addressType: () => 'LOCAL' });
    const cost = { rules: 0, lookups: 0 };
    const tracked = conntrackOf({ state: 'NEW', confirmed: true });
    for (const datagram of datagrams(seed)) {
      const packet = packetOf({ ...datagram, protocol: 17, tcpFlags: undefined, inDevice: 'lo', length: 40, conntrack: { ...tracked } });
      for (const chain of ruleset.baseChains()) chain.evaluate(packet, host, cost, undefined);
    }
    const counters = (text: string): string[] => text.split('\n').filter((line) => line.includes('counter'));
    expect(counters(printRuleset(ruleset.tables(0))), `seed ${seed}`).toEqual(counters(readFileSync(join(folder, `${i}.out`), 'utf8')));
    evaluated += cost.rules;
  }
  expect(evaluated).toBeGreaterThan(5000);
});
