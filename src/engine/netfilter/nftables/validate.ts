import { isIpv4 } from '../../../protocol/address.ts';
import { type Field, fieldOf, parseAtom } from './data-type.ts';
import { hasIntervals } from './element-order.ts';
import { elementStore } from './element-store.ts';
import type { Atom, DataType, Element, Expression, Rule, SetDefinition, SetReference, Statement, Value } from './model.ts';
import { PROTOCOL_OF_HEADER, ProtocolContext, selectorsOfStatement } from './protocol-context.ts';
import { fieldsOf, headerOf } from './selector.ts';
import { dataId, type TableState } from './state.ts';
import { isInterval, isVerdict, isWildcardName, partsOf } from './value.ts';

/*
 * What nft refuses before it asks the kernel (nftables src/evaluate.c), as far as the model can express
 * it. Undefined: nothing is wrong. The wording follows the tool's.
 */

/** Whether an atom can be a value of this type. */
function fits(atom: Atom, type: DataType): boolean {
  if (type === 'ipv4_addr') return typeof atom === 'number' && atom >= 0 && atom <= 0xffffffff;
  if (type === 'ipv6_addr') return typeof atom === 'bigint';
  if (type === 'ifname') return typeof atom === 'string' && atom !== '*' && atom.length < 16;
  if (typeof atom === 'string') return type === 'iface_index';
  return typeof atom === 'number' && (type === 'time' || parseAtom(type, String(atom)) !== undefined);
}

function valueProblem(value: Value, fields: readonly Field[]): string | undefined {
  if (value.type === 'any') return undefined;
  const parts = partsOf(value);
  if (parts.length !== fields.length) return `datatype mismatch, expected ${fields.map(({ type }) => type).join(' . ')}`;
  for (const [i, part] of parts.entries()) {
    const type = fields[i]?.type ?? 'integer';
    if (part.type === 'concat' || part.type === 'any') return 'a concatenation holds plain values';
    if (part.type === 'prefix' && part.length > (isIpv4(part.address) ? 32 : 128)) return `the prefix length ${part.length} is too long`;
    const atoms: readonly Atom[] = part.type === 'prefix' ? [part.address] : part.type === 'range' ? [part.first, part.last] : [part.atom];
    const wrong = atoms.find((atom) => !fits(atom, type));
    if (wrong !== undefined) return `datatype mismatch, ${String(wrong)} is no ${type}`;
    if (part.type === 'range' && part.first > part.last) return 'Range has zero or negative size';
  }
  return undefined;
}

/** What is wrong with an element of this set or map. */
export function elementProblem(element: Element, set: Omit<SetDefinition, 'elements'>): string | undefined {
  const problem = valueProblem(element.key, set.key.map(fieldOf));
  if (problem !== undefined) return problem;
  if (!set.flags.includes('interval') && isInterval(element.key)) {
    return "You must add 'flags interval' to your set declaration if you want to add prefix elements";
  }
  if (element.timeoutSeconds !== undefined && !set.flags.includes('timeout')) return 'the set has no timeouts';
  const { data } = element;
  if (set.data === undefined) return data === undefined ? undefined : 'set is not a map';
  if (data === undefined) return 'the element has no data';
  if (isVerdict(data)) return set.data[0] === 'verdict' ? undefined : `datatype mismatch, expected ${set.data.join(' . ')}`;
  if (set.data[0] === 'verdict') return 'datatype mismatch, expected verdict';
  return valueProblem(data, set.data.map(fieldOf));
}

/** What is wrong with a new set or map. */
export function definitionProblem({ key, data, flags, size }: SetDefinition): string | undefined {
  if (key.length === 0) return 'the set has no type';
  const unusable = [...key, ...(data ?? [])].find((type) => type === 'integer');
  if (unusable !== undefined || key.includes('verdict')) return 'unqualified type specified in set definition';
  if (flags.includes('constant') && flags.includes('timeout')) return 'Operation not supported: constant sets have no timeouts';
  return size !== undefined && size < 1 ? 'the size is not positive' : undefined;
}

/** What is wrong with a rule in this table. Chains it jumps to are looked for elsewhere. */
export function ruleProblem(rule: Rule, table: TableState): string | undefined {
  const context = new ProtocolContext(table.family);
  for (const [i, statement] of rule.statements.entries()) {
    const problem = statementProblem(statement, table, context);
    if (problem !== undefined) return problem;
    if (isTerminal(statement) && i < rule.statements.length - 1) return 'Statement after terminal statement has no effect';
    context.see(statement);
  }
  return undefined;
}

