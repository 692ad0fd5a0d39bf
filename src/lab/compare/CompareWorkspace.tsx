import { ChartLine, SendHorizontal } from 'lucide-react';
import { useMemo, useState } from 'react';
import type { Input, ModeComparison } from '../../protocol/engine.ts';
import { defaultSend } from '../send/default-send.ts';
import { useScreen } from '../shell/screen-store.ts';
import { WorkspaceFrame } from '../shell/WorkspaceFrame.tsx';
import { useLab } from '../stores/lab-store.ts';
import { alignRuns } from './align.ts';
import './compare.css';
import { CostTable } from './CostTable.tsx';
import { Differences } from './Differences.tsx';
import { Journeys } from './Journeys.tsx';
import { eventsOf, type Which } from './packets.ts';
import { StepBar } from './StepBar.tsx';
import { stepsOf } from './steps.ts';
import { useComparison } from './use-comparison.ts';

const WHICH: readonly (readonly [Which, string])[] = [
  ['first', 'First packet'],
  ['later', 'Later packets'],
  ['reply', 'Reply'],
];

const NUMBERS = ['no', 'one', 'two', 'three'];

/** One connection under every mode of kube-proxy, stop by stop. */
export default function CompareWorkspace() {
  const topology = useLab((s) => s.topology);
  const compared = useScreen((s) => s.compared);
  const { open, work } = useScreen.getState();
  const send = useMemo(() => compared ?? (topology && defaultSend(topology)), [compared, topology]);
  const comparison = useComparison(send);
  const [which, setWhich] = useState<Which>('first');
  const modes = comparison?.known ? (NUMBERS[comparison.runs.length] ?? comparison.runs.length) : undefined;
  const head = (
    <>
      {send && (
        <p className="compare-what">
          {shortRef(send.from)} <span aria-hidden="true">→</span>
          <span className="visually-hidden">to</span> {shortRef(send.to)} <span className="mono">{send.protocol}</span>
        </p>
      )}
      <button type="button" className="button" data-testid="compare-other" onClick={() => open('send')}>
        <SendHorizontal size={16} aria-hidden="true" /> Another
      </button>
      <button type="button" className="button" data-testid="compare-cost" onClick={() => work('cost')}>
        <ChartLine size={16} aria-hidden="true" /> Cost chart
      </button>
      <fieldset className="segments compare-which">
        <legend className="visually-hidden">Which packet</legend>
        {WHICH.map(([value, label]) => (
          <button key={value} type="button" aria-pressed={which === value} data-testid={`compare-${value}`} onClick={() => setWhich(value)}>
            {label}
          </button>
        ))}
      </fieldset>
    </>
  );
  return (
    <WorkspaceFrame title={`One connection, ${modes ?? 'every'} proxy mode${modes === 'one' ? '' : 's'}`} testId="compare" head={head}>
      <Answer send={send} comparison={comparison} which={which} />
    </WorkspaceFrame>
  );
}

interface AnswerProps {
  readonly send: Extract<Input, { type: 'send' }> | undefined;
  readonly comparison: ModeComparison | undefined;
  readonly which: Which;
}

function Answer({ send, comparison, which }: AnswerProps) {
  if (!send) return <p className="empty">There is nobody to send to in this cluster. Add a second pod under Manifests.</p>;
  if (!comparison) {
    return (
      <p className="empty" role="status">
        Running it under every mode
      </p>
    );
  }
  if (!comparison.known) return <p className="empty" role="alert">{`It cannot be compared: ${comparison.reason}`}</p>;
  return <Comparison runs={comparison.runs} which={which} />;
}

type Runs = Extract<ModeComparison, { known: true }>['runs'];

function Comparison({ runs, which }: { readonly runs: Runs; readonly which: Which }) {
  const columns = useMemo(
    () =>
      runs.map((run) => {
        const events = eventsOf(run.events, which);
        return { mode: run.mode, outcome: run.outcome, events, steps: stepsOf(events, run.outcome.endpoint) };
      }),
    [runs, which],
  );
  const rows = useMemo(() => alignRuns(columns.map((column) => column.steps)), [columns]);
  const [at, setAt] = useState({ rows, row: rows.length - 1, moved: false });
  // Another packet begins with all of its way in sight.
  const row = at.rows === rows ? at.row : rows.length - 1;
  const go = (to: number): void => setAt({ rows, row: Math.max(-1, Math.min(rows.length - 1, to)), moved: true });
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard */}
      <section className="compare-body" aria-label="Journeys and costs" tabIndex={0}>
        {rows.length === 0 ? (
          <p className="empty">There is no such packet in this connection.</p>
        ) : (
          <Journeys columns={columns} rows={rows} row={row} follow={at.rows === rows && at.moved} onGo={go} />
        )}
        <CostTable runs={runs} />
        <Differences modes={runs.map((run) => run.mode)} />
      </section>
      <StepBar rows={rows} row={row} onGo={go} />
    </>
  );
}

/** `pod/default/client` as `client`; an address or a URL as it is. */
const shortRef = (ref: string): string => ref.replace(/^(?:pod\/[^/]+\/|node\/)/, '');
