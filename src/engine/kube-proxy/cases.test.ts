import { describe, expect, it } from 'vitest';
import { compileCases, readCaseInputs } from './cases.ts';
import iptables from './oracle/dumps-iptables.json' with { type: 'json' };
import nftables from './oracle/dumps-nftables.json' with { type: 'json' };
import flowsIptables from './oracle/flows-iptables.json' with { type: 'json' };
import flowsNftables from './oracle/flows-nftables.json' with { type: 'json' };

function compiled(cases: unknown) {
  const result = compileCases(cases);
  if (!result.ok) throw new Error(result.error);
  return new Map(result.value.map((entry) => [entry.id, entry]));
}

describe('recorded rulesets', () => {
  const iptablesAnswers = compiled(iptables);
  it.each(iptables)('$id', ({ id, ruleset }) => {
    expect(iptablesAnswers.get(id)?.ruleset).toEqual(ruleset);
  });

  const nftablesAnswers = compiled(nftables);
  it.each(nftables)('$id', ({ id, ruleset, ...rest }) => {
    const answer = nftablesAnswers.get(id);
    // The order of rules within a chain matters, all else does not.
    expect(byChain(answer?.ruleset ?? [])).toEqual(byChain(ruleset));
    expect([...(answer?.ruleset ?? [])].sort()).toEqual([...ruleset].sort());
    if ('lastTransactionOperations' in rest) expect(answer?.lastTransactionOperations).toBe(rest.lastTransactionOperations);
  });

  it('reads the states of the recorded flows', () => {
    for (const cases of [flowsIptables, flowsNftables]) {
      const inputs = readCaseInputs(cases);
      expect(inputs.ok && inputs.value.map((input) => input.id)).toEqual(cases.map((entry) => entry.id));
    }
  });
});

function byChain(lines: readonly string[]): Record<string, string[]> {
  const chains: Record<string, string[]> = {};
  for (const line of lines) {
    const match = /^add rule \S+ \S+ (\S+)/.exec(line);
    const chain = match?.[1];
    if (chain !== undefined) chains[chain] = [...(chains[chain] ?? []), line];
  }
  return chains;
}
