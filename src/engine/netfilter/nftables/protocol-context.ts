import type { Family, Selector, Statement } from './model.ts';
import { headerOf, selectorsIn } from './selector.ts';

/** Which protocols a rule is known to be about after the statements seen so far (nftables src/proto.c, proto_ctx). */
export class ProtocolContext {
  network: 'ip' | 'ip6' | undefined;
  transport: 'tcp' | 'udp' | 'sctp' | undefined;
  /** IANA number; known more often than its name here. */
  protocol: number | undefined;

  constructor(family: Family) {
    this.network = family === 'ip' || family === 'ip6' ? family : undefined;
  }

  see(statement: Statement): void {
    for (const selector of selectorsOfStatement(statement)) {
      const header = headerOf(selector);
      if (header === 'ip' || header === 'ip6') this.network ??= header;
      else if (header !== undefined && header !== 'th') this.setProtocol(PROTOCOL_OF_HEADER[header]);
    }
    const compared = comparedNumber(statement);
    if (compared === undefined) return;
    if (isProtocolSelector(compared.selector)) this.setProtocol(compared.value);
    else if (compared.selector === 'meta nfproto') this.network ??= compared.value === 2 ? 'ip' : 'ip6';
  }

  private setProtocol(protocol: number): void {
    this.protocol = protocol;
    this.transport = protocol === 6 ? 'tcp' : protocol === 17 ? 'udp' : protocol === 132 ? 'sctp' : undefined;
  }
}

export const PROTOCOL_OF_HEADER = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmpv6: 58 } as const;

export const isProtocolSelector = (selector: Selector): boolean =>
  selector === 'meta l4proto' || selector === 'ip protocol' || selector === 'ip6 nexthdr';

/** The comparison for equality of one selector with one number that a statement is, if it is one. */
export function comparedNumber(statement: Statement): { readonly selector: Selector; readonly value: number } | undefined {
  if (statement.type !== 'match' || statement.left.type !== 'selector') return undefined;
  const { right } = statement;
  const value = right.type === 'anonymous' && right.elements.length === 1 ? right.elements[0]?.key : right;
  if (statement.operator !== '==' && statement.operator !== 'in') return undefined;
  return value?.type === 'atom' && typeof value.atom === 'number' ? { selector: statement.left.selector, value: value.atom } : undefined;
}

/** The selectors that a statement reads, in its order. */
export function selectorsOfStatement(statement: Statement): readonly Selector[] {
  switch (statement.type) {
    case 'match':
      return selectorsIn(statement.left);
    case 'vmap':
    case 'setUpdate':
      return selectorsIn(statement.key);
    case 'setMark':
      return selectorsIn(statement.value);
    case 'natMap':
      return selectorsIn(statement.to);
    default:
      return [];
  }
}
