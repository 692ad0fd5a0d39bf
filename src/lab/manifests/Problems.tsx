import { CircleAlert, Info, TriangleAlert } from 'lucide-react';
import type { Problem } from '../../protocol/view.ts';
import { useLab } from '../stores/lab-store.ts';

const ICONS = { error: CircleAlert, warning: TriangleAlert, info: Info } as const;

/** Why the draft was refused, else what to know about the cluster that is loaded. */
export function Problems({ onGoTo }: { readonly onGoTo: (problem: Problem) => void }) {
  const refused = useLab((s) => s.problems);
  const topology = useLab((s) => s.topology);
  const problems = refused.length > 0 ? refused : (topology?.problems ?? []);
  const notModelled = refused.length > 0 ? [] : (topology?.notModelled ?? []);
  if (problems.length === 0 && notModelled.length === 0) return null;
  return (
    <section className="problems" aria-label="Problems">
      {problems.length > 0 && (
        <ul>
          {problems.map((problem) => (
            <li key={`${placeOf(problem)} ${problem.object} ${problem.field} ${problem.message}`}>
              <ProblemView problem={problem} onGoTo={onGoTo} />
            </li>
          ))}
        </ul>
      )}
      {notModelled.length > 0 && (
        <details className="not-modelled">
          <summary>
            {notModelled.length} {notModelled.length === 1 ? 'object is' : 'objects are'} kept, but not simulated yet
          </summary>
          <ul>
            {notModelled.map((o) => (
              <li key={`${o.kind} ${o.namespace} ${o.name}`} className="mono">
                {o.kind} {o.namespace === undefined ? '' : `${o.namespace}/`}
                {o.name}
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function placeOf({ file, line }: Problem): string {
  if (file === undefined) return '';
  return line === undefined ? file : `${file}:${line}`;
}

function ProblemView({ problem, onGoTo }: { readonly problem: Problem; readonly onGoTo: (problem: Problem) => void }) {
  const Icon = ICONS[problem.severity];
  const about = [problem.object, problem.field].filter((part) => part !== undefined).join(' ');
  return (
    <button
      type="button"
      className={`problem problem-${problem.severity}`}
      data-testid="problem"
      data-severity={problem.severity}
      onClick={() => onGoTo(problem)}
    >
      <Icon size={16} aria-hidden="true" />
      <span>
        <span className="problem-message">
          <b>{problem.severity}</b> {problem.message}
        </span>
        <span className="problem-place mono">{[placeOf(problem), about].filter((part) => part !== '').join('  ')}</span>
      </span>
    </button>
  );
}
