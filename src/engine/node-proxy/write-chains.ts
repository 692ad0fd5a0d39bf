import { assert } from '../../base/assert.ts';
import type { NamespaceRules } from '../ip/namespace-rules.ts';
import type { ChainOfTable, JumpRule } from '../kube-proxy/iptables/chains.ts';
import { must } from './node-proxy.ts';

/** All chains that kube-proxy makes in iptables begin so. */
export const KUBE_CHAINS = 'KUBE-';

/** Creates chains that are missing, and puts missing jumps at the front of theirs (pkg/util/iptables, EnsureChain and EnsureRule with Prepend). */
export function ensureChains(rules: NamespaceRules, chains: readonly ChainOfTable[], jumps: readonly JumpRule[]): void {
  for (const { table, chain } of chains)
    if (!rules.hasIptablesChain(table, chain)) must(rules.patch({ table, chains: new Map([[chain, []]]), deleted: [] }));
  for (const { table, chain, rule } of jumps) {
    if (rules.rulesOf(table, chain).includes(rule)) continue;
    const inserted = rules.iptables.insert(table, chain, 1, rule);
    assert(inserted.ok, 'a jump to a chain that exists');
  }
}
