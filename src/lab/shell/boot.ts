import type { SourceFile } from '../../protocol/engine.ts';
import { FIRST_CLUSTER } from '../../scenario/first-cluster.ts';
import { decodeLink } from '../../scenario/link.ts';
import { createWorkerEngine } from '../../worker/client.ts';
import { type LabStore, useLab } from '../stores/lab-store.ts';

type Opened = { readonly files: readonly SourceFile[]; readonly reason?: string };

/** What the address asks for; the first cluster when it asks for nothing or for something that cannot be read. */
function openAddress(): Opened {
  const fragment = location.hash.slice(1);
  if (fragment === '') return { files: FIRST_CLUSTER };
  const link = decodeLink(fragment);
  return link.ok ? { files: link.value.files } : { files: FIRST_CLUSTER, reason: link.error };
}

/** Starts the engine, loads what the address asks for, and keeps the page's own marks up to date. */
export async function boot(): Promise<void> {
  useLab.subscribe(mark);
  const { files, reason } = openAddress();
  const refused = await useLab.getState().boot(createWorkerEngine(), files, FIRST_CLUSTER);
  if (useLab.getState().phase !== 'ready') return;
  const first = refused.find((p) => p.severity === 'error');
  const notice = reason ?? (first && `The link was read, but its cluster was refused: ${first.message}`);
  if (notice !== undefined) useLab.setState({ notice: `${notice} The first cluster was loaded instead.` });
  addEventListener('hashchange', () => void followAddress());
}

async function followAddress(): Promise<void> {
  const { files, reason } = openAddress();
  if (reason !== undefined) useLab.setState({ notice: reason });
  else if (!(await useLab.getState().load(files)))
    useLab.setState({ notice: 'The link was read, but its cluster was refused. See Manifests.' });
}

/** For scripts that drive the page: whether it is there, and whether anything is going on. */
function mark({ phase, pending, playing }: LabStore): void {
  const { dataset } = document.documentElement;
  const ready = phase === 'ready';
  if (ready) dataset.ready = 'true';
  else delete dataset.ready;
  dataset.idle = String(ready && !pending && !playing);
}
