import { isIpv4 } from '../../../protocol/address.ts';
import {
  ACCEPT,
  type BaseChain,
  type ChainVerdict,
  type RuleDraw,
  type RuleHost,
  type RulePacket,
  type RulePlace,
  type WalkCost,
  type WalkWatcher,
} from '../evaluation.ts';
import type { Draw, Looking } from './compile-expression.ts';
import { compileRule, type Ending, NO_MATCH } from './compile-rule.ts';
import type { BaseHook } from './model.ts';
import { natTargetText, ruleText } from './print-rule.ts';
import type { ChainState, RuleState } from './state.ts';

/** Where to go on when a chain that was jumped to ends. */
interface Frame {
  readonly chain: ChainState;
  readonly next: number;
  readonly depth: number;
}

/**
 * A base chain as netfilter calls it. The walk is nft_do_chain (net/netfilter/nf_tables_core.c): a jump
 * remembers where it came from, a goto does not, the end of a chain is a return, and the return of the
 * base chain is its policy. What is accepted here goes on to the next base chain of the hook.
 */
export class NftBaseChain implements BaseChain {
  readonly framework = 'nftables';
  private readonly chain: ChainState;
  private readonly base: BaseHook;

  constructor(chain: ChainState, base: BaseHook) {
    this.chain = chain;
    this.base = base;
  }

  get family(): string {
    return this.chain.table.family;
  }
  get table(): string {
    return this.chain.table.name;
  }
  get name(): string {
    return this.chain.name;
  }
  get hook(): BaseChain['hook'] {
    return this.base.hook;
  }
  get type(): BaseChain['type'] {
    return this.base.type;
  }
  get priority(): number {
    return this.base.priority;
  }

  /**
   * Counts every rule whose statements were begun and every set that was looked into. `depth` rises by
   * one with a jump and with a goto.
   */
  evaluate(packet: RulePacket, host: RuleHost, cost: WalkCost, watcher: WalkWatcher | undefined): ChainVerdict {
    const { family } = this.chain.table;
    if (family !== 'inet' && (family === 'ip') !== isIpv4(packet.src)) return ACCEPT;
    const looking: Looking = { packet, host, cost, draw: undefined };
    const frames: Frame[] = [];
    let chain = this.chain;
    let next = 0;
    let depth = 0;
    let unmatched = 0;
    for (;;) {
      const rule = chain.rules[next++];
      if (rule === undefined) {
        const frame = frames.pop();
        if (frame === undefined) return this.policy();
        ({ chain, next, depth } = frame);
        unmatched = 0;
        continue;
      }
      cost.rules++;
      const before = packet.mark;
      looking.draw = undefined;
      const result = run(rule, looking);
      if (result === NO_MATCH) {
        unmatched++;
        if (watcher?.drawFailed && looking.draw) watcher.drawFailed(placeOf(chain, next), drawn(looking.draw));
        continue;
      }
      watcher?.matched({
        place: placeOf(chain, next),
        depth,
        text: () => ruleText(rule.rule, scopeOf(rule)),
        action: actionOf(result),
        unmatchedBefore: unmatched,
        mark: packet.mark === before ? undefined : { before, after: packet.mark },
        draw: looking.draw && drawn(looking.draw),
      });
      unmatched = 0;
      if (result === undefined) continue;
      switch (result.kind) {
        case 'accept':
          return ACCEPT;
        case 'drop':
          return { kind: 'drop', place: placeOf(chain, next) };
        case 'reject':
          return { kind: 'reject', with: result.with, place: placeOf(chain, next) };
        case 'nat':
          return { kind: 'nat', nat: result.nat, place: placeOf(chain, next) };
        case 'return':
          next = chain.rules.length;
          continue;
        case 'jump':
          frames.push({ chain, next, depth });
          break;
        case 'goto':
          break;
      }
      chain = result.target;
      next = 0;
      depth++;
    }
  }

  /** The policy may be changed while the chain stays. */
  private policy(): ChainVerdict {
    return this.chain.base?.policy === 'drop' ? { kind: 'drop', place: placeOf(this.chain, 0) } : ACCEPT;
  }
}

function run(rule: RuleState, looking: Looking): Ending | undefined | typeof NO_MATCH {
  rule.compiled ??= compileRule(rule);
  for (const step of rule.compiled) {
    const result = step(looking);
    if (result !== undefined) return result;
  }
  return undefined;
}

const placeOf = (chain: ChainState, rule: number): RulePlace => ({
  framework: 'nftables',
  family: chain.table.family,
  table: chain.table.name,
  chain: chain.name,
  rule,
});

function scopeOf({ chain: { table } }: RuleState): Parameters<typeof ruleText>[1] {
  return { family: table.family, maps: [...table.sets.values()].map(({ definition }) => definition) };
}

function actionOf(ending: Ending | undefined): string {
  if (ending === undefined) return 'continue';
  switch (ending.kind) {
    case 'jump':
    case 'goto':
      return `${ending.kind} ${ending.target.name}`;
    case 'reject':
      return `reject ${ending.with}`;
    case 'nat':
      return `${ending.nat.kind} ${natTargetText(ending.nat)}`.trimEnd();
    case 'accept':
    case 'drop':
    case 'return':
      return ending.kind;
  }
}

/** How likely the outcome was: of the numbers that could have been drawn, how many come to the same. */
function drawn({ of, chosen, offset, sameAs }: Draw): RuleDraw {
  let same = 1;
  if (sameAs) {
    same = 0;
    for (let n = 0; n < of; n++) if (sameAs(n + offset)) same++;
  }
  return { probability: same / of, pick: { of, chosen } };
}
