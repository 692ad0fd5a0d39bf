import { fieldOf, isBitmask } from './data-type.ts';
import type { DataType, Expression, Family, Selector, SetReference } from './model.ts';
import { number, parseBits, parseElements } from './parse-value.ts';
import { fieldsOf, isSelector } from './selector.ts';
import type { TokenReader } from './tokens.ts';

/** Selectors that need no `meta` before them. */
const BARE_META = new Set(['mark', 'iif', 'oif', 'iifname', 'oifname']);
const KEYWORDS = new Set(['ip', 'ip6', 'tcp', 'udp', 'sctp', 'th', 'icmp', 'icmpv6', 'meta', 'ct', 'fib', 'numgen']);

/** Whether an expression begins here. */
export const startsExpression = (reader: TokenReader): boolean => {
  const { kind, text } = reader.peek();
  return (kind === 'word' && (KEYWORDS.has(text) || BARE_META.has(text))) || (kind === 'mark' && text === '(');
};

/** `data`: the types that a map in the expression yields; the last ones may be missing. */
export function parseExpression(reader: TokenReader, family: Family, data: readonly DataType[] | undefined): Expression {
  const first = parseBitwise(reader, family);
  const parts = [first];
  while (reader.accept('.')) parts.push(parseBitwise(reader, family));
  const key: Expression = parts.length === 1 ? first : { type: 'concat', parts };
  if (!reader.accept('map')) return key;
  if (data === undefined) reader.refuse('a map is not modelled here');
  return { type: 'map', key, map: parseSetReference(reader, key, family, data) };
}

/** `@NAME` or `{ … }`. `data`: of a map; empty for verdicts. */
export function parseSetReference(
  reader: TokenReader,
  key: Expression,
  family: Family,
  data: readonly DataType[] | undefined,
): SetReference {
  if (reader.accept('@')) return { type: 'named', name: reader.word('the name of a set') };
  return { type: 'anonymous', elements: parseElements(reader, fieldsOf(key, family), data?.map(fieldOf)) };
}

const OPERATORS = new Map([
  ['and', 'and'],
  ['&', 'and'],
  ['xor', 'xor'],
  ['^', 'xor'],
  ['or', 'or'],
  ['|', 'or'],
] as const);
const STRENGTH = { and: 3, xor: 2, or: 1 };

function parseBitwise(reader: TokenReader, family: Family): Expression {
  let expression: Expression;
  if (reader.accept('(')) {
    expression = parseBitwise(reader, family);
    reader.expect(')');
  } else expression = parsePrimary(reader, family);
  let before = STRENGTH.and;
  for (;;) {
    const { kind, text } = reader.peek();
    const operator = kind === 'string' ? undefined : OPERATORS.get(text as '&');
    if (operator === undefined) return expression;
    if (STRENGTH[operator] > before) reader.refuse(`"${text}" after a weaker operator needs parentheses`);
    before = STRENGTH[operator];
    reader.take();
    const field = fieldsOf(expression, family)[0] ?? fieldOf('integer');
    const plain = isBitmask(field.type) || field.type === 'ipv4_addr';
    expression = { type: 'bits', operator, left: expression, right: plain ? parseBits(reader, field) : number(reader, 'a number') };
  }
}

function parsePrimary(reader: TokenReader, family: Family): Expression {
  if (reader.peek().text === 'numgen') return parseNumgen(reader);
  return { type: 'selector', selector: parseSelector(reader, family) };
}

function parseNumgen(reader: TokenReader): Expression {
  reader.take();
  const mode = reader.accept('random') ? 'random' : reader.accept('inc') ? 'inc' : reader.refuse('expected "random" or "inc"');
  reader.expect('mod');
  const mod = number(reader, 'a number');
  return { type: 'numgen', mode, mod, offset: reader.accept('offset') ? number(reader, 'a number') : 0 };
}

/** A field of the packet, as many words as it has; refused by name if it is not modelled. */
function parseSelector(reader: TokenReader, family: Family): Selector {
  const first = reader.peek().text;
  if (BARE_META.has(first)) {
    reader.take();
    return `meta ${first}` as Selector;
  }
  if (!KEYWORDS.has(first)) reader.refuse(`the statement "${first}" is not modelled`);
  reader.take();
  let text = `${first} ${reader.word('a field')}`;
  if (first === 'fib') {
    while (reader.accept('.')) text += ` . ${reader.word('a field')}`;
    text += ` ${reader.word('what to look up')}`;
  } else if (text === 'ct original' || text === 'ct reply') {
    const named = reader.accept('ip') ? 'ip' : reader.accept('ip6') ? 'ip6' : undefined;
    const field = reader.word('a field');
    const isAddress = field === 'saddr' || field === 'daddr';
    if (isAddress && named === undefined && family === 'inet') {
      reader.refuse('cannot determine ip protocol version, use "ip saddr" or "ip6 saddr" instead');
    }
    // A tuple's address is taken for one of the table's family, in inet tables for IPv4.
    const wrong = named !== undefined && (!isAddress || named !== (family === 'ip6' ? 'ip6' : 'ip'));
    text += wrong ? ` ${named} ${field}` : ` ${field}`;
  }
  return isSelector(text) ? text : reader.refuse(`the field "${text}" is not modelled`);
}
