/**
 * Things of which several services may want the same, each once: entries of an ipset, addresses of kube-ipvs0.
 * It knows what changed since the last time it was asked.
 */
export class CountedSet<T> {
  readonly #wanted = new Map<string, { readonly value: T; count: number }>();
  readonly #added = new Map<string, T>();
  /** Also what was found on the machine and nobody has asked for yet. */
  readonly #removed = new Map<string, T>();

  /** The machine has this already. */
  found(key: string, value: T): void {
    this.#removed.set(key, value);
  }

  add(key: string, value: T): void {
    const known = this.#wanted.get(key);
    if (known !== undefined) {
      known.count++;
      return;
    }
    this.#wanted.set(key, { value, count: 1 });
    if (!this.#removed.delete(key)) this.#added.set(key, value);
  }

  /** Takes back one `add`. */
  remove(key: string): void {
    const known = this.#wanted.get(key);
    if (known === undefined || --known.count > 0) return;
    this.#wanted.delete(key);
    if (!this.#added.delete(key)) this.#removed.set(key, known.value);
  }

  get size(): number {
    return this.#wanted.size;
  }

  keys(): Iterable<string> {
    return this.#wanted.keys();
  }

  get changed(): boolean {
    return this.#added.size > 0 || this.#removed.size > 0;
  }

  /** What to remove and to add; from now on the machine has it so. */
  takeChanges(): { readonly removed: readonly T[]; readonly added: readonly T[] } {
    const changes = { removed: [...this.#removed.values()], added: [...this.#added.values()] };
    this.#removed.clear();
    this.#added.clear();
    return changes;
  }
}
