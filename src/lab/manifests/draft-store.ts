import { create } from 'zustand';
import type { SourceFile } from '../../protocol/engine.ts';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';

interface DraftStore {
  /** Being edited; undefined while it is the same as what is loaded. */
  readonly files: readonly SourceFile[] | undefined;
  edit(files: readonly SourceFile[] | undefined): void;
}

export const useDraft = create<DraftStore>()((set) => ({
  files: undefined,
  edit: (files) => set({ files }),
}));

/** Loads the draft; on problems it stays a draft. The link in the address no longer says what is loaded, so it goes. */
export async function applyDraft(): Promise<boolean> {
  const files = useDraft.getState().files ?? useLab.getState().files;
  if (!(await useLab.getState().load(files))) return false;
  useDraft.setState({ files: undefined });
  history.replaceState(null, '', location.pathname + location.search);
  return true;
}

/** Dropped files replace what is being edited and are loaded at once; the drawer shows them. */
export async function openFiles(files: Iterable<File>): Promise<void> {
  const read = await Promise.all([...files].map(async (file) => ({ name: file.name, text: await file.text() })));
  if (read.length === 0) return;
  useDraft.setState({ files: read });
  useScreen.getState().open('manifests');
  await applyDraft();
}
