import { elementData } from './compile-expression.ts';
import { fieldOf } from './data-type.ts';
import { mergeIntervals } from './element-order.ts';
import type { Stored } from './element-store.ts';
import type { BaseHook, Command, Element, Family, Rule, SetDefinition, Transaction } from './model.ts';
import { chainsNamed, extendReach, leadsTo, mayStand, reachBase, recomputeReach, setsNamed } from './reach.ts';
import { ChainState, dataId, type ElementData, type Reach, RuleState, SetState, TableState } from './state.ts';
import { definitionProblem, elementProblem, ruleProblem } from './validate.ts';
import { boundsOf, listedKey } from './value.ts';

/** What is wrong with a command, in the words of nft and the kernel. */
export type CommandProblem = string;

const BUSY = 'Device or resource busy';
const EXISTS = 'File exists';
const UNSUPPORTED = 'Operation not supported';
/** NFT_NAME_MAXLEN (include/uapi/linux/netfilter/nf_tables.h), with its closing zero. */
const NAME_LENGTH_MAX = 255;
/** The size that a set without one has from when a rule adds to it. */
const DYNAMIC_SET_SIZE = 65_535;
/** Nat chains come after connection tracking (NF_IP_PRI_CONNTRACK; net/netfilter/nf_tables_api.c, nft_chain_parse_hook). */
const CONNTRACK_PRIORITY = -200;

/** Carries out the commands of one transaction, one after the other, and can undo them all. */
export class Transactor {
  private readonly tables: Map<string, TableState>;
  private readonly nowNs: number;
  private readonly undoing: (() => void)[] = [];
  /** Sets made by this transaction. */
  private readonly made = new Set<SetState>();

