import { describe, expect, it } from 'vitest';
import type { ChainWalk, NatRewrite, RuleMatch } from '../protocol/event.ts';
import { event, ip } from './example-events.ts';
import { natText } from './rule-sentence.ts';
import { sentence } from './sentence.ts';

const rule = (change: Partial<RuleMatch> = {}): RuleMatch => ({
  place: { framework: 'iptables', family: 'ip', table: 'nat', chain: 'KUBE-SVC-LOLE4ISW44XBNF3G', rule: 3 },
  depth: 2,
  text: '-A KUBE-SVC-LOLE4ISW44XBNF3G -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-QZK2WPE3HOJ4WBYD',
  action: 'jump KUBE-SEP-QZK2WPE3HOJ4WBYD',
  unmatchedBefore: 2,
  mark: undefined,
  draw: { probability: 0.5, pick: undefined },
  ...change,
});
const walk = (change: Partial<ChainWalk> = {}): ChainWalk => ({
  framework: 'iptables',
  family: 'ip',
  table: 'nat',
  chain: 'PREROUTING',
  hook: 'PREROUTING',
  priority: -100,
  verdict: 'dnat',
  decidedBy: undefined,
  rules: 12,
  lookups: 0,
  ...change,
});
const before = { src: ip('10.244.1.5'), dst: ip('10.96.0.20'), protocol: 6, srcPort: 41932, dstPort: 80 };
const rewrite = (change: Partial<NatRewrite> = {}): NatRewrite => ({
  manip: 'destination',
  undo: false,
  before,
  after: { ...before, dst: ip('10.244.2.7'), dstPort: 8080 },
  entry: 7,
  quoted: false,
  ...change,
});

describe('a rule that matched', () => {
  it('says where it stands, where it goes on to, and what was drawn', () => {
    expect(sentence(event('rule', rule())).title).toBe(
      'nat KUBE-SVC-LOLE4ISW44XBNF3G, rule 3 matches: on to KUBE-SEP-QZK2WPE3HOJ4WBYD, which translates to one endpoint, drawn: a chance of 1/2 (50 %), and it came out',
    );
  });

  it('says which number came of a draw among several', () => {
    const draw = { probability: 0.25, pick: { of: 4, chosen: 2 } };
    expect(sentence(event('rule', rule({ draw }))).title).toContain('drew 2 of 0 to 3: a chance of 1/4 (25 %)');
  });

  it('does not call it a draw where there is only one way', () => {
    const draw = { probability: 1, pick: { of: 1, chosen: 0 } };
    expect(sentence(event('rule', rule({ draw }))).title).toContain('only one to choose');
  });

  it.each([
    ['drop', 'the packet is dropped', 'drop'],
    ['reject icmp-port-unreachable', 'the packet is refused (icmp-port-unreachable)', 'drop'],
    ['dnat 10.244.2.7:8080', 'the destination becomes 10.244.2.7:8080', 'nat'],
    ['masquerade', 'the source becomes the address of the outgoing device', 'nat'],
    ['return', 'back to the calling chain', 'l3'],
  ])('%s: %s', (action, text, kind) => {
    const said = sentence(event('rule', rule({ action, draw: undefined })));
    expect(said.title).toContain(text);
    expect(said.kind).toBe(kind);
  });

  it('tells of a mark, and of rules that did not match before', () => {
    const said = sentence(event('rule', rule({ action: 'continue', draw: undefined, mark: { before: 0, after: 0x4000 } })));
    expect(said.title).toContain('the mark becomes 0x4000');
    expect(said.detail).toContain('2 rules before it did not match; mark 0x0 -> 0x4000');
  });
});

describe('a chain walked', () => {
  it('gives the verdict and the cost', () => {
    expect(sentence(event('chain', walk())).title).toBe('nat PREROUTING: a new destination for this connection after 12 rules');
    expect(sentence(event('chain', walk({ verdict: 'accept', rules: 1, lookups: 2 }))).title).toBe(
      'nat PREROUTING: accepted after 1 rule and 2 lookups',
    );
  });
});

describe('natText', () => {
  it('names the four kinds of rewrite', () => {
    expect(natText(rewrite())).toBe('DNAT 10.96.0.20:80 -> 10.244.2.7:8080');
    const reply = { src: ip('10.244.2.7'), dst: ip('10.244.1.5'), protocol: 6, srcPort: 8080, dstPort: 41932 };
    const undone = { ...reply, src: ip('10.96.0.20'), srcPort: 80 };
    expect(natText(rewrite({ manip: 'source', undo: true, before: reply, after: undone }))).toBe(
      'un-DNAT 10.244.2.7:8080 -> 10.96.0.20:80',
    );
    expect(natText(rewrite({ manip: 'source', before: reply, after: undone }))).toBe('SNAT 10.244.2.7:8080 -> 10.96.0.20:80');
    expect(natText(rewrite({ undo: true }))).toBe('un-SNAT 10.96.0.20:80 -> 10.244.2.7:8080');
  });
});
