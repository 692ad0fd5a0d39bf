import { lazy, Suspense, useMemo, useState } from 'react';
import type { FlowSummary } from '../../protocol/engine.ts';
import { useLab } from '../stores/lab-store.ts';
import { HopList } from './HopList.tsx';
import { currentHop, hopsOf, rowsOf } from './hops.ts';
import './journey.css';
import { Outcome } from './Outcome.tsx';

const Spread = lazy(() => import('../chance/Spread.tsx'));

/** The canvas in words: every hop of the followed flow, the present one marked. */
export function Journey() {
  const { recording, length, flow, flows, position, playing, batches } = useLab();
  const [packetsOnly, setPacketsOnly] = useState(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `length` says when the recording grew
  const hops = useMemo(() => hopsOf(recording.events, flow, packetsOnly), [recording, length, flow, packetsOnly]);
  const rows = useMemo(() => rowsOf(hops), [hops]);
  const current = currentHop(hops, position);
  const summary = flows.find((f) => f.flow === flow);
  const batch = batches.find((b) => b.flows.includes(flow));
  return (
    <div className="journey" data-testid="journey">
      {summary ? <Outcome summary={summary} flows={flows} /> : <NoFlow />}
      {batch && (
        <Suspense fallback={null}>
          <Spread batch={batch} />
        </Suspense>
      )}
      {summary && (
        <div className="journey-bar">
          <Filter packetsOnly={packetsOnly} onChange={setPacketsOnly} />
          <span className="journey-count">
            hop {current ? hops.indexOf(current) + 1 : 0} of {hops.length}
          </span>
        </div>
      )}
      {summary && <HopList rows={rows} current={current?.index} />}
      <p className="visually-hidden" aria-live="polite" data-testid="journey-live">
        {!playing && current ? `${placeName(summary)}${current.sentence.title}` : ''}
      </p>
    </div>
  );
}

const placeName = (summary: FlowSummary | undefined): string => (summary && summary.flow > 1 ? `Flow ${summary.flow}: ` : '');

function NoFlow() {
  return (
    <div className="journey-empty">
      <h2>No packet yet</h2>
      <p>
        Press <kbd>Space</kbd>, or drag from one pod to another. Every hop then appears here, in words.
      </p>
    </div>
  );
}

function Filter({ packetsOnly, onChange }: { readonly packetsOnly: boolean; readonly onChange: (packetsOnly: boolean) => void }) {
  return (
    <fieldset className="segments">
      <legend className="visually-hidden">Which events</legend>
      <button type="button" aria-pressed={packetsOnly} data-testid="journey-packets" onClick={() => onChange(true)}>
        Packets only
      </button>
      <button type="button" aria-pressed={!packetsOnly} data-testid="journey-everything" onClick={() => onChange(false)}>
        Everything
      </button>
    </fieldset>
  );
}
