import type { SourceFile } from '../../protocol/engine.ts';
import { FIRST_CLUSTER } from '../../scenario/first-cluster.ts';
import { decodeLink } from '../../scenario/link.ts';
import { createWorkerEngine } from '../../worker/client.ts';
import { useLab } from '../stores/lab-store.ts';
import { useUi } from './ui-store.ts';

interface Linked {
  readonly files: readonly SourceFile[] | undefined;
  /** Why the link cannot be opened. */
  readonly refusal: string | undefined;
}

function readLink(): Linked {
  const fragment = location.hash.slice(1);
  if (fragment === '') return { files: undefined, refusal: undefined };
  const decoded = decodeLink(fragment);
  return decoded.ok ? { files: decoded.value.files, refusal: undefined } : { files: undefined, refusal: decoded.error };
}

/** Starts the engine with the linked scenario, else the first cluster. A bad link costs a notice, not the page. */
export async function boot(): Promise<void> {
  const { files, refusal } = readLink();
  try {
    await useLab.getState().boot(createWorkerEngine(), files ?? FIRST_CLUSTER);
  } catch (error) {
    useLab.setState({ phase: 'crashed', notice: error instanceof Error ? error.message : String(error) });
    return;
  }
  if (refusal !== undefined && useLab.getState().topology) useLab.setState({ notice: refusal });
  if (files && !useLab.getState().topology && useLab.getState().problems.length > 0) await fallBack(files);
  addEventListener('hashchange', () => void follow());
}

/** The linked files were read but refused: show them with their problems above a cluster that works. */
async function fallBack(files: readonly SourceFile[]): Promise<void> {
  const { problems } = useLab.getState();
  if (!(await useLab.getState().load(FIRST_CLUSTER))) return;
  useUi.getState().editFiles(files);
  useLab.setState({
    phase: 'ready',
    problems,
    notice: 'The linked scenario has errors and was not loaded. They are listed under Manifests.',
  });
}

/** Another link was opened in this page. */
async function follow(): Promise<void> {
  const { files, refusal } = readLink();
  if (refusal !== undefined) useLab.setState({ notice: refusal });
  if (files && !(await useLab.getState().load(files))) useUi.getState().editFiles(files);
}
