import { TriangleAlert, X } from 'lucide-react';
import { useLab } from '../stores/lab-store.ts';

/** Why the last thing asked for did not happen. */
export function Notice() {
  const notice = useLab((s) => s.notice);
  const dismiss = useLab((s) => s.dismissNotice);
  if (notice === undefined) return null;
  return (
    <div className="notice" role="alert" data-testid="notice">
      <TriangleAlert size={18} aria-hidden="true" />
      <p>{notice}</p>
      <button type="button" className="button button-icon" aria-label="Dismiss" onClick={dismiss}>
        <X size={16} />
      </button>
    </div>
  );
}
