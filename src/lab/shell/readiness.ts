import { useLab } from '../stores/lab-store.ts';

/** Tells the document, and with it tests and tools, whether the lab is there and whether it rests. */
export function announceReadiness(): void {
  const { dataset } = document.documentElement;
  const write = (): void => {
    const { phase, pending, playing } = useLab.getState();
    if (phase === 'ready') dataset.ready = 'true';
    else delete dataset.ready;
    dataset.idle = String(phase === 'ready' && !pending && !playing);
  };
  write();
  useLab.subscribe(write);
}
