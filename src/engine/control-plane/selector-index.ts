/** A selector of labels, all of which must be there, and what it belongs to. */
export interface SelectorEntry<Owner> {
  readonly namespace: string;
  readonly selector: Readonly<Record<string, string>>;
  readonly owner: Owner;
}

/**
 * Finds the selectors that match an object's labels, also among ten thousand: each is filed under the rarest of its
 * pairs, so that a pod looks at few that do not match it.
 */
export class SelectorIndex<Owner> {
  private readonly namespaces = new Map<string, Map<string, Map<string, SelectorEntry<Owner>[]>>>();

  /** No selector may be empty. */
  constructor(entries: readonly SelectorEntry<Owner>[]) {
    const uses = new Map<string, number>();
    const pairOf = (namespace: string, key: string, value: string): string => `${namespace}\n${key}\n${value}`;
    for (const { namespace, selector } of entries) {
      for (const key of Object.keys(selector)) {
        const pair = pairOf(namespace, key, selector[key] as string);
        uses.set(pair, (uses.get(pair) ?? 0) + 1);
      }
    }
    for (const entry of entries) {
      const { namespace, selector } = entry;
      const count = (key: string): number => uses.get(pairOf(namespace, key, selector[key] as string)) as number;
      const key = Object.keys(selector).reduce((rarest, other) => (count(other) < count(rarest) ? other : rarest));
      const byKey = getOrMake(this.namespaces, namespace, () => new Map<string, Map<string, SelectorEntry<Owner>[]>>());
      const byValue = getOrMake(byKey, key, () => new Map<string, SelectorEntry<Owner>[]>());
      getOrMake(byValue, selector[key] as string, () => [] as SelectorEntry<Owner>[]).push(entry);
    }
  }

  /** Owners of the selectors that these labels match, in no particular order. */
  matching(namespace: string, labels: Readonly<Record<string, string>>): readonly Owner[] {
    const byKey = this.namespaces.get(namespace);
    if (!byKey) return [];
    const owners: Owner[] = [];
    for (const key of Object.keys(labels)) {
      for (const { selector, owner } of byKey.get(key)?.get(labels[key] as string) ?? []) if (matches(selector, labels)) owners.push(owner);
    }
    return owners;
  }
}

function matches(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  for (const key of Object.keys(selector)) if (!Object.hasOwn(labels, key) || labels[key] !== selector[key]) return false;
  return true;
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
