import { type IpAddress, isIpv4, parseCidr, parseIp } from '../../../protocol/address.ts';
import type { NatRequest } from '../evaluation.ts';
import { fieldOf, isBitmask, parseNumber } from './data-type.ts';
import type { DataType, Expression, Family, Rule, Statement } from './model.ts';
import { parseExpression, parseSetReference, startsExpression } from './parse-expression.ts';
import { duration, number, parseBits, parseValue, parseVerdict } from './parse-value.ts';
import { REJECT_KINDS } from './print-rule.ts';
import { fieldsOf } from './selector.ts';
import type { TokenReader } from './tokens.ts';
import { boundsOf, isVerdict } from './value.ts';

/** The statements up to the end of the command. */
export function parseRule(reader: TokenReader, family: Family): Rule {
  const statements: Statement[] = [];
  let comment: string | undefined;
  while (reader.peek().kind !== 'end' && reader.peek().text !== '}') {
    if (reader.accept('comment')) {
      comment = reader.string('a comment');
      break;
    }
    statements.push(parseStatement(reader, family));
  }
  if (statements.length === 0) reader.refuse('expected a statement');
  return comment === undefined ? { statements } : { statements, comment };
}

function parseStatement(reader: TokenReader, family: Family): Statement {
  const verdict = parseVerdict(reader);
  if (verdict) return { type: 'verdict', verdict };
  const which = reader.acceptAll('meta', 'mark', 'set') || reader.acceptAll('mark', 'set') ? 'meta mark' : undefined;
  if (which !== undefined || reader.acceptAll('ct', 'mark', 'set')) {
    return { type: 'setMark', which: which ?? 'ct mark', value: parseMark(reader, family) };
  }
  if (startsExpression(reader)) return parseComparison(reader, family);
  const keyword = reader.word('a statement');
  switch (keyword) {
    case 'counter':
      return parseCounter(reader);
    case 'log':
      return parseLog(reader);
    case 'limit':
      return parseLimit(reader);
    case 'reject':
      return parseReject(reader);
    case 'dnat':
    case 'snat':
    case 'masquerade':
    case 'redirect':
      return parseNat(reader, keyword, family);
    case 'notrack':
      return { type: 'notrack' };
    case 'add':
    case 'update':
    case 'delete':
      return parseSetUpdate(reader, keyword, family);
    default:
      return reader.refuse(`the statement "${keyword}" is not modelled`);
  }
}

function parseMark(reader: TokenReader, family: Family): Expression {
  if (startsExpression(reader)) return parseExpression(reader, family, ['mark']);
  return { type: 'value', value: parseValue(reader, [fieldOf('mark')]) };
}

type Operator = Extract<Statement, { type: 'match' }>['operator'];
const COMPARISONS = new Map<string, Operator>([
  ['==', '=='],
  ['eq', '=='],
  ['!=', '!='],
  ['ne', '!='],
  ['<', '<'],
  ['lt', '<'],
  ['>', '>'],
  ['gt', '>'],
  ['<=', '<='],
  ['le', '<='],
  ['>=', '>='],
  ['ge', '>='],
  ['!', 'noBits'],
]);

function parseComparison(reader: TokenReader, family: Family): Statement {
  const left = parseExpression(reader, family, undefined);
  if (reader.accept('vmap')) return { type: 'vmap', key: left, map: parseSetReference(reader, left, family, []) };
  const { kind, text } = reader.peek();
  const written = kind === 'string' ? undefined : COMPARISONS.get(text);
  if (written !== undefined) reader.take();
  const next = reader.peek();
  if (next.kind === 'mark' && (next.text === '@' || next.text === '{')) {
    if (written !== undefined && written !== '==' && written !== '!=') reader.refuse(`a set cannot be compared with ${text}`);
    return { type: 'match', left, operator: written === '!=' ? 'notIn' : 'in', right: parseSetReference(reader, left, family, undefined) };
  }
  const fields = fieldsOf(left, family);
  const [field = fieldOf('integer')] = fields;
  if (left.type === 'selector' && /^fib .*oif$/.test(left.selector) && (next.text === 'missing' || next.text === 'exists')) {
    reader.take();
    return { type: 'match', left, operator: written ?? '==', right: { type: 'atom', atom: next.text } };
  }
  if (!isBitmask(field.type)) return { type: 'match', left, operator: written ?? '==', right: parseValue(reader, fields) };
  const bits = parseBits(reader, field);
  if (reader.accept('/')) {
    const masked: Expression = { type: 'bits', operator: 'and', left, right: parseBits(reader, field) };
    return { type: 'match', left: masked, operator: written ?? '==', right: { type: 'atom', atom: bits } };
  }
  const implied = left.type === 'bits' ? '==' : 'bits';
  return { type: 'match', left, operator: written ?? implied, right: { type: 'atom', atom: bits } };
}

function parseCounter(reader: TokenReader): Statement {
  if (reader.peek().kind === 'string' || reader.peek().text === 'name') reader.refuse('named counters are not modelled');
  if (!reader.accept('packets')) return { type: 'counter', packets: 0, bytes: 0 };
  const packets = number(reader, 'a number');
  reader.expect('bytes');
  return { type: 'counter', packets, bytes: number(reader, 'a number') };
}

const LEVELS = new Set(['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug', 'audit']);

function parseLog(reader: TokenReader): Statement {
  let prefix: string | undefined;
  let level: string | undefined;
  for (;;) {
    if (reader.accept('prefix')) prefix = reader.string('a prefix');
    else if (reader.accept('level')) level = reader.word('a level');
    else break;
  }
  if (level !== undefined && !LEVELS.has(level)) reader.refuse(`the log level "${level}" is not known`);
  for (const option of ['group', 'snaplen', 'queue-threshold', 'flags']) {
    if (reader.peek().text === option) reader.refuse(`the log option "${option}" is not modelled`);
  }
  return { type: 'log', prefix, level };
}

