import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RandomStream } from '../../../base/prng.ts';
import type { Ipv4, Ipv6 } from '../../../protocol/address.ts';
import type { MatchedRule, RuleHost, RulePacket } from '../evaluation.ts';
import { conntrackOf, packetOf } from '../iptables/packet-fixtures.ts';
import type { Table } from './model.ts';
import { PlainWalk } from './plain-walk.ts';
import { RandomRuleset } from './random-ruleset.ts';
import { NftRuleset } from './ruleset.ts';

function randomPacket(random: RandomStream, family: Table['family'], hook: RulePacket['hook']): RulePacket {
  const one = <T>(of: readonly T[]): T => of[random.below(of.length)] as T;
  const v6 = family === 'inet' && random.below(4) === 0;
  const address = (): Ipv4 | Ipv6 =>
    v6 ? (((0xfd00n << 112n) + BigInt(random.below(4))) as Ipv6) : ((0x0a000001 + one([0, 1, 2, 3, 0x10000, 0xff, 9])) as Ipv4);
  const protocol = one([6, 6, 17, v6 ? 58 : 1]);
  const port = (): number | undefined => (protocol === 6 || protocol === 17 ? one([53, 80, 81, 443, 8080, 54]) : undefined);
  return packetOf({
    hook,
    src: address(),
    dst: address(),
    protocol,
    inDevice: hook === 'POSTROUTING' ? undefined : one(['eth0', 'cni0', 'lo']),
    outDevice: hook === 'PREROUTING' ? undefined : one(['eth0', 'cni0', 'lo']),
    srcPort: port(),
    dstPort: port(),
    tcpFlags: protocol === 6 ? one([2, 18, 16]) : undefined,
    icmpType: protocol === 1 || protocol === 58 ? 8 : undefined,
    ttl: one([63, 64]),
    mark: one([0, 1, 2, 0x4000, 0x4001]),
    conntrack:
      random.below(4) === 0 ? undefined : conntrackOf({ state: one(['NEW', 'ESTABLISHED', 'INVALID']), seenReply: random.below(2) === 0 }),
  });
}

/** Two hosts that draw the same numbers. */
function hosts(seed: number): readonly [RuleHost, RuleHost] {
  const make = (nowNs: { n: number }): RuleHost => {
    const draws = new RandomStream(seed, 'draws');
    return {
      get nowNs() {
        return nowNs.n;
      },
      addressType: (address) => (typeof address === 'number' && address % 2 === 0 ? 'LOCAL' : 'UNICAST'),
      outDeviceOf: () => 'eth0',
      chance: () => false,
      pick: (n) => draws.below(n),
    };
  };
  return [make(clock), make(clock)];
}

const clock = { n: 0 };

test('a walk is what reading the rules one by one and the elements one by one gives', { timeout: 60_000 }, () => {
  const law = fc.property(fc.integer({ min: 0, max: 2 ** 31 }), (seed) => {
    const table = new RandomRuleset(seed).table();
    const ruleset = new NftRuleset();
    expect(ruleset.load([table], 0)).toEqual({ ok: true, value: undefined });
    const plain = new PlainWalk(table);
    const [host, plainHost] = hosts(seed);
    const random = new RandomStream(seed, 'packets');
    clock.n = 0;
    for (let i = 0; i < 25; i++) {
      clock.n += random.below(20) * 1e9;
      for (const base of ruleset.baseChains()) {
        const chain = table.chains.find(({ name }) => name === base.name);
        if (chain === undefined) throw new Error(`no chain ${base.name}`);
        const packet = randomPacket(random, table.family, base.hook);
        const conntrack = packet.conntrack && { ...packet.conntrack };
        const copy = { ...packet, conntrack };
        const matched: MatchedRule[] = [];
        const [cost, plainCost] = [
          { rules: 0, lookups: 0 },
          { rules: 0, lookups: 0 },
        ];
        const verdict = base.evaluate(packet, host, cost, { matched: (rule) => matched.push(rule) });
        const expected = plain.walk(chain, copy, plainHost, plainCost);
        expect(verdict).toEqual(expected);
        expect(cost).toEqual(plainCost);
        expect([packet.mark, packet.conntrack?.mark]).toEqual([copy.mark, conntrack?.mark]);
        expect(matched.map(({ place, depth, unmatchedBefore }) => ({ place, depth, unmatchedBefore }))).toEqual(plain.matched);
        for (const rule of matched) expect(rule.text()).not.toBe('');
      }
    }
    const listed = ruleset.table(table.family, table.name, clock.n);
    const seen = listed?.sets.find(({ name }) => name === 'seen')?.elements.map(({ key }) => key) ?? [];
    const plainSeen = (plain.seen.get('seen') ?? []).filter(({ expiresNs }) => expiresNs > clock.n);
    expect(new Set(seen)).toEqual(new Set(plainSeen.map(({ key }) => ({ type: 'atom', atom: key[0] }))));
    const counters = listed?.chains
      .flatMap(({ rules }) => rules.flatMap(({ statements }) => statements))
      .filter((s) => s.type === 'counter');
    const written = table.chains.flatMap(({ rules }) => rules.flatMap(({ statements }) => statements)).filter((s) => s.type === 'counter');
    expect(counters?.map(({ packets }) => packets)).toEqual(written.map((statement) => plain.counted.get(statement) ?? 0));
  });
  fc.assert(law, { seed: 4, numRuns: 200 });
});

test('most random rules match some packet, and few match all', () => {
  let rules = 0;
  const matched = new Set<string>();
  for (let seed = 0; seed < 40; seed++) {
    const table = new RandomRuleset(seed).table();
    rules += table.chains.reduce((sum, chain) => sum + chain.rules.length, 0);
    const ruleset = new NftRuleset();
    ruleset.load([table], 0);
    const [host] = hosts(seed);
    const random = new RandomStream(seed, 'packets');
    for (let i = 0; i < 50; i++) {
      for (const base of ruleset.baseChains()) {
        base.evaluate(
          randomPacket(random, table.family, base.hook),
          host,
          { rules: 0, lookups: 0 },
          {
            matched: ({ place }) => matched.add(`${seed} ${place.chain} ${place.rule}`),
          },
        );
      }
    }
  }
  expect(matched.size / rules).toBeGreaterThan(0.3);
});
