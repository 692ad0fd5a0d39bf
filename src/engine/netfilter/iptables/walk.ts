import type { ChainVerdict, NatRequest, RuleDraw, RuleHost, RulePacket, RulePlace, WalkCost, WalkWatcher } from '../evaluation.ts';
import { ACCEPT } from '../evaluation.ts';
import { ChainIndex } from './chain-index.ts';
import type { ChainState } from './chain-state.ts';
import type { IptablesFamily, MarkChange, Rule, TableName, Target } from './model.ts';
import type { RuleMatcher } from './rule-matcher.ts';
import { isConnection } from './rule-matcher.ts';
import { markChangeText, natRangeText, ruleText } from './save.ts';

/** NFT_JUMP_STACK_SIZE of include/net/netfilter/nf_tables.h */
export const JUMPS_MAX = 16;
/** Shorter chains are walked rule by rule. */
const INDEXED_FROM = 16;

/** A chain came to its end, or a rule returned: the walk goes on after the jump. */
const RETURNED = 'returned';
type Outcome = ChainVerdict | typeof RETURNED;

/** One packet on its way through the chains of a table. */
interface Walk {
  readonly packet: RulePacket;
  readonly host: RuleHost;
  readonly cost: WalkCost;
  readonly watcher: WalkWatcher | undefined;
}

/**
 * Walks the chains of one table as nft_do_chain does (net/netfilter/nf_tables_core.c), which runs the rules of
 * iptables-nft. Rules are counted as if each had been looked at.
 */
export class Walker {
  private readonly family: IptablesFamily;
  private readonly table: TableName;
  private readonly chains: ReadonlyMap<string, ChainState>;
  private readonly matcher: RuleMatcher;

  constructor(family: IptablesFamily, table: TableName, chains: ReadonlyMap<string, ChainState>, matcher: RuleMatcher) {
    this.family = family;
    this.table = table;
    this.chains = chains;
    this.matcher = matcher;
  }

  /** Walks from a built-in chain; its policy decides when no rule did. */
  evaluate(base: ChainState, packet: RulePacket, host: RuleHost, cost: WalkCost, watcher: WalkWatcher | undefined): ChainVerdict {
    const outcome = this.chain(base, 0, { packet, host, cost, watcher });
    if (outcome !== RETURNED) return outcome;
    base.policyPackets++;
    base.policyBytes += packet.length;
    return base.policy === 'DROP' ? { kind: 'drop', place: this.place(base, -1) } : ACCEPT;
  }

  private chain(chain: ChainState, depth: number, walk: Walk): Outcome {
    return chain.rules.length > INDEXED_FROM ? this.indexed(chain, depth, walk) : this.linear(chain, depth, walk);
  }

  private linear(chain: ChainState, depth: number, walk: Walk): Outcome {
    const { rules } = chain;
    let unmatched = 0;
    for (let position = 0; position < rules.length; position++) {
      walk.cost.rules++;
      if (!this.matches(chain, position, walk)) {
        unmatched++;
        continue;
      }
      const outcome = this.act(chain, position, depth, unmatched, walk);
      if (outcome !== undefined) return outcome;
      unmatched = 0;
    }
    return RETURNED;
  }

  private indexed(chain: ChainState, depth: number, walk: Walk): Outcome {
    const { rules } = chain;
    chain.index ??= new ChainIndex(rules);
    const cursor = chain.index.cursor(walk.packet);
    let looked = 0;
    let matched = 0;
    for (let position = cursor.take(); position < rules.length; position = cursor.take()) {
      if (!this.matches(chain, position, walk)) continue;
      walk.cost.rules += position + 1 - looked;
      looked = position + 1;
      const outcome = this.act(chain, position, depth, position - matched, walk);
      if (outcome !== undefined) return outcome;
      matched = position + 1;
    }
    walk.cost.rules += rules.length - looked;
    return RETURNED;
  }

  private matches(chain: ChainState, position: number, walk: Walk): boolean {
    const { packet, host, cost, watcher } = walk;
    const result = this.matcher.matches(chain.rules[position] as Rule, chain, position, packet, host, cost);
    if (!result && watcher?.drawFailed !== undefined && this.matcher.drawn !== undefined) {
      watcher.drawFailed(this.place(chain, position), drawOf(this.matcher.drawn));
    }
    return result;
  }

