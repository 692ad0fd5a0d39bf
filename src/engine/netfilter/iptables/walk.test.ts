import { describe, expect, it } from 'vitest';
import type { MatchedRule, RuleDraw, RuleHost, RulePacket, WalkCost } from '../evaluation.ts';
import type { IptablesFamily } from './model.ts';
import { conntrackOf, hostOf, ip, newCost, packetOf } from './packet-fixtures.ts';
import { parseTables } from './parse.ts';
import { IptablesTables } from './table.ts';

function loaded(text: string, family: IptablesFamily = 'ip'): IptablesTables {
  const tables = new IptablesTables(family);
  tables.sets.create('S', 'hash:ip');
  tables.sets.add('S', { net: { address: ip('10.244.1.5'), length: 32 } });
  const parsed = parseTables(text, family);
  if (!parsed.ok) expect.fail(parsed.error.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  for (const table of parsed.value) expect(tables.load(table)).toEqual({ ok: true, value: undefined });
  return tables;
}

/** Whether a packet is dropped by `-A FORWARD … -j DROP`. */
function matches(condition: string, packet: Partial<RulePacket> = {}, host: RuleHost = hostOf(), family: IptablesFamily = 'ip'): boolean {
  const tables = loaded(`*filter\n:FORWARD ACCEPT\n-A FORWARD ${condition} -j DROP\nCOMMIT\n`, family);
  const given = packetOf({ hook: 'FORWARD', outDevice: 'eth0', ...packet });
  return tables.baseChains()[0]?.evaluate(given, host, newCost(), undefined).kind === 'drop';
}

const FRAGMENT = { srcPort: undefined, dstPort: undefined, tcpFlags: undefined, laterFragment: true } as const;
const UDP = { protocol: 17, tcpFlags: undefined } as const;
const BY_IPVS: Partial<RulePacket> = { ipvs: { protocol: 6, address: ip('10.96.0.10'), port: 80 } };
const PING = { protocol: 1, srcPort: undefined, dstPort: undefined, tcpFlags: undefined, icmpType: 8, icmpCode: 0 } as const;

describe('matches', () => {
  const table: readonly (readonly [condition: string, packet: Partial<RulePacket>, matches: boolean])[] = [
    ['-s 10.244.1.5', {}, true],
    ['! -s 10.244.1.5', {}, false],
    ['-s 10.244.0.0/16 -d 10.96.0.0/12', {}, true],
    ['-d 10.96.0.11', {}, false],
    ['-i cni0 -o eth0', {}, true],
    ['-i cni+', {}, true],
    ['! -i cni+', {}, false],
    ['-i cni', {}, false],
    ['! -o eth1', { outDevice: undefined }, true],
    ['-p tcp', {}, true],
    ['! -p tcp', UDP, true],
    ['-p udp', {}, false],
    ['-f', FRAGMENT, true],
    ['! -f', FRAGMENT, false],
    ['! -f', {}, true],
    ['-p tcp --dport 80', {}, true],
    ['-p tcp --dport 79:81', {}, true],
    ['-p tcp ! --dport 80', {}, false],
    ['-p tcp ! --sport 80', {}, true],
    ['-p tcp --dport 80', FRAGMENT, false],
    ['-p tcp ! --dport 80', FRAGMENT, false],
    ['-p tcp -m tcp', FRAGMENT, false],
    ['-p tcp', FRAGMENT, true],
    ['-p tcp --syn', {}, true],
    ['-p tcp --syn', { tcpFlags: 0x12 }, false],
    ['-p tcp ! --syn', { tcpFlags: 0x12 }, true],
    ['-p tcp --tcp-flags ALL NONE', { tcpFlags: 0 }, true],
    ['-p tcp -m multiport --dports 53,80,443', {}, true],
    ['-p tcp -m multiport --ports 39999:40001', {}, true],
    ['-p tcp -m multiport --sports 80', {}, false],
    ['-p tcp -m multiport ! --dports 53', {}, true],
    ['-p tcp -m multiport ! --dports 53', FRAGMENT, false],
    ['-p icmp --icmp-type 8', PING, true],
    ['-p icmp --icmp-type 8/1', PING, false],
    ['-p icmp ! --icmp-type 8', PING, false],
    ['-p icmp --icmp-type any', PING, true],
    ['-p icmp --icmp-type any', { ...PING, icmpType: undefined, icmpCode: undefined, laterFragment: true }, false],
    ['-m mark --mark 0x4000/0x4000', { mark: 0xc001 }, true],
    ['-m mark --mark 0x4000', { mark: 0xc001 }, false],
    ['-m mark --mark 0x80000000/0x80000000', { mark: 0x80000001 }, true],
    ['-m connmark --mark 1', { conntrack: conntrackOf({ mark: 1 }) }, true],
    ['-m connmark ! --mark 1', {}, false],
    ['-m conntrack --ctstate NEW', { conntrack: conntrackOf() }, true],
    ['-m conntrack --ctstate RELATED,ESTABLISHED', { conntrack: conntrackOf({ state: 'ESTABLISHED', direction: 'REPLY' }) }, true],
    ['-m conntrack ! --ctstate RELATED,ESTABLISHED', { conntrack: conntrackOf({ state: 'ESTABLISHED' }) }, false],
    ['-m conntrack --ctstate DNAT', { conntrack: conntrackOf({ dnat: true }) }, true],
    ['-m conntrack --ctstate SNAT', { conntrack: conntrackOf({ dnat: true }) }, false],
    ['-m conntrack --ctstate INVALID', {}, true],
    ['-m conntrack --ctstate INVALID', { conntrack: conntrackOf({ state: 'INVALID', dnat: true }) }, true],
    ['-m conntrack --ctstate DNAT', { conntrack: conntrackOf({ state: 'INVALID', dnat: true }) }, false],
    ['-m conntrack --ctstate UNTRACKED', { untracked: true }, true],
    ['-m state --state UNTRACKED', { conntrack: conntrackOf({ state: 'UNTRACKED' }) }, true],
    // Without a connection, only the state is asked.
    ['-m conntrack --ctstate INVALID --ctorigdst 9.9.9.9', {}, true],
    ['-m conntrack --ctorigdst 10.96.0.10', {}, false],
    ['-m conntrack --ctorigdst 10.96.0.10 --ctorigdstport 80 --ctproto tcp', { conntrack: conntrackOf() }, true],
    ['-m conntrack ! --ctorigdst 10.96.0.0/16', { conntrack: conntrackOf() }, false],
    ['-m conntrack --ctreplsrc 10.96.0.10 --ctrepldst 10.244.1.5', { conntrack: conntrackOf() }, true],
    ['-m conntrack --ctorigsrcport 1:1024', { conntrack: conntrackOf() }, false],
    ['-m conntrack --ctdir REPLY', { conntrack: conntrackOf() }, false],
    ['-m conntrack --ctstatus ASSURED', { conntrack: conntrackOf({ assured: true }) }, true],
    ['-m conntrack ! --ctstatus CONFIRMED', { conntrack: conntrackOf() }, true],
    ['-m conntrack --ctstatus NONE', { conntrack: conntrackOf() }, false],
    ['-m conntrack --ctexpire 100:120', { conntrack: conntrackOf({ expiresSeconds: 120.9 }) }, true],
    ['-m set --match-set S src', {}, true],
    ['-m set ! --match-set S dst', {}, true],
    ['-m physdev --physdev-is-bridged', {}, false],
    ['-m physdev ! --physdev-is-bridged', {}, true],
    ['-m physdev --physdev-is-bridged --physdev-in veth+', { physInDevice: 'veth1', physOutDevice: 'veth2' }, true],
    ['-m physdev --physdev-is-bridged ! --physdev-out veth2', { physInDevice: 'veth1', physOutDevice: 'veth2' }, false],
    ['-m physdev --physdev-is-bridged', { physInDevice: 'veth1' }, false],
    ['-m physdev --physdev-is-in ! --physdev-is-out', { physInDevice: 'veth1' }, true],
    ['-m comment --comment x -m nfacct --nfacct-name y', {}, true],
    ['-m ipvs --vproto tcp --vaddr 10.96.0.0/16 --vport 80', BY_IPVS, true],
    ['-m ipvs --vaddr 10.96.0.10 ! --vport 80', BY_IPVS, false],
    ['-m ipvs ! --vproto udp', BY_IPVS, true],
    ['-m ipvs --vaddr 10.96.0.11', BY_IPVS, false],
    // Only what IPVS has sent on, whatever is asked of it.
    ['-m ipvs ! --vaddr 10.96.0.11', {}, false],
  ];

  it.each(table)('%s', (condition, packet, expected) => expect(matches(condition, packet)).toBe(expected));

  it('addrtype asks the namespace, as seen on a device if so limited', () => {
    const host = hostOf({ addressType: (address, device) => (address === ip('10.96.0.10') && device !== 'eth0' ? 'LOCAL' : 'UNICAST') });
    expect(matches('-m addrtype --dst-type LOCAL', {}, host)).toBe(true);
    expect(matches('-m addrtype --dst-type LOCAL --limit-iface-in', {}, host)).toBe(true);
    expect(matches('-m addrtype --dst-type LOCAL --limit-iface-out', {}, host)).toBe(false);
    expect(matches('-m addrtype ! --src-type LOCAL --dst-type LOCAL', {}, host)).toBe(true);
    expect(matches('-m addrtype --src-type LOCAL,BROADCAST', {}, host)).toBe(false);
  });

  it('IPv6 addresses and ICMPv6, where 255 is a type like others', () => {
    const packet = { ...PING, src: ip('fd00::5'), dst: ip('fd00:96::a'), protocol: 58, icmpType: 128 };
    const six = (condition: string) => matches(condition, packet, hostOf(), 'ip6');
    expect(six('-s fd00::/64 -d fd00:96::a')).toBe(true);
    expect(six('! -s fd00::/64')).toBe(false);
    expect(six('-p ipv6-icmp --icmpv6-type echo-request')).toBe(true);
    expect(six('-p ipv6-icmp --icmpv6-type 255')).toBe(false);
  });
});

describe('matches with a memory', () => {
  const sent = (tables: IptablesTables, packet: Partial<RulePacket>, nowNs = 0): string | undefined =>
    tables.baseChains()[0]?.evaluate(packetOf(packet), hostOf({ nowNs }), newCost(), undefined).kind;
  const chain = (...rules: string[]): IptablesTables =>
    loaded(`*filter\n:INPUT ACCEPT\n${rules.map((r) => `-A INPUT ${r}\n`).join('')}COMMIT\n`);

  it('nth lets every third packet through from the one said', () => {
    const tables = chain('-m statistic --mode nth --every 3 --packet 1 -j DROP');
    expect(Array.from({ length: 7 }, () => sent(tables, {}))).toEqual(['accept', 'drop', 'accept', 'accept', 'drop', 'accept', 'accept']);
  });

  it('limit spends what time gives, up to the burst', () => {
    const tables = chain('-m limit --limit 1/sec --limit-burst 2 -j ACCEPT', '-j DROP');
    const at = [0, 0, 0.5e9, 1e9, 1.1e9, 100e9, 100e9, 100e9];
    expect(at.map((nowNs) => sent(tables, {}, nowNs))).toEqual(['accept', 'accept', 'drop', 'accept', 'drop', 'accept', 'accept', 'drop']);
  });

  it('limit is charged for packets to other ports, also in a long chain', () => {
    const other = Array.from({ length: 20 }, (_, i) => `-p tcp -m tcp --dport ${1000 + i} -j DROP`);
    const tables = chain(...other, '-p tcp -m limit --limit 1/hour --limit-burst 1 -m tcp --dport 80 -j DROP');
    expect(sent(tables, { dstPort: 81 })).toBe('accept');
    expect(sent(tables, { dstPort: 80 })).toBe('accept');
    expect(sent(tables, { dstPort: 1007 })).toBe('drop');
  });

  it('recent keeps a client at its endpoint as long as it comes back in time', () => {
    const tables = chain('-m recent --name A --rcheck --seconds 10 --reap -j DROP', '-p tcp --dport 80 -m recent --name A --set');
    const other = { src: ip('10.244.1.6'), dstPort: 443 };
    expect([sent(tables, {}, 0), sent(tables, {}, 9e9), sent(tables, other, 9e9)]).toEqual(['accept', 'drop', 'accept']);
    expect([sent(tables, { dstPort: 443 }, 10e9), sent(tables, { dstPort: 443 }, 10.1e9), sent(tables, {}, 10.2e9)]).toEqual([
      'drop',
      'accept',
      'accept',
    ]);
    expect(sent(tables, {}, 20e9)).toBe('drop');
  });

  it('recent counts hits, refreshes by update, forgets by remove', () => {
    const tables = chain(
      '-p tcp --dport 1 -m recent --name A --remove -j DROP',
      '-p tcp --dport 2 -m recent --name A --update --hitcount 3 --seconds 60 -j DROP',
      '-p tcp --dport 80 -m recent --name A --set',
    );
    const visits = [80, 80, 2, 80, 2, 1, 1, 2].map((dstPort, i) => sent(tables, { dstPort }, i * 1e9));
    expect(visits).toEqual(['accept', 'accept', 'accept', 'accept', 'drop', 'drop', 'accept', 'accept']);
  });

  it('recent remembers a hundred addresses of a list', () => {
    const tables = chain('-m recent --name A --set');
    for (let i = 0; i < 101; i++) sent(tables, { src: (0x0a000000 + i) as never }, i);
    expect(tables.recent.seen('A')).toHaveLength(100);
    expect(tables.recent.seen('A')[0]).toEqual({ address: ip('10.0.0.1'), lastSeenNs: 1 });
  });

  it('recent compares what a mask leaves', () => {
    const tables = chain('-m recent --name A --mask 255.255.255.0 --rcheck -j DROP', '-m recent --name A --mask 255.255.255.0 --set');
    expect([sent(tables, { src: ip('10.0.0.1') }), sent(tables, { src: ip('10.0.0.9') }), sent(tables, { src: ip('10.0.1.1') })]).toEqual([
      'accept',
      'drop',
      'accept',
    ]);
  });
});

describe('a walk', () => {
  function walk(
    text: string,
    packet = packetOf(),
    host = hostOf(),
  ): { verdict: unknown; seen: string[]; rules: MatchedRule[]; failed: RuleDraw[]; cost: WalkCost } {
    const tables = loaded(text);
    const rules: MatchedRule[] = [];
    const failed: RuleDraw[] = [];
    const cost = newCost();
    const watcher = {
      matched: (rule: MatchedRule) => rules.push(rule),
      drawFailed: (_place: unknown, draw: RuleDraw) => failed.push(draw),
    };
    const verdict = tables.baseChains()[0]?.evaluate(packet, host, cost, watcher as never);
    const seen = rules.map(
      ({ depth, place, action, unmatchedBefore }) => `${depth} ${place.chain}:${place.rule} ${action} +${unmatchedBefore}`,
    );
    return { verdict, seen, rules, failed, cost };
  }

  it('jumps, returns, goes, and comes back to where it jumped', () => {
    const { verdict, seen, cost } = walk(`*filter
:INPUT DROP
:A -
:B -
:C -
-A INPUT -s 9.9.9.9 -j DROP
-A INPUT -j A
-A INPUT -j ACCEPT
-A A -j B
-A A -g C
-A A -j DROP
-A B -s 10.244.1.5 -j RETURN
-A B -j DROP
-A C -p udp -j DROP
-A C
COMMIT
`);
    expect(verdict).toEqual({ kind: 'accept' });
    expect(seen).toEqual([
      '0 INPUT:2 jump A +1',
      '1 A:1 jump B +0',
      '2 B:1 return +0',
      '1 A:2 goto C +0',
      '1 C:2 continue +1',
      '0 INPUT:3 accept +0',
    ]);
    expect(cost).toEqual({ rules: 8, lookups: 0 });
  });

  it('ends in the policy, also when the built-in chain returns or goes', () => {
    expect(walk('*filter\n:INPUT DROP\n-A INPUT -j RETURN\n-A INPUT -j ACCEPT\nCOMMIT\n').verdict).toMatchObject({
      kind: 'drop',
      place: { rule: 0 },
    });
    expect(walk('*filter\n:INPUT DROP\n:A -\n-A INPUT -g A\n-A INPUT -j ACCEPT\nCOMMIT\n').verdict).toMatchObject({ kind: 'drop' });
  });

  it('tells the draws: their chance, and those that failed', () => {
    const text = `*nat
:PREROUTING ACCEPT
:SVC -
-A PREROUTING -d 10.96.0.10/32 -j SVC
-A SVC -m statistic --mode random --probability 0.33333333349 -p tcp -j DNAT --to-destination 10.244.1.1:8080
-A SVC -m statistic --mode random --probability 0.50000000000 -p tcp -j DNAT --to-destination 10.244.1.2:8080
-A SVC -p tcp -j DNAT --to-destination 10.244.1.3:8080
COMMIT
`;
    const second = walk(text, packetOf(), hostOf({}, [false, true]));
    expect(second.verdict).toMatchObject({
      kind: 'nat',
      nat: { kind: 'dnat', addresses: { min: ip('10.244.1.2') }, ports: { min: 8080 } },
    });
    expect(second.rules[1]).toMatchObject({ action: 'dnat 10.244.1.2:8080', draw: { probability: 0.5 }, unmatchedBefore: 1 });
    expect(second.failed).toEqual([{ probability: 1 - 715827883 / 2 ** 31, pick: undefined }]);
    expect(second.rules[1]?.text()).toBe(
      '-A SVC -p tcp -m statistic --mode random --probability 0.50000000000 -j DNAT --to-destination 10.244.1.2:8080',
    );
    expect(walk(text, packetOf(), hostOf({}, [false, false])).rules[1]).toMatchObject({ draw: undefined, unmatchedBefore: 2 });
  });

  it('changes marks of packets and connections', () => {
    const packet = packetOf({ mark: 0x1, conntrack: conntrackOf({ mark: 0xff00 }) });
    const { rules } = walk(
      `*mangle
:PREROUTING ACCEPT
-A PREROUTING -j MARK --or-mark 0x4000
-A PREROUTING -j MARK --xor-mark 0x4000
-A PREROUTING -j MARK --set-mark 0x80000000
-A PREROUTING -j CONNMARK --save-mark --nfmask 0xf0000000 --ctmask 0xff
-A PREROUTING -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xff00
-A PREROUTING -j CONNMARK --set-mark 0x7/0xf
COMMIT
`,
      packet,
    );
    expect(rules.map(({ mark }) => mark)).toEqual([
      { before: 1, after: 0x4001 },
      { before: 0x4001, after: 1 },
      { before: 1, after: 0x80000000 },
      undefined,
      { before: 0x80000000, after: 0xff00 },
      undefined,
    ]);
    expect(packet.conntrack?.mark).toBe(((0x8000ff00 & ~0xf) ^ 0x7) >>> 0);
    expect(rules.map(({ action }) => action)).toEqual([
      'mark set-xmark 0x4000/0x4000',
      'mark set-xmark 0x4000/0x0',
      'mark set-xmark 0x80000000/0xffffffff',
      'connmark save-mark',
      'connmark restore-mark',
      'connmark set-xmark 0x7/0xf',
    ]);
  });

  it('keeps a packet out of connection tracking, unless it has a connection', () => {
    const text =
      '*raw\n:PREROUTING ACCEPT\n-A PREROUTING -j CT --notrack\n-A PREROUTING -j TRACE\n-A PREROUTING -j LOG --log-prefix x\nCOMMIT\n';
    const [fresh, looped] = [packetOf(), packetOf({ conntrack: conntrackOf() })];
    expect(walk(text, fresh).seen).toEqual(['0 PREROUTING:1 notrack +0', '0 PREROUTING:2 trace +0', '0 PREROUTING:3 log +0']);
    walk(text, looped);
    expect([fresh.untracked, looped.untracked]).toEqual([true, false]);
  });

  it('rejects with what the rule says, and asks for translations', () => {
    const reject = walk('*filter\n:INPUT ACCEPT\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n');
    expect(reject).toMatchObject({
      verdict: { kind: 'reject', with: 'tcp-reset', place: { rule: 1 } },
      seen: ['0 INPUT:1 reject tcp-reset +0'],
    });
    const masquerade = walk('*nat\n:POSTROUTING ACCEPT\n-A POSTROUTING -j MASQUERADE --random-fully\nCOMMIT\n');
    expect(masquerade.verdict).toMatchObject({ kind: 'nat', nat: { kind: 'masquerade', fullyRandom: true, addresses: undefined } });
    const redirect = walk('*nat\n:OUTPUT ACCEPT\n-A OUTPUT -p tcp -j REDIRECT --to-ports 15001\nCOMMIT\n');
    expect(redirect.rules[0]?.action).toBe('redirect :15001');
  });

  it('counts lookups of ipsets', () => {
    const { cost } = walk(
      '*filter\n:INPUT ACCEPT\n-A INPUT -m set ! --match-set S src\n-A INPUT -m set --match-set S src\n-A INPUT -p udp -m set --match-set S src\nCOMMIT\n',
    );
    expect(cost).toEqual({ rules: 3, lookups: 2 });
  });
});
