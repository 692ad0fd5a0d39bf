import { useEffect, useState } from 'react';
import type { Input, ModeComparison } from '../../protocol/engine.ts';
import { useLab } from '../stores/lab-store.ts';

type Send = Extract<Input, { type: 'send' }>;

/** One probe under every mode; undefined while the engine is at work on it. */
export function useComparison(send: Send | undefined): ModeComparison | undefined {
  const engine = useLab((s) => s.engine);
  const epoch = useLab((s) => s.recording.epoch);
  const key = send && `${epoch} ${JSON.stringify(send)}`;
  const [answer, setAnswer] = useState<{ readonly key: string; readonly comparison: ModeComparison }>();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for the send
  useEffect(() => {
    if (!engine || !send || key === undefined) return;
    let wanted = true;
    const failed = (error: unknown): ModeComparison => ({ known: false, reason: error instanceof Error ? error.message : String(error) });
    void engine
      .compareModes(send)
      .catch(failed)
      .then((comparison) => wanted && setAnswer({ key, comparison }));
    return () => {
      wanted = false;
    };
  }, [engine, key]);
  return answer?.key === key ? answer?.comparison : undefined;
}
