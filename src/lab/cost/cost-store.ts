import { create } from 'zustand';
import type { ProxyCost } from '../../protocol/engine.ts';
import type { ProxyMode } from '../../protocol/event.ts';
import { MODES } from '../shell/mode-name.ts';
import { useLab } from '../stores/lab-store.ts';

/** Numbers of Services that the engine makes clusters of. */
export const SIZES: readonly number[] = [10, 100, 1_000, 5_000, 10_000, 30_000];

export const pointKey = (mode: ProxyMode, services: number): string => `${mode} ${services}`;

/** Mode by mode, since the engine makes the next cluster of a mode out of the one before. */
export const POINTS: readonly (readonly [ProxyMode, number])[] = MODES.flatMap((mode) => SIZES.map((size) => [mode, size] as const));

interface CostStore {
  readonly costs: ReadonlyMap<string, ProxyCost>;
  readonly running: boolean;
  /** Why it stopped, unless a person stopped it. */
  readonly failed: string | undefined;
  /** Works out what is missing, point by point: between two of them the engine answers others. */
  run(): Promise<void>;
  stop(): void;
}

/** Who stops and goes on again does not have two at work. */
let runs = 0;

/** What connections cost; it depends on no cluster that is loaded, so it is kept. */
export const useCosts = create<CostStore>()((set, get) => ({
  costs: new Map(),
  running: false,
  failed: undefined,
  async run() {
    const { engine } = useLab.getState();
    if (!engine || get().running) return;
    set({ running: true, failed: undefined });
    const own = ++runs;
    const isOn = (): boolean => get().running && own === runs;
    try {
      for (const [mode, services] of POINTS) {
        const key = pointKey(mode, services);
        if (get().costs.has(key)) continue;
        const cost = await engine.proxyCost(mode, services);
        set({ costs: new Map(get().costs).set(key, cost) });
        if (!isOn()) return;
      }
      set({ running: false });
    } catch (error) {
      if (isOn()) set({ running: false, failed: error instanceof Error ? error.message : String(error) });
    }
  },
  stop: () => set({ running: false }),
}));
