import { Map as MapIcon } from 'lucide-react';
import { type ReactNode, useCallback, useEffect, useRef } from 'react';
import { useOwnKeys } from './keys.ts';
import { useScreen } from './screen-store.ts';
import './workspace.css';

interface WorkspaceFrameProps {
  readonly title: string;
  readonly testId: string;
  /** Beside the title. */
  readonly head?: ReactNode;
  /** What keys do here, besides Escape; answers whether it did anything. */
  readonly onKey?: (key: string) => boolean;
  readonly children: ReactNode;
}

/** What takes the whole window below the header, with a way back to the map. */
export function WorkspaceFrame({ title, testId, head, onKey, children }: WorkspaceFrameProps) {
  const work = useScreen((s) => s.work);
  const frame = useRef<HTMLElement>(null);
  useEffect(() => {
    frame.current?.focus({ preventScroll: true });
  }, []);
  useOwnKeys(
    useCallback(
      (key: string): boolean => {
        if (key !== 'Escape') return onKey?.(key) ?? false;
        work(undefined);
        return true;
      },
      [onKey, work],
    ),
  );
  return (
    <main ref={frame} className="workspace" aria-label={title} data-testid={testId} tabIndex={-1}>
      <div className="workspace-head">
        <h2>{title}</h2>
        {head}
        <button
          type="button"
          className="button workspace-close"
          data-testid="workspace-close"
          title="Back to the map (Esc)"
          onClick={() => work(undefined)}
        >
          <MapIcon size={16} aria-hidden="true" /> Map
        </button>
      </div>
      {children}
    </main>
  );
}
