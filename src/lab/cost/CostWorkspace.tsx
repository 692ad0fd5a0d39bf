import { Columns3, Play, Square } from 'lucide-react';
import { useEffect, useState } from 'react';
import { ModeNote } from '../compare/ModeNote.tsx';
import { compareModes } from '../shell/actions.ts';
import { MODES, modeName } from '../shell/mode-name.ts';
import { WorkspaceFrame } from '../shell/WorkspaceFrame.tsx';
import { useLab } from '../stores/lab-store.ts';
import './cost.css';
import { POINTS, pointKey, SIZES, useCosts } from './cost-store.ts';
import { LogChart } from './LogChart.tsx';
import { ceilingOf, type Measure, measured, PUBLISHED, PUBLISHED_AT, publishedSeries, seriesOf } from './series.ts';

const MEASURES: readonly (readonly [Measure, label: string, unit: string, about: string])[] = [
  [
    'first',
    'First packet',
    'rules and lookups',
    'What Linux evaluates for the first packet of a connection from a pod to a ClusterIP, on the pod’s node. The Service is the one in the middle: a linear search takes as long as it does on average.',
  ],
  [
    'later',
    'Later packets',
    'rules and lookups',
    'What Linux evaluates for each later packet: its connection is known, so no chain of type nat is asked.',
  ],
  [
    'change',
    'One change',
    'rules, elements and servers written',
    'What kube-proxy writes on every node when one Service gets one endpoint more.',
  ],
];

/** What a connection costs in each mode, against the number of Services. */
export default function CostWorkspace() {
  const ready = useLab((s) => s.engine !== undefined);
  const { costs, running, failed, run, stop } = useCosts();
  const [measure, setMeasure] = useState<Measure>('first');
  useEffect(() => {
    if (ready) void run();
    return stop;
  }, [ready, run, stop]);
  const [, label, unit, about] = MEASURES.find(([value]) => value === measure) as (typeof MEASURES)[number];
  const series = seriesOf(costs, measure);
  const head = (
    <>
      <button type="button" className="button" data-testid="cost-compare" onClick={compareModes}>
        <Columns3 size={16} aria-hidden="true" /> Compare modes
      </button>
      <fieldset className="segments cost-measures">
        <legend className="visually-hidden">What is charted</legend>
        {MEASURES.map(([value, name]) => (
          <button
            key={value}
            type="button"
            aria-pressed={measure === value}
            data-testid={`cost-${value}`}
            onClick={() => setMeasure(value)}
          >
            {name}
          </button>
        ))}
      </fieldset>
    </>
  );
  return (
    <WorkspaceFrame title="Cost against the number of Services" testId="cost" head={head}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard */}
      <section className="cost-body" aria-label="Charts and tables" tabIndex={0}>
        <section className="cost-part" aria-label={label}>
          <h3>
            {label}: {unit} <small>worked out by the engine</small>
          </h3>
          <p className="workspace-note">{about}</p>
          <Progress done={costs.size} running={running} failed={failed} onRun={() => void run()} onStop={stop} />
          <LogChart
            series={series}
            label={`${label}: ${unit} against the number of Services, a line for each mode. The table below has the numbers.`}
            unit={unit}
            xDomain={[10, 30_000]}
            xTicks={[10, 100, 1_000, 10_000, 30_000]}
            yMax={ceilingOf(series, measure === 'later' ? 100 : 100_000)}
            height={300}
          />
          <CostNumbers measure={measure} label={label} unit={unit} />
        </section>
        <Published />
      </section>
    </WorkspaceFrame>
  );
}

interface ProgressProps {
  readonly done: number;
  readonly running: boolean;
  readonly failed: string | undefined;
  readonly onRun: () => void;
  readonly onStop: () => void;
}

function Progress({ done, running, failed, onRun, onStop }: ProgressProps) {
  const all = POINTS.length;
  const next = POINTS[done];
  const said =
    failed !== undefined
      ? `It stopped: ${failed}`
      : done >= all
        ? `All ${all} points are worked out.`
        : running
          ? `${done} of ${all}: now ${next ? `${modeName(next[0])}, ${next[1].toLocaleString('en')} Services` : ''}`
          : `Stopped at ${done} of ${all}.`;
  return (
    <div className="cost-progress">
      <progress max={all} value={done} aria-label="Points worked out" />
      <p role="status" data-testid="cost-status">
        {said}
      </p>
      {done < all && (
        <button type="button" className="button" data-testid={running ? 'cost-stop' : 'cost-run'} onClick={running ? onStop : onRun}>
          {running ? <Square size={14} aria-hidden="true" /> : <Play size={14} aria-hidden="true" />} {running ? 'Stop' : 'Go on'}
        </button>
      )}
    </div>
  );
}

function CostNumbers({ measure, label, unit }: { readonly measure: Measure; readonly label: string; readonly unit: string }) {
  const costs = useCosts((s) => s.costs);
  return (
    <table className="cost-table" data-testid="cost-table">
      <caption>{measure === 'change' ? `${label}: ${unit}` : `${label}: rules + lookups`}</caption>
      <thead>
        <tr>
          <th scope="col">Services</th>
          {SIZES.map((size) => (
            <th key={size} scope="col">
              {size.toLocaleString('en')}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {MODES.map((mode) => (
          <tr key={mode}>
            <th scope="row">{modeName(mode)}</th>
            {SIZES.map((size) => {
              const cost = costs.get(pointKey(mode, size));
              return <td key={size}>{cost ? measured(cost, measure).text : '…'}</td>;
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Another unit than the chart beside it: microseconds on machines that somebody measured. */
function Published() {
  return (
    <section className="cost-part" aria-label="Measured on real nodes">
      <h3>
        First packet: microseconds <small>measured on real nodes</small>
      </h3>
      <p className="workspace-note">
        Published in{' '}
        <a href={PUBLISHED_AT} target="_blank" rel="noreferrer">
          KEP-3866
        </a>
        . Time, not rules: the two charts have different units, and the time is that of the machines measured. What compares is how it
        grows.
      </p>
      <LogChart
        series={publishedSeries()}
        label="Median time of the first packet on real nodes against the number of Services: iptables rises, nftables stays. The table below has the numbers."
        unit="µs, median"
        xDomain={[5_000, 30_000]}
        xTicks={[5_000, 10_000, 30_000]}
        yMax={1_000}
        height={220}
      />
      <table className="cost-table">
        <caption>Microseconds, median and 99th percentile</caption>
        <thead>
          <tr>
            <th scope="col">Mode</th>
            <th scope="col">Services</th>
            <th scope="col">p50</th>
            <th scope="col">p99</th>
          </tr>
        </thead>
        <tbody>
          {PUBLISHED.map(({ mode, services, p50, p99 }) => (
            <tr key={`${mode} ${services}`}>
              <th scope="row">{modeName(mode)}</th>
              <td>{services.toLocaleString('en')}</td>
              <td>{p50}</td>
              <td>{p99}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <ModeNote />
    </section>
  );
}
