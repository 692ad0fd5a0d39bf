import { assert } from '../../../base/assert.ts';
import type { Field } from './data-type.ts';
import type { Atom, Element, Value } from './model.ts';
import { boundsOf, isInterval, partsOf, successor, valueOfBounds } from './value.ts';

/*
 * In which order nft lists elements. The kernel's hash order does not show: the tool sorts what it got
 * (nftables src/mergesort.c), plain keys by their value, concatenations by their octets read from the
 * last to the first. Names of devices count as little-endian numbers, unless the set has intervals.
 * Concatenations with intervals stay in the order in which they were added.
 */

/** The elements in the order of a listing. `fields` are those of the key. */
export function listingOrder(elements: readonly Element[], fields: readonly Field[], interval: boolean): readonly Element[] {
  if (elements.length < 2 || (interval && fields.length > 1)) return elements;
  const compare = interval ? compareFirst : compareKeys(fields);
  return elements.toSorted((a, b) => {
    if (a.key.type === 'any' || b.key.type === 'any') return Number(a.key.type === 'any') - Number(b.key.type === 'any');
    return compare(a.key, b.key);
  });
}

/** Elements of a set without data joined where they overlap or touch, as nft does with anonymous interval sets and `auto-merge`. */
export function mergeIntervals(elements: readonly Element[], field: Field): readonly Element[] {
  const merged: Element[] = [];
  for (const element of elements.toSorted((a, b) => compareFirst(a.key, b.key))) {
    const previous = merged.at(-1);
    const { first, last } = boundsOf(element.key);
    const before = previous && boundsOf(previous.key);
    const after = before && successor(before.last);
    if (!before || (first > before.last && first !== after)) merged.push({ ...element, key: valueOfBounds({ first, last }, field.type) });
    else if (last > before.last) merged[merged.length - 1] = { key: valueOfBounds({ first: before.first, last }, field.type) };
  }
  return merged;
}

export const hasIntervals = (elements: readonly Element[]): boolean => elements.some((element) => isInterval(element.key));

function compareFirst(a: Value, b: Value): number {
  const [x, y] = [boundsOf(a).first, boundsOf(b).first];
  return x < y ? -1 : x > y ? 1 : 0;
}

function compareKeys(fields: readonly Field[]): (a: Value, b: Value) => number {
  const natural = fields.length === 1;
  return (a, b) => {
    const [left, right] = [partsOf(a), partsOf(b)];
    for (let i = fields.length - 1; i >= 0; i--) {
      const [x, y, field] = [left[i], right[i], fields[i]];
      assert(x?.type === 'atom' && y?.type === 'atom' && field, 'elements without intervals have one atom for each field');
      const order = compareAtoms(x.atom, y.atom, field, natural);
      if (order !== 0) return order;
    }
    return 0;
  };
}

function compareAtoms(a: Atom, b: Atom, field: Field, natural: boolean): number {
  if (typeof a === 'string' || typeof b === 'string') {
    const [x, y] = [String(a), String(b)];
    if (x.length !== y.length) return x.length - y.length;
    for (let i = x.length - 1; i >= 0; i--) {
      const difference = x.charCodeAt(i) - y.charCodeAt(i);
      if (difference !== 0) return difference;
    }
    return 0;
  }
  const flip = !natural && !field.hostEndian && field.bytes > 1;
  const [x, y] = flip ? [reversed(a, field.bytes), reversed(b, field.bytes)] : [a, b];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** The octets of a number in the opposite order. */
function reversed(n: number | bigint, bytes: number): bigint {
  let rest = BigInt(n);
  let result = 0n;
  for (let i = 0; i < bytes; i++) {
    result = (result << 8n) | (rest & 0xffn);
    rest >>= 8n;
  }
  return result;
}
