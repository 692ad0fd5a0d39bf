import { type Ipv4, isIpv4, maskV4 } from '../../../protocol/address.ts';
import { type Field, isBitmask } from './data-type.ts';
import { hasIntervals, listingOrder, mergeIntervals } from './element-order.ts';
import { bitwiseExpression, bitwiseOperation } from './mask.ts';
import type { Element, Expression, Family, Rule, Selector, SetReference, Statement, Value } from './model.ts';
import { ProtocolContext } from './protocol-context.ts';
import { fieldsOf } from './selector.ts';
import { atom, isInterval, listedKey, valueId } from './value.ts';

/*
 * A rule as nft hands it to the kernel (nftables src/evaluate.c): a set with one element is a plain
 * comparison, overlapping intervals are joined, bitwise operations folded, comparisons of neighbouring
 * header fields put side by side, rejects made definite. It matches what the rule as written matches.
 */

type Match = Extract<Statement, { type: 'match' }>;

export function compiledForm(rule: Rule, family: Family): Rule {
  const context = new ProtocolContext(family);
  const statements: Statement[] = [];
  for (const written of rule.statements) {
    const statement = mapExpressions(written, (expression) => folded(nameTransport(expression, context), family));
    statements.push(compiledStatement(statement, family, context));
    context.see(statement);
  }
  return { ...rule, statements: neighboursJoined([...askedFirst(rule, family), ...statements]) };
}

/** A reject that fits one protocol only makes nft compare that protocol at the head of the rule, unless the rule does so itself. */
function askedFirst(rule: Rule, family: Family): readonly Statement[] {
  const context = new ProtocolContext(family);
  for (const statement of rule.statements) {
    if (statement.type === 'reject' && statement.with !== undefined) {
      if (statement.with === 'tcp-reset') return context.protocol === undefined ? [comparison('meta l4proto', 6)] : [];
      if (context.network !== undefined || statement.with.startsWith('icmpx')) return [];
      return [comparison('meta nfproto', statement.with.startsWith('icmp6') ? 10 : 2)];
    }
    context.see(statement);
  }
  return [];
}

const comparison = (selector: Selector, value: number): Statement => ({
  type: 'match',
  left: { type: 'selector', selector },
  operator: '==',
  right: atom(value),
});

/** `th dport` is `tcp dport` where the rule has already said that it is TCP. */
function nameTransport(expression: Expression, context: ProtocolContext): Expression {
  if (expression.type !== 'selector' || !expression.selector.startsWith('th ') || context.transport === undefined) return expression;
  const named = `${context.transport}${expression.selector.slice(2)}`;
  return { type: 'selector', selector: named as Selector };
}

/** Each expression of a statement replaced, innermost first. */
function mapExpressions(statement: Statement, change: (expression: Expression) => Expression): Statement {
  const deep = (expression: Expression): Expression => {
    switch (expression.type) {
      case 'concat':
        return change({ ...expression, parts: expression.parts.map(deep) });
      case 'bits':
        return change({ ...expression, left: deep(expression.left) });
      case 'map':
        return change({ ...expression, key: deep(expression.key) });
      default:
        return change(expression);
    }
  };
  switch (statement.type) {
    case 'match':
      return { ...statement, left: deep(statement.left) };
    case 'vmap':
    case 'setUpdate':
      return { ...statement, key: deep(statement.key) };
    case 'setMark':
      return { ...statement, value: deep(statement.value) };
    case 'natMap':
      return { ...statement, to: deep(statement.to) };
    default:
      return statement;
  }
}

const onesOf = (field: Field | undefined): number => (field === undefined || field.bytes >= 4 ? 0xffffffff : 2 ** (8 * field.bytes) - 1);

function folded(expression: Expression, family: Family): Expression {
  if (expression.type === 'map') return { ...expression, map: ordered(expression.map, fieldsOf(expression.key, family), true) };
  if (expression.type !== 'bits') return expression;
  const ones = onesOf(fieldsOf(expression, family)[0]);
  return bitwiseExpression(bitwiseOperation(expression, ones), ones);
}

function ordered(reference: SetReference, fields: readonly Field[], isMap: boolean): SetReference {
  if (reference.type === 'named') return reference;
  const [field] = fields;
  const interval = hasIntervals(reference.elements);
  const elements = withoutRepetitions(reference.elements, interval ? fields : undefined);
  const merged = interval && !isMap && field && fields.length === 1 ? mergeIntervals(elements, field) : elements;
  return { type: 'anonymous', elements: listingOrder(merged, fields, interval) };
}

function withoutRepetitions(elements: readonly Element[], intervals: readonly Field[] | undefined): readonly Element[] {
  const types = intervals?.map(({ type }) => type);
  const byKey = new Map<string, Element>();
  for (const element of elements) {
    const id = valueId(element.key);
    if (!byKey.has(id)) byKey.set(id, types === undefined ? element : { ...element, key: listedKey(element.key, types) });
  }
  return [...byKey.values()];
}

