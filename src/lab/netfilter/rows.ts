import { protocolName } from '../../explain/packet-text.ts';
import { type MatchedPacket, whyNoMatch } from '../../explain/why-not.ts';
import type { ChainWalk, ConntrackChange, EventOf, LabEvent, RuleMatch } from '../../protocol/event.ts';
import { protocolNumber } from '../../protocol/packet.ts';
import { type Connection, connectionOf, type Pass } from './passes.ts';
import { type ChainFrame, type MatchAt, walkTree } from './walk-tree.ts';

/** A row of the rule walk. `index`: of the event it shows, which is where the playhead goes; `depth`: in jumps. */
export type WalkRow = { readonly key: string; readonly index: number; readonly depth: number } & RowKind;

type RowKind =
  | { readonly kind: 'hook'; readonly event: EventOf<'hook'>; readonly cost: HookCost }
  /** Base chains in which nothing matched and everything was accepted. */
  | { readonly kind: 'quiet'; readonly walks: readonly ChainWalk[] }
  | { readonly kind: 'conntrack'; readonly change: ConntrackChange }
  | { readonly kind: 'natSkipped'; readonly connection: Connection }
  | { readonly kind: 'chain'; readonly frame: ChainFrame; readonly walk: ChainWalk | undefined }
  | { readonly kind: 'rule'; readonly match: RuleMatch }
  | { readonly kind: 'fold'; readonly fold: Fold; readonly count: number | undefined; readonly end: boolean; readonly open: boolean }
  | { readonly kind: 'folded'; readonly number: number; readonly text: string; readonly why: string }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'verdict'; readonly walk: ChainWalk }
  | { readonly kind: 'nat'; readonly event: EventOf<'nat'> | EventOf<'ipvs'> }
  | { readonly kind: 'between'; readonly event: EventOf<'route'> | EventOf<'forward'> | EventOf<'drop'> | EventOf<'deliver'> };

/** A run of rules that did not match, which a person may want to see. */
export interface Fold {
  readonly key: string;
  readonly frame: ChainFrame;
  readonly from: number;
  /** undefined: to the end of the chain. */
  readonly to: number | undefined;
}

export interface HookCost {
  readonly chains: number;
  readonly rules: number;
  readonly matched: number;
  readonly lookups: number;
  readonly verdict: ChainWalk['verdict'];
}

/** The texts of a chain's rules as far as they are known: undefined is still being asked for, `gone` is no longer there. */
export type ChainTexts = (frame: ChainFrame) => { readonly rules: readonly string[]; readonly total: number } | 'gone' | undefined;

interface Opened {
  /** Keys of folds that a person opened. */
  readonly folds: ReadonlySet<string>;
  readonly texts: ChainTexts;
}

/** The walk of one pass, row by row. */
export function rowsOf(events: readonly LabEvent[], pass: Pass, opened: Opened): readonly WalkRow[] {
  const connection = connectionOf(events, pass);
  const rows: WalkRow[] = [];
  let matches: MatchAt[] = [];
  let quiet: { index: number; walks: ChainWalk[] } | undefined;
  let hook: EventOf<'hook'> | undefined;
  const flushQuiet = (): void => {
    if (quiet) rows.push({ kind: 'quiet', key: `quiet-${quiet.index}`, index: quiet.index, depth: 0, walks: quiet.walks });
    quiet = undefined;
  };
  for (const index of pass.indices) {
    const event = events[index];
    if (!event) continue;
    if (event.type !== 'chain') flushQuiet();
    const at = { key: `${event.type}-${index}`, index, depth: 0 };
    switch (event.type) {
      case 'hook':
        hook = event;
        rows.push({ ...at, kind: 'hook', event, cost: costOf(events, pass, index) });
        break;
      case 'conntrack':
        rows.push({ ...at, kind: 'conntrack', change: event.data });
        if (connection.state === 'known' && event.data.action === 'updated')
          rows.push({ ...at, key: `skip-${index}`, kind: 'natSkipped', connection });
        break;
      case 'rule':
        matches.push({ index, event });
        break;
      case 'chain':
        if (matches.length === 0 && event.data.verdict === 'accept') {
          quiet = { index, walks: [...(quiet?.walks ?? []), event.data] };
        } else {
          flushQuiet();
          const tree = walkTree(matches, event.data);
          if (tree) pushFrame(rows, tree, event.data, matches[0]?.index ?? index, opened, packetAt(matches[0]?.event ?? event, hook));
          rows.push({ ...at, kind: 'verdict', walk: event.data });
        }
        matches = [];
        break;
      case 'nat':
      case 'ipvs':
        rows.push({ ...at, kind: 'nat', event });
        break;
      case 'route':
      case 'forward':
      case 'deliver':
        if (hook) rows.push({ ...at, kind: 'between', event });
        break;
      case 'drop':
        rows.push({ ...at, kind: 'between', event });
        break;
    }
  }
  flushQuiet();
  return rows;
}

