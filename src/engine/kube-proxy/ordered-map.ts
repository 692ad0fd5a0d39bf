/**
 * A map that is walked in the order of its keys. Few changes among many entries are cheap to walk again:
 * new keys are sorted into a list that is already in order.
 */
export class OrderedMap<V> {
  readonly #values = new Map<string, V>();
  #order: string[] = [];
  #inOrder = true;

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: V): void {
    if (!this.#values.has(key)) {
      this.#order.push(key);
      this.#inOrder = false;
    }
    this.#values.set(key, value);
  }

  delete(key: string): void {
    if (!this.#values.delete(key)) return;
    const at = this.#order.indexOf(key);
    this.#order.splice(at, 1);
  }

  get size(): number {
    return this.#values.size;
  }

  *values(): Iterable<V> {
    for (const key of this.keys()) yield this.#values.get(key) as V;
  }

  keys(): readonly string[] {
    if (!this.#inOrder) this.#order.sort(compareText);
    this.#inOrder = true;
    return this.#order;
  }
}

/** By code units, as Go compares texts of ASCII. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
