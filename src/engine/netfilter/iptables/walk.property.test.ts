import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RandomStream } from '../../../base/prng.ts';
import type { ChainVerdict, MatchedRule, RuleHost, RulePacket, WalkCost } from '../evaluation.ts';
import { IpSets } from '../ipset.ts';
import { ChainState } from './chain-state.ts';
import type { IptablesFamily, Rule, TableName, TableRules } from './model.ts';
import { TABLE_CHAINS } from './model.ts';
import { hostOf, newCost, randomPacket } from './packet-fixtures.ts';
import { RANDOM_SETS, RandomRules } from './random-rules.ts';
import { RecentLists } from './recent.ts';
import { RuleMatcher } from './rule-matcher.ts';
import { IptablesTables } from './table.ts';

/** What a walk showed, without the rules' texts. */
type Seen = Omit<MatchedRule, 'text' | 'action'>;

/**
 * One rule after the other, as Linux does. Whether a single rule matches is left to the matcher, which other tests
 * and the kernel's own answers hold.
 */
class PlainWalk {
  readonly chains = new Map<string, ChainState>();
  readonly seen: Seen[] = [];
  private readonly matcher: RuleMatcher;
  private readonly table: TableRules;
  private readonly family: IptablesFamily;

  constructor(family: IptablesFamily, table: TableRules, sets: IpSets, recent: RecentLists) {
    this.family = family;
    this.table = table;
    this.matcher = new RuleMatcher(family, sets, recent);
    for (const { name, policy, rules } of table.chains) {
      this.chains.set(name, new ChainState(name, policy, rules));
      for (const rule of rules) for (const match of rule.matches) if (match.type === 'recent') recent.retain(match);
    }
  }

  evaluate(name: string, packet: RulePacket, host: RuleHost, cost: WalkCost): ChainVerdict {
    const chain = this.chains.get(name) as ChainState;
    const verdict = this.walk(chain, 0, packet, host, cost);
    if (verdict !== undefined) return verdict;
    chain.policyPackets++;
    chain.policyBytes += packet.length;
    return chain.policy === 'DROP' ? { kind: 'drop', place: this.place(name, -1) } : { kind: 'accept' };
  }

  private place(chain: string, i: number): MatchedRule['place'] {
    return { framework: 'iptables', family: this.family, table: this.table.table, chain, rule: i + 1 };
  }

