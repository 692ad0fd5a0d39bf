import { useEffect, useState } from 'react';
import type { Input, PossibleOutcomes } from '../../protocol/engine.ts';
import { useLab } from '../stores/lab-store.ts';

type Send = Extract<Input, { type: 'send' }>;

/** One question to the engine after the other: typing does not pile them up. */
const SETTLE_MS = 200;

/** What could come of a probe sent now; undefined while the engine is working it out, or when nothing is asked. */
export function useOutcomes(send: Send | undefined): PossibleOutcomes | undefined {
  const engine = useLab((s) => s.engine);
  const length = useLab((s) => s.length);
  const key = send && JSON.stringify(send);
  const [answer, setAnswer] = useState<{ readonly key: string; readonly outcomes: PossibleOutcomes }>();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `key` stands for the send, and `length` asks again after something was recorded
  useEffect(() => {
    if (!engine || !send || key === undefined) return;
    let wanted = true;
    const failed = (error: unknown): PossibleOutcomes => ({ known: false, reason: error instanceof Error ? error.message : String(error) });
    const timer = setTimeout(() => {
      void engine
        .outcomes(send)
        .catch(failed)
        .then((outcomes) => wanted && setAnswer({ key, outcomes }));
    }, SETTLE_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [engine, key, length]);
  return answer?.key === key ? answer?.outcomes : undefined;
}
