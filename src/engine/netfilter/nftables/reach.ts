import type { BaseHook, Expression, Rule, Statement } from './model.ts';
import { selectorsOfStatement } from './protocol-context.ts';
import { ChainState, type Reach, type SetState, type TableState } from './state.ts';

/*
 * From which hooks a chain is reached, and how deep. The kernel walks all chains from every base chain
 * when something changes (net/netfilter/nf_tables_api.c, nft_chain_validate); here what is known is
 * kept, and only what a new jump leads to is looked at again.
 */

const HOOKS = ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT', 'POSTROUTING'] as const;
const TYPES = ['filter', 'nat', 'route'] as const;

/** NFT_JUMP_STACK_SIZE (include/net/netfilter/nf_tables.h). */
const DEPTH_MAX = 16;

const contextBit = (type: BaseHook['type'], hook: BaseHook['hook']): number => 1 << (TYPES.indexOf(type) * 5 + HOOKS.indexOf(hook));

const ANYWHERE = 2 ** 15 - 1;

function contexts(types: readonly BaseHook['type'][], hooks: readonly BaseHook['hook'][]): number {
  let bits = 0;
  for (const type of types) for (const hook of hooks) bits |= contextBit(type, hook);
  return bits;
}

const DNAT = contexts(['nat'], ['PREROUTING', 'OUTPUT']);
const SNAT = contexts(['nat'], ['POSTROUTING', 'INPUT']);
const MASQUERADE = contexts(['nat'], ['POSTROUTING']);
const NOT_AFTER_ROUTING = contexts(TYPES, ['PREROUTING', 'INPUT', 'FORWARD', 'OUTPUT']);
const WITH_IN_DEVICE = contexts(TYPES, ['PREROUTING', 'INPUT', 'FORWARD']);

/** Where a statement may stand: the validate functions of nft_nat.c, nft_masq.c, nft_redir.c, nft_reject.c and nft_fib.c. */
function allowedFor(statement: Statement): number {
  if (statement.type === 'nat' || statement.type === 'natMap') {
    const kind = statement.type === 'nat' ? statement.nat.kind : statement.kind;
    return kind === 'snat' ? SNAT : kind === 'masquerade' ? MASQUERADE : DNAT;
  }
  if (statement.type === 'reject') return NOT_AFTER_ROUTING;
  const fib = selectorsOfStatement(statement).some((s) => s.startsWith('fib ') && (s.includes('iif') || s.includes(' oif')));
  return fib ? WITH_IN_DEVICE : ANYWHERE;
}

const allowedForRule = (rule: Rule): number => rule.statements.reduce((bits, statement) => bits & allowedFor(statement), ANYWHERE);

export type ReachProblem = 'Too many links' | 'Operation not supported';

/** Whether a new rule may stand where its chain is reached from. */
export const mayStand = (rule: Rule, chain: ChainState): boolean => (chain.reach.contexts & ~allowedForRule(rule)) === 0;

/** A base chain is reached from its hook. */
export function reachBase(chain: ChainState, base: BaseHook): void {
  chain.reach.contexts = contextBit(base.type, base.hook);
  chain.reach.depth = 0;
}

/** Where packets can go from a chain or set, itself excluded. */
function* next(from: ChainState | SetState): Generator<ChainState | SetState> {
  if (!(from instanceof ChainState)) {
    for (const { data } of from.store.all.values()) if (data.target) yield data.target;
    return;
  }
  for (const { rule } of from.rules) yield* leadsTo(rule, from.table);
}

/** The chains and sets that a rule leads to. */
export function* leadsTo(rule: Rule, table: TableState): Generator<ChainState | SetState> {
  for (const statement of rule.statements) {
    for (const name of chainsNamed(statement)) {
      const chain = table.chains.get(name);
      if (chain) yield chain;
    }
    for (const name of setsNamed(statement)) {
      const set = table.sets.get(name);
      if (set) yield set;
    }
  }
}

/** Chains that a statement jumps to, once for each time. */
export function chainsNamed(statement: Statement): readonly string[] {
  if (statement.type === 'verdict') return 'chain' in statement.verdict ? [statement.verdict.chain] : [];
  if (statement.type !== 'vmap' || statement.map.type === 'named') return [];
  return statement.map.elements.flatMap(({ data }) => (data !== undefined && 'chain' in data ? [data.chain] : []));
}

/** Sets and maps that a statement looks into, once for each time. */
export function setsNamed(statement: Statement): readonly string[] {
  const inExpression = (expression: Expression): string[] => {
    switch (expression.type) {
      case 'concat':
        return expression.parts.flatMap(inExpression);
      case 'bits':
        return inExpression(expression.left);
      case 'map':
        return [...inExpression(expression.key), ...(expression.map.type === 'named' ? [expression.map.name] : [])];
      default:
        return [];
    }
  };
  switch (statement.type) {
    case 'match':
      return [...inExpression(statement.left), ...(statement.right.type === 'named' ? [statement.right.name] : [])];
    case 'vmap':
      return [...inExpression(statement.key), ...(statement.map.type === 'named' ? [statement.map.name] : [])];
    case 'setUpdate':
      return [...inExpression(statement.key), statement.set];
    case 'setMark':
      return inExpression(statement.value);
    case 'natMap':
      return inExpression(statement.to);
    default:
      return [];
  }
}

/**
 * Packets now also come from `source` to `target`: what that means for all that lies behind it. Undoing
 * is not needed, since knowing too much only makes the check below look again.
 */
export function extendReach(source: Reach, target: ChainState | SetState): ReachProblem | undefined {
  if (source.depth < 0) return undefined;
  const waiting: { readonly from: Reach; readonly to: ChainState | SetState }[] = [{ from: source, to: target }];
  for (let edge = waiting.pop(); edge !== undefined; edge = waiting.pop()) {
    const { from, to } = edge;
    const depth = to instanceof ChainState ? from.depth + 1 : from.depth;
    const all = to.reach.contexts | from.contexts;
    if (depth <= to.reach.depth && all === to.reach.contexts) continue;
    if (depth >= DEPTH_MAX) return 'Too many links';
    to.reach.depth = Math.max(depth, to.reach.depth);
    to.reach.contexts = all;
    if (to instanceof ChainState && to.rules.some(({ rule }) => (all & ~allowedForRule(rule)) !== 0)) return 'Operation not supported';
    for (const behind of next(to)) waiting.push({ from: to.reach, to: behind });
  }
  return undefined;
}

/** Works out anew from where everything in a table is reached: after something failed, or to be sure that it does. */
export function recomputeReach(table: TableState): ReachProblem | undefined {
  for (const held of [...table.chains.values(), ...table.sets.values()]) {
    held.reach.contexts = 0;
    held.reach.depth = -1;
  }
  let problem: ReachProblem | undefined;
  for (const chain of table.chains.values()) {
    if (chain.base === undefined) continue;
    reachBase(chain, chain.base);
    if (chain.rules.some(({ rule }) => !mayStand(rule, chain))) problem ??= 'Operation not supported';
    for (const behind of next(chain)) problem ??= extendReach(chain.reach, behind);
  }
  return problem;
}
