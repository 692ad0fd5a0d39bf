import { create } from 'zustand';
import type { SourceFile } from '../../protocol/engine.ts';

export type Theme = 'light' | 'dark';
export type Overlay = 'send' | 'manifests' | 'palette' | undefined;
const THEME_KEY = 'hoplab.theme';

interface UiStore {
  readonly theme: Theme;
  readonly overlay: Overlay;
  /** Prefilled parts of the send form. */
  readonly draft: { readonly from?: string; readonly to?: string };
  /** Manifests being edited; undefined for those that are loaded. */
  readonly edited: readonly SourceFile[] | undefined;
  /** Something has been sent, so that the hint has done its work. */
  readonly sent: boolean;

  toggleTheme(): void;
  open(overlay: Overlay): void;
  openSend(draft: UiStore['draft']): void;
  editFiles(files: readonly SourceFile[]): void;
  setEdited(files: readonly SourceFile[] | undefined): void;
}

export const useUi = create<UiStore>()((set, get) => ({
  theme: document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light',
  overlay: undefined,
  draft: {},
  edited: undefined,
  sent: false,

  toggleTheme() {
    const theme: Theme = get().theme === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(THEME_KEY, theme);
    } catch {
      // A browser that keeps nothing still switches for this visit.
    }
    set({ theme });
  },
  open: (overlay) => set({ overlay }),
  openSend: (draft) => set({ overlay: 'send', draft }),
  editFiles: (files) => set({ edited: files, overlay: 'manifests' }),
  setEdited: (edited) => set({ edited }),
}));