  /** Does what a rule that matched says; undefined when the walk goes on with the next rule. */
  private act(chain: ChainState, position: number, depth: number, unmatched: number, walk: Walk): Outcome | undefined {
    const { packet, watcher } = walk;
    const rule = chain.rules[position] as Rule;
    const { target } = rule;
    chain.count(position, packet.length);
    const before = packet.mark;
    if (target !== undefined) applyTarget(target, packet);
    if (watcher !== undefined) {
      const after = packet.mark;
      const { drawn } = this.matcher;
      watcher.matched({
        place: this.place(chain, position),
        depth,
        text: () => ruleText(this.family, chain.name, rule),
        action: actionText(target),
        unmatchedBefore: unmatched,
        mark: before === after ? undefined : { before, after },
        draw: drawn === undefined ? undefined : drawOf(drawn),
      });
    }
    switch (target?.type) {
      case 'ACCEPT':
        return ACCEPT;
      case 'DROP':
        return { kind: 'drop', place: this.place(chain, position) };
      case 'REJECT':
        return { kind: 'reject', with: target.with, place: this.place(chain, position) };
      case 'RETURN':
        return RETURNED;
      case 'DNAT':
      case 'SNAT':
      case 'MASQUERADE':
      case 'REDIRECT':
        return { kind: 'nat', nat: target.nat, place: this.place(chain, position) };
      case 'jump': {
        if (depth + 1 >= JUMPS_MAX) return { kind: 'drop', place: this.place(chain, position) };
        const outcome = this.chain(this.target(target.chain), depth + 1, walk);
        return outcome === RETURNED ? undefined : outcome;
      }
      case 'goto':
        // It returns to where this chain was jumped from.
        return this.chain(this.target(target.chain), depth, walk);
      default:
        return undefined;
    }
  }

  private target(name: string): ChainState {
    const chain = this.chains.get(name);
    if (chain === undefined) throw new Error(`assertion failed: the table ${this.table} has a jump to ${name}, which it has not`);
    return chain;
  }

  private place(chain: ChainState, position: number): RulePlace {
    return { framework: 'iptables', family: this.family, table: this.table, chain: chain.name, rule: position + 1 };
  }
}

const drawOf = (probability: number): RuleDraw => ({ probability, pick: undefined });

/** Targets that change something and go on. */
function applyTarget(target: Target, packet: RulePacket): void {
  const conntrack = packet.conntrack !== undefined && isConnection(packet.conntrack) ? packet.conntrack : undefined;
  switch (target.type) {
    case 'MARK':
      packet.mark = changed(packet.mark, target.change);
      return;
    case 'CONNMARK':
      if (conntrack !== undefined) conntrack.mark = changed(conntrack.mark, target.change);
      return;
    case 'CONNMARK-save':
      if (conntrack !== undefined) conntrack.mark = changed(conntrack.mark, { value: packet.mark & target.nfmask, mask: target.ctmask });
      return;
    case 'CONNMARK-restore':
      if (conntrack !== undefined) packet.mark = changed(packet.mark, { value: conntrack.mark & target.ctmask, mask: target.nfmask });
      return;
    case 'NOTRACK':
    case 'CT':
      // net/netfilter/xt_CT.c: a packet that has a connection already, having come over loopback, keeps it.
      if (packet.conntrack === undefined) packet.untracked = true;
      return;
    default:
  }
}

/** net/netfilter/xt_mark.c and xt_connmark.c */
const changed = (mark: number, { value, mask }: MarkChange): number => ((mark & ~mask) ^ value) >>> 0;

function actionText(target: Target | undefined): string {
  switch (target?.type) {
    case undefined:
      return 'continue';
    case 'jump':
    case 'goto':
      return `${target.type} ${target.chain}`;
    case 'REJECT':
      return `reject ${target.with}`;
    case 'MARK':
    case 'CONNMARK':
      return `${target.type.toLowerCase()} set-xmark ${markChangeText(target.change)}`;
    case 'CONNMARK-save':
      return 'connmark save-mark';
    case 'CONNMARK-restore':
      return 'connmark restore-mark';
    case 'DNAT':
    case 'SNAT':
    case 'MASQUERADE':
    case 'REDIRECT':
      return natText(target.nat);
    case 'CT':
      return 'notrack';
    default:
      return target?.type.toLowerCase() ?? 'continue';
  }
}

function natText(nat: NatRequest): string {
  const range = natRangeText(nat);
  return range === '' ? nat.kind : `${nat.kind} ${range}`;
}
