import { create } from 'zustand';

export type Overlay = 'send' | 'manifests' | 'palette' | 'shortcuts';
export type Theme = 'light' | 'dark';

interface ScreenStore {
  readonly overlay: Overlay | undefined;
  readonly theme: Theme;
  open(overlay: Overlay): void;
  close(): void;
  toggleTheme(): void;
}

const THEME_KEY = 'hoplab.theme';

/** What is open on the screen; nothing here is about the recording. */
export const useScreen = create<ScreenStore>()((set, get) => ({
  overlay: undefined,
  theme: document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light',
  open: (overlay) => set({ overlay }),
  close: () => set({ overlay: undefined }),
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
