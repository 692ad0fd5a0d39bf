import { create } from 'zustand';

export type Overlay = 'send' | 'manifests' | 'palette' | 'shortcuts';
export type Theme = 'light' | 'dark';
/** What fills the middle: the map of the cluster, or the rules that a packet walks through. */
export type Stage = 'map' | 'netfilter';

interface ScreenStore {
  readonly overlay: Overlay | undefined;
  readonly theme: Theme;
  readonly stage: Stage;
  /** Services are drawn over the map. */
  readonly services: boolean;
  readonly sendTo: string | undefined;
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
  tables: 'tables',
  showTables: (tables) => set({ tables }),
  showStage: (stage) => set({ stage }),
  toggleServices: () => set({ services: !get().services, stage: 'map' }),
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
