import type { Atom, Element, Value } from './model.ts';
import { type Bounds, boundsOf, isInterval, partsOf, valueId } from './value.ts';

/*
 * Where elements are found by key: by hash for plain keys, by binary search for intervals, and for
 * concatenations with intervals by one hash for each combination of prefix lengths that occurs. The
 * kernel has the same kinds (net/netfilter/nft_set_hash.c, nft_set_rbtree.c, nft_set_pipapo.c); what
 * all have in common is that the cost does not grow with the number of elements.
 */

/** An element as a set holds it, with what its user makes of the data. */
export interface Stored<T> {
  readonly element: Element;
  readonly data: T;
  /** Virtual time at which it goes; infinite for one that stays. */
  expiresNs: number;
  /** Rises with every element added: of two that match, the older one counts. */
  readonly sequence: number;
}

export interface ElementStore<T> {
  /** The element for a key, one atom for each component; expired ones are there until they are removed. */
  lookup(key: readonly Atom[]): Stored<T> | undefined;
  /** The element with this very key or interval. */
  get(key: Value): Stored<T> | undefined;
  /** The element that a deletion of this key means. */
  named(key: Value): Stored<T> | undefined;
  /** An element that the kernel would not let stand beside this one. */
  conflict(key: Value): Stored<T> | undefined;
  add(stored: Stored<T>): void;
  remove(stored: Stored<T>): void;
  /** In the order in which they were added. */
  readonly all: ReadonlyMap<string, Stored<T>>;
}

export function elementStore<T>(components: number, interval: boolean): ElementStore<T> {
  if (!interval) return new HashStore<T>();
  return components === 1 ? new IntervalStore<T>() : new TupleStore<T>();
}

/** Joins the atoms of a key; names of devices hold no spaces. */
function joined(key: readonly Atom[]): string {
  if (key.length === 1) return String(key[0]);
  if (key.length === 3) return `${key[0]} ${key[1]} ${key[2]}`;
  return key.join(' ');
}

abstract class Store<T> implements ElementStore<T> {
  readonly all = new Map<string, Stored<T>>();
  protected any: Stored<T> | undefined;

  abstract lookup(key: readonly Atom[]): Stored<T> | undefined;
  abstract conflict(key: Value): Stored<T> | undefined;

  get(key: Value): Stored<T> | undefined {
    return this.all.get(valueId(key));
  }

  named(key: Value): Stored<T> | undefined {
    return this.get(key);
  }

  add(stored: Stored<T>): void {
    this.all.set(valueId(stored.element.key), stored);
    if (stored.element.key.type === 'any') this.any = stored;
    else this.insert(stored);
  }

  remove(stored: Stored<T>): void {
    this.all.delete(valueId(stored.element.key));
    if (stored.element.key.type === 'any') this.any = undefined;
    else this.take(stored);
  }

  protected abstract insert(stored: Stored<T>): void;
  protected abstract take(stored: Stored<T>): void;
}

class HashStore<T> extends Store<T> {
  lookup(key: readonly Atom[]): Stored<T> | undefined {
    return this.all.get(joined(key)) ?? this.any;
  }

  conflict(): undefined {
    return undefined;
  }

  protected insert(): void {}
  protected take(): void {}
}

interface Interval<T> extends Bounds {
  readonly stored: Stored<T>;
}

class IntervalStore<T> extends Store<T> {
  /** Disjoint, in rising order. */
  private readonly intervals: Interval<T>[] = [];

  lookup(key: readonly Atom[]): Stored<T> | undefined {
    const atom = key[0] as Atom;
    const candidate = this.intervals[this.after(atom) - 1];
    return candidate !== undefined && atom <= candidate.last ? candidate.stored : this.any;
  }

  conflict(key: Value): Stored<T> | undefined {
    if (key.type === 'any') return undefined;
    const { first, last } = boundsOf(key);
    const candidate = this.intervals[this.after(last) - 1];
    return candidate !== undefined && candidate.last >= first ? candidate.stored : undefined;
  }

  protected insert(stored: Stored<T>): void {
    const bounds = boundsOf(stored.element.key);
    this.intervals.splice(this.after(bounds.first), 0, { ...bounds, stored });
  }

  protected take(stored: Stored<T>): void {
    const at = this.after(boundsOf(stored.element.key).first) - 1;
    if (this.intervals[at]?.stored === stored) this.intervals.splice(at, 1);
  }

