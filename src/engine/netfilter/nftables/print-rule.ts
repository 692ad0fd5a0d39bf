import { assertNever } from '../../../base/assert.ts';
import { type IpAddress, isIpv4 } from '../../../protocol/address.ts';
import type { NatRequest, RejectType } from '../evaluation.ts';
import { addressText, type Field, fieldOf, formatAtom, formatDuration, isBitmask } from './data-type.ts';
import { listedForm } from './listed-form.ts';
import type {
  DataType,
  Element,
  Expression,
  Family,
  IcmpxRejectType,
  Rule,
  SetReference,
  Statement,
  Table,
  Value,
  Verdict,
} from './model.ts';
import { fieldsOf, selectorText } from './selector.ts';
import { isVerdict, valueOfBounds } from './value.ts';

/** What a rule's text depends on beyond the rule: the family, and what the named maps of the table yield. */
export type RuleScope = Pick<Table, 'family'> & { readonly maps: readonly Pick<Table['maps'][number], 'name' | 'data'>[] };

/** A rule as `nft list` prints it, without indentation. */
export function ruleText(rule: Rule, scope: RuleScope): string {
  const texts = listedForm(rule, scope.family).statements.map((statement) => statementText(statement, scope));
  if (rule.comment !== undefined) texts.push(`comment "${rule.comment}"`);
  return texts.join(' ');
}

export function verdictText(verdict: Verdict): string {
  return verdict.type === 'jump' || verdict.type === 'goto' ? `${verdict.type} ${verdict.chain}` : verdict.type;
}

/** `between`: what joins the names of bits. */
export function valueText(value: Value, fields: readonly Field[], between = ' | '): string {
  const type = fields[0]?.type ?? 'integer';
  switch (value.type) {
    case 'atom':
      return formatAtom(type, value.atom, between);
    case 'prefix':
      return `${addressText(value.address)}/${value.length}`;
    case 'range':
      // Ranges of time are the one place where nft does not turn seconds into minutes.
      if (type === 'time') return `${value.first}s-${value.last}s`;
      return `${formatAtom(type, value.first)}-${formatAtom(type, value.last)}`;
    case 'concat': {
      let at = 0;
      return value.parts.map((part) => valueText(part, fields.slice(at++), between)).join(' . ');
    }
    case 'any':
      return '*';
  }
}

/** `KEY timeout 5s expires 4s comment "…" : DATA` */
export function elementText(element: Element, key: readonly Field[], data: readonly DataType[] | undefined): string {
  let text = valueText(element.key, key);
  if (element.timeoutSeconds !== undefined) text += ` timeout ${formatDuration(element.timeoutSeconds)}`;
  if (element.expiresSeconds !== undefined) text += ` expires ${formatDuration(element.expiresSeconds)}`;
  if (element.comment !== undefined) text += ` comment "${element.comment}"`;
  if (element.data === undefined) return text;
  return `${text} : ${isVerdict(element.data) ? verdictText(element.data) : valueText(element.data, (data ?? []).map(fieldOf))}`;
}

function setText(reference: SetReference, key: readonly Field[], data?: readonly DataType[]): string {
  if (reference.type === 'named') return `@${reference.name}`;
  return `{ ${reference.elements.map((element) => elementText(element, key, data)).join(', ')} }`;
}

/** `data`: what a map in the expression yields. */
function expressionText(expression: Expression, family: Family, data: readonly DataType[]): string {
  switch (expression.type) {
    case 'selector':
      return selectorText(expression.selector, family);
    case 'concat':
      return expression.parts.map((part) => expressionText(part, family, data)).join(' . ');
    case 'numgen': {
      const offset = expression.offset === 0 ? '' : ` offset ${expression.offset}`;
      return `numgen ${expression.mode} mod ${expression.mod}${offset}`;
    }
    case 'bits': {
      const sign = expression.operator === 'and' ? '&' : expression.operator === 'or' ? '|' : '^';
      const type = fieldsOf(expression.left, family)[0]?.type ?? 'integer';
      const bits = formatAtom(type, expression.right, ' | ');
      return `${expressionText(expression.left, family, data)} ${sign} ${bits.includes(' | ') ? `(${bits})` : bits}`;
    }
    case 'value':
      return valueText(expression.value, data.map(fieldOf));
    case 'map':
      return `${expressionText(expression.key, family, data)} map ${setText(expression.map, fieldsOf(expression.key, family), data)}`;
  }
}

function matchText(statement: Extract<Statement, { type: 'match' }>, family: Family): string {
  const { left, operator, right } = statement;
  const fields = fieldsOf(left, family);
  const text = expressionText(left, family, []);
  if (right.type === 'named' || right.type === 'anonymous') {
    const sign = operator === 'notIn' ? '!= ' : left.type === 'bits' ? '== ' : '';
    return `${text} ${sign}${setText(right, fields)}`;
  }
  if (operator === 'bits') return `${text} ${valueText(right, fields, ',')}`;
  if (operator === 'noBits') return `${text} ! ${valueText(right, fields, ',')}`;
  const type = fields[0]?.type;
  if (type !== undefined && isBitmask(type) && left.type === 'bits' && left.operator === 'and' && right.type === 'atom') {
    // Several bits under a mask have a form of their own: `tcp flags syn / fin,syn,rst,ack`.
    const mask = formatAtom(type, left.right);
    const not = operator === '!=' ? '!= ' : '';
    if (mask.includes(',')) return `${expressionText(left.left, family, [])} ${not}${valueText(right, fields, ',')} / ${mask}`;
  }
  const silent = operator === '==' && left.type !== 'bits' && !(type !== undefined && isBitmask(type));
  return `${text} ${silent ? '' : `${operator} `}${valueText(right, fields)}`;
}

