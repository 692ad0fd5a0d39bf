import { assert } from '../../../base/assert.ts';
import { formatIp } from '../../../protocol/address.ts';
import type {
  Atom,
  BaseHook,
  Command,
  Element,
  Expression,
  Rule,
  SetDefinition,
  SetReference,
  Statement,
  Transaction,
  Value,
  Verdict,
} from '../../netfilter/nftables/model.ts';
import { joinHostPort } from '../addresses.ts';
import { CT_STATE_NEW, CT_STATUS_DNAT, FIB_LOCAL } from './parts.ts';

/*
 * The input for `nft -f` as kube-proxy itself words it (sigs.k8s.io/knftables), for the commands that
 * kube-proxy makes. (What `nft list` prints of them is worded otherwise.)
 */

/** One line for each command. */
export function transactionText(transaction: Transaction): string[] {
  return transaction.commands.map((command) => commandText(command, `${transaction.family} ${transaction.table}`));
}

function commandText(command: Command, table: string): string {
  switch (command.type) {
    case 'addTable':
      return `add table ${table}${command.comment === undefined ? '' : ` { ${commentText(command.comment)} ; }`}`;
    case 'deleteTable':
      return `delete table ${table}`;
    case 'addChain':
      return chainText(table, command.chain, command.base, command.comment);
    case 'flushChain':
      return `flush chain ${table} ${command.chain}`;
    case 'deleteChain':
      return `delete chain ${table} ${command.chain}`;
    case 'addRule':
      return ruleText(table, command.chain, command.rule);
    case 'addSet':
    case 'addMap':
      return setText(table, command.definition);
    case 'flushSet':
      return `flush set ${table} ${command.name}`;
    case 'flushMap':
      return `flush map ${table} ${command.name}`;
    case 'deleteSet':
      return `delete set ${table} ${command.name}`;
    case 'deleteMap':
      return `delete map ${table} ${command.name}`;
    case 'addElement':
      return elementText(table, command.set, command.element);
    case 'deleteElement':
      return `delete element ${table} ${command.set} { ${keyText(command.element.key)} }`;
    default:
      throw new Error(`assertion failed: kube-proxy has no command ${command.type}`);
  }
}

const commentText = (text: string): string => `comment "${text}"`;

export function chainText(table: string, chain: string, base: BaseHook | undefined, comment: string | undefined): string {
  const properties = [
    ...(base === undefined ? [] : [`type ${base.type} hook ${base.hook.toLowerCase()} priority ${base.priority} ;`]),
    ...(comment === undefined ? [] : [`${commentText(comment)} ;`]),
  ];
  return `add chain ${table} ${chain}${properties.length === 0 ? '' : ` { ${properties.join(' ')} }`}`;
}

export function setText(table: string, definition: SetDefinition): string {
  const { name, key, data, flags, timeoutSeconds, comment } = definition;
  const type = data === undefined ? key.join(' . ') : `${key.join(' . ')} : ${data.join(' . ')}`;
  const properties = [`type ${type} ;`];
  if (flags.length > 0) properties.push(`flags ${flags.join(',')} ;`);
  if (timeoutSeconds !== undefined) properties.push(`timeout ${timeoutSeconds}s ;`);
  if (comment !== undefined) properties.push(`${commentText(comment)} ;`);
  return `add ${data === undefined ? 'set' : 'map'} ${table} ${name} { ${properties.join(' ')} }`;
}

export function elementText(table: string, set: string, element: Element): string {
  const comment = element.comment === undefined ? '' : ` ${commentText(element.comment)}`;
  const data = element.data !== undefined ? ` : ${dataText(element.data)}` : '';
  return `add element ${table} ${set} { ${keyText(element.key)}${comment}${data} }`;
}

export function ruleText(table: string, chain: string, rule: Rule): string {
  const comment = rule.comment === undefined ? [] : [commentText(rule.comment)];
  return ['add rule', table, chain, ...rule.statements.map(statementText), ...comment].join(' ');
}

const PROTOCOLS: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp', 132: 'sctp' };
const protocolText = (atom: Atom): string => {
  const text = typeof atom === 'number' ? PROTOCOLS[atom] : undefined;
  assert(text !== undefined, 'a Service has TCP, UDP or SCTP');
  return text;
};

/** Keys end with protocol and port, or are an address alone. */
function keyText(key: Value): string {
  if (key.type !== 'concat') return valueText(key);
  const atoms = key.parts.map((part) => (part.type === 'atom' ? part.atom : assertAtom(part)));
  const [protocol, port] = atoms.slice(-2) as [Atom, Atom];
  return [...atoms.slice(0, -2).map(addressText), protocolText(protocol), String(port)].join(' . ');
}