  /** How many intervals begin at the atom or before it. */
  private after(atom: Atom): number {
    let low = 0;
    let high = this.intervals.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.intervals[middle] as Interval<T>).first <= atom) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** A part of a key as the leading bits (of numbers) or letters (of names) that count. */
interface Prefix {
  readonly first: Atom;
  /** Bits that do not count; of names, minus the letters that count; undefined: all count. */
  readonly open: number | undefined;
}

class TupleStore<T> extends Store<T> {
  private readonly shapes = new Map<string, { readonly open: readonly (number | undefined)[]; readonly hash: Map<string, Stored<T>[]> }>();

  lookup(key: readonly Atom[]): Stored<T> | undefined {
    let found: Stored<T> | undefined;
    for (const { open, hash } of this.shapes.values()) {
      for (const candidate of hash.get(joined(key.map((atom, i) => truncated(atom, open[i])))) ?? []) {
        if (found === undefined || candidate.sequence < found.sequence) found = candidate;
      }
    }
    return found ?? this.any;
  }

  /** nft_pipapo_deactivate: whichever element the first key is in. */
  override named(key: Value): Stored<T> | undefined {
    return key.type === 'any' ? this.any : this.lookup(partsOf(key).map((part) => boundsOf(part).first));
  }

  /** nft_pipapo_insert: neither the first nor the last key of the new element may be in an old one. */
  conflict(key: Value): Stored<T> | undefined {
    if (key.type === 'any') return undefined;
    const bounds = partsOf(key).map(boundsOf);
    const found = this.lookup(bounds.map(({ first }) => first));
    if (found !== undefined && found !== this.any) return found;
    const atEnd = this.lookup(bounds.map(({ last }) => last));
    return atEnd === this.any ? undefined : atEnd;
  }

  protected insert(stored: Stored<T>): void {
    for (const prefixes of combinations(stored.element.key)) {
      const open = prefixes.map((prefix) => prefix.open);
      const shape = String(open);
      const entry = this.shapes.get(shape) ?? { open, hash: new Map<string, Stored<T>[]>() };
      this.shapes.set(shape, entry);
      const key = joined(prefixes.map((prefix) => prefix.first));
      const there = entry.hash.get(key);
      if (there) there.push(stored);
      else entry.hash.set(key, [stored]);
    }
  }

  protected take(stored: Stored<T>): void {
    for (const prefixes of combinations(stored.element.key)) {
      const shape = String(prefixes.map((prefix) => prefix.open));
      const entry = this.shapes.get(shape);
      const key = joined(prefixes.map((prefix) => prefix.first));
      const left = entry?.hash.get(key)?.filter((other) => other !== stored) ?? [];
      if (left.length > 0) entry?.hash.set(key, left);
      else entry?.hash.delete(key);
      if (entry?.hash.size === 0) this.shapes.delete(shape);
    }
  }
}

function truncated(atom: Atom, open: number | undefined): Atom {
  if (open === undefined) return atom;
  if (typeof atom === 'number') return Math.floor(atom / 2 ** open) * 2 ** open;
  if (typeof atom === 'bigint') return (atom >> BigInt(open)) << BigInt(open);
  return atom.slice(0, -open);
}

/** Every way to take one prefix of each component. */
function combinations(key: Value): readonly (readonly Prefix[])[] {
  let all: (readonly Prefix[])[] = [[]];
  for (const part of partsOf(key)) all = all.flatMap((before) => prefixesOf(part).map((prefix) => [...before, prefix]));
  return all;
}

function prefixesOf(part: Value): readonly Prefix[] {
  if (!isInterval(part)) return [{ first: boundsOf(part).first, open: undefined }];
  const { first, last } = boundsOf(part);
  if (typeof first === 'string') return [{ first, open: -first.length }];
  const prefixes: Prefix[] = [];
  const end = BigInt(last);
  for (let at = BigInt(first); at <= end; ) {
    let open = 0;
    while (((at >> BigInt(open)) & 1n) === 0n && open < 128 && at + (2n << BigInt(open)) - 1n <= end) open++;
    prefixes.push({ first: typeof first === 'number' ? Number(at) : at, open });
    at += 1n << BigInt(open);
  }
  return prefixes;
}
