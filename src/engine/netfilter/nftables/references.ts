import type { Rule } from './model.ts';
import { chainsNamed, setsNamed } from './reach.ts';
import { type ChainState, count, refer, release } from './state.ts';

/**
 * Notes, or no longer notes, that a rule of this chain uses the chains and sets it names: what somebody
 * uses cannot be deleted (net/netfilter/nf_tables_api.c, `use` of chains and sets).
 */
export function bind(chain: ChainState, rule: Rule, by: 1 | -1): void {
  const { chains, sets } = chain.table;
  for (const statement of rule.statements) {
    for (const name of chainsNamed(statement)) {
      const target = chains.get(name);
      if (target === undefined) continue;
      if (by === 1) refer(target, chain);
      else release(target, chain);
    }
    for (const name of setsNamed(statement)) {
      const set = sets.get(name);
      if (set !== undefined) count(set.users, chain, by);
    }
  }
}
