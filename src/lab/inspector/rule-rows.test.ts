import { describe, expect, it } from 'vitest';
import type { RuleChainName } from '../../protocol/engine.ts';
import type { RuleChainView } from '../../protocol/view.ts';
import { chainKey, type RuleBrowser, ruleRows } from './rule-rows.ts';

const name = (chain: string): RuleChainName => ({ framework: 'iptables', family: 'ip', table: 'nat', name: chain });
const view = (chain: string, texts: string[], ruleCount = texts.length): RuleChainView => ({
  ...name(chain),
  base: undefined,
  rules: texts.map((text) => ({ text, packets: 1, bytes: 60 })),
  ruleCount,
});
const chains = [name('PREROUTING'), name('KUBE-SERVICES')];
const views = new Map(
  [view('PREROUTING', ['-A PREROUTING -j KUBE-SERVICES']), view('KUBE-SERVICES', ['-A KUBE-SERVICES -d 10.96.0.1/32 -j REJECT'], 9)].map(
    (v) => [chainKey(v), v] as const,
  ),
);
const browse = (change: Partial<RuleBrowser>): string[] =>
  ruleRows({ chains, views, open: new Set(), search: '', ...change }).map((row) =>
    row.kind === 'table' ? row.title : row.kind === 'chain' ? row.chain.name : row.text,
  );

describe('ruleRows', () => {
  it('lists chains by table, and their rules when they are open', () => {
    expect(browse({})).toEqual(['iptables -t nat', 'PREROUTING', 'KUBE-SERVICES']);
    expect(browse({ open: new Set([chainKey(name('KUBE-SERVICES'))]) })).toEqual([
      'iptables -t nat',
      'PREROUTING',
      'KUBE-SERVICES',
      '-A KUBE-SERVICES -d 10.96.0.1/32 -j REJECT',
      'and 8 more rules',
    ]);
  });

  it('finds chains by name and rules by text', () => {
    expect(browse({ search: 'services' })).toEqual(['iptables -t nat', 'PREROUTING', '-A PREROUTING -j KUBE-SERVICES', 'KUBE-SERVICES']);
    expect(browse({ search: '10.96' })).toEqual([
      'iptables -t nat',
      'KUBE-SERVICES',
      '-A KUBE-SERVICES -d 10.96.0.1/32 -j REJECT',
      'and 8 more rules',
    ]);
    expect(browse({ search: 'nothing' })).toEqual([]);
  });

  it('knows where a rule jumps to', () => {
    const rows = ruleRows({ chains, views, open: new Set([chainKey(name('PREROUTING'))]), search: '' });
    expect(rows.find((row) => row.kind === 'rule')).toMatchObject({ target: name('KUBE-SERVICES') });
  });
});
