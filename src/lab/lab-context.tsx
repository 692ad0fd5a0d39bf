import { createContext, useContext } from 'react';
import { useStore } from 'zustand';
import { useShallow } from 'zustand/shallow';
import type { LabEvent } from '../protocol/event.ts';
import type { NetnsTables } from '../protocol/fold.ts';
import type { Lab } from './lab.ts';
import type { Cluster } from './stores/recording-store.ts';
import type { Run } from './stores/runs.ts';
import type { ScreenState } from './stores/screen-store.ts';

const Context = createContext<Lab | undefined>(undefined);

export const LabProvider = Context.Provider;

export function useLab(): Lab {
  const lab = useContext(Context);
  if (!lab) throw new Error('useLab outside of LabProvider');
  return lab;
}

export const useCluster = (): Cluster | undefined => useStore(useLab().recordings, (s) => s.cluster);
export const useRecordingVersion = (): number => useStore(useLab().recordings, (s) => s.version);
export const useScreen = <T,>(select: (state: ScreenState) => T): T => useStore(useLab().screen, useShallow(select));
export const useCount = (): number => useStore(useLab().playhead, (s) => s.count);

/** The run on the timeline. */
export function useRun(): Run | undefined {
  const lab = useLab();
  const index = useStore(lab.playhead, (s) => s.run);
  return useStore(lab.recordings, (s) => s.runs[index]);
}

/** Tables of one namespace at the playhead; renders again only when one of them changes. */
export function useTables(netns: string): NetnsTables | undefined {
  const lab = useLab();
  return useStore(lab.playhead, (s) => lab.stateAt(s.count).netns.get(netns));
}

/** The event that happened last; undefined before the first of the run. */
export function useCurrentEvent(): LabEvent | undefined {
  const lab = useLab();
  const run = useRun();
  const count = useCount();
  const events = lab.recordings.getState().cluster?.recording.events;
  return run && count > run.start ? events?.[count - 1] : undefined;
}