function parseLimit(reader: TokenReader): Statement {
  reader.expect('rate');
  const over = reader.accept('over');
  const text = reader.word('a rate');
  const m = /^(\d+)\/(second|minute|hour|day)$/.exec(text);
  if (m === null) reader.refuse(`the rate "${text}" is not modelled`);
  let burst = 5;
  if (reader.accept('burst')) {
    burst = number(reader, 'a number');
    reader.expect('packets');
  }
  return { type: 'limit', rate: Number(m[1]), unit: m[2] as 'second', burst, over };
}

function parseReject(reader: TokenReader): Statement {
  if (!reader.accept('with')) return { type: 'reject', with: undefined, written: false };
  const protocol = reader.word('a protocol');
  reader.accept('type');
  const kind = `${protocol} ${reader.word('a kind of reject')}`;
  const found = REJECT_KINDS.find(([, text]) => text === kind);
  if (found === undefined) reader.refuse(`the reject "${kind}" is not known`);
  return { type: 'reject', with: found[0], written: true };
}

function parseNat(reader: TokenReader, kind: NatRequest['kind'], tableFamily: Family): Statement {
  const family = reader.accept('ip') ? 'ip' : reader.accept('ip6') ? 'ip6' : undefined;
  if (reader.accept('prefix')) reader.refuse(`${kind} to a prefix is not modelled`);
  const pair = reader.acceptAll('addr', '.', 'port');
  let target: Pick<NatRequest, 'addresses' | 'ports'> = { addresses: undefined, ports: undefined };
  if (reader.accept('to')) {
    if (startsExpression(reader)) {
      if (kind !== 'dnat' && kind !== 'snat') reader.refuse(`${kind} has no map`);
      return parseNatMap(reader, kind, family, tableFamily);
    }
    const text = reader.word('an address or a port');
    const parsed = parseNatTarget(text);
    if (parsed === undefined || pair) reader.refuse(`"${text}" is no target of ${kind}`);
    target = parsed;
  } else if (kind === 'dnat' || kind === 'snat') reader.refuse('expected "to"');
  const flags = new Set<string>();
  while (/^(random|fully-random|persistent)$/.test(reader.peek().text)) {
    flags.add(reader.take().text);
    if (!reader.accept(',')) break;
  }
  const [random, fullyRandom, persistent] = ['random', 'fully-random', 'persistent'].map((flag) => flags.has(flag));
  const nat: NatRequest = { kind, ...target, random: random === true, fullyRandom: fullyRandom === true, persistent: persistent === true };
  return { type: 'nat', nat, family };
}

function parseNatMap(reader: TokenReader, kind: 'dnat' | 'snat', named: 'ip' | 'ip6' | undefined, tableFamily: Family): Statement {
  const family = named ?? (tableFamily === 'ip' || tableFamily === 'ip6' ? tableFamily : undefined);
  if (family === undefined) reader.refuse(`${kind} of the family ${tableFamily} needs ip or ip6`);
  const address: DataType = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  const to = parseExpression(reader, tableFamily, [address, 'inet_service']);
  if (to.type !== 'map') reader.refuse('expected a map');
  if (to.map.type === 'anonymous' && to.map.elements.some(({ data }) => data === undefined || isVerdict(data))) {
    reader.refuse('expected an address for every element');
  }
  return { type: 'natMap', kind, family, to };
}

/** `A`, `A-B`, `A/L`, each with `:P` or `:P-Q` behind it, or `:P` alone; IPv6 addresses in brackets where ports follow. */
function parseNatTarget(text: string): Pick<NatRequest, 'addresses' | 'ports'> | undefined {
  const m = /^(\[[^\]]+\](?:-\[[^\]]+\])?|[\d.]+(?:-[\d.]+|\/\d+)?|[0-9a-f:.]+\/\d+)?:(\d+(?:-\d+)?)$/i.exec(text);
  const hosts = m === null ? text : m[1];
  const addresses = hosts === undefined ? undefined : parseHosts(hosts);
  const ports = m?.[2] === undefined ? undefined : ends(m[2], parseNumber);
  if ((hosts !== undefined && addresses === undefined) || (m !== null && (ports === undefined || ports.max > 0xffff))) return undefined;
  return { addresses, ports };
}

function parseHosts(text: string): { readonly min: IpAddress; readonly max: IpAddress } | undefined {
  const cidr = parseCidr(text);
  if (cidr !== undefined) {
    const { first, last } = boundsOf({ type: 'prefix', ...cidr });
    return { min: first as IpAddress, max: last as IpAddress };
  }
  const addresses = ends(text, (end): IpAddress | undefined => parseIp(end.replace(/^\[|\]$/g, '')));
  return addresses && isIpv4(addresses.min) === isIpv4(addresses.max) ? addresses : undefined;
}

function ends<T>(range: string, read: (end: string) => T | undefined): { readonly min: T; readonly max: T } | undefined {
  const [min, max = min] = range.split('-').map(read);
  return min == null || max == null || min > max ? undefined : { min, max };
}

function parseSetUpdate(reader: TokenReader, operation: 'add' | 'update' | 'delete', family: Family): Statement {
  reader.expect('@');
  const set = reader.word('the name of a set');
  reader.expect('{');
  const key = parseExpression(reader, family, undefined);
  const timeoutSeconds = reader.accept('timeout') ? duration(reader) : undefined;
  reader.expect('}');
  return { type: 'setUpdate', operation, set, key, timeoutSeconds };
}
