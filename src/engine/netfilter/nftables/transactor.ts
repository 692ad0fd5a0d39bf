import { BUSY, type CommandProblem, EXISTS, NAME_LENGTH_MAX, UNSUPPORTED } from './command-problem.ts';
import type { BaseHook, Command, Family, Rule, Transaction } from './model.ts';
import { chainsNamed, extendReach, leadsTo, mayStand, reachBase, recomputeReach } from './reach.ts';
import { bind } from './references.ts';
import { SetChanges } from './set-changes.ts';
import { ChainState, type Reach, RuleState, type SetState, TableState } from './state.ts';
import { ruleProblem } from './validate.ts';

/** Nat chains come after connection tracking (NF_IP_PRI_CONNTRACK; net/netfilter/nf_tables_api.c, nft_chain_parse_hook). */
const CONNTRACK_PRIORITY = -200;

/** Carries out the commands of one transaction, one after the other, and can undo them all. */
export class Transactor {
  private readonly tables: Map<string, TableState>;
  private readonly nowNs: number;
  private readonly undoing: (() => void)[] = [];
  private readonly sets: SetChanges;

  constructor(tables: Map<string, TableState>, nowNs: number) {
    this.tables = tables;
    this.nowNs = nowNs;
    this.sets = new SetChanges({ nowNs, undoing: this.undoing, reach: (from, target) => this.reach(from, target) });
  }

  /** Everything as it was before the first command. */
  undo(): void {
    for (let step = this.undoing.pop(); step !== undefined; step = this.undoing.pop()) step();
  }

  apply(of: Pick<Transaction, 'family' | 'table'>, command: Command): CommandProblem | undefined {
    switch (command.type) {
      case 'flushRuleset':
        for (const table of this.tables.values()) this.dropTable(table);
        return undefined;
      case 'addTable':
        return this.addTable(command.family, command.table, command.comment);
      case 'deleteTable': {
        const table = this.tables.get(`${command.family} ${command.table}`);
        if (table === undefined) return 'No such file or directory';
        this.dropTable(table);
        return undefined;
      }
      default: {
        const table = this.tables.get(`${of.family} ${of.table}`);
        return table === undefined ? `the table ${of.family} ${of.table} does not exist` : this.inTable(table, command);
      }
    }
  }

  private inTable(
    table: TableState,
    command: Exclude<Command, { type: 'flushRuleset' | 'addTable' | 'deleteTable' }>,
  ): CommandProblem | undefined {
    switch (command.type) {
      case 'flushTable':
        for (const chain of table.chains.values()) this.flushChain(chain);
        return undefined;
      case 'addChain':
        return this.addChain(table, command.chain, command.base, command.comment);
      case 'flushChain':
      case 'deleteChain':
      case 'addRule': {
        const chain = table.chains.get(command.chain);
        if (chain === undefined) return `the chain "${command.chain}" does not exist`;
        if (command.type === 'addRule') return this.addRule(chain, command.rule);
        return command.type === 'flushChain' ? this.flushChain(chain) : this.deleteChain(chain);
      }
      case 'addSet':
      case 'addMap':
        return this.sets.addSet(table, command.definition, command.type === 'addMap');
      default: {
        const name = 'element' in command ? command.set : command.name;
        const set = table.sets.get(name);
        if (set === undefined) return `the set "${name}" does not exist`;
        return this.sets.apply(set, command);
      }
    }
  }

  private addTable(family: Family, name: string, comment: string | undefined): CommandProblem | undefined {
    if (family !== 'ip' && family !== 'ip6' && family !== 'inet') return `the family ${family} is not modelled`;
    if (name.length > NAME_LENGTH_MAX) return 'name too long, 256 characters maximum allowed';
    const key = `${family} ${name}`;
    if (this.tables.has(key)) return undefined;
    this.tables.set(key, new TableState(family, name, comment));
    this.undoing.push(() => this.tables.delete(key));
    return undefined;
  }

