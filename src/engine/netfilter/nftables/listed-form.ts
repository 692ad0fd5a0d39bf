import { compiledForm } from './compiled-form.ts';
import type { Family, Rule, Statement } from './model.ts';
import { comparedNumber, isProtocolSelector, PROTOCOL_OF_HEADER, selectorsOfStatement } from './protocol-context.ts';
import { headerOf } from './selector.ts';

/*
 * A rule as a listing has it. To compare a port, nft first compares the protocol; when it lists rules,
 * it hides such a comparison again where a later statement implies it, also one that was written out
 * (nftables src/payload.c, payload_dependency_kill; src/netlink_delinearize.c, rule_parse_postprocess).
 */
export function listedForm(rule: Rule, family: Family): Rule {
  const statements = new Map(compiledForm(rule, family).statements.entries());
  /** Comparisons of the protocol that nothing has implied so far, since the last statement that is no comparison. */
  let network: { readonly at: number; readonly of: 'ip' | 'ip6' } | undefined;
  let transport: { readonly at: number; readonly protocol: number } | undefined;

  const hideNetwork = (of: 'ip' | 'ip6' | undefined): void => {
    if (network === undefined || (of !== undefined && of !== network.of)) return;
    statements.delete(network.at);
    network = undefined;
  };
  const hideTransport = (protocol: number | undefined): void => {
    if (transport === undefined || (protocol !== undefined && protocol !== transport.protocol)) return;
    statements.delete(transport.at);
    transport = undefined;
  };

  for (const [at, statement] of [...statements]) {
    for (const selector of selectorsOfStatement(statement)) {
      const header = headerOf(selector);
      if (header === 'ip' || header === 'ip6') hideNetwork(header);
      else if (header !== undefined) hideTransport(header === 'th' ? undefined : PROTOCOL_OF_HEADER[header]);
      else if (/^ct (original|reply) [sd]addr$/.test(selector)) hideNetwork('ip');
    }
    if (statement.type === 'reject') {
      if (statement.with === 'tcp-reset') {
        if (family !== 'inet') hideTransport(6);
      } else if (statement.with?.startsWith('icmp-')) hideNetwork('ip');
      else if (statement.with?.startsWith('icmp6-')) hideNetwork('ip6');
      if (isDefaultReject(statement, family)) statements.set(at, { ...statement, with: undefined, written: false });
    }
    const compared = comparedNumber(statement);
    if (compared === undefined) {
      if (statement.type !== 'match') network = transport = undefined;
    } else if (isProtocolSelector(compared.selector)) {
      if (compared.selector === 'meta l4proto' || family !== 'inet') transport = { at, protocol: compared.value };
    } else if (compared.selector === 'meta nfproto') network = { at, of: compared.value === 2 ? 'ip' : 'ip6' };
    else if (compared.selector === 'meta protocol' && family !== 'inet') network = { at, of: compared.value === 0x800 ? 'ip' : 'ip6' };
  }
  return { ...rule, statements: rangesJoined([...statements.values()]) };
}

/** `tcp dport >= 80 tcp dport <= 90` is a range to nft, which compiles ranges to just that. */
function rangesJoined(statements: readonly Statement[]): readonly Statement[] {
  const joined: Statement[] = [];
  for (const statement of statements) {
    const range = rangeOf(joined.at(-1), statement);
    if (range === undefined) joined.push(statement);
    else joined[joined.length - 1] = range;
  }
  return joined;
}

function rangeOf(low: Statement | undefined, high: Statement): Statement | undefined {
  if (low?.type !== 'match' || high.type !== 'match' || low.operator !== '>=' || high.operator !== '<=') return undefined;
  if (low.left.type !== 'selector' || high.left.type !== 'selector' || low.left.selector !== high.left.selector) return undefined;
  if (low.right.type !== 'atom' || high.right.type !== 'atom') return undefined;
  return { ...low, operator: '==', right: { type: 'range', first: low.right.atom, last: high.right.atom } };
}

function isDefaultReject(statement: Extract<Statement, { type: 'reject' }>, family: Family): boolean {
  if (family === 'ip') return statement.with === 'icmp-port-unreachable';
  return statement.with === (family === 'ip6' ? 'icmp6-port-unreachable' : 'icmpx-port-unreachable');
}
