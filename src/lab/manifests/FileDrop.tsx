import { useEffect, useState } from 'react';
import { openFiles } from './draft-store.ts';
import './manifests.css';

const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;

/** Manifests dropped anywhere on the window are opened. */
export function FileDrop() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const enter = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      depth++;
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const allow = (event: DragEvent): void => {
      if (hasFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.stopPropagation();
      depth = 0;
      setOver(false);
      void openFiles(event.dataTransfer?.files ?? []);
    };
    const capture = { capture: true };
    addEventListener('dragenter', enter, capture);
    addEventListener('dragleave', leave, capture);
    addEventListener('dragover', allow, capture);
    addEventListener('drop', drop, capture);
    return () => {
      removeEventListener('dragenter', enter, capture);
      removeEventListener('dragleave', leave, capture);
      removeEventListener('dragover', allow, capture);
      removeEventListener('drop', drop, capture);
    };
  }, []);
  return over ? (
    <div className="file-drop" aria-hidden="true">
      <p>Drop manifests to load them</p>
    </div>
  ) : null;
}
