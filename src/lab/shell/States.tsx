import { RotateCcw } from 'lucide-react';
import { useLab } from '../stores/lab-store.ts';

export function Booting() {
  return (
    <div className="booting" role="status">
      <span className="booting-dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <p>Building the cluster</p>
    </div>
  );
}

/** The engine is gone; nothing on the screen could be trusted any more. */
export function Crashed() {
  const reason = useLab((s) => s.notice);
  const problems = useLab((s) => s.problems);
  return (
    <main className="crashed" aria-label="Hoplab">
      <div className="crashed-card">
        <h1>The lab stopped</h1>
        <div role="alert" data-testid="notice">
          <p>{reason ?? problems[0]?.message ?? 'The engine could not be started.'}</p>
        </div>
        <p className="crashed-next">Load the page again to start over. If it stops here again, open Hoplab without a link.</p>
        <div className="crashed-actions">
          <button type="button" className="button button-primary" onClick={() => location.reload()}>
            <RotateCcw size={16} aria-hidden="true" /> Load again
          </button>
          <a className="button" href={location.pathname} onClick={() => history.replaceState(null, '', location.pathname)}>
            First cluster
          </a>
        </div>
      </div>
    </main>
  );
}