const REJECTS: Readonly<Record<RejectType | IcmpxRejectType, string>> = {
  'icmp-net-unreachable': 'icmp net-unreachable',
  'icmp-host-unreachable': 'icmp host-unreachable',
  'icmp-proto-unreachable': 'icmp prot-unreachable',
  'icmp-port-unreachable': 'icmp port-unreachable',
  'icmp-net-prohibited': 'icmp net-prohibited',
  'icmp-host-prohibited': 'icmp host-prohibited',
  'icmp-admin-prohibited': 'icmp admin-prohibited',
  'icmp6-no-route': 'icmpv6 no-route',
  'icmp6-adm-prohibited': 'icmpv6 admin-prohibited',
  'icmp6-addr-unreachable': 'icmpv6 addr-unreachable',
  'icmp6-port-unreachable': 'icmpv6 port-unreachable',
  'icmpx-no-route': 'icmpx no-route',
  'icmpx-port-unreachable': 'icmpx port-unreachable',
  'icmpx-host-unreachable': 'icmpx host-unreachable',
  'icmpx-admin-prohibited': 'icmpx admin-prohibited',
  'tcp-reset': 'tcp reset',
};

/** What follows `reject with` for each kind, for whoever reads it. */
export const REJECT_KINDS = Object.entries(REJECTS) as readonly (readonly [RejectType | IcmpxRejectType, string])[];

/** `10.0.0.1-10.0.0.9:80-90 random,persistent`, as it follows `to`. */
export function natTargetText(nat: NatRequest): string {
  const { addresses, ports } = nat;
  let text = '';
  if (addresses) {
    const { min, max } = addresses;
    const written = (address: IpAddress): string => (isIpv4(address) || !ports ? addressText(address) : `[${addressText(address)}]`);
    // A range that is a prefix is listed as one, without brackets.
    const prefix = min === max ? undefined : valueOfBounds({ first: min, last: max }, isIpv4(min) ? 'ipv4_addr' : 'ipv6_addr');
    if (prefix?.type === 'prefix') text += `${addressText(prefix.address)}/${prefix.length}`;
    else text += min === max ? written(min) : `${written(min)}-${written(max)}`;
  }
  if (ports) text += ports.min === ports.max ? `:${ports.min}` : `:${ports.min}-${ports.max}`;
  return text;
}

function natText(nat: NatRequest, family: 'ip' | 'ip6' | undefined): string {
  const flags = [nat.random ? 'random' : '', nat.fullyRandom ? 'fully-random' : '', nat.persistent ? 'persistent' : ''].filter(Boolean);
  const target = natTargetText(nat);
  const to = target === '' ? '' : `${family === undefined ? '' : ` ${family}`} to ${target}`;
  return `${nat.kind}${to}${flags.length === 0 ? '' : ` ${flags.join(',')}`}`;
}

/** Whether a map for `dnat … to` yields ports besides addresses. */
function yieldsPorts(map: Expression, scope: RuleScope): boolean {
  if (map.type !== 'map') return false;
  const reference = map.map;
  if (reference.type === 'anonymous') return reference.elements[0]?.data?.type === 'concat';
  return (scope.maps.find((candidate) => candidate.name === reference.name)?.data?.length ?? 1) > 1;
}

const LOG_LEVEL_DEFAULT = 'warn';
const LIMIT_BURST_DEFAULT = 5;

function statementText(statement: Statement, scope: RuleScope): string {
  const { family } = scope;
  switch (statement.type) {
    case 'match':
      return matchText(statement, family);
    case 'verdict':
      return verdictText(statement.verdict);
    case 'vmap':
      return `${expressionText(statement.key, family, [])} vmap ${setText(statement.map, fieldsOf(statement.key, family))}`;
    case 'counter':
      return `counter packets ${statement.packets} bytes ${statement.bytes}`;
    case 'setMark':
      return `${statement.which} set ${expressionText(statement.value, family, ['mark'])}`;
    case 'reject':
      return statement.with === undefined ? 'reject' : `reject with ${REJECTS[statement.with]}`;
    case 'nat':
      return natText(statement.nat, statement.family);
    case 'natMap': {
      // nft 1.0.6 prints `dnat ip to` for `dnat ip addr . port to`, and reads it as the same.
      const ports = yieldsPorts(statement.to, scope);
      const address: DataType = statement.family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
      const shown = ports || family === 'inet' ? ` ${statement.family}` : '';
      return `${statement.kind}${shown} to ${expressionText(statement.to, family, ports ? [address, 'inet_service'] : [address])}`;
    }
    case 'setUpdate': {
      const timeout = statement.timeoutSeconds === undefined ? '' : ` timeout ${formatDuration(statement.timeoutSeconds)}`;
      return `${statement.operation} @${statement.set} { ${expressionText(statement.key, family, [])}${timeout} }`;
    }
    case 'notrack':
      return 'notrack';
    case 'log': {
      const prefix = statement.prefix === undefined ? '' : ` prefix "${statement.prefix}"`;
      return `log${prefix}${statement.level === undefined || statement.level === LOG_LEVEL_DEFAULT ? '' : ` level ${statement.level}`}`;
    }
    case 'limit': {
      const burst = statement.burst === LIMIT_BURST_DEFAULT ? '' : ` burst ${statement.burst} packets`;
      return `limit rate ${statement.over ? 'over ' : ''}${statement.rate}/${statement.unit}${burst}`;
    }
    default:
      return assertNever(statement, 'statement');
  }
}