function assertAtom(part: Value): never {
  throw new Error(`assertion failed: a key has no ${part.type} in it`);
}

const addressText = (atom: Atom): string => formatIp(atom as Parameters<typeof formatIp>[0]);

function dataText(data: Value | Verdict): string {
  if (data.type === 'concat') return endpointText(data);
  assert(data.type === 'jump' || data.type === 'goto' || data.type === 'drop', 'an element leads to a chain, to an endpoint, or nowhere');
  return verdictText(data);
}

const verdictText = (verdict: Verdict): string => ('chain' in verdict ? `${verdict.type} ${verdict.chain}` : verdict.type);

/** `ip . port` */
function endpointText(data: Value): string {
  assert(data.type === 'concat', 'an endpoint is an address and a port');
  const [address, port] = data.parts.map((part) => (part.type === 'atom' ? part.atom : assertAtom(part))) as [Atom, Atom];
  return `${addressText(address)} . ${port}`;
}

function valueText(value: Value): string {
  switch (value.type) {
    case 'atom':
      return typeof value.atom === 'string' ? value.atom : addressText(value.atom);
    case 'prefix':
      return `${formatIp(value.address)}/${value.length}`;
    default:
      throw new Error(`assertion failed: kube-proxy compares with no ${value.type}`);
  }
}

const hex = (value: number): string => `0x${value.toString(16)}`;

function expressionText(expression: Expression): string {
  switch (expression.type) {
    case 'selector':
      return expression.selector === 'meta mark' ? 'mark' : expression.selector;
    case 'concat':
      return expression.parts.map(expressionText).join(' . ');
    case 'numgen':
      return `numgen ${expression.mode} mod ${expression.mod}`;
    case 'bits':
      return `${expressionText(expression.left)} ${expression.operator} ${hex(expression.right)}`;
    case 'value':
      return valueText(expression.value);
    case 'map':
      return `${expressionText(expression.key)} map ${referenceText(expression.map, ' , ')}`;
  }
}

function referenceText(set: SetReference, separator: string): string {
  if (set.type === 'named') return `@${set.name}`;
  const elements = set.elements.map(({ key, data }) =>
    data === undefined ? valueText(key) : `${key.type === 'atom' ? String(key.atom) : keyText(key)} : ${dataText(data)}`,
  );
  return `{ ${elements.join(separator)} }`;
}

function matchText(statement: Extract<Statement, { type: 'match' }>): string {
  const left = expressionText(statement.left);
  const { operator, right } = statement;
  if (right.type === 'named' || right.type === 'anonymous') {
    // Service CIDRs come as one text, joined without spaces; source ranges as words.
    return operator === 'notIn' ? `${left} != ${referenceText(right, ' , ')}` : `${left} ${referenceText(right, ',')}`;
  }
  if (left === 'ct state') return `${left} ${named(right, CT_STATE_NEW, 'new')}`;
  if (left === 'ct status') return `${left} ${named(right, CT_STATUS_DNAT, 'dnat')}`;
  if (left.startsWith('fib ')) return `${left} ${named(right, FIB_LOCAL, 'local')}`;
  const sign = operator === '!=' ? '!= ' : '';
  if (left === 'meta l4proto' && right.type === 'atom') return `${left} ${sign}${protocolText(right.atom)}`;
  if (statement.left.type === 'bits' && right.type === 'atom') return `${left} ${sign}${String(right.atom)}`;
  return `${left} ${sign}${valueText(right)}`;
}

function named(value: Value, number: number, name: string): string {
  assert(value.type === 'atom' && value.atom === number, `kube-proxy asks for ${name} only`);
  return name;
}

function statementText(statement: Statement): string {
  switch (statement.type) {
    case 'match':
      return matchText(statement);
    case 'verdict':
      return verdictText(statement.verdict);
    case 'vmap':
      return `${expressionText(statement.key)} vmap ${referenceText(statement.map, ' , ')}`;
    case 'setMark':
      return `mark set ${expressionText(statement.value)}`;
    case 'reject':
      return 'reject';
    case 'nat': {
      const { nat } = statement;
      if (nat.kind === 'masquerade') return `masquerade${nat.fullyRandom ? ' fully-random' : ''}`;
      assert(nat.addresses !== undefined && nat.ports !== undefined, 'an endpoint has an address and a port');
      return `dnat to ${joinHostPort(formatIp(nat.addresses.min), nat.ports.min)}`;
    }
    case 'natMap':
      return `${statement.kind} ${statement.family} addr . port to ${expressionText(statement.to)}`;
    case 'setUpdate':
      return `${statement.operation} @${statement.set} { ${expressionText(statement.key)} }`;
    default:
      throw new Error(`assertion failed: kube-proxy has no statement ${statement.type}`);
  }
}
