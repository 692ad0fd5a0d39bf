import type { ChainWalk, EventOf, RuleMatch } from '../../protocol/event.ts';

/** A chain as one packet went through it: what matched, what did not, and where it was sent from there. */
export interface ChainFrame {
  readonly framework: 'iptables' | 'nftables';
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** 0: the base chain. */
  readonly depth: number;
  readonly entries: readonly WalkEntry[];
}

export type WalkEntry =
  /** Rules that were looked at and did not match, by their numbers. */
  | { readonly kind: 'unmatched'; readonly from: number; readonly to: number }
  | { readonly kind: 'rule'; readonly index: number; readonly match: RuleMatch; readonly child: ChainFrame | undefined }
  /** The chain's end was reached: no rule from here on matched. How many those are is known where only one chain ended so. */
  | { readonly kind: 'end'; readonly from: number; readonly count: number | undefined };

interface OpenFrame {
  readonly frame: ChainFrame & { entries: WalkEntry[] };
  /** Number of the last rule that matched here. */
  last: number;
  over: boolean;
}

/** Actions after which no further rule of any chain is looked at. */
const FINAL = /^(accept|drop|reject|dnat|snat|masquerade|redirect)/i;
const TARGET = /^(?:jump|goto) (\S+)/;

export interface MatchAt {
  readonly index: number;
  readonly event: EventOf<'rule'>;
}

/**
 * The rules that a packet matched in one base chain, as a tree: what a rule jumped to is below it.
 * `walk` is undefined while the chain is still being walked at the end of the recording.
 */
export function walkTree(matches: readonly MatchAt[], walk: ChainWalk | undefined): ChainFrame | undefined {
  const base = walk ?? matches[0]?.event.data.place;
  if (!base) return undefined;
  const open = (chain: string, depth: number): OpenFrame => ({
    frame: { framework: base.framework, family: base.family, table: base.table, chain, depth, entries: [] },
    last: 0,
    over: false,
  });
  const root = open(base.chain, 0);
  const all = [root];
  const stack = [root];
  let final = false;
  for (const { index, event } of matches) {
    const match = event.data;
    const { place } = match;
    // Chains that were left since the last match; a chain is never inside itself.
    if (stack.some(({ frame }) => frame.chain === place.chain)) {
      while (stack.at(-1)?.frame.chain !== place.chain) stack.pop();
    }
    const top = stack.at(-1) as OpenFrame;
    if (match.unmatchedBefore > 0) {
      top.frame.entries.push({ kind: 'unmatched', from: place.rule - match.unmatchedBefore, to: place.rule - 1 });
    }
    top.last = place.rule;
    const target = TARGET.exec(match.action)?.[1];
    const child = target === undefined ? undefined : open(target, top.frame.depth + 1);
    top.frame.entries.push({ kind: 'rule', index, match, child: child?.frame });
    top.over = /^(return|goto)\b/.test(match.action);
    if (child) {
      all.push(child);
      stack.push(child);
    }
    final = FINAL.test(match.action);
  }
  if (walk) endChains(final ? all.filter((f) => !stack.includes(f)) : all, all, walk);
  return root.frame;
}

/** Every chain that was left at its end says so; the number of rules there is what the others leave of the total. */
function endChains(left: readonly OpenFrame[], all: readonly OpenFrame[], walk: ChainWalk): void {
  let seen = 0;
  for (const { frame } of all) {
    for (const entry of frame.entries) {
      if (entry.kind === 'rule') seen += 1;
      else if (entry.kind === 'unmatched') seen += entry.to - entry.from + 1;
    }
  }
  const rest = walk.rules - seen;
  if (rest <= 0) return;
  const ended = left.filter((f) => !f.over);
  for (const { frame, last } of ended) {
    frame.entries.push({ kind: 'end', from: last + 1, count: ended.length === 1 ? rest : undefined });
  }
}