function pushFrame(
  rows: WalkRow[],
  frame: ChainFrame,
  walk: ChainWalk | undefined,
  index: number,
  opened: Opened,
  packet: MatchedPacket | undefined,
): void {
  const { depth } = frame;
  rows.push({ kind: 'chain', key: `chain-${index}-${depth}`, index, depth, frame, walk });
  let at = index;
  for (const entry of frame.entries) {
    if (entry.kind === 'rule') {
      at = entry.index;
      rows.push({ kind: 'rule', key: `rule-${at}`, index: at, depth, match: entry.match });
      if (entry.child) pushFrame(rows, entry.child, undefined, at, opened, packet);
      continue;
    }
    const end = entry.kind === 'end';
    const key = `fold-${index}-${depth}-${entry.from}`;
    const fold: Fold = { key, frame, from: entry.from, to: end ? undefined : entry.to };
    const texts = opened.texts(frame);
    const rest = texts === undefined || texts === 'gone' ? undefined : Math.max(0, texts.total - entry.from + 1);
    const count = end ? (entry.count ?? rest) : entry.to - entry.from + 1;
    if (count === 0) {
      if (entry.from === 1) rows.push({ kind: 'note', key, index: at, depth, text: 'no rules' });
      continue;
    }
    const open = opened.folds.has(key);
    // A short run says more than its fold would.
    const plain = isShort(count) && texts !== undefined && texts !== 'gone';
    if (!plain) rows.push({ kind: 'fold', key, index: at, depth, fold, count, end, open });
    if (plain || open) pushFolded(rows, fold, count, at, texts, packet);
  }
}

const SHORT = 3;
const isShort = (count: number | undefined): boolean => count !== undefined && count <= SHORT;

/** Chains whose unmatched rules are to be seen, or at least counted, without asking. */
export const shortFolds = (rows: readonly WalkRow[]): readonly ChainFrame[] =>
  rows.flatMap((row) => (row.kind === 'fold' && (row.count === undefined || isShort(row.count)) ? [row.fold.frame] : []));

function pushFolded(
  rows: WalkRow[],
  fold: Fold,
  count: number | undefined,
  index: number,
  texts: ReturnType<ChainTexts>,
  packet: MatchedPacket | undefined,
): void {
  const base = { index, depth: fold.frame.depth };
  let missing: string | undefined;
  if (texts === undefined) missing = 'asking for the rules';
  else if (texts === 'gone') missing = 'this chain is no longer there: its rules have been replaced since';
  else {
    const to = fold.to ?? (count === undefined ? texts.total : fold.from + count - 1);
    for (let number = fold.from; number <= Math.min(to, texts.rules.length); number++) {
      const text = texts.rules[number - 1] as string;
      const why = packet && fold.frame.framework === 'iptables' ? whyNoMatch(text, packet) : '';
      rows.push({ ...base, kind: 'folded', key: `${fold.key}-${number}`, number, text, why });
    }
    if (to > texts.rules.length) missing = `rules ${Math.max(fold.from, texts.rules.length + 1)} to ${to} are not listed`;
  }
  if (missing !== undefined) rows.push({ ...base, kind: 'note', key: `${fold.key}-note`, text: missing });
}

/** What rules saw of the packet. */
function packetAt({ frame }: LabEvent, hook: EventOf<'hook'> | undefined): MatchedPacket | undefined {
  const packet = frame?.payload;
  if (packet?.type !== 'ipv4' || !hook) return undefined;
  const { payload } = packet;
  const ports = payload.type === 'tcp' || payload.type === 'udp' ? payload : undefined;
  return {
    src: packet.src,
    dst: packet.dst,
    protocol: protocolName(protocolNumber(payload)),
    srcPort: ports?.srcPort,
    dstPort: ports?.dstPort,
    inDevice: hook.data.inDevice,
    outDevice: hook.data.outDevice,
  };
}