const isTerminal = (statement: Statement): boolean =>
  (statement.type === 'verdict' && statement.verdict.type !== 'continue') ||
  statement.type === 'reject' ||
  statement.type === 'nat' ||
  statement.type === 'natMap';

const TRANSPORT_NEEDED = 'transport protocol mapping is only valid after transport protocol match';

function statementProblem(statement: Statement, table: TableState, context: ProtocolContext): string | undefined {
  const protocols = protocolProblem(statement, table, context);
  if (protocols !== undefined) return protocols;
  switch (statement.type) {
    case 'match':
      return matchProblem(statement, table);
    case 'vmap':
      return expressionProblem(statement.key, table) ?? mapProblem(statement.key, statement.map, ['verdict'], table);
    case 'setMark':
      return expressionProblem(statement.value, table, ['mark']);
    case 'natMap': {
      const address: DataType = statement.family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
      const withPort = expressionProblem(statement.to, table, [address, 'inet_service']);
      // What a named map yields nft does not ask.
      const written = statement.to.type === 'map' && statement.to.map.type === 'anonymous';
      if (withPort === undefined) return written && context.protocol === undefined ? TRANSPORT_NEEDED : undefined;
      return expressionProblem(statement.to, table, [address]);
    }
    case 'nat': {
      const { addresses, ports } = statement.nat;
      if (ports && context.protocol === undefined) return TRANSPORT_NEEDED;
      if (!addresses) return undefined;
      const family = isIpv4(addresses.min) ? 'ip' : 'ip6';
      const wanted = statement.family ?? context.network;
      if (wanted === undefined) return 'ip or ip6 must be specified with address for inet tables.';
      return wanted === family && isIpv4(addresses.max) === isIpv4(addresses.min)
        ? undefined
        : `the address is not of the family ${wanted}`;
    }
    case 'reject': {
      const network = statement.with?.startsWith('icmp-') ? 'ip' : statement.with?.startsWith('icmp6-') ? 'ip6' : undefined;
      if (network !== undefined && context.network !== undefined && context.network !== network) {
        return `conflicting protocols specified: ${context.network} vs. ${network}`;
      }
      if (statement.with?.startsWith('icmpx-') && table.family !== 'inet') return 'icmpx is for the family inet';
      return statement.with === 'tcp-reset' && context.protocol !== undefined && context.protocol !== 6
        ? 'cannot use tcp reset with another protocol'
        : undefined;
    }
    case 'setUpdate': {
      const set = table.sets.get(statement.set);
      if (set === undefined) return `the set "${statement.set}" does not exist`;
      const problem = expressionProblem(statement.key, table) ?? typesProblem(fieldsOf(statement.key, table.family), set.definition.key);
      if (problem !== undefined) return problem;
      if (set.isMap) return `"${statement.set}" is a map`;
      return statement.timeoutSeconds !== undefined && !set.definition.flags.includes('timeout') ? 'the set has no timeouts' : undefined;
    }
    case 'limit':
      return statement.rate < 1 ? 'the rate is not positive' : undefined;
    default:
      return undefined;
  }
}

/** A rule cannot be about two protocols of one layer. */
function protocolProblem(statement: Statement, table: TableState, context: ProtocolContext): string | undefined {
  let { network, protocol } = context;
  for (const selector of selectorsOfStatement(statement)) {
    const header = headerOf(selector);
    if (selector === 'meta nfproto' && table.family !== 'inet') return 'meta nfproto is only useful in the inet family';
    if (header === 'th' && protocol !== undefined && ![6, 17, 132].includes(protocol))
      return `th after protocol ${protocol} is not modelled`;
    if (header === undefined || header === 'th') continue;
    if (header === 'ip' || header === 'ip6') {
      if (network !== undefined && network !== header) return `conflicting protocols specified: ${network} vs. ${header}`;
      network = header;
    } else {
      const number = PROTOCOL_OF_HEADER[header];
      if (protocol !== undefined && protocol !== number) return `conflicting protocols specified: ${protocol} vs. ${header}`;
      protocol = number;
    }
  }
  return undefined;
}