function compiledStatement(statement: Statement, family: Family, context: ProtocolContext): Statement {
  switch (statement.type) {
    case 'match':
      return compiledMatch(statement, fieldsOf(statement.left, family));
    case 'vmap':
      return { ...statement, map: ordered(statement.map, fieldsOf(statement.key, family), true) };
    case 'nat': {
      const address = statement.nat.addresses?.min;
      const named = statement.family ?? (address === undefined ? undefined : isIpv4(address) ? 'ip' : 'ip6');
      return { ...statement, family: family === 'inet' ? named : undefined };
    }
    case 'reject': {
      if (statement.with !== undefined) return { ...statement, written: true };
      if (family === 'ip6' || context.network === 'ip6') return { ...statement, with: 'icmp6-port-unreachable' };
      return { ...statement, with: context.network === 'ip' ? 'icmp-port-unreachable' : 'icmpx-port-unreachable' };
    }
    default:
      return statement;
  }
}

/** The value of a set with one element, which is not worth a set. */
function onlyValue(elements: readonly Element[], fields: readonly Field[]): Value | undefined {
  const [only] = elements;
  if (only === undefined || elements.length !== 1 || fields.length !== 1 || only.key.type === 'any') return undefined;
  return only.key;
}

function compiledMatch(written: Match, fields: readonly Field[]): Match {
  let { left, operator, right } = written;
  const [field] = fields;
  if (right.type === 'anonymous') {
    const value = onlyValue(right.elements, fields);
    if (value === undefined) return { ...written, right: ordered(right, fields, false) };
    right = value;
    operator = operator === 'notIn' ? '!=' : field && isBitmask(field.type) ? 'bits' : '==';
  }
  if (right.type === 'named' || field === undefined) return { ...written, operator, right };
  if (right.type === 'prefix' && right.length === (isIpv4(right.address) ? 32 : 128)) right = atom(right.address);
  if (left.type === 'bits' && right.type === 'atom' && (operator === '==' || operator === '!=')) {
    let constant = Number(right.atom);
    // A flip of bits can as well be done to the constant (nftables src/evaluate.c, binop_transfer).
    if (left.operator === 'xor') {
      constant = (constant ^ left.right) >>> 0;
      right = atom(constant);
      left = left.left;
    }
    if (left.type === 'bits' && left.operator === 'and') {
      if (isBitmask(field.type) && constant === 0) {
        return { type: 'match', left: left.left, operator: operator === '==' ? 'noBits' : 'bits', right: atom(left.right) };
      }
      const length = field.type === 'ipv4_addr' ? 32 - Math.log2(2 ** 32 - left.right) : Number.NaN;
      if (Number.isInteger(length) && left.right === maskV4(length)) {
        return { type: 'match', left: left.left, operator, right: { type: 'prefix', address: constant as Ipv4, length } };
      }
    }
  }
  return { type: 'match', left, operator, right };
}

/** Pairs of fields that lie next to each other in a header: nft compares both at once, the first one first. */
const NEIGHBOURS: readonly (readonly [Selector, Selector])[] = [
  ['ip ttl', 'ip protocol'],
  ['ip6 nexthdr', 'ip6 hoplimit'],
  ['tcp sport', 'tcp dport'],
  ['udp sport', 'udp dport'],
  ['sctp sport', 'sctp dport'],
  ['th sport', 'th dport'],
  ['icmp type', 'icmp code'],
];

/**
 * nftables src/rule.c, payload_try_merge: within a run of comparisons, the second field moves to the first.
 * With `!=`, nft 1.0.6 then compares both fields as one number, which is another question than the one
 * written; here each is asked for itself.
 */
function neighboursJoined(statements: readonly Statement[]): readonly Statement[] {
  const joined: Statement[] = [];
  let run: Match[] = [];
  const endRun = (): void => {
    for (const [first, second] of NEIGHBOURS) {
      const later = run.findIndex((statement) => comparesPlainly(statement, first));
      const earlier = run.findIndex((statement) => comparesPlainly(statement, second));
      const moved = run[earlier];
      if (earlier < 0 || later < 0 || moved === undefined || moved.operator !== run[later]?.operator) continue;
      run.splice(later + 1, 0, moved);
      run.splice(earlier < later ? earlier : earlier + 1, 1);
    }
    joined.push(...run);
    run = [];
  };
  for (const statement of statements) {
    if (statement.type === 'match') {
      run.push(statement);
      continue;
    }
    endRun();
    joined.push(statement);
  }
  endRun();
  return joined;
}

const comparesPlainly = (statement: Match, selector: Selector): boolean =>
  (statement.operator === '==' || statement.operator === '!=') &&
  statement.left.type === 'selector' &&
  statement.left.selector === selector &&
  statement.right.type === 'atom' &&
  !isInterval(statement.right);
