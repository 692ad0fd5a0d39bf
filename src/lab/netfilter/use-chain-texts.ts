import { useCallback, useState } from 'react';
import { useLab } from '../stores/lab-store.ts';
import type { ChainTexts } from './rows.ts';
import type { ChainFrame } from './walk-tree.ts';

type Known = ReadonlyMap<string, Exclude<ReturnType<ChainTexts>, undefined>>;

const keyOf = (netns: string, { framework, family, table, chain }: ChainFrame): string =>
  [netns, framework, family, table, chain].join(' ');

/** Texts of the rules of chains, asked for one by one and kept until other rules are written. */
export function useChainTexts(netns: string | undefined): { readonly texts: ChainTexts; readonly ask: (frame: ChainFrame) => void } {
  const engine = useLab((s) => s.engine);
  const generation = useLab((s) => `${s.recording.epoch} ${s.synced.length}`);
  const [kept, setKept] = useState<{ readonly generation: string; readonly known: Known }>({ generation, known: new Map() });
  const known: Known | undefined = kept.generation === generation ? kept.known : undefined;
  const texts = useCallback<ChainTexts>((frame) => (netns === undefined ? undefined : known?.get(keyOf(netns, frame))), [netns, known]);
  const ask = (frame: ChainFrame): void => {
    if (!engine || netns === undefined || texts(frame) !== undefined) return;
    const { framework, family, table, chain: name } = frame;
    const keep = (answer: Exclude<ReturnType<ChainTexts>, undefined>): void =>
      setKept((before) => ({
        generation,
        known: new Map(before.generation === generation ? before.known : []).set(keyOf(netns, frame), answer),
      }));
    engine.ruleChain(netns, { framework, family, table, name }).then(
      (chain) => keep(chain ? { rules: chain.rules.map((rule) => rule.text), total: chain.ruleCount } : 'gone'),
      () => keep('gone'),
    );
  };
  return { texts, ask };
}
