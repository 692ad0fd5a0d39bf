import type { Expression } from './model.ts';

/*
 * The kernel knows one bitwise operation, (value AND mask) XOR flip (net/netfilter/nft_bitwise.c), and
 * nft translates every chain of and, or and xor into it and back (nftables src/netlink_delinearize.c,
 * netlink_parse_bitwise_bool). So what is listed is not always what was written, but means the same.
 */

interface BitwiseOperation {
  readonly base: Expression;
  readonly mask: number;
  readonly flip: number;
}

/** The one operation that a chain of bitwise expressions amounts to; `ones` is the widest value. */
export function bitwiseOperation(expression: Expression, ones: number): BitwiseOperation {
  if (expression.type !== 'bits') return { base: expression, mask: ones, flip: 0 };
  const { base, mask, flip } = bitwiseOperation(expression.left, ones);
  const right = expression.right;
  switch (expression.operator) {
    case 'and':
      return { base, mask: (mask & right) >>> 0, flip: (flip & right) >>> 0 };
    case 'or':
      return { base, mask: (mask & ~right) >>> 0, flip: ((flip & ~right) | right) >>> 0 };
    case 'xor':
      return { base, mask, flip: (flip ^ right) >>> 0 };
  }
}

/** An operation as nft writes it: `& mask`, `^ flip`, `| bits`, what does nothing left out. */
export function bitwiseExpression({ base, mask, flip }: BitwiseOperation, ones: number): Expression {
  const or = (flip & ~mask) >>> 0;
  const xor = (flip & mask) >>> 0;
  const and = (mask | or) >>> 0;
  let expression = base;
  if (and !== ones) expression = { type: 'bits', operator: 'and', left: expression, right: and };
  if (xor !== 0) expression = { type: 'bits', operator: 'xor', left: expression, right: xor };
  if (or !== 0) expression = { type: 'bits', operator: 'or', left: expression, right: or };
  return expression;
}