/** What one hook cost, from its event up to the next. */
function costOf(events: readonly LabEvent[], pass: Pass, hookIndex: number): HookCost {
  let chains = 0;
  let rules = 0;
  let matched = 0;
  let lookups = 0;
  let verdict: ChainWalk['verdict'] = 'accept';
  for (const index of pass.indices) {
    const event = events[index];
    if (index <= hookIndex || !event) continue;
    if (event.type === 'hook') break;
    if (event.type === 'rule') matched++;
    if (event.type !== 'chain') continue;
    chains++;
    rules += event.data.rules;
    lookups += event.data.lookups;
    if (event.data.verdict !== 'accept') verdict = event.data.verdict;
  }
  return { chains, rules, matched, lookups, verdict };
}

/** The row that stands for the playhead: the last one whose event has happened. */
export function currentRow(rows: readonly WalkRow[], position: number): number {
  let current = -1;
  rows.forEach((row, i) => {
    if (row.index < position && (row.kind === 'rule' || row.kind === 'verdict' || row.index > (rows[current]?.index ?? -1))) current = i;
  });
  return current;
}

/** A stop of the packet's way through the namespace, as the diagram above the walk shows it. */
export interface Stop {
  readonly name: string;
  readonly kind: 'device' | 'hook' | 'route' | 'end';
  readonly index: number;
  readonly note: string;
  readonly tone: 'plain' | 'nat' | 'drop';
}

/** Devices, hooks and routing decisions of a pass in the order in which the packet meets them. */
export function stopsOf(events: readonly LabEvent[], pass: Pass): readonly Stop[] {
  const stops: Stop[] = [];
  for (const index of pass.indices) {
    const event = events[index];
    if (event?.type === 'hook') {
      const { hook, inDevice, outDevice, bridged } = event.data;
      if (stops.length === 0 && inDevice !== undefined) stops.push(stop(inDevice, 'device', index, 'in'));
      const cost = costOf(events, pass, index);
      const lookups = cost.lookups > 0 ? `, ${cost.lookups} lookup${cost.lookups === 1 ? '' : 's'}` : '';
      const note =
        cost.chains === 0 ? (bridged ? 'by br_netfilter' : 'no rules asked') : `${cost.rules} rule${cost.rules === 1 ? '' : 's'}${lookups}`;
      const rewritten = isRewritten(events, pass, index);
      const tone = cost.verdict === 'drop' || cost.verdict === 'reject' ? 'drop' : rewritten ? 'nat' : 'plain';
      stops.push({ ...stop(hook, 'hook', index, note), tone });
      if (hook === 'POSTROUTING' && outDevice !== undefined) stops.push(stop(outDevice, 'device', index, 'out'));
    } else if (event?.type === 'route' && stops.length > 0) {
      const { route } = event.data;
      stops.push(stop('route', 'route', index, !route ? 'none' : route.type === 'local' ? 'for this host' : `via ${route.device ?? '?'}`));
    } else if (event?.type === 'deliver') {
      stops.push(stop(event.data.process ?? 'kernel', 'end', index, 'delivered'));
    } else if (event?.type === 'drop') {
      stops.push({ ...stop('dropped', 'end', index, ''), tone: 'drop' });
    }
  }
  return stops;
}

const stop = (name: string, kind: Stop['kind'], index: number, note: string): Stop => ({ name, kind, index, note, tone: 'plain' });

function isRewritten(events: readonly LabEvent[], pass: Pass, hookIndex: number): boolean {
  for (const index of pass.indices) {
    if (index <= hookIndex) continue;
    const type = events[index]?.type;
    if (type === 'hook' || type === 'route') return false;
    if (type === 'nat' || type === 'ipvs') return true;
  }
  return false;
}

/** Rules evaluated, matched and sets looked into, over all hooks of a pass. */
export function totalOf(rows: readonly WalkRow[]): { readonly rules: number; readonly matched: number; readonly lookups: number } {
  const total = { rules: 0, matched: 0, lookups: 0 };
  for (const row of rows) {
    if (row.kind !== 'hook') continue;
    total.rules += row.cost.rules;
    total.matched += row.cost.matched;
    total.lookups += row.cost.lookups;
  }
  return total;
}
