import type { Result } from '../../../base/result.ts';
import { err, ok } from '../../../base/result.ts';
import type { IpSets } from '../ipset.ts';
import type { ChainState } from './chain-state.ts';
import type { BuiltInChain, IptablesFamily, Rule, TableName } from './model.ts';
import { BUILT_IN_CHAINS } from './model.ts';
import type { RecentLists } from './recent.ts';
import type { RuleChanges, Span } from './rule-changes.ts';
import { ruleChanges } from './rule-changes.ts';
import { isBuiltIn } from './save.ts';
import { allowedFrom, ruleProblem } from './validate.ts';
import { JUMPS_MAX } from './walk.ts';

/** Why rules were not taken. Nothing of what was asked has been done then. */
export interface RuleProblem {
  readonly table: TableName;
  readonly chain: string;
  /** Counted from 1 in the chain as it would have become; 0: the chain itself. */
  readonly rule: number;
  readonly message: string;
}

/** What rules of a table use besides it. */
export interface Surroundings {
  readonly family: IptablesFamily;
  readonly sets: IpSets;
  readonly recent: RecentLists;
}

/** New rules of one chain, with those it had. */
export interface ChainChange {
  readonly chain: ChainState;
  readonly before: readonly Rule[];
  readonly after: readonly Rule[];
}

interface ComparedChange extends ChainChange, RuleChanges {
  /** Known already as reached from a built-in chain. */
  readonly reached: boolean;
}

const hookBit = (chain: string): number => 1 << BUILT_IN_CHAINS.indexOf(chain as BuiltInChain);

/** The chains of one table, and what must hold between them. */
export class TableState {
  readonly table: TableName;
  readonly chains = new Map<string, ChainState>();
  private readonly around: Surroundings;

  constructor(table: TableName, around: Surroundings) {
    this.table = table;
    this.around = around;
  }

  /**
   * Checks changed chains, which must have their new rules already, and chains to delete, and counts what refers to
   * what. On a problem the caller puts the old rules back and says so by `restored`.
   */
  take(changes: readonly ChainChange[], deleted: readonly string[] = []): Result<undefined, RuleProblem> {
    const compared = changes.map(comparedChange);
    for (const [i, change] of compared.entries()) {
      const problem = this.reference(change);
      if (problem === undefined) continue;
      for (const { after, added } of compared.slice(0, i)) this.release(after, added);
      return err(problem);
    }
    const problem = this.reachChanged(compared) ?? this.deletionProblem(compared, deleted);
    for (const { before, after, removed, added } of compared) {
      if (problem === undefined) this.release(before, removed);
      else this.release(after, added);
    }
    return problem === undefined ? ok(undefined) : err(problem);
  }

  /** The old rules are back after a problem. */
  restored(): void {
    this.reachAll();
  }

  /** All rules of the table go. */
  releaseAll(): void {
    for (const { rules } of this.chains.values()) this.release(rules, [{ first: 0, end: rules.length }]);
  }

  /** `-X`, after the changes: a chain must be empty and no rule may lead to it. */
  private deletionProblem(changes: readonly ComparedChange[], names: readonly string[]): RuleProblem | undefined {
    if (names.length === 0) return undefined;
    // References of the old rules are still counted.
    const leaving = new Map<string, number>();
    for (const { before, removed } of changes) {
      forEachRule(before, removed, ({ target }) => {
        if (target?.type === 'jump' || target?.type === 'goto') leaving.set(target.chain, (leaving.get(target.chain) ?? 0) + 1);
      });
    }
    for (const name of names) {
      const chain = this.chains.get(name);
      if (chain === undefined) return this.problem(name, -1, 'the chain to delete does not exist');
      if (isBuiltIn(this.table, name)) return this.problem(name, -1, 'a built-in chain cannot be deleted');
      if (chain.rules.length > 0) return this.problem(name, -1, 'the chain to delete still has rules');
      const references = chain.references - (leaving.get(name) ?? 0);
      if (references > 0) return this.problem(name, -1, `the chain to delete is still the target of ${references} rules`);
    }
    return undefined;
  }

  private problem(chain: string, position: number, message: string): RuleProblem {
    return { table: this.table, chain, rule: position + 1, message };
  }

  /** Refers to what the added rules use; on a problem, to nothing. */
  private reference({ chain, after, added }: ComparedChange): RuleProblem | undefined {
    for (let k = 0; k < added.length; k++) {
      const { first, end } = added[k] as Span;
      for (let i = first; i < end; i++) {
        const message = this.referenceOf(chain, after[i] as Rule);
        if (message === undefined) continue;
        this.release(after, [...added.slice(0, k), { first, end: i }]);
        return this.problem(chain.name, i, message);
      }
    }
    return undefined;
  }

