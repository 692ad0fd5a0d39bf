import { create } from 'zustand';
import type { Input } from '../../protocol/engine.ts';

export type Overlay = 'send' | 'manifests' | 'palette' | 'shortcuts' | 'gallery' | 'share';
export type Theme = 'light' | 'dark';
/** What fills the middle: the map of the cluster, or the rules that a packet walks through. */
export type Stage = 'map' | 'netfilter';
/** What takes the whole window below the header: it is about more than this recording. */
export type Workspace = 'dump' | 'compare' | 'cost';

type Send = Extract<Input, { type: 'send' }>;

interface ScreenStore {
  readonly overlay: Overlay | undefined;
  readonly theme: Theme;
  readonly stage: Stage;
  /** Services are drawn over the map. */
  readonly services: boolean;
  readonly sendTo: string | undefined;
  readonly workspace: Workspace | undefined;
  /** What the modes are compared by. */
  readonly compared: Send | undefined;
  /** What the namespace inspector lists. */
  readonly tables: 'tables' | 'rules';
  open(overlay: Overlay): void;
  close(): void;
  toggleTheme(): void;
  showStage(stage: Stage): void;
  toggleServices(): void;
  /** The send form, with a target already in it. */
  openSend(to: string): void;
  showTables(tables: 'tables' | 'rules'): void;
  /** Opens a workspace; undefined goes back to the map. */
  work(workspace: Workspace | undefined): void;
  compare(send: Send): void;
}

const THEME_KEY = 'hoplab.theme';

/** What is open on the screen; nothing here is about the recording. */
export const useScreen = create<ScreenStore>()((set, get) => ({
  overlay: undefined,
  theme: document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light',
  stage: 'map',
  services: false,
  sendTo: undefined,
  openSend: (sendTo) => set({ overlay: 'send', sendTo }),
  workspace: undefined,
  compared: undefined,
  work: (workspace) => set({ workspace, overlay: undefined }),
  compare: (compared) => set({ workspace: 'compare', compared, overlay: undefined }),
  tables: 'tables',
  showTables: (tables) => set({ tables }),
  showStage: (stage) => set({ stage, workspace: undefined }),
  toggleServices: () => set({ services: !get().services, stage: 'map', workspace: undefined }),
  open: (overlay) => set({ overlay }),
  close: () => set({ overlay: undefined, sendTo: undefined }),
  toggleTheme() {
    const theme = get().theme === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(THEME_KEY, theme);
    } catch {
      // A browser that keeps nothing still shows the theme until the page is left.
    }
    set({ theme });
  },
}));
