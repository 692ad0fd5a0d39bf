import { percentText, probabilityText } from '../../explain/probability.ts';
import { type Batch, useLab } from '../stores/lab-store.ts';
import './chance.css';
import { type SpreadRow, spreadOf } from './spread.ts';

/** Connections per endpoint of repeated traffic against what was expected, up to the playhead. The table is the chart. */
export default function Spread({ batch }: { readonly batch: Batch }) {
  const flows = useLab((s) => s.flows);
  const position = useLab((s) => s.position);
  const endedAt = useLab((s) => s.endedAt);
  const own = new Set(batch.flows);
  const ended = flows.filter((f) => own.has(f.flow) && (endedAt.get(f.flow) ?? Number.POSITIVE_INFINITY) < position);
  const spread = spreadOf(ended, batch.outcomes.known ? batch.outcomes.outcomes : []);
  // The scale is that of the whole batch, so that bars grow and nothing jumps.
  const all = batch.flows.length;
  const top = Math.max(1, ...spread.rows.map((row) => Math.max(row.count, all * row.probability + 2 * deviation(all, row.probability))));
  return (
    <section className="spread" aria-label="Spread of the connections" data-testid="spread">
      <table>
        <caption>{`${spread.total} of ${all} connections`}</caption>
        <thead>
          <tr>
            <th scope="col">Endpoint</th>
            <th scope="col">Got</th>
            <th scope="col">Expected</th>
          </tr>
        </thead>
        <tbody>
          {spread.rows.map((row) => (
            <Row key={row.name} row={row} top={top} />
          ))}
        </tbody>
      </table>
      <p className="chances-note">{noteOf(spread)}</p>
      {!batch.outcomes.known && <p className="chances-note">{`What to expect is not known: ${batch.outcomes.reason}`}</p>}
    </section>
  );
}

const deviation = (n: number, p: number): number => Math.sqrt(n * p * (1 - p));
const percent = (part: number, top: number): string => `${Math.min(100, (part / top) * 100)}%`;

function Row({ row, top }: { readonly row: SpreadRow; readonly top: number }) {
  const { name, count, expected, deviation: sd, probability } = row;
  const from = Math.max(0, expected - 2 * sd);
  return (
    <>
      <tr data-testid="spread-row">
        <th scope="row" className="mono">
          {name}
        </th>
        <td>{count}</td>
        <td>
          {expected.toFixed(1)} <span title={probabilityText(probability)}>± {sd.toFixed(1)}</span>
        </td>
      </tr>
      {/* biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row cannot be focused; the numbers above say what its bar shows */}
      <tr className="spread-bar" aria-hidden="true">
        <td colSpan={3}>
          <span>
            <i className="spread-count" style={{ width: percent(count, top) }} />
            <i className="spread-band" style={{ left: percent(from, top), width: percent(expected + 2 * sd - from, top) }} />
            <i className="spread-expected" style={{ left: percent(expected, top) }} />
          </span>
        </td>
      </tr>
    </>
  );
}

function noteOf({ test, total, rows }: ReturnType<typeof spreadOf>): string {
  if (rows.length < 2) return rows.length === 0 ? '' : 'There is only one way for this to end.';
  const range = '± is one standard deviation: two runs of three stay within it. The band is twice that: 19 of 20.';
  if (!test || total === 0) return range;
  const degrees = test.degrees === 1 ? '1 degree' : `${test.degrees} degrees`;
  return `${range} As uneven as this, or more: ${percentText(test.pValue)} of all runs (chi-square ${test.chiSquare.toFixed(2)}, ${degrees} of freedom).`;
}