  private walk(chain: ChainState, depth: number, packet: RulePacket, host: RuleHost, cost: WalkCost): ChainVerdict | undefined {
    let unmatchedBefore = 0;
    for (const [i, rule] of chain.rules.entries()) {
      cost.rules++;
      if (!this.matcher.matches(rule, chain, i, packet, host, cost)) {
        unmatchedBefore++;
        continue;
      }
      const drawn = this.matcher.drawn;
      chain.count(i, packet.length);
      const before = packet.mark;
      const place = this.place(chain.name, i);
      const { target } = rule;
      change(rule, packet);
      this.seen.push({
        place,
        depth,
        unmatchedBefore,
        mark: before === packet.mark ? undefined : { before, after: packet.mark },
        draw: drawn === undefined ? undefined : { probability: drawn, pick: undefined },
      });
      unmatchedBefore = 0;
      if (target?.type === 'ACCEPT') return { kind: 'accept' };
      if (target?.type === 'DROP') return { kind: 'drop', place };
      if (target?.type === 'REJECT') return { kind: 'reject', with: target.with, place };
      if (target !== undefined && 'nat' in target) return { kind: 'nat', nat: target.nat, place };
      if (target?.type === 'RETURN') return undefined;
      if (target?.type === 'goto') return this.walk(this.chains.get(target.chain) as ChainState, depth, packet, host, cost);
      if (target?.type !== 'jump') continue;
      const verdict = this.walk(this.chains.get(target.chain) as ChainState, depth + 1, packet, host, cost);
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  }
}

function change({ target }: Rule, packet: RulePacket): void {
  const conntrack = packet.conntrack?.state === 'INVALID' || packet.conntrack?.state === 'UNTRACKED' ? undefined : packet.conntrack;
  const word = (old: number, value: number, mask: number): number => ((old & ~mask) ^ value) >>> 0;
  if (target?.type === 'MARK') packet.mark = word(packet.mark, target.change.value, target.change.mask);
  if ((target?.type === 'NOTRACK' || target?.type === 'CT') && packet.conntrack === undefined) packet.untracked = true;
  if (conntrack === undefined) return;
  if (target?.type === 'CONNMARK') conntrack.mark = word(conntrack.mark, target.change.value, target.change.mask);
  if (target?.type === 'CONNMARK-save') conntrack.mark = word(conntrack.mark, packet.mark & target.nfmask, target.ctmask);
  if (target?.type === 'CONNMARK-restore') packet.mark = word(packet.mark, conntrack.mark & target.ctmask, target.nfmask);
}

function setsOf(random: RandomRules): IpSets {
  const sets = new IpSets();
  for (const name of RANDOM_SETS) {
    const created = sets.create(name, 'hash:ip');
    if (!created.ok) continue;
    for (let i = 0; i < 4; i++) created.value.add({ net: { address: random.address(), length: 32 } });
  }
  return sets;
}

const hostAt = (seed: number, nowNs: number): RuleHost => {
  const stream = new RandomStream(seed, 'chance');
  return hostOf({
    nowNs,
    chance: (numerator) => (stream.uint32() & 0x7fffffff) < numerator,
    addressType: (address) => (Number(address) % 3 === 0 ? 'LOCAL' : 'UNICAST'),
  });
};

/** Sends packets both ways and compares all that can be seen of them. */
function compare(family: IptablesFamily, name: TableName, rules: TableRules, seed: number, packets: number): void {
  const tables = new IptablesTables(family, setsOf(new RandomRules(seed, family)));
  const loaded = tables.load(rules);
  if (!loaded.ok) expect.fail(`${loaded.error.chain} ${loaded.error.rule}: ${loaded.error.message}`);
  const plain = new PlainWalk(family, rules, tables.sets, new RecentLists());
  for (let i = 0; i < packets; i++) {
    const hook = TABLE_CHAINS[name][i % TABLE_CHAINS[name].length] as RulePacket['hook'];
    const chain = tables.baseChains().find((base) => base.name === hook);
    const [a, b] = [randomPacket(seed + i, family, hook), randomPacket(seed + i, family, hook)];
    const [costA, costB] = [newCost(), newCost()];
    const seen: Seen[] = [];
    const at = i * 1.7e9;
    // Every other packet is watched: the walk must be the same.
    const watcher = {
      matched: ({ text: _text, action: _action, ...rest }: MatchedRule) => {
        seen.push(rest);
      },
    };
    plain.seen.length = 0;
    const verdictA = chain?.evaluate(a, hostAt(seed + i, at), costA, i % 2 === 0 ? watcher : undefined);
    const verdictB = plain.evaluate(hook, b, hostAt(seed + i, at), costB);
    expect(verdictA).toEqual(verdictB);
    expect(costA).toEqual(costB);
    expect(a).toEqual(b);
    if (i % 2 === 0) expect(seen).toEqual(plain.seen);
  }
  for (const [chainName, chain] of plain.chains) expect(tables.counters(name, chainName)).toEqual(chain.counters);
}

describe('a walk through indexed chains', () => {
  for (const family of ['ip', 'ip6'] as const) {
    it(`is the walk through every rule, for random rules of ${family}`, () => {
      fc.assert(
        fc.property(fc.nat(), fc.constantFrom('filter', 'nat', 'mangle', 'raw', 'security'), (seed, table) => {
          compare(family, table, new RandomRules(seed, family).table(table, 6, 60), seed, 20);
        }),
        { numRuns: 60, seed: 20251125 },
      );
    });
  }

  it('is the walk through every rule of a chain with many Services at one address', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = new RandomRules(seed, 'ip');
        const rules: Rule[] = Array.from({ length: 400 }, () => {
          const target = random.below(8) === 0 ? ({ type: 'ACCEPT' } as const) : undefined;
          const [port, host] = [random.port(), random.below(3)];
          const ports = { value: { first: port, last: port }, negated: random.below(20) === 0 };
          return {
            protocol: { value: 6, negated: false },
            destination: { value: { address: (0x0a600000 + host) as never, length: random.below(10) === 0 ? 24 : 32 }, negated: false },
            matches: [{ type: 'tcp', destinationPort: ports }],
            target,
          };
        });
        compare('ip', 'filter', { table: 'filter', chains: [{ name: 'INPUT', policy: 'ACCEPT', rules }] }, seed, 0);
        const tables = new IptablesTables('ip');
        expect(tables.load({ table: 'filter', chains: [{ name: 'INPUT', policy: 'ACCEPT', rules }] }).ok).toBe(true);
        const plain = new PlainWalk(
          'ip',
          { table: 'filter', chains: [{ name: 'INPUT', policy: 'ACCEPT', rules }] },
          tables.sets,
          tables.recent,
        );
        for (let i = 0; i < 40; i++) {
          const [costA, costB] = [newCost(), newCost()];
          const packet = randomPacket(seed + i, 'ip', 'INPUT');
          const verdict = tables.baseChains()[0]?.evaluate({ ...packet }, hostOf(), costA, undefined);
          expect(verdict).toEqual(plain.evaluate('INPUT', { ...packet }, hostOf(), costB));
          expect(costA).toEqual(costB);
        }
      }),
      { numRuns: 20, seed: 20251126 },
    );
  });
});
