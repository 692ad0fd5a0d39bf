import type { Input } from '../../protocol/engine.ts';
import { useScreen } from '../shell/screen-store.ts';

/** The same connection under every mode of kube-proxy. */
export function CompareButton({ send }: { readonly send: Extract<Input, { type: 'send' }> | undefined }) {
  const compare = useScreen((s) => s.compare);
  return (
    <button
      type="button"
      className="what-could-button"
      data-testid="compare-modes"
      disabled={!send}
      onClick={() => {
        if (send) compare(send);
      }}
    >
      <span aria-hidden="true">▸</span> Compare modes
    </button>
  );
}
