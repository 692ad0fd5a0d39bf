import type { IpAddress } from '../../../protocol/address.ts';
import { type Field, isBitmask, parseAtom, parseDuration, parseNumber } from './data-type.ts';
import type { Atom, Element, Value, Verdict } from './model.ts';
import type { TokenReader } from './tokens.ts';

/** One component of a value: an atom, a prefix or a range. */
function parsePart(reader: TokenReader, field: Field): Value {
  const { type } = field;
  const quoted = reader.peek().kind === 'string';
  const text = reader.wordOrString(`a value of type ${type}`);
  if (quoted && type !== 'ifname' && type !== 'iface_index') return refuseValue(reader, text, type);
  const whole = parseAtom(type, text);
  if (whole !== undefined) {
    if (!isBitmask(type) || !reader.accept('|')) return { type: 'atom', atom: whole };
    let bits = Number(whole);
    do bits += Number(atomOf(reader, field));
    while (reader.accept('|'));
    return { type: 'atom', atom: bits };
  }
  const slash = text.indexOf('/');
  if (slash > 0 && (type === 'ipv4_addr' || type === 'ipv6_addr')) {
    const address = parseAtom(type, text.slice(0, slash));
    const length = parseNumber(text.slice(slash + 1));
    if (address !== undefined && length !== undefined) return { type: 'prefix', address: address as IpAddress, length };
  }
  for (let dash = text.indexOf('-'); dash > 0; dash = text.indexOf('-', dash + 1)) {
    const first = parseAtom(type, text.slice(0, dash));
    const last = parseAtom(type, text.slice(dash + 1));
    if (first !== undefined && last !== undefined) return { type: 'range', first, last };
  }
  return refuseValue(reader, text, type);
}

function refuseValue(reader: TokenReader, text: string, type: string): never {
  reader.refuse(`"${text}" is no value of type ${type}`);
}

function atomOf(reader: TokenReader, field: Field): Atom {
  const value = parsePart(reader, field);
  return value.type === 'atom' ? value.atom : reader.refuse('expected a single value');
}

/** A value of these components, joined by dots. Fewer are read where `fewer` allows it. */
export function parseValue(reader: TokenReader, fields: readonly Field[], fewer = false): Value {
  if (reader.accept('*')) return { type: 'any' };
  const parts: Value[] = [];
  for (const [i, field] of fields.entries()) {
    if (i > 0 && !reader.accept('.')) {
      if (fewer) break;
      reader.refuse('expected "." and another component');
    }
    parts.push(parsePart(reader, field));
  }
  const [only] = parts;
  return parts.length === 1 && only ? only : { type: 'concat', parts };
}

/** Bits joined by commas or bars. */
export function parseBits(reader: TokenReader, field: Field): number {
  let bits = 0;
  const closing = reader.accept('(');
  do bits += Number(atomOf(reader, field));
  while (reader.accept(',') || reader.accept('|'));
  if (closing) reader.expect(')');
  return bits;
}

export function parseVerdict(reader: TokenReader): Verdict | undefined {
  const { text } = reader.peek();
  switch (text) {
    case 'accept':
    case 'drop':
    case 'return':
    case 'continue':
      reader.take();
      return { type: text };
    case 'jump':
    case 'goto':
      reader.take();
      return { type: text, chain: reader.word('a chain') };
    default:
      return undefined;
  }
}

/** `{ KEY [timeout T] [expires T] [comment "…"] [: DATA], … }`. `data`: the fields of a map's values; empty for verdicts. */
export function parseElements(reader: TokenReader, key: readonly Field[], data: readonly Field[] | undefined): readonly Element[] {
  const elements: Element[] = [];
  reader.expect('{');
  reader.skipLines();
  while (!reader.accept('}')) {
    elements.push(parseElement(reader, key, data));
    reader.skipLines();
    if (!reader.accept(',') && reader.peek().text !== '}') reader.refuse('expected "," or "}"');
    reader.skipLines();
  }
  return elements;
}

function parseElement(reader: TokenReader, key: readonly Field[], data: readonly Field[] | undefined): Element {
  let element: Element = { key: parseValue(reader, key) };
  for (;;) {
    if (reader.accept('timeout')) element = { ...element, timeoutSeconds: duration(reader) };
    else if (reader.accept('expires')) element = { ...element, expiresSeconds: duration(reader) };
    else if (reader.accept('comment')) element = { ...element, comment: reader.string('a comment') };
    else break;
  }
  if (!reader.accept(':')) return element;
  if (data === undefined) reader.refuse('this is not a map');
  const verdict = data[0] === undefined || data[0].type === 'verdict' ? parseVerdict(reader) : undefined;
  if (verdict) return { ...element, data: verdict };
  return data[0] === undefined ? reader.refuse('expected a verdict') : { ...element, data: parseValue(reader, data, true) };
}

export function duration(reader: TokenReader): number {
  return parseDuration(reader.peek().text) === undefined
    ? reader.refuse('expected a time')
    : (parseDuration(reader.word('a time')) as number);
}

export function number(reader: TokenReader, what: string): number {
  const n = parseNumber(reader.peek().text);
  if (n === undefined) reader.refuse(`expected ${what}`);
  reader.take();
  return n;
}
