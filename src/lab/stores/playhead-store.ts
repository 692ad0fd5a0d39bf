import { createStore } from 'zustand/vanilla';

/**
 * Where in the recording the screen stands. `position` moves with every frame while playing and is
 * read by what draws; React subscribes to `count` alone, which changes once an event.
 */
export interface PlayheadState {
  /** In beats, see timeline/axis.ts. */
  readonly position: number;
  /** Number of events that have happened. */
  readonly count: number;
  /** Index of the run on the timeline; -1 for none. */
  readonly run: number;
}

export type PlayheadStore = ReturnType<typeof createPlayheadStore>;

export const createPlayheadStore = () => createStore<PlayheadState>(() => ({ position: 0, count: 0, run: -1 }));