  constructor(tables: Map<string, TableState>, nowNs: number) {
    this.tables = tables;
    this.nowNs = nowNs;
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
        return this.addSet(table, command.definition, command.type === 'addMap');
      default: {
        const name = 'element' in command ? command.set : command.name;
        const set = table.sets.get(name);
        if (set === undefined) return `the set "${name}" does not exist`;
        return this.inSet(set, command);
      }
    }
  }

  private inSet(
    set: SetState,
    command: Extract<Command, { type: 'flushSet' | 'flushMap' | 'deleteSet' | 'deleteMap' | 'addElement' | 'deleteElement' }>,
  ): CommandProblem | undefined {
    switch (command.type) {
      case 'addElement':
        return this.addElement(set, command.element);
      case 'deleteElement':
        return this.deleteElement(set, command.element);
      default:
        if (set.isMap !== command.type.endsWith('Map')) return `"${set.name}" is a ${set.isMap ? 'map' : 'set'}`;
        return command.type === 'flushSet' || command.type === 'flushMap' ? this.flushSet(set) : this.deleteSet(set);
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
    this.makeDynamic(table, rule);
    if (!mayStand(rule, chain)) return this.reallyWrong(table, UNSUPPORTED);
    for (const target of leadsTo(rule, table)) {
      const reached = this.reach(chain.reach, target);
      if (reached !== undefined) return reached;
    }
    return undefined;
  }

  /** A set that rules add to has a size; one made together with such a rule is declared `dynamic` by nft. */
  private makeDynamic(table: TableState, rule: Rule): void {
    for (const statement of rule.statements) {
      const set = statement.type === 'setUpdate' ? table.sets.get(statement.set) : undefined;
      if (set === undefined) continue;
      const { flags, size } = set.definition;
      const declared = this.made.has(set) && !flags.includes('dynamic') ? ([...flags, 'dynamic'] as const) : flags;
      if (declared !== flags || size === undefined)
        this.redefine(set, { ...set.definition, flags: declared, size: size ?? DYNAMIC_SET_SIZE });
    }
  }

  private redefine(set: SetState, definition: SetDefinition): void {
    const before = set.definition;
    set.definition = definition;
    this.undoing.push(() => {
      set.definition = before;
    });
  }

  private reach(from: Reach, target: ChainState | SetState): CommandProblem | undefined {
    const problem = extendReach(from, target);
    return problem === undefined ? undefined : this.reallyWrong(target.table, problem);
  }

  /** Reach is only ever extended; before something is refused for it, it is worked out anew. */
  private reallyWrong(table: TableState, problem: CommandProblem): CommandProblem | undefined {
    return recomputeReach(table) === undefined ? undefined : problem;
  }

  private addSet(table: TableState, definition: SetDefinition, isMap: boolean): CommandProblem | undefined {
    const { name } = definition;
    if (isMap !== (definition.data !== undefined)) return isMap ? 'the map has no data type' : 'set is not a map';
    if (name.length > NAME_LENGTH_MAX) return 'name too long, 256 characters maximum allowed';
    let set = table.sets.get(name);
    const complete = withImpliedFlags(definition);
    if (set !== undefined) {
      if (shapeOf(set.definition) !== shapeOf(complete)) return EXISTS;
      this.redefine(set, { ...set.definition, timeoutSeconds: complete.timeoutSeconds, size: complete.size ?? set.definition.size });
    } else {
      const problem = definitionProblem(complete);
      if (problem !== undefined) return problem;
      set = new SetState(table, complete);
      table.sets.set(name, set);
      this.made.add(set);
      this.undoing.push(() => table.sets.delete(name));
    }
    for (const element of definition.elements) {
      const problem = this.addElement(set, element);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  private flushSet(set: SetState): undefined {
    for (const stored of set.store.all.values()) this.take(set, stored);
  }

  private deleteSet(set: SetState): CommandProblem | undefined {
    if (set.users.size > 0) return BUSY;
    this.flushSet(set);
    const { table, name } = set;
    table.sets.delete(name);
    this.undoing.push(() => table.sets.set(name, set));
    return undefined;
  }

  private addElement(set: SetState, element: Element): CommandProblem | undefined {
    const problem = elementProblem(element, set.definition);
    if (problem !== undefined) return problem;
    const { chains } = set.table;
    if (element.data !== undefined && 'chain' in element.data) {
      const target = chains.get(element.data.chain);
      if (target === undefined) return `the chain "${element.data.chain}" does not exist`;
      if (target.base !== undefined) return `${UNSUPPORTED}: "${target.name}" is a base chain`;
    }
    const same = set.store.get(element.key);
    if (same !== undefined) {
      const alive = same.expiresNs > this.nowNs;
      if (alive && dataId(same.element.data) !== dataId(element.data)) return EXISTS;
      if (alive && !set.definition.flags.includes('timeout')) return undefined;
      this.take(set, same);
      if (alive) {
        // The time begins anew; all else stays as it was.
        const { timeoutSeconds, expiresSeconds } = element;
        this.put(set, set.stored({ ...same.element, timeoutSeconds, expiresSeconds }, same.data, this.nowNs));
        return undefined;
      }
    }
    const { key, flags } = set.definition;
    let added = flags.includes('interval') ? { ...element, key: listedKey(element.key, key) } : element;
    for (let other = set.store.conflict(element.key); other !== undefined; other = set.store.conflict(added.key)) {
      if (other.expiresNs <= this.nowNs) {
        this.take(set, other);
        continue;
      }
      if (!set.definition.autoMerge) return set.definition.key.length > 1 ? EXISTS : 'interval overlaps with an existing one';
      added = this.merge(set, added, other);
    }
    if (set.definition.autoMerge) added = this.mergeNeighbours(set, added);
    if (set.isFull(this.nowNs)) return 'Too many open files in system';
    const data = elementData(element, chains);
    this.put(set, set.stored(added, data, this.nowNs));
    return data.target && this.reach(set.reach, data.target);
  }

  /** With `auto-merge`, an element that touches or overlaps another becomes one with it. */
  private merge(set: SetState, element: Element, other: Stored<ElementData>): Element {
    this.take(set, other);
    const [merged] = mergeIntervals([element, other.element], fieldOf(set.definition.key[0] ?? 'integer'));
    return merged ?? element;
  }

  private mergeNeighbours(set: SetState, element: Element): Element {
    let merged = element;
    for (const beside of ['before', 'after'] as const) {
      const { first, last } = boundsOf(merged.key);
      const at = beside === 'before' ? first : last;
      if (typeof at === 'string') continue;
      const step = beside === 'before' ? -1 : 1;
      const neighbour = set.store.lookup([typeof at === 'bigint' ? at + BigInt(step) : at + step]);
      if (neighbour !== undefined && neighbour.element.key.type !== 'any') merged = this.merge(set, merged, neighbour);
    }
    return merged;
  }

  private deleteElement(set: SetState, element: Element): CommandProblem | undefined {
    const there = set.store.named(element.key);
    if (there === undefined || there.expiresNs <= this.nowNs) return 'No such file or directory';
    this.take(set, there);
    return undefined;
  }

  private put(set: SetState, stored: Stored<ElementData>): void {
    place(set, stored);
    this.undoing.push(() => remove(set, stored));
  }

  private take(set: SetState, stored: Stored<ElementData>): void {
    remove(set, stored);
    this.undoing.push(() => place(set, stored));
  }
}

function place(set: SetState, stored: Stored<ElementData>): void {
  set.store.add(stored);
  if (stored.data.target) count(stored.data.target.users, set, 1);
}

function remove(set: SetState, stored: Stored<ElementData>): void {
  set.store.remove(stored);
  if (stored.data.target) release(stored.data.target, set);
}

function release(target: ChainState, by: ChainState | SetState): void {
  count(target.users, by, -1);
  // Nobody comes here any more. What lies behind is found out when it matters.
  if (target.users.size === 0 && target.base === undefined) {
    target.reach.contexts = 0;
    target.reach.depth = -1;
  }
}

function count<T>(counts: Map<T, number>, of: T, by: 1 | -1): void {
  const n = (counts.get(of) ?? 0) + by;
  if (n === 0) counts.delete(of);
  else counts.set(of, n);
}

/** Notes, or no longer notes, that a rule of this chain uses the chains and sets it names. */
function bind(chain: ChainState, rule: Rule, by: 1 | -1): void {
  const { chains, sets } = chain.table;
  for (const statement of rule.statements) {
    for (const name of chainsNamed(statement)) {
      const target = chains.get(name);
      if (target === undefined) continue;
      if (by === 1) count(target.users, chain, 1);
      else release(target, chain);
    }
    for (const name of setsNamed(statement)) {
      const set = sets.get(name);
      if (set !== undefined) count(set.users, chain, by);
    }
  }
}

/** A timeout makes a set one with timeouts. */
function withImpliedFlags(definition: SetDefinition): SetDefinition {
  if (definition.timeoutSeconds === undefined || definition.flags.includes('timeout')) return definition;
  return { ...definition, flags: [...definition.flags, 'timeout'] };
}

/** What two definitions must agree in to be of the same set. */
const shapeOf = ({ key, data, flags }: SetDefinition): string => JSON.stringify([key, data ?? null, flags.toSorted()]);