  private referenceOf(chain: ChainState, rule: Rule): string | undefined {
    const { target } = rule;
    const message = ruleProblem(this.around.family, this.table, chain.name, rule);
    if (message !== undefined) return message;
    let jumpsTo: ChainState | undefined;
    if (target?.type === 'jump' || target?.type === 'goto') {
      jumpsTo = this.chains.get(target.chain);
      if (jumpsTo === undefined) return `the chain ${target.chain} does not exist`;
      if (isBuiltIn(this.table, target.chain)) return `the chain ${target.chain} is built in: no rule can jump to it`;
    }
    for (const match of rule.matches) {
      if (match.type === 'set' && this.around.sets.get(match.name) === undefined) return `the set ${match.name} does not exist`;
    }
    if (jumpsTo !== undefined) jumpsTo.references++;
    for (const match of rule.matches) {
      if (match.type === 'recent') this.around.recent.retain(match);
      else if (match.type === 'set') this.around.sets.retain(match.name);
    }
    return undefined;
  }

  private release(rules: readonly Rule[], spans: readonly Span[]): void {
    forEachRule(rules, spans, (rule) => this.releaseRule(rule));
  }

  private releaseRule(rule: Rule): void {
    const { target } = rule;
    if (target?.type === 'jump' || target?.type === 'goto') {
      const chain = this.chains.get(target.chain);
      if (chain !== undefined) chain.references--;
    }
    for (const match of rule.matches) {
      if (match.type === 'recent') this.around.recent.release(match);
      else if (match.type === 'set') this.around.sets.release(match.name);
    }
  }

  /**
   * The kernel walks from every built-in chain after every change (nft_table_validate in
   * net/netfilter/nf_tables_api.c). Here only what the new rules lead to is walked, with what is known of how
   * their chain is reached; only if that finds something, everything is.
   */
  private reachChanged(changes: readonly ComparedChange[]): RuleProblem | undefined {
    // First where the changed chains lead to, all of them: PREROUTING and OUTPUT mostly lead to the same.
    const next = new Set<ChainState>();
    for (const { chain, added, reached } of changes) {
      if (!reached && isBuiltIn(this.table, chain.name)) {
        chain.hooks = hookBit(chain.name);
        chain.depth = 0;
      } else if (!reached) continue; // Where it is reached now, all its rules will be walked.
      for (const { first, end } of added) if (this.reachRules(chain, first, end, next) !== undefined) return this.reachAll();
    }
    for (const chain of next) if (this.reachRules(chain, 0, chain.rules.length, undefined) !== undefined) return this.reachAll();
    return undefined;
  }

  private reachAll(): RuleProblem | undefined {
    for (const chain of this.chains.values()) {
      chain.hooks = 0;
      chain.depth = -1;
    }
    for (const chain of this.chains.values()) {
      if (!isBuiltIn(this.table, chain.name)) continue;
      const problem = this.reach(chain, hookBit(chain.name), 0);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** Chains that must be walked, because more is known of how they are reached, are put into `next`, or walked at once. */
  private reach(chain: ChainState, hooks: number, depth: number, next?: Set<ChainState>): RuleProblem | undefined {
    if ((hooks & ~chain.hooks) === 0 && depth <= chain.depth) return undefined;
    chain.hooks |= hooks;
    if (depth > chain.depth) chain.depth = depth;
    next?.add(chain);
    return next === undefined ? this.reachRules(chain, 0, chain.rules.length, undefined) : undefined;
  }

  private reachRules(chain: ChainState, first: number, last: number, next: Set<ChainState> | undefined): RuleProblem | undefined {
    for (let i = first; i < last; i++) {
      const target = (chain.rules[i] as Rule).target;
      if (target === undefined) continue;
      if (target.type === 'jump' || target.type === 'goto') {
        if (chain.depth + 1 >= JUMPS_MAX)
          return this.problem(chain.name, i, `too many links: a loop, or more than ${JUMPS_MAX - 1} jumps deep`);
        const to = this.chains.get(target.chain);
        const problem = to === undefined ? undefined : this.reach(to, chain.hooks, chain.depth + 1, next);
        if (problem !== undefined) return problem;
        continue;
      }
      const allowed = allowedFrom(target);
      if (allowed === undefined) continue;
      for (const [bit, name] of BUILT_IN_CHAINS.entries()) {
        if ((chain.hooks & (1 << bit)) !== 0 && !allowed.includes(name))
          return this.problem(chain.name, i, `${target.type} cannot be reached from ${name}, only from ${allowed.join(' and ')}`);
      }
    }
    return undefined;
  }
}

function comparedChange({ chain, before, after }: ChainChange): ComparedChange {
  const { removed, added } = ruleChanges(before, after);
  return { chain, before, after, removed, added, reached: chain.depth >= 0 };
}

function forEachRule(rules: readonly Rule[], spans: readonly Span[], act: (rule: Rule) => void): void {
  for (const { first, end } of spans) for (let i = first; i < end; i++) act(rules[i] as Rule);
}