  private dropTable(table: TableState): void {
    const before = [...this.tables];
    this.tables.delete(`${table.family} ${table.name}`);
    this.undoing.push(() => {
      this.tables.clear();
      for (const [key, kept] of before) this.tables.set(key, kept);
    });
  }

  private addChain(table: TableState, name: string, base: BaseHook | undefined, comment: string | undefined): CommandProblem | undefined {
    if (name.length > NAME_LENGTH_MAX) return 'name too long, 256 characters maximum allowed';
    const there = table.chains.get(name);
    if (there !== undefined) return base === undefined ? undefined : this.changePolicy(there, base);
    if (base !== undefined) {
      const { type, hook, priority } = base;
      if (type === 'nat' && (hook === 'FORWARD' || priority <= CONNTRACK_PRIORITY)) return UNSUPPORTED;
      if (type === 'route' && hook !== 'OUTPUT') return UNSUPPORTED;
    }
    const chain = new ChainState(table, name, base, comment);
    table.chains.set(name, chain);
    if (base !== undefined) {
      reachBase(chain, base);
      table.bases.add(chain);
    }
    this.undoing.push(() => {
      table.chains.delete(name);
      table.bases.delete(chain);
    });
    return undefined;
  }

  /** Adding a chain again may give it another policy, but no other hook. */
  private changePolicy(chain: ChainState, base: BaseHook): CommandProblem | undefined {
    const before = chain.base;
    if (before === undefined) return EXISTS;
    if (before.type !== base.type || before.hook !== base.hook || before.priority !== base.priority) return UNSUPPORTED;
    chain.base = base;
    this.undoing.push(() => {
      chain.base = before;
    });
    return undefined;
  }

  private flushChain(chain: ChainState): undefined {
    const before = chain.rules;
    if (before.length === 0) return;
    for (const { rule } of before) bind(chain, rule, -1);
    chain.rules = [];
    this.undoing.push(() => {
      chain.rules = before;
      for (const { rule } of before) bind(chain, rule, 1);
    });
  }

  private deleteChain(chain: ChainState): CommandProblem | undefined {
    this.flushChain(chain);
    for (const user of chain.users.keys()) if (!(user instanceof ChainState)) user.expire(this.nowNs);
    if (chain.users.size > 0) return BUSY;
    const { table } = chain;
    table.chains.delete(chain.name);
    table.bases.delete(chain);
    this.undoing.push(() => {
      table.chains.set(chain.name, chain);
      if (chain.base) table.bases.add(chain);
    });
    return undefined;
  }

  private addRule(chain: ChainState, rule: Rule): CommandProblem | undefined {
    const { table } = chain;
    for (const statement of rule.statements) {
      for (const name of chainsNamed(statement)) {
        const target = table.chains.get(name);
        if (target === undefined) return `the chain "${name}" does not exist`;
        if (target.base !== undefined) return `${UNSUPPORTED}: "${name}" is a base chain`;
      }
    }
    const problem = ruleProblem(rule, table);
    if (problem !== undefined) return problem;
    chain.rules.push(new RuleState(rule, chain));
    bind(chain, rule, 1);
    this.undoing.push(() => {
      chain.rules.pop();
      bind(chain, rule, -1);
    });
    this.sets.makeDynamic(table, rule);
    if (!mayStand(rule, chain)) return this.reallyWrong(table, UNSUPPORTED);
    for (const target of leadsTo(rule, table)) {
      const reached = this.reach(chain.reach, target);
      if (reached !== undefined) return reached;
    }
    return undefined;
  }

  private reach(from: Reach, target: ChainState | SetState): CommandProblem | undefined {
    const problem = extendReach(from, target);
    return problem === undefined ? undefined : this.reallyWrong(target.table, problem);
  }

  /** Reach is only ever extended; before something is refused for it, it is worked out anew. */
  private reallyWrong(table: TableState, problem: CommandProblem): CommandProblem | undefined {
    return recomputeReach(table) === undefined ? undefined : problem;
  }
}
