import { Fragment, useEffect, useRef } from 'react';
import type { FlowOutcome, LabEvent, ProxyMode } from '../../protocol/event.ts';
import { outcomeName } from '../chance/outcome-name.ts';
import { placeTitle } from '../journey/hops.ts';
import { modeName } from '../shell/mode-name.ts';
import type { AlignedRow } from './align.ts';
import { costOf, costText } from './packets.ts';
import type { Step } from './steps.ts';
import { summaryOf } from './summary.ts';

export interface Column {
  readonly mode: ProxyMode;
  readonly outcome: FlowOutcome;
  readonly events: readonly LabEvent[];
  readonly steps: readonly Step[];
}

interface JourneysProps {
  readonly columns: readonly Column[];
  readonly rows: readonly AlignedRow[];
  /** The row that is looked at; those after it are still to come. */
  readonly row: number;
  /** Somebody moved to that row: it is kept in sight. */
  readonly follow: boolean;
  readonly onGo: (row: number) => void;
}

const DIFFERENCES: Readonly<Record<AlignedRow['difference'], string>> = {
  same: 'the same in every mode',
  cost: 'the same, at another cost',
  differs: 'differs',
};

/** The journeys beside each other: a row for each stop, quiet where nothing differs. */
export function Journeys({ columns, rows, row, follow, onGo }: JourneysProps) {
  const current = useRef<HTMLTableRowElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the row that is current comes with `row`
  useEffect(() => {
    // What scrollIntoView returns is a promise in some browsers, and no clean-up.
    if (follow) void current.current?.scrollIntoView({ block: 'nearest' });
  }, [row, follow]);
  return (
    <table className="journeys" data-testid="compare-table">
      <caption className="visually-hidden">The packet’s stops, mode by mode. Rows that differ say so.</caption>
      <thead>
        <tr>
          <th scope="col">
            <span className="visually-hidden">Stop</span>
          </th>
          {columns.map((column) => (
            <ColumnHead key={column.mode} column={column} />
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((aligned, i) => (
          <Fragment key={aligned.key}>
            {aligned.netns.startsWith('node/') && rows[i - 1]?.netns !== aligned.netns && (
              <tr className={`journeys-place${i > row ? ' journeys-ahead' : ''}`}>
                <th className="place-name" scope="rowgroup" colSpan={columns.length + 1}>
                  {placeTitle(aligned.netns)}
                </th>
              </tr>
            )}
            <tr
              ref={i === row ? current : undefined}
              className={`journeys-${aligned.difference}${i > row ? ' journeys-ahead' : ''}`}
              aria-current={i === row ? 'step' : undefined}
              data-testid="compare-row"
              data-difference={aligned.difference}
            >
              <th scope="row">
                <button type="button" className="stop-name" onClick={() => onGo(i)}>
                  {aligned.label}
                  {aligned.bridged && <span className="journeys-bridged">in the bridge</span>}
                  <span className="visually-hidden">{`, ${DIFFERENCES[aligned.difference]}`}</span>
                </button>
              </th>
              {aligned.cells.map((cell, c) => (
                <td key={columns[c]?.mode}>
                  {cell ? <Cell step={cell} netns={aligned.netns} quiet={aligned.difference === 'same'} /> : <Nothing />}
                </td>
              ))}
            </tr>
          </Fragment>
        ))}
      </tbody>
    </table>
  );
}

function ColumnHead({ column }: { readonly column: Column }) {
  const { choice, masquerade } = summaryOf(column.steps);
  return (
    <th scope="col" data-testid={`compare-column-${column.mode}`}>
      <b className="column-mode">{modeName(column.mode)}</b> <span className="journeys-price">{costText(costOf(column.events))}</span>
      <span className="journeys-fact">
        <span className="fact-name">choice</span> {choice}
      </span>
      <span className="journeys-fact">
        <span className="fact-name">masquerade</span> {masquerade}
      </span>
      <span className="journeys-fact">
        <span className="fact-name">outcome</span> {outcomeOf(column.outcome)}
      </span>
    </th>
  );
}

/** Few words: what a client saw, and who answered. */
function outcomeOf({ kind, endpoint }: FlowOutcome): string {
  const name = outcomeName({ outcome: kind, endpoint });
  return kind === 'http' || kind === 'connected' ? `${kind === 'http' ? 'answered' : 'connected'} by ${endpoint ?? 'somebody'}` : name;
}

const Nothing = () => (
  <span className="cell-none">
    <span className="visually-hidden">does not come here</span>
  </span>
);

interface CellProps {
  readonly step: Step;
  readonly netns: string;
  readonly quiet: boolean;
}

function Cell({ step, netns, quiet }: CellProps) {
  // Where nothing differs and nothing is done, the sentence says it all.
  const exact = step.detail !== '' && !(quiet && step.tone === 'quiet');
  return (
    <div className={`cell cell-${step.tone}`}>
      <span className="cell-title">
        {step.title}
        {step.netns !== netns && ` (${placeTitle(step.netns)})`}
      </span>
      {step.atHook && <span className="cell-cost">{costText(step.cost)}</span>}
      {exact && <code className="cell-detail">{step.detail}</code>}
      {step.where !== '' && <span className="cell-where">{step.where}</span>}
    </div>
  );
}
