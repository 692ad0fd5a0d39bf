import { useCallback, useRef, useState } from 'react';
import { useLab } from '../stores/lab-store.ts';
import type { Chains } from './PassView.tsx';
import type { ChainTexts } from './rows.ts';
import type { ChainFrame } from './walk-tree.ts';

type Answer = Exclude<ReturnType<ChainTexts>, undefined>;

/**
 * Texts of the rules of a namespace's chains, asked for one by one and kept until other rules are
 * written. They are the rules of now: of a walk before a change, the chain may be gone.
 */
export function useChainTexts(netns: string): Chains {
  const engine = useLab((s) => s.engine);
  const generation = useLab((s) => `${s.recording.epoch} ${s.synced.length} ${netns}`);
  const [known, setKnown] = useState<ReadonlyMap<string, Answer>>(new Map());
  const asked = useRef(new Set<string>());
  const keyOf = useCallback(
    ({ framework, family, table, chain }: ChainFrame): string => [generation, framework, family, table, chain].join(' '),
    [generation],
  );
  const texts = useCallback<ChainTexts>((frame) => known.get(keyOf(frame)), [known, keyOf]);
  const ask = useCallback(
    (frame: ChainFrame): void => {
      const key = keyOf(frame);
      if (!engine || asked.current.has(key)) return;
      asked.current.add(key);
      const keep = (answer: Answer): void => setKnown((before) => new Map(before).set(key, answer));
      const { framework, family, table, chain: name } = frame;
      engine.ruleChain(netns, { framework, family, table, name }).then(
        (chain) => keep(chain ? { rules: chain.rules.map((rule) => rule.text), total: chain.ruleCount } : 'gone'),
        () => keep('gone'),
      );
    },
    [engine, netns, keyOf],
  );
  return { texts, ask };
}
