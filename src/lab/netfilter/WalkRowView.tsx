import type { CSSProperties, ReactNode } from 'react';
import { actionText, chainPurpose, drawText, natText, verdictText } from '../../explain/rule-sentence.ts';
import { sentence } from '../../explain/sentence.ts';
import type { ChainWalk, ConntrackChange, IpvsStep, RuleMatch } from '../../protocol/event.ts';
import { ipvsLabel } from './ipvs-step.ts';
import type { Connection } from './passes.ts';
import type { Fold, HookCost, WalkRow } from './rows.ts';

interface WalkRowProps {
  readonly row: WalkRow;
  readonly isCurrent: boolean;
  readonly ahead: boolean;
  /** Where the Tab key enters the list. */
  readonly tabStop: boolean;
  readonly onSeek: (position: number) => void;
  readonly onToggle: (fold: Fold) => void;
}

export function WalkRowView({ row, isCurrent, ahead, tabStop, onSeek, onToggle }: WalkRowProps) {
  const style = { '--depth': row.depth } as CSSProperties;
  const className = `row row-${row.kind} ${toneOf(row)}${ahead ? ' row-ahead' : ''}`;
  const tabIndex = tabStop ? 0 : -1;
  if (row.kind === 'fold') {
    return (
      <button
        type="button"
        className={className}
        style={style}
        tabIndex={tabIndex}
        aria-expanded={row.open}
        data-testid="walk-fold"
        onClick={() => onToggle(row.fold)}
      >
        <span className="row-number" aria-hidden="true">
          {row.open ? '▾' : '▸'}
        </span>
        <span>{foldText(row)}</span>
      </button>
    );
  }
  if (row.kind === 'folded' || row.kind === 'note') {
    return (
      <div className={className} style={style}>
        <span className="row-number">{row.kind === 'folded' ? row.number : ''}</span>
        {row.kind === 'folded' ? (
          <>
            <code className="row-text">{withoutChain(row.text)}</code>
            <span className={row.why.startsWith('drawn') ? 'row-more' : 'row-result'}>{row.why || 'no match'}</span>
          </>
        ) : (
          <span>{row.text}</span>
        )}
      </div>
    );
  }
  return (
    <button
      type="button"
      className={className}
      style={style}
      tabIndex={tabIndex}
      aria-current={isCurrent ? 'step' : undefined}
      data-testid={`walk-${row.kind}`}
      onClick={() => onSeek(row.index + 1)}
    >
      {contentOf(row)}
    </button>
  );
}

type Clickable = Exclude<WalkRow, { kind: 'fold' | 'folded' | 'note' }>;

function contentOf(row: Clickable): ReactNode {
  switch (row.kind) {
    case 'hook': {
      const { hook, inDevice, outDevice, bridged } = row.event.data;
      const ways = [
        inDevice && `in ${inDevice}`,
        outDevice && `out ${outDevice}`,
        bridged && 'a frame in the bridge, shown by br_netfilter',
      ];
      return (
        <>
          <strong>{hook}</strong>
          <span>{ways.filter(Boolean).join(', ')}</span>
          <span className="row-result">{hookCostText(row.cost)}</span>
        </>
      );
    }
    case 'quiet':
      return (
        <>
          <b>{[...new Set(row.walks.map((walk) => walk.table))].join(', ')}</b>
          <span>{quietText(row.walks)}</span>
        </>
      );
    case 'conntrack':
      return (
        <>
          <b>conntrack</b> <span>{conntrackRow(row.change)}</span>
        </>
      );
    case 'natSkipped':
      return <span data-testid="nat-skipped">{skippedText(row.connection)}</span>;
    case 'chain': {
      const purpose = chainPurpose(row.frame.chain)?.replace(/^which /, '');
      return (
        <>
          <strong className={row.depth > 0 ? 'mono' : undefined}>
            {row.depth === 0 ? `${row.frame.table} ${row.frame.chain}` : row.frame.chain}
          </strong>
          <span>
            {row.walk
              ? `${row.walk.framework === 'iptables' ? 'iptables' : `nftables ${row.walk.family}`}, priority ${row.walk.priority}`
              : purpose}
          </span>
        </>
      );
    }
    case 'rule':
      return <RuleRow match={row.match} />;
    case 'verdict':
      return (
        <>
          <span>{`${row.walk.table} ${row.walk.chain}: ${verdictText(row.walk)}`}</span>
          <span className="row-result">{costText(row.walk)}</span>
        </>
      );
    case 'nat':
      return (
        <>
          <b className="mono">{row.event.type === 'nat' ? natText(row.event.data) : ipvsLabel(row.event.data)}</b>
          <span className="row-result">
            {row.event.type === 'nat' ? `by conntrack entry ${row.event.data.entry}` : ipvsBy(row.event.data)}
          </span>
        </>
      );
    case 'between':
      return <span>{sentence(row.event).title}</span>;
  }
}

function ipvsBy({ chosenBy, scheduler, hook }: IpvsStep): string {
  const at = hook === undefined ? '' : `ip_vs at ${hook}`;
  if (chosenBy === 'scheduler') return `${at}, scheduler ${scheduler ?? 'unknown'}`;
  return chosenBy === 'template' ? `${at}, the client’s server` : chosenBy === 'connection' ? `${at}, a known connection` : at;
}

