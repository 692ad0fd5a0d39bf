import { useState } from 'react';
import type { ProxyMode } from '../../protocol/event.ts';
import { proxyModeAt, useLab } from '../stores/lab-store.ts';
import { switchMode } from './actions.ts';
import { MODES, modeName } from './mode-name.ts';

/** Which rules kube-proxy writes on every node, from now on. */
export function ModeSwitch() {
  const mode = useLab((s) => proxyModeAt(s, undefined, Number.POSITIVE_INFINITY));
  const [refused, setRefused] = useState<Partial<Record<ProxyMode, string>>>({});
  const idle = useLab((s) => s.phase === 'ready' && !s.pending);
  const choose = async (value: ProxyMode): Promise<void> => {
    const reason = await switchMode(value);
    if (reason !== undefined) setRefused((before) => ({ ...before, [value]: reason }));
  };
  return (
    <fieldset className="segments mode-switch">
      <legend className="visually-hidden">kube-proxy mode</legend>
      {MODES.map((value) => (
        <button
          key={value}
          type="button"
          aria-pressed={mode === value}
          aria-disabled={!idle || undefined}
          title={refused[value] ?? `kube-proxy in ${modeName(value)} mode`}
          data-testid={`mode-${value}`}
          onClick={({ detail, currentTarget }) => {
            // Whoever used the mouse wants the space bar to send next, not to press this again.
            if (detail > 0) currentTarget.blur();
            if (idle && mode !== value) void choose(value);
          }}
        >
          {modeName(value)}
        </button>
      ))}
    </fieldset>
  );
}
