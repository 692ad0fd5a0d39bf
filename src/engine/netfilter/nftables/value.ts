import { type IpAddress, isIpv4, networkOf } from '../../../protocol/address.ts';
import { hasPrefixes } from './data-type.ts';
import type { Atom, DataType, Value, Verdict } from './model.ts';

/** First and last of the atoms that a value of one component stands for. */
export interface Bounds {
  readonly first: Atom;
  readonly last: Atom;
}

/** `eth*`: every name that begins so. A backslash makes the star an ordinary one. */
export const isWildcardName = (atom: Atom): atom is string => typeof atom === 'string' && atom.endsWith('*') && !atom.endsWith('\\*');

const LAST_OF_PREFIX = '\uffff';

export function boundsOf(value: Value): Bounds {
  switch (value.type) {
    case 'atom':
      if (isWildcardName(value.atom)) return { first: value.atom.slice(0, -1), last: value.atom.slice(0, -1) + LAST_OF_PREFIX };
      return { first: value.atom, last: value.atom };
    case 'range':
      return { first: value.first, last: value.last };
    case 'prefix': {
      const first = networkOf({ address: value.address, length: value.length }).address;
      if (isIpv4(first)) return { first, last: first + 2 ** (32 - value.length) - 1 };
      return { first, last: first + (1n << BigInt(128 - value.length)) - 1n };
    }
    case 'concat':
    case 'any':
      throw new Error(`assertion failed: a ${value.type} has no bounds`);
  }
}

/** The value as a listing writes these bounds: one atom, a prefix where it is one, or a range. */
export function valueOfBounds({ first, last }: Bounds, type: DataType): Value {
  if (first === last) return { type: 'atom', atom: first };
  if (type === 'ifname') return { type: 'atom', atom: `${first}*` };
  const length = hasPrefixes(type) ? prefixLength(first as IpAddress, last as IpAddress) : undefined;
  return length === undefined ? { type: 'range', first, last } : { type: 'prefix', address: first as IpAddress, length };
}

function prefixLength(first: IpAddress, last: IpAddress): number | undefined {
  const size = BigInt(last) - BigInt(first) + 1n;
  if ((size & (size - 1n)) !== 0n || BigInt(first) % size !== 0n) return undefined;
  return (isIpv4(first) ? 32 : 128) - (size.toString(2).length - 1);
}

/** A key as a set with intervals lists it: each range that is a prefix as one. */
export function listedKey(value: Value, types: readonly DataType[]): Value {
  if (value.type === 'any') return value;
  const parts = partsOf(value).map((part, i) => valueOfBounds(boundsOf(part), types[i] ?? 'integer'));
  const [only] = parts;
  return value.type !== 'concat' && only ? only : { type: 'concat', parts };
}

/** The atom after this one, where the two are neighbours; undefined for names. */
export function successor(atom: Atom): Atom | undefined {
  if (typeof atom === 'number') return atom + 1;
  return typeof atom === 'bigint' ? atom + 1n : undefined;
}

/** More than one key in a component: it needs a set with `flags interval`. */
export const isInterval = (value: Value): boolean =>
  value.type === 'concat'
    ? value.parts.some(isInterval)
    : value.type === 'prefix' || value.type === 'range' || (value.type === 'atom' && isWildcardName(value.atom));

/** The components of a key: of a plain value, itself. */
export const partsOf = (value: Value): readonly Value[] => (value.type === 'concat' ? value.parts : [value]);

/** The same text for values that stand for the same keys. */
export function valueId(value: Value): string {
  if (value.type === 'concat') return value.parts.map(valueId).join(' ');
  if (value.type === 'any') return '*';
  const { first, last } = boundsOf(value);
  return first === last ? String(first) : `${first}-${last}`;
}

export const atom = (of: Atom): Value => ({ type: 'atom', atom: of });

/** Tells the two kinds of data of an element apart. */
export const isVerdict = (data: Value | Verdict): data is Verdict =>
  'chain' in data || data.type === 'accept' || data.type === 'drop' || data.type === 'return' || data.type === 'continue';
