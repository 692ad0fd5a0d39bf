import { useEffect, useMemo, useState } from 'react';
import { viewAt } from '../../protocol/fold.ts';
import type { NetnsView, Topology } from '../../protocol/view.ts';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { formatTime } from '../timeline/format.ts';
import { eventAt } from './at-playhead.ts';
import './inspector.css';
import { Rules } from './Rules.tsx';
import { type TableText, tableRows } from './table-rows.ts';

/** A list of choices longer than this is no list; the map and the palette reach the rest. */
const CHOICES_MAX = 400;

/** Tables whose rows are one long line each; they wrap. */
const LONG: ReadonlySet<string> = new Set(['Routes', 'Conntrack', 'IPVS connections', 'Sysctls']);

/** One namespace: its tables as they are at the playhead, or its rules. */
export function Tables() {
  const shown = useScreen((s) => s.tables);
  const chosen = useLab((s) => s.netns);
  const recording = useLab((s) => s.recording);
  const position = useLab((s) => s.position);
  const flow = useLab((s) => s.flow);
  const topology = useLab((s) => s.topology);
  const inspect = useLab((s) => s.inspect);
  const id = chosen ?? eventAt(recording, position, flow)?.netns ?? topology?.pods[0]?.netns ?? topology?.nodes[0]?.netns;
  const state = recording.stateAt(position);
  const tables = id === undefined ? undefined : state.netns.get(id);
  const asked = useAsked(tables ? undefined : id);
  const view = tables ? viewAt(tables, state.timeNs) : asked;
  const rules = view?.ruleTables.reduce((sum, table) => sum + table.rules, 0) ?? 0;
  const choices = useMemo(() => choicesOf(topology), [topology]);
  return (
    <div className={shown === 'rules' ? 'inspector inspector-rules' : 'inspector'} data-testid="tables">
      <div className="inspector-head">
        <select
          className="field"
          aria-label="Network namespace"
          data-testid="tables-netns"
          value={chosen ?? ''}
          onChange={(e) => inspect(e.target.value === '' ? undefined : e.target.value)}
        >
          <option value="">{id === undefined ? 'Follow the packet' : `Follow the packet (${id})`}</option>
          {chosen !== undefined && !choices.includes(chosen) && <option value={chosen}>{chosen}</option>}
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
        <fieldset className="segments inspector-segments">
          <legend className="visually-hidden">What of it</legend>
          {(['tables', 'rules'] as const).map((part) => (
            <button
              key={part}
              type="button"
              aria-pressed={shown === part}
              data-testid={`tables-${part}`}
              onClick={() => useScreen.getState().showTables(part)}
            >
              {part === 'tables' ? 'Tables' : `Rules ${rules}`}
            </button>
          ))}
        </fieldset>
        <p className="inspector-place">
          {shown === 'rules'
            ? 'rules and counters as they are now'
            : tables
              ? `as at t = ${formatTime(state.timeNs)}`
              : 'as the engine holds it now: no packet has come here yet'}
        </p>
      </div>
      {shown === 'rules' && id !== undefined ? (
        <Rules key={id} netns={id} />
      ) : view ? (
        tableRows(view, state.timeNs).map((table) => <Table key={table.title} table={table} />)
      ) : (
        <p className="empty">No tables to show.</p>
      )}
    </div>
  );
}

function choicesOf(topology: Topology | undefined): readonly string[] {
  if (!topology) return [];
  const pods = topology.pods.filter((p) => !p.hostNetwork);
  return [...topology.nodes, ...topology.externals, ...pods].slice(0, CHOICES_MAX).map((place) => place.netns);
}

/** The tables of a namespace that is not in the recording, as the engine answers. */
function useAsked(id: string | undefined): NetnsView | undefined {
  const engine = useLab((s) => s.engine);
  const length = useLab((s) => s.length);
  const [view, setView] = useState<NetnsView>();
  // Asked again when something was recorded.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    let wanted = true;
    if (id === undefined) setView(undefined);
    else
      engine?.inspect(id).then(
        (answer) => wanted && setView(answer),
        () => wanted && setView(undefined),
      );
    return () => {
      wanted = false;
    };
  }, [engine, id, length]);
  return view?.id === id ? view : undefined;
}

function Table({ table }: { readonly table: TableText }) {
  return (
    <section className="table-section" aria-label={table.title}>
      <h2 className="layer-name">
        {table.title} <span className="table-count">{table.rows.length}</span>
        <code>{table.command}</code>
      </h2>
      {table.rows.length === 0 ? (
        <p className="table-empty">empty</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
        <section className="table-scroll" aria-label={`${table.title}, table`} tabIndex={0}>
          <table className={`table mono${LONG.has(table.title) ? ' table-long' : ''}`}>
            <thead>
              <tr>
                {table.columns.map((column) => (
                  <th key={column} scope="col">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {table.rows.map((row) => (
                <tr key={row.join(' ')}>
                  {row.map((cell, i) => (
                    <td key={table.columns[i]}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </section>
  );
}
