import type { CompiledRule } from './compile-rule.ts';
import { type ElementStore, elementStore, type Stored } from './element-store.ts';
import type { BaseHook, Element, Family, Rule, SetDefinition, Value, Verdict } from './model.ts';
import { isVerdict, valueId } from './value.ts';

/*
 * The live objects of a namespace's nftables: what transactions change and packets walk through.
 * References are resolved once, when they are made: a jump holds its chain, a lookup its set.
 */

/** What an element of a map gives. */
export interface ElementData {
  readonly verdict: Verdict | undefined;
  readonly target: ChainState | undefined;
  readonly value: Value | undefined;
}

/** How an element's data is compared with that of another. */
export const dataId = (data: Value | Verdict | undefined): string => {
  if (data === undefined) return '';
  if (!isVerdict(data)) return valueId(data);
  return 'chain' in data ? `${data.type} ${data.chain}` : data.type;
};

/** Counters, generators and limits of one rule: what survives as long as the rule does. */
export class RuleState {
  readonly rule: Rule;
  readonly chain: ChainState;
  /** One for each counter, in the order of the rule. */
  readonly counters: { packets: number; bytes: number }[];
  compiled: CompiledRule | undefined;

  constructor(rule: Rule, chain: ChainState) {
    this.rule = rule;
    this.chain = chain;
    this.counters = rule.statements.flatMap((s) => (s.type === 'counter' ? [{ packets: s.packets, bytes: s.bytes }] : []));
  }

  /** The rule with its counters as they are now. */
  get current(): Rule {
    if (this.counters.length === 0) return this.rule;
    let at = 0;
    const statements = this.rule.statements.map((s) => (s.type === 'counter' ? { type: s.type, ...this.counters[at++] } : s));
    return { ...this.rule, statements: statements as Rule['statements'] };
  }
}

/** From where packets come to a chain, or to a set that chains look into: base chains, and how many jumps away. */
export class Reach {
  /** Bits of hook and chain type, see `contextBit`. */
  contexts = 0;
  /** Jumps on the longest way from a base chain; -1 where none leads here. */
  depth = -1;
}

export class ChainState {
  readonly table: TableState;
  readonly name: string;
  readonly place: number;
  comment: string | undefined;
  base: BaseHook | undefined;
  rules: RuleState[] = [];
  readonly reach = new Reach();
  /** Who jumps here, and how often. */
  readonly users = new Map<ChainState | SetState, number>();

  constructor(table: TableState, name: string, base: BaseHook | undefined, comment: string | undefined) {
    this.table = table;
    this.name = name;
    this.place = table.nextPlace();
    this.base = base;
    this.comment = comment;
  }
}

export class SetState {
  readonly table: TableState;
  readonly name: string;
  readonly place: number;
  /** Without its elements. */
  definition: SetDefinition;
  readonly store: ElementStore<ElementData>;
  readonly reach = new Reach();
  /** Chains whose rules look into it, and how often. */
  readonly users = new Map<ChainState, number>();
  private sequence = 0;

  constructor(table: TableState, definition: SetDefinition) {
    this.table = table;
    this.name = definition.name;
    this.place = table.nextPlace();
    this.definition = { ...definition, elements: [] };
    this.store = elementStore<ElementData>(definition.key.length, definition.flags.includes('interval'));
  }

  get isMap(): boolean {
    return this.definition.data !== undefined;
  }

  get isVerdictMap(): boolean {
    return this.definition.data?.[0] === 'verdict';
  }

  /** A new element in the form the set keeps it. */
  stored(element: Element, data: ElementData, nowNs: number): Stored<ElementData> {
    const seconds = element.timeoutSeconds ?? this.definition.timeoutSeconds;
    const left = element.expiresSeconds ?? seconds;
    const expiresNs = seconds === undefined || left === undefined ? Number.POSITIVE_INFINITY : nowNs + Math.round(left * 1e9);
    return { element, data, expiresNs, sequence: this.sequence++ };
  }

  put(stored: Stored<ElementData>): void {
    this.store.add(stored);
    if (stored.data.target) refer(stored.data.target, this);
  }

  drop(stored: Stored<ElementData>): void {
    this.store.remove(stored);
    if (stored.data.target) release(stored.data.target, this);
  }

  /** Removes what has expired. */
  expire(nowNs: number): void {
    for (const stored of this.store.all.values()) if (stored.expiresNs <= nowNs) this.drop(stored);
  }

  /** Whether one more element finds no place. */
  isFull(nowNs: number): boolean {
    const size = this.definition.size;
    if (size === undefined || this.store.all.size < size) return false;
    this.expire(nowNs);
    return this.store.all.size >= size;
  }

  /** The set as a listing has it. */
  listed(nowNs: number): SetDefinition {
    const elements: Element[] = [];
    for (const { element, expiresNs } of [...this.store.all.values()].sort((a, b) => a.sequence - b.sequence)) {
      if (expiresNs <= nowNs) continue;
      elements.push(expiresNs === Number.POSITIVE_INFINITY ? element : { ...element, expiresSeconds: (expiresNs - nowNs) / 1e9 });
    }
    return { ...this.definition, elements };
  }
}

/** Somebody jumps to a chain once more. */
export const refer = (target: ChainState, by: ChainState | SetState): void => count(target.users, by, 1);

/** Somebody jumps to a chain once less. */
export function release(target: ChainState, by: ChainState | SetState): void {
  count(target.users, by, -1);
  // Nobody comes here any more. What lies behind is found out when it matters.
  if (target.users.size === 0 && target.base === undefined) {
    target.reach.contexts = 0;
    target.reach.depth = -1;
  }
}

/** One more or one less; none is no entry. */
export function count<T>(counts: Map<T, number>, of: T, by: 1 | -1): void {
  const n = (counts.get(of) ?? 0) + by;
  if (n === 0) counts.delete(of);
  else counts.set(of, n);
}

export class TableState {
  readonly family: Family;
  readonly name: string;
  readonly comment: string | undefined;
  private created = 0;
  /** By name; each has the place in which it was created. */
  readonly chains = new Map<string, ChainState>();
  readonly bases = new Set<ChainState>();
  /** Sets and maps. */
  readonly sets = new Map<string, SetState>();

  constructor(family: Family, name: string, comment: string | undefined) {
    this.family = family;
    this.name = name;
    this.comment = comment;
  }

  /** The place of the next object. */
  nextPlace(): number {
    return this.created++;
  }
}

/** Objects in the order in which they were created. */
export const inOrder = <T extends { readonly place: number }>(objects: Iterable<T>): T[] => [...objects].sort((a, b) => a.place - b.place);
