// vitest 5 is written for node 22: its reporter calls Map.groupBy, which node 20 does not have, when a test
// fails. Loaded before vitest with --import; does nothing on a newer node.

const missing = {
  groupBy(/** @type {Iterable<unknown>} */ items, /** @type {(item: unknown, index: number) => unknown} */ keyOf) {
    const groups = new Map();
    let index = 0;
    for (const item of items) {
      const key = keyOf(item, index++);
      const group = groups.get(key);
      if (group) group.push(item);
      else groups.set(key, [item]);
    }
    return groups;
  },
};

if (!('groupBy' in Map)) Object.assign(Map, missing);
