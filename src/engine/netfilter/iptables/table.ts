import type { Result } from '../../../base/result.ts';
import { err, ok } from '../../../base/result.ts';
import type { BaseChain } from '../evaluation.ts';
import { IpSets } from '../ipset.ts';
import { ChainState } from './chain-state.ts';
import type { BuiltInChain, Chain, ChainCounters, IptablesFamily, Rule, TableName, TablePatch, TableRules } from './model.ts';
import { TABLE_CHAINS, TABLE_ORDER } from './model.ts';
import { RecentLists } from './recent.ts';
import { RuleMatcher } from './rule-matcher.ts';
import { chainsInOrder, isBuiltIn } from './save.ts';
import type { ChainChange, RuleProblem } from './table-state.ts';
import { TableState } from './table-state.ts';
import { Walker } from './walk.ts';

/** include/uapi/linux/netfilter_ipv4.h, enum nf_ip_hook_priorities; nat has one for each kind of translation. */
const PRIORITIES = { raw: -300, mangle: -150, filter: 0, security: 50 } as const;
const PRIORITY_NAT_DST = -100;
const PRIORITY_NAT_SRC = 100;

type Taken = Result<undefined, RuleProblem>;

/**
 * The iptables (or ip6tables) of one network namespace: what iptables-nft v1.8.9 makes of rules, and a kernel
 * that walks them. A table exists once something was written into it; a built-in chain is registered at its
 * hook once it was named.
 */
export class IptablesTables {
  readonly family: IptablesFamily;
  readonly sets: IpSets;
  readonly recent: RecentLists;
  private readonly matcher: RuleMatcher;
  private readonly tables = new Map<TableName, TableState>();
  private base: BaseChain[] | undefined;

  /** ipsets and the lists of `-m recent` are those of the namespace, which both families share. */
  constructor(family: IptablesFamily, sets: IpSets = new IpSets(), recent: RecentLists = new RecentLists()) {
    this.family = family;
    this.sets = sets;
    this.recent = recent;
    this.matcher = new RuleMatcher(family, sets, recent);
  }

  /** Replaces a table (iptables-restore without --noflush). Counters are zero unless given (`--counters`). */
  load(rules: TableRules, counters?: ReadonlyMap<string, ChainCounters>): Taken {
    const state = new TableState(rules.table, this);
    for (const { name, policy, rules: chainRules } of rules.chains) {
      if (state.chains.has(name)) return this.problem(rules.table, name, 'the chain is declared twice');
      const nameProblem = chainNameProblem(name);
      if (nameProblem !== undefined) return this.problem(rules.table, name, nameProblem);
      state.chains.set(name, new ChainState(name, isBuiltIn(rules.table, name) ? (policy ?? 'ACCEPT') : undefined, chainRules));
    }
    const taken = state.take([...state.chains.values()].map((chain) => ({ chain, before: NO_RULES, after: chain.rules })));
    if (!taken.ok) return taken;
    for (const [name, counted] of counters ?? []) state.chains.get(name)?.setCounters(counted);
    this.tables.get(rules.table)?.releaseAll();
    this.tables.set(rules.table, state);
    this.base = undefined;
    return ok(undefined);
  }

  /** iptables-restore --noflush: chains named are created, or emptied and filled again; then chains are deleted. All or nothing. */
  patch(patch: TablePatch): Taken {
    const state = this.tables.get(patch.table) ?? new TableState(patch.table, this);
    for (const name of patch.chains.keys()) {
      const problem = state.chains.has(name) ? undefined : chainNameProblem(name);
      if (problem !== undefined) return this.problem(patch.table, name, problem);
    }
    const created: string[] = [];
    const changes: ChainChange[] = [];
    const restore: (() => void)[] = [];
    for (const [name, rules] of patch.chains) {
      let chain = state.chains.get(name);
      if (chain === undefined) {
        created.push(name);
        chain = new ChainState(name, isBuiltIn(patch.table, name) ? 'ACCEPT' : undefined, NO_RULES);
        state.chains.set(name, chain);
      }
      restore.push(chain.snapshot());
      changes.push({ chain, before: chain.rules, after: rules });
      chain.replace(rules);
    }
    const taken = state.take(changes, patch.deleted);
    if (!taken.ok) {
      for (const back of restore) back();
      for (const name of created) state.chains.delete(name);
      state.restored();
      return taken;
    }
    for (const name of patch.deleted) state.chains.delete(name);
    if (created.length > 0 || patch.deleted.length > 0) this.base = undefined;
    this.tables.set(patch.table, state);
    return ok(undefined);
  }

  /** `iptables -A` */
  append(table: TableName, chain: string, rule: Rule): Taken {
    return this.splice(table, chain, Number.POSITIVE_INFINITY, 0, [rule]);
  }

  /** `iptables -I`; `number` is where the rule will be, counted from 1. */
  insert(table: TableName, chain: string, number: number, rule: Rule): Taken {
    return this.splice(table, chain, number - 1, 0, [rule]);
  }

  /** `iptables -D CHAIN NUMBER` */
  deleteRule(table: TableName, chain: string, number: number): Taken {
    return this.splice(table, chain, number - 1, 1, NO_RULES);
  }

