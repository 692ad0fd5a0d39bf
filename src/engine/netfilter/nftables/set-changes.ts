import { BUSY, type CommandProblem, EXISTS, NAME_LENGTH_MAX, UNSUPPORTED } from './command-problem.ts';
import { elementData } from './compile-expression.ts';
import { fieldOf } from './data-type.ts';
import { mergeIntervals } from './element-order.ts';
import type { Stored } from './element-store.ts';
import type { Command, Element, Rule, SetDefinition } from './model.ts';
import { type ChainState, dataId, type ElementData, type Reach, SetState, type TableState } from './state.ts';
import { definitionProblem, elementProblem } from './validate.ts';
import { boundsOf, listedKey } from './value.ts';

/** The size that a set without one has from when a rule adds to it. */
const DYNAMIC_SET_SIZE = 65_535;

/** What the changes of sets need of the transaction they belong to. */
interface Changing {
  readonly nowNs: number;
  readonly undoing: (() => void)[];
  /** Packets now also come from here to that chain. */
  reach(from: Reach, target: ChainState): CommandProblem | undefined;
}

/** The part of a transaction that is about sets, maps and their elements. */
export class SetChanges {
  private readonly changing: Changing;
  /** Sets made by this transaction. */
  private readonly made = new Set<SetState>();

  constructor(changing: Changing) {
    this.changing = changing;
  }

  apply(
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

  /** A set that rules add to has a size; one made together with such a rule is declared `dynamic` by nft. */
  makeDynamic(table: TableState, rule: Rule): void {
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
    this.changing.undoing.push(() => {
      set.definition = before;
    });
  }

  addSet(table: TableState, definition: SetDefinition, isMap: boolean): CommandProblem | undefined {
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
      this.changing.undoing.push(() => table.sets.delete(name));
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
    this.changing.undoing.push(() => table.sets.set(name, set));
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
      const alive = same.expiresNs > this.changing.nowNs;
      if (alive && dataId(same.element.data) !== dataId(element.data)) return EXISTS;
      if (alive && !set.definition.flags.includes('timeout')) return undefined;
      this.take(set, same);
      if (alive) {
        // The time begins anew; all else stays as it was.
        const { timeoutSeconds, expiresSeconds } = element;
        this.put(set, set.stored({ ...same.element, timeoutSeconds, expiresSeconds }, same.data, this.changing.nowNs));
        return undefined;
      }
    }
    const { key, flags } = set.definition;
    let added = flags.includes('interval') ? { ...element, key: listedKey(element.key, key) } : element;
    for (let other = set.store.conflict(element.key); other !== undefined; other = set.store.conflict(added.key)) {
      if (other.expiresNs <= this.changing.nowNs) {
        this.take(set, other);
        continue;
      }
      if (!set.definition.autoMerge) return set.definition.key.length > 1 ? EXISTS : 'interval overlaps with an existing one';
      added = this.merge(set, added, other);
    }
    if (set.definition.autoMerge) added = this.mergeNeighbours(set, added);
    if (set.isFull(this.changing.nowNs)) return 'Too many open files in system';
    const data = elementData(element, chains);
    this.put(set, set.stored(added, data, this.changing.nowNs));
    return data.target && this.changing.reach(set.reach, data.target);
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
    if (there === undefined || there.expiresNs <= this.changing.nowNs) return 'No such file or directory';
    this.take(set, there);
    return undefined;
  }

  private put(set: SetState, stored: Stored<ElementData>): void {
    set.put(stored);
    this.changing.undoing.push(() => set.drop(stored));
  }

  private take(set: SetState, stored: Stored<ElementData>): void {
    set.drop(stored);
    this.changing.undoing.push(() => set.put(stored));
  }
}

/** A timeout makes a set one with timeouts. */
function withImpliedFlags(definition: SetDefinition): SetDefinition {
  if (definition.timeoutSeconds === undefined || definition.flags.includes('timeout')) return definition;
  return { ...definition, flags: [...definition.flags, 'timeout'] };
}

/** What two definitions must agree in to be of the same set. */
const shapeOf = ({ key, data, flags }: SetDefinition): string => JSON.stringify([key, data ?? null, flags.toSorted()]);