function matchProblem({ left, operator, right }: Extract<Statement, { type: 'match' }>, table: TableState): string | undefined {
  const problem = expressionProblem(left, table);
  if (problem !== undefined) return problem;
  const fields = fieldsOf(left, table.family);
  if (right.type === 'named' || right.type === 'anonymous') {
    if (operator !== 'in' && operator !== 'notIn') return `a set cannot be compared with ${operator}`;
    return setProblem(left, right, table);
  }
  if (fields.length > 1) return 'Use concatenations with sets and maps, not singleton values';
  if (right.type === 'atom' && left.type === 'selector' && /^fib .*oif$/.test(left.selector)) return undefined;
  if (right.type === 'atom' && isWildcardName(right.atom) && operator !== '==' && operator !== '!=') return 'names have no order';
  return valueProblem(right, fields);
}

/** `data`: what the expression is to yield, where it must come from a map or be a value. */
function expressionProblem(expression: Expression, table: TableState, data?: readonly DataType[]): string | undefined {
  switch (expression.type) {
    case 'numgen':
      return expression.mod < 1 || expression.mod + expression.offset > 0x100000000 ? 'Numerical result out of range' : undefined;
    case 'concat': {
      if (expression.parts.some((part) => part.type === 'selector' && part.selector === 'ip dscp'))
        return 'ip dscp in a concatenation is not modelled';
      for (const part of expression.parts) {
        const problem = expressionProblem(part, table);
        if (problem !== undefined) return problem;
      }
      return undefined;
    }
    case 'bits':
      return expressionProblem(expression.left, table, data);
    case 'map':
      return expressionProblem(expression.key, table) ?? mapProblem(expression.key, expression.map, data ?? [], table);
    case 'value':
      return data && valueProblem(expression.value, data.map(fieldOf));
    case 'selector': {
      const type = fieldsOf(expression, table.family)[0]?.type;
      return data === undefined || type === data[0]
        ? undefined
        : `datatype mismatch: expected ${data.join(' . ')}, expression has type ${type}`;
    }
  }
}

function typesProblem(fields: readonly Field[], key: readonly DataType[]): string | undefined {
  const found = fields.map(({ type }) => type);
  if (found.length === key.length && found.every((type, i) => type === key[i])) return undefined;
  return `datatype mismatch, expected ${found.join(' . ')}, expression has type ${key.join(' . ')}`;
}

function setProblem(key: Expression, reference: SetReference, table: TableState): string | undefined {
  const fields = fieldsOf(key, table.family);
  if (reference.type === 'named') {
    const set = table.sets.get(reference.name);
    return set === undefined ? `the set "${reference.name}" does not exist` : typesProblem(fields, set.definition.key);
  }
  if (reference.elements.length === 0) return 'the set has no elements';
  for (const { key: value, data } of reference.elements) {
    const problem = data === undefined ? valueProblem(value, fields) : 'set is not a map';
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function mapProblem(key: Expression, reference: SetReference, data: readonly DataType[], table: TableState): string | undefined {
  const fields = fieldsOf(key, table.family);
  if (reference.type === 'named') {
    const map = table.sets.get(reference.name);
    if (map === undefined) return `the map "${reference.name}" does not exist`;
    if (map.definition.data === undefined) return 'Expression is not a map';
    const wrong = typesProblem(data.map(fieldOf), map.definition.data);
    return typesProblem(fields, map.definition.key) ?? wrong;
  }
  if (reference.elements.length === 0) return 'the map has no elements';
  const interval = hasIntervals(reference.elements);
  const store = elementStore<undefined>(fields.length, interval);
  for (const [sequence, element] of reference.elements.entries()) {
    const problem =
      valueProblem(element.key, fields) ??
      (element.data === undefined
        ? 'the element has no data'
        : isVerdict(element.data) !== (data[0] === 'verdict')
          ? `datatype mismatch, expected ${data.join(' . ')}`
          : isVerdict(element.data)
            ? undefined
            : valueProblem(element.data, data.map(fieldOf)));
    if (problem !== undefined) return problem;
    const same = store.get(element.key);
    if (same !== undefined && dataId(same.element.data) === dataId(element.data)) continue;
    if (same ?? store.conflict(element.key)) return interval ? 'conflicting intervals specified' : 'File exists';
    store.add({ element, data: undefined, expiresNs: Number.POSITIVE_INFINITY, sequence });
  }
  return undefined;
}