  private splice(table: TableName, name: string, at: number, removed: 0 | 1, added: readonly Rule[]): Taken {
    const state = this.tables.get(table) ?? new TableState(table, this);
    const existing = state.chains.get(name);
    if (existing === undefined && !isBuiltIn(table, name)) return this.problem(table, name, `the chain ${name} does not exist`);
    const chain = existing ?? new ChainState(name, 'ACCEPT', NO_RULES);
    const position = at === Number.POSITIVE_INFINITY ? chain.rules.length : at;
    if (!Number.isInteger(position) || position < 0 || position > chain.rules.length - removed)
      return this.problem(table, name, `the chain has no rule ${at + 1}`);
    const before = chain.rules;
    const restore = chain.snapshot();
    chain.splice(position, removed, added);
    if (existing === undefined) state.chains.set(name, chain);
    const taken = state.take([{ chain, before, after: chain.rules }]);
    if (!taken.ok) {
      restore();
      if (existing === undefined) state.chains.delete(name);
      state.restored();
      return taken;
    }
    this.tables.set(table, state);
    if (existing === undefined) this.base = undefined;
    return taken;
  }

  /** `iptables -P` */
  setPolicy(table: TableName, chain: BuiltInChain, policy: 'ACCEPT' | 'DROP'): Taken {
    if (!isBuiltIn(table, chain)) return this.problem(table, chain, `the table ${table} has no built-in chain ${chain}`);
    const found = this.tables.get(table)?.chains.get(chain);
    if (found !== undefined) {
      found.policy = policy;
      return ok(undefined);
    }
    const patched = this.patch({ table, chains: new Map([[chain, NO_RULES]]), deleted: [] });
    return patched.ok ? this.setPolicy(table, chain, policy) : patched;
  }

  /** `iptables -Z`, of one chain or the table. */
  zeroCounters(table: TableName, chain?: string): void {
    for (const state of this.tables.get(table)?.chains.values() ?? []) {
      if (chain === undefined || state.name === chain) state.setCounters({ packets: 0, bytes: 0, rules: undefined });
    }
  }

  /** One chain; undefined while it does not exist. Does not look at others, however many there are. */
  chain(table: TableName, name: string): Chain | undefined {
    const chain = this.tables.get(table)?.chains.get(name);
    return chain && { name, policy: chain.policy, rules: chain.rules };
  }

  /** A table with all its built-in chains, in the order of iptables-save; undefined while it does not exist. */
  rules(table: TableName): TableRules | undefined {
    const state = this.tables.get(table);
    if (state === undefined) return undefined;
    const chains = chainsInOrder(table, state.chains.keys()).map((name) => {
      const chain = state.chains.get(name);
      if (chain === undefined) return { name, policy: 'ACCEPT' as const, rules: NO_RULES };
      return { name, policy: chain.policy, rules: chain.rules };
    });
    return { table, chains };
  }

  /** All tables that exist, in the order of iptables-save. With `counters`, what saveTables takes. */
  allRules(): readonly TableRules[] {
    return TABLE_ORDER.flatMap((table) => this.rules(table) ?? []);
  }

  readonly counters = (table: TableName, chain: string): ChainCounters | undefined => this.tables.get(table)?.chains.get(chain)?.counters;

  /**
   * What netfilter registers at its hooks, of all tables. The list and its members stay the same objects until
   * a built-in chain comes or goes; rules may change behind them.
   */
  baseChains(): readonly BaseChain[] {
    this.base ??= TABLE_ORDER.flatMap((table) => this.baseChainsOf(table));
    return this.base;
  }

  private baseChainsOf(table: TableName): BaseChain[] {
    const state = this.tables.get(table);
    if (state === undefined) return [];
    const walker = new Walker(this.family, table, state.chains, this.matcher);
    return TABLE_CHAINS[table].flatMap((name) => {
      const chain = state.chains.get(name);
      if (chain === undefined) return [];
      return {
        framework: 'iptables' as const,
        family: this.family,
        table,
        name,
        hook: name,
        type: table === 'nat' ? ('nat' as const) : table === 'mangle' && name === 'OUTPUT' ? ('route' as const) : ('filter' as const),
        priority: priorityOf(table, name),
        evaluate: (packet, host, cost, watcher) => walker.evaluate(chain, packet, host, cost, watcher),
      } satisfies BaseChain;
    });
  }

  private problem(table: TableName, chain: string, message: string): Result<never, RuleProblem> {
    return err({ table, chain, rule: 0, message });
  }
}

const NO_RULES: readonly Rule[] = [];

function priorityOf(table: TableName, chain: BuiltInChain): number {
  if (table !== 'nat') return PRIORITIES[table];
  return chain === 'PREROUTING' || chain === 'OUTPUT' ? PRIORITY_NAT_DST : PRIORITY_NAT_SRC;
}

/** iptables/xshared.c, assert_valid_chain_name; XT_EXTENSION_MAXNAMELEN */
function chainNameProblem(name: string): string | undefined {
  if (name.length > 28) return 'the name of a chain has at most 28 characters';
  return /^[^-!\s][^\s]*$/.test(name) ? undefined : `"${name}" is no name of a chain`;
}