function RuleRow({ match }: { readonly match: RuleMatch }) {
  const draw = drawText(match);
  const { mark } = match;
  return (
    <>
      <span className="row-number">{match.place.rule === 0 ? '' : match.place.rule}</span>
      <code className="row-text">{match.place.rule === 0 ? `policy ${match.action}` : withoutChain(match.text)}</code>
      <span className="row-result">{resultText(match)}</span>
      {(draw !== '' || mark) && (
        <span className="row-more">
          {draw}
          {draw !== '' && mark && '; '}
          {mark && `mark 0x${mark.before.toString(16)} → 0x${mark.after.toString(16)}`}
        </span>
      )}
    </>
  );
}

/** In few words, for the margin; the long form is in the journey. */
function resultText(match: RuleMatch): string {
  const [verb = '', ...rest] = match.action.split(' ');
  const object = rest.join(' ');
  switch (verb) {
    case 'jump':
    case 'goto':
      return `→ ${object.length > 24 ? `${object.slice(0, 22)}…` : object}`;
    case 'dnat':
    case 'snat':
    case 'masquerade':
    case 'redirect':
      return `${verb.toUpperCase()}, ends the walk`;
    case 'drop':
      return 'DROP, ends the walk';
    case 'reject':
      return 'REJECT, ends the walk';
    case 'mark':
    case 'continue':
      return match.mark ? 'marks, goes on' : 'goes on';
    case 'return':
      return 'back to the caller';
    default:
      return actionText(match);
  }
}

/** The chain is named above its rules. */
const withoutChain = (text: string): string => text.replace(/^-A \S+ /, '');

function foldText({ fold, count, end }: Extract<WalkRow, { kind: 'fold' }>): string {
  if (end && count === undefined) return `from ${fold.from} to the end: no other rule matched`;
  const rules = count === 1 ? '1 rule' : `${count} rules`;
  const which = count === 1 ? `${fold.from}` : `${fold.from} to ${fold.from + (count ?? 1) - 1}`;
  return `${which}: ${rules} did not match${end ? ', end of the chain' : ''}`;
}

function hookCostText(cost: HookCost): string {
  if (cost.chains === 0) return 'no chain asked';
  const lookups = cost.lookups === 0 ? '' : `, ${cost.lookups === 1 ? '1 lookup' : `${cost.lookups} lookups`}`;
  return `${cost.rules === 1 ? '1 rule' : `${cost.rules} rules`} evaluated, ${cost.matched} matched${lookups}`;
}

const costText = (walk: ChainWalk): string =>
  `${walk.rules === 1 ? '1 rule' : `${walk.rules} rules`}${walk.lookups === 0 ? '' : `, ${walk.lookups === 1 ? '1 lookup' : `${walk.lookups} lookups`}`}`;

function quietText(walks: readonly ChainWalk[]): string {
  const rules = walks.reduce((sum, walk) => sum + walk.rules, 0);
  if (rules === 0) return 'no rules: accepted';
  return `${rules === 1 ? '1 rule' : `${rules} rules`} evaluated, none matched: accepted`;
}

function conntrackRow(change: ConntrackChange): string {
  switch (change.action) {
    case 'new':
      return 'no entry for these addresses and ports: state NEW, so the nat table will be asked';
    case 'confirmed':
      return 'the packet got through: its entry goes into the table';
    case 'invalid':
      return 'INVALID: belongs to no known connection and cannot begin one';
    case 'destroyed':
      return 'its entry is gone with this packet';
    case 'updated':
      return `entry ${change.entry?.id ?? '?'}, ${change.packetState}${change.entry?.state === undefined ? '' : `, ${change.entry.state}`}, ${
        change.packetDirection === 'reply' ? 'reply direction' : 'original direction'
      }`;
  }
}

function skippedText({ entry, related }: Connection): string {
  const what = related ? 'Is about a known connection' : 'Belongs to a known connection';
  const translated = entry && (entry.original.src !== entry.reply.dst || entry.original.dst !== entry.reply.src);
  return `${what}: the nat table is not asked. ${
    translated ? `Conntrack entry ${entry.id} says what to rewrite.` : 'Its entry has nothing to rewrite.'
  }`;
}

/** Colour by what acts: the Service, the endpoint and its translation, a drop. */
function toneOf(row: WalkRow): string {
  if (row.kind === 'nat' || row.kind === 'natSkipped') return 'tone-nat';
  if (row.kind === 'verdict') return /drop|reject/.test(row.walk.verdict) ? 'tone-drop' : row.walk.verdict === 'accept' ? '' : 'tone-nat';
  if (row.kind === 'between') return row.event.type === 'drop' ? 'tone-drop' : '';
  if (row.kind === 'rule' && /^(drop|reject)/.test(row.match.action)) return 'tone-drop';
  const chain =
    row.kind === 'chain' ? row.frame.chain : row.kind === 'rule' ? row.match.place.chain : row.kind === 'fold' ? row.fold.frame.chain : '';
  if (/^(KUBE-SEP-|endpoint-)/.test(chain)) return 'tone-nat';
  if (/^(KUBE-(SVC|SVL|EXT|FW)-|service-|local-|external-|firewall-)/.test(chain)) return 'tone-service';
  return '';
}
