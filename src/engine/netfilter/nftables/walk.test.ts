import { describe, expect, test } from 'vitest';
import { parseIp } from '../../../protocol/address.ts';
import type { BaseChain, ChainVerdict, MatchedRule, RuleDraw, RuleHost, RulePacket, WalkCost } from '../evaluation.ts';
import { conntrackOf, hostOf, ip, packetOf } from '../iptables/packet-fixtures.ts';
import { parseTransactions } from './parse.ts';
import { NftRuleset } from './ruleset.ts';

interface Walk {
  readonly verdict: ChainVerdict;
  readonly matched: readonly MatchedRule[];
  readonly cost: WalkCost;
  readonly failed: readonly RuleDraw[];
}

function load(text: string): NftRuleset {
  const parsed = parseTransactions(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  const ruleset = new NftRuleset();
  const applied = ruleset.apply(parsed.value, 0);
  if (!applied.ok) throw new Error(applied.error.message);
  return ruleset;
}

function walk(chain: BaseChain | undefined, packet: RulePacket, host: RuleHost = hostOf()): Walk {
  if (chain === undefined) throw new Error('no base chain');
  const cost = { rules: 0, lookups: 0 };
  const matched: MatchedRule[] = [];
  const failed: RuleDraw[] = [];
  const watcher = {
    matched: (rule: MatchedRule): unknown => matched.push(rule),
    drawFailed: (_: unknown, draw: RuleDraw): unknown => failed.push(draw),
  };
  return { verdict: chain.evaluate(packet, host, cost, watcher as never), matched, cost, failed };
}

/** The rules of a filter chain at FORWARD, and chains it may jump to. */
function forward(rules: string, others = '', family = 'inet', policy = 'accept'): BaseChain | undefined {
  const base = `type filter hook forward priority 0; policy ${policy};`;
  return load(`table ${family} t {\n${others}\n chain f {\n  ${base}\n  ${rules.split('; ').join('\n  ')}\n }\n}\n`).baseChains()[0];
}

const told = ({ matched }: Walk): string[] =>
  matched.map(({ place, depth, action, unmatchedBefore }) => `${depth} ${place.chain} ${place.rule} ${action} after ${unmatchedBefore}`);

const v6 = (given: Partial<RulePacket> = {}): RulePacket =>
  packetOf({ src: parseIp('fd00::1') as never, dst: parseIp('fd00::2') as never, ...given });

describe('jump, goto and return', () => {
  test('the end of a chain goes back behind the jump', () => {
    const result = walk(forward('jump a; drop', 'chain a {\n tcp dport 443 accept\n counter\n }'), packetOf());
    expect(told(result)).toEqual(['0 f 1 jump a after 0', '1 a 2 continue after 1', '0 f 2 drop after 0']);
    expect(result.verdict).toMatchObject({
      kind: 'drop',
      place: { framework: 'nftables', family: 'inet', table: 't', chain: 'f', rule: 2 },
    });
    expect(result.cost).toEqual({ rules: 4, lookups: 0 });
  });

  test('the end of a chain gone to goes back behind the jump before, in a base chain to the policy', () => {
    const chains = 'chain b {\n counter\n }\n chain a {\n goto b\n drop\n }';
    expect(told(walk(forward('jump a; accept', chains), packetOf()))).toEqual([
      '0 f 1 jump a after 0',
      '1 a 1 goto b after 0',
      '2 b 1 continue after 0',
      '0 f 2 accept after 0',
    ]);
    expect(walk(forward('goto b; accept', chains, 'inet', 'drop'), packetOf()).verdict).toMatchObject({
      kind: 'drop',
      place: { chain: 'f', rule: 0 },
    });
  });

  test('return ends a chain, in a base chain with the policy', () => {
    expect(told(walk(forward('jump a; accept', 'chain a {\n return\n }'), packetOf()))).toEqual([
      '0 f 1 jump a after 0',
      '1 a 1 return after 0',
      '0 f 2 accept after 0',
    ]);
    expect(walk(forward('return; accept', '', 'ip', 'drop'), packetOf()).verdict.kind).toBe('drop');
  });

  test('a table of one family has nothing to say to the other', () => {
    const result = walk(forward('drop', '', 'ip', 'drop'), v6());
    expect(result.verdict).toEqual({ kind: 'accept' });
    expect(result.cost.rules).toBe(0);
  });
});

describe('a field that the packet has not does not match, nor does its opposite', () => {
  test.each([
    ['tcp dport 80', packetOf({ protocol: 17 })],
    ['tcp dport != 80', packetOf({ protocol: 17, dstPort: 81 })],
    ['th dport != 80', packetOf({ protocol: 1, srcPort: undefined, dstPort: undefined, icmpType: 8, icmpCode: 0 })],
    ['th dport != { 80, 81 }', packetOf({ protocol: 1, srcPort: undefined, dstPort: undefined, icmpType: 8, icmpCode: 0 })],
    ['ip saddr != 10.0.0.1', v6()],
    ['ip6 saddr != fd00::9', packetOf()],
    ['icmp type != echo-reply', packetOf()],
    ['tcp flags ! syn', packetOf({ protocol: 17, tcpFlags: undefined })],
    ['ct mark != 5', packetOf()],
    ['ct status ! dnat', packetOf({ conntrack: conntrackOf({ state: 'INVALID' }) })],
    ['meta l4proto tcp reject with tcp reset', packetOf({ protocol: 17 })],
    ['reject with icmp host-unreachable', v6()],
    ['reject with icmpv6 no-route', packetOf()],
  ])('%s', (rule, packet) => {
    expect(walk(forward(rule), packet).matched).toEqual([]);
  });
});

describe('comparisons', () => {
  test.each([
    ['ip saddr 10.244.0.0/16', true],
    ['ip saddr != 10.244.0.0/16', false],
    ['ip daddr 10.96.0.9-10.96.0.11', true],
    ['ip daddr { 10.96.0.0/24, 1.1.1.1 }', true],
    ['ip daddr . tcp dport { 10.96.0.0/16 . 1-79, 10.96.0.10 . 80-90 }', true],
    ['ip daddr . tcp dport { 10.96.0.0/16 . 1-79, 10.96.0.10 . 81-90 }', false],
    ['tcp dport < 81', true],
    ['tcp dport >= 81', false],
    ['tcp flags syn', true],
    ['tcp flags syn / fin,syn,rst,ack', true],
    ['tcp flags & (syn | ack) == (syn | ack)', false],
    ['meta mark & 0x4000 == 0x4000', true],
    ['meta mark ^ 0xff == 0xf0', false],
    ['iifname "cni*"', true],
    ['iifname { "lo", "eth*" }', false],
    ['iif "cni0"', true],
    ['oifname != "eth0"', true],
    ['ct state new', true],
    ['ct state established,new', true],
    ['ct state ! established', true],
    ['ct status dnat', true],
    ['ct original saddr 10.244.1.5', true],
    ['ct direction reply', false],
    ['fib daddr type local', true],
    ['fib saddr type { local, broadcast }', false],
    ['fib saddr . iif oif missing', true],
    ['fib daddr oifname "eth0"', true],
    ['ip ttl 64', true],
    ['ip dscp cs1', false],
    ['meta length 60', true],
    ['meta pkttype host', true],
    ['meta protocol ip', true],
  ])('%s: %s', (rule, matches) => {
    const family = rule.includes('ct original') ? 'ip' : 'inet';
    const host = hostOf({ addressType: (address) => (address === ip('10.96.0.10') ? 'LOCAL' : 'UNICAST') });
    const packet = packetOf({ mark: 0x4001, conntrack: conntrackOf({ dnat: true }) });
    expect(walk(forward(`${rule} drop`, '', family), packet, host).verdict.kind === 'drop').toBe(matches);
  });

  test('without a connection a packet is invalid, or untracked if it was made so', () => {
    expect(walk(forward('ct state invalid drop'), packetOf()).verdict.kind).toBe('drop');
    const packet = packetOf();
    expect(walk(forward('ct state untracked drop; notrack; ct state untracked drop'), packet).verdict).toMatchObject({
      place: { rule: 3 },
    });
    expect(packet.untracked).toBe(true);
  });

  test('a set of one element costs no lookup, of two one', () => {
    expect(walk(forward('ip saddr { 10.0.0.1 } drop'), packetOf()).cost).toEqual({ rules: 1, lookups: 0 });
    expect(walk(forward('ip saddr { 10.0.0.1, 10.0.0.2 } drop'), packetOf()).cost).toEqual({ rules: 1, lookups: 1 });
  });

  test('the catch-all of a map is for keys that no other element has', () => {
    const chain = forward('tcp dport vmap { 80-90 : drop, * : accept }; drop');
    expect(walk(chain, packetOf({ dstPort: 85 })).verdict).toMatchObject({ place: { rule: 1 } });
    expect(walk(chain, packetOf({ dstPort: 91 })).verdict).toEqual({ kind: 'accept' });
  });
});

describe('what rules do', () => {
  test('marks are told before and after', () => {
    const packet = packetOf({ mark: 1, conntrack: conntrackOf() });
    const { matched } = walk(
      forward('meta mark set mark or 0x4000; ct mark set meta mark; meta mark set ip saddr map { 10.244.1.5 : 7 }'),
      packet,
    );
    expect(matched.map(({ mark }) => mark)).toEqual([{ before: 1, after: 0x4001 }, undefined, { before: 0x4001, after: 7 }]);
    expect([packet.mark, packet.conntrack?.mark]).toEqual([7, 0x4001]);
  });

  test.each([
    ['reject', 'icmp-port-unreachable', 'icmp6-port-unreachable'],
    ['reject with icmpx no-route', 'icmp-net-unreachable', 'icmp6-no-route'],
    ['reject with icmpx host-unreachable', 'icmp-host-unreachable', 'icmp6-addr-unreachable'],
    ['reject with icmpx admin-prohibited', 'icmp-admin-prohibited', 'icmp6-adm-prohibited'],
    ['tcp dport 80 reject with tcp reset', 'tcp-reset', 'tcp-reset'],
  ])('%s', (rule, ofV4, ofV6) => {
    expect(walk(forward(rule), packetOf()).verdict).toMatchObject({ kind: 'reject', with: ofV4 });
    const six = walk(forward(rule), v6());
    expect(six.verdict).toMatchObject({ kind: 'reject', with: ofV6 });
    expect(six.matched[0]?.action).toBe(`reject ${ofV6}`);
  });

  test('a reject for one protocol asks for it before anything else is done', () => {
    const packet = packetOf({ protocol: 17 });
    expect(walk(forward('meta mark set 5 reject with tcp reset'), packet).matched).toEqual([]);
    expect(packet.mark).toBe(0);
  });

  test('counters count packets and octets', () => {
    const ruleset = load(
      'table ip t {\n chain f {\n  type filter hook forward priority 0;\n  counter tcp dport 80 counter packets 5 bytes 10\n }\n}\n',
    );
    for (const dstPort of [80, 81, 80]) walk(ruleset.baseChains()[0], packetOf({ dstPort }));
    expect(ruleset.tables(0)[0]?.chains[0]?.rules[0]?.statements.filter(({ type }) => type === 'counter')).toEqual([
      { type: 'counter', packets: 3, bytes: 180 },
      { type: 'counter', packets: 7, bytes: 130 },
    ]);
  });

  test('a limit lets a burst through, then as many as the rate', () => {
    const chain = forward('limit rate 2/second burst 3 packets accept; drop');
    const accepted = (nowNs: number): boolean => walk(chain, packetOf(), hostOf({ nowNs })).verdict.kind === 'accept';
    expect([0, 0, 0, 0].map(accepted)).toEqual([true, true, true, false]);
    expect([4e8, 5e8, 5e8, 1e9].map(accepted)).toEqual([false, true, false, true]);
  });

  test('a set remembers, forgets in time, and is refreshed by update', () => {
    const set = 'set seen {\n type ipv4_addr\n flags dynamic\n timeout 10s\n size 2\n }';
    const chain = forward('ip saddr @seen drop; update @seen { ip saddr }', set);
    const known = (src: string, nowNs: number): boolean =>
      walk(chain, packetOf({ src: ip(src) }), hostOf({ nowNs })).verdict.kind === 'drop';
    expect([known('1.1.1.1', 0), known('1.1.1.1', 9e9), known('1.1.1.1', 10e9), known('1.1.1.2', 10e9)]).toEqual([
      false,
      true,
      false,
      false,
    ]);
    // A full set ends the rule and takes nothing in.
    expect(walk(chain, packetOf({ src: ip('1.1.1.3') }), hostOf({ nowNs: 11e9 })).matched).toEqual([]);
    expect(known('1.1.1.3', 20e9)).toBe(false);
    expect(known('1.1.1.3', 20e9)).toBe(true);
  });
});

describe('translation', () => {
  const nat = (rules: string, hook = 'prerouting', family = 'ip'): BaseChain | undefined =>
    load(`table ${family} t {\n chain n {\n  type nat hook ${hook} priority 0;\n  ${rules}\n }\n}\n`).baseChains()[0];

  test('to an address and port out of a map, by a draw', () => {
    const rule =
      'meta l4proto tcp dnat ip addr . port to numgen random mod 3 map { 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 81, 2 : 10.0.0.3 . 82 }';
    const result = walk(nat(rule), packetOf(), hostOf({ pick: () => 1 }));
    const address = ip('10.0.0.2');
    expect(result.verdict).toMatchObject({
      kind: 'nat',
      nat: { kind: 'dnat', addresses: { min: address, max: address }, ports: { min: 81, max: 81 } },
    });
    expect(result.matched[0]).toMatchObject({ action: 'dnat 10.0.0.2:81', draw: { probability: 1 / 3, pick: { of: 3, chosen: 1 } } });
    expect(result.cost).toEqual({ rules: 1, lookups: 1 });
  });

  test('of the other family does nothing in a table of both', () => {
    expect(walk(nat('dnat ip to 10.0.0.1; counter'.replace('; ', '\n  '), 'prerouting', 'inet'), v6()).verdict).toEqual({ kind: 'accept' });
  });

  test.each([
    ['masquerade fully-random', 'postrouting', 'masquerade'],
    ['tcp dport 80 redirect to :8080', 'prerouting', 'redirect :8080'],
    ['snat to 10.0.0.1-10.0.0.3', 'input', 'snat 10.0.0.1-10.0.0.3'],
  ])('%s', (rule, hook, action) => {
    expect(walk(nat(rule, hook), packetOf()).matched[0]?.action).toBe(action);
  });
});

describe('draws', () => {
  test('numbers that lead to the same outcome add up', () => {
    const chain = forward('numgen random mod 10 vmap { 0-6 : accept, 7-9 : drop }');
    expect(walk(chain, packetOf(), hostOf({ pick: () => 3 })).matched[0]?.draw).toEqual({ probability: 0.7, pick: { of: 10, chosen: 3 } });
    expect(walk(chain, packetOf(), hostOf({ pick: () => 8 })).matched[0]?.draw).toEqual({ probability: 0.3, pick: { of: 10, chosen: 8 } });
  });

  test('a draw that does not match is told too', () => {
    const result = walk(forward('numgen random mod 100 < 25 accept'), packetOf(), hostOf({ pick: () => 60 }));
    expect(result.matched).toEqual([]);
    expect(result.failed).toEqual([{ probability: 0.75, pick: { of: 100, chosen: 60 } }]);
  });

  test('in turn, each rule for itself, beginning with 0', () => {
    const chain = forward('numgen inc mod 3 offset 10 vmap { 10 : accept, 11 : drop, 12 : continue }; reject');
    expect([1, 2, 3, 4].map(() => walk(chain, packetOf()).verdict.kind)).toEqual(['accept', 'drop', 'reject', 'accept']);
    expect(walk(chain, packetOf()).matched[0]?.draw).toBeUndefined();
  });
});

test('a rule is named as nft lists it', () => {
  const { matched } = walk(forward('mark and 0x4000 == 0 ip daddr { 10.96.0.10 } tcp dport http drop comment "no"'), packetOf());
  expect(matched[0]?.text()).toBe('meta mark & 0x00004000 == 0x00000000 ip daddr 10.96.0.10 tcp dport 80 drop comment "no"');
});

test('what a transaction changed holds for the next packet', () => {
  const ruleset = load(
    'table ip t {\n chain a {\n }\n map m {\n  type ipv4_addr : verdict\n }\n chain f {\n  type filter hook forward priority 0;\n  ip daddr vmap @m\n }\n}\n',
  );
  const [chain] = ruleset.baseChains();
  expect(walk(chain, packetOf()).verdict.kind).toBe('accept');
  const change = (text: string): void => {
    const parsed = parseTransactions(text, ruleset.tables(0));
    expect(parsed.ok && ruleset.apply(parsed.value, 0).ok).toBe(true);
  };
  change('add rule ip t a drop; add element ip t m { 10.96.0.10 : goto a }');
  expect(told(walk(chain, packetOf()))).toEqual(['0 f 1 goto a after 0', '1 a 1 drop after 0']);
  change('delete element ip t m { 10.96.0.10 }; flush chain ip t a; delete chain ip t a');
  expect(walk(chain, packetOf()).verdict.kind).toBe('accept');
  change('add chain ip t f { type filter hook forward priority 0; policy drop; }');
  expect(walk(chain, packetOf()).verdict).toMatchObject({ kind: 'drop', place: { rule: 0 } });
});
