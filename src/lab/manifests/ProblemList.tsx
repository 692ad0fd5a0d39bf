import type { NotModelled, Problem } from '../../protocol/view.ts';

const NAMES: Record<Problem['severity'], string> = { error: 'Error', warning: 'Warning', info: 'Note' };

interface ProblemListProps {
  readonly problems: readonly Problem[];
  readonly onGoTo: (problem: Problem) => void;
}

export function ProblemList({ problems, onGoTo }: ProblemListProps) {
  return (
    <ul className="problems" aria-label="Problems">
      {problems.map((problem) => (
        <li key={`${problem.file} ${problem.line} ${problem.column} ${problem.object} ${problem.field} ${problem.message}`}>
          <button
            type="button"
            className={`problem problem-${problem.severity}`}
            data-testid="problem"
            disabled={problem.line === undefined}
            onClick={() => onGoTo(problem)}
          >
            <span className="problem-place">
              <strong>{NAMES[problem.severity]}</strong> {placeOf(problem)}
            </span>
            {problem.message}
          </button>
        </li>
      ))}
    </ul>
  );
}

function placeOf({ file, line, object, field }: Problem): string {
  const where = file === undefined ? '' : `${file}${line === undefined ? '' : `:${line}`}`;
  return [where, [object, field].filter(Boolean).join(' ')].filter(Boolean).join('  ');
}

export function NotModelledList({ objects }: { readonly objects: readonly NotModelled[] }) {
  if (objects.length === 0) return null;
  return (
    <details className="not-modelled">
      <summary>{`${objects.length} ${objects.length === 1 ? 'object is' : 'objects are'} kept, but not simulated yet`}</summary>
      <ul className="mono">
        {objects.map(({ kind, namespace, name }) => (
          <li key={`${kind} ${namespace} ${name}`}>{`${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`}</li>
        ))}
      </ul>
    </details>
  );
}
