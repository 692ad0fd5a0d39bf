import { FolderOpen, Server, Undo2 } from 'lucide-react';
import { useRef, useState } from 'react';
import type { SourceFile } from '../../protocol/engine.ts';
import type { Problem } from '../../protocol/view.ts';
import { Modal } from '../../widgets/Modal.tsx';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { applyDraft, openFiles, useDraft } from './draft-store.ts';
import { Editor, type EditorHandle } from './Editor.tsx';
import './manifests.css';
import { Problems } from './Problems.tsx';

/** The manifests as text; what is on the map changes when they are applied and found right. */
export default function ManifestsDrawer() {
  const close = useScreen((s) => s.close);
  const loaded = useLab((s) => s.files);
  const pending = useLab((s) => s.pending);
  const draft = useDraft((s) => s.files);
  const edit = useDraft((s) => s.edit);
  const [chosen, setChosen] = useState(0);
  const [said, setSaid] = useState('');
  const editor = useRef<EditorHandle>(null);
  const picker = useRef<HTMLInputElement>(null);
  const files = draft ?? loaded;
  const index = Math.min(chosen, Math.max(0, files.length - 1));
  const file = files[index];

  const change = (text: string): void => {
    setSaid('');
    edit(files.map((f, i): SourceFile => (i === index ? { ...f, text } : f)));
  };
  const apply = async (): Promise<void> => {
    setSaid((await applyDraft()) ? 'Applied' : 'Not applied: what was loaded stays');
  };
  const goTo = (problem: Problem): void => {
    const at = files.findIndex((f) => f.name === problem.file);
    if (at >= 0) setChosen(at);
    // The editor of another file is there only after the next frame.
    requestAnimationFrame(() => editor.current?.goTo(problem.line ?? 1, problem.column ?? 1));
  };
  return (
    <Modal title="Manifests" as="drawer" onClose={close}>
      <div className="manifests-bar">
        {files.length > 1 ? (
          <select className="field" aria-label="File" value={index} onChange={(event) => setChosen(Number(event.target.value))}>
            {files.map((f, i) => (
              <option key={f.name} value={i}>
                {f.name}
              </option>
            ))}
          </select>
        ) : (
          <span className="manifests-name mono">{file?.name}</span>
        )}
        <button type="button" className="button" onClick={() => picker.current?.click()}>
          <FolderOpen size={16} aria-hidden="true" /> Open
        </button>
        <button
          type="button"
          className="button"
          title="Walk a packet through the rules of a real node"
          data-testid="open-dump"
          onClick={() => useScreen.getState().work('dump')}
        >
          <Server size={16} aria-hidden="true" /> A node’s dump
        </button>
        <input
          ref={picker}
          type="file"
          hidden
          multiple
          accept=".yaml,.yml,.json"
          aria-label="Open manifest files"
          onChange={(event) => void openFiles(event.target.files ?? [])}
        />
      </div>
      <Editor
        key={`${index} ${file?.name}`}
        ref={editor}
        label="Manifests, YAML"
        language="yaml"
        text={file?.text ?? ''}
        onChange={change}
        onApply={() => void apply()}
      />
      <Problems onGoTo={goTo} />
      <div className="manifests-actions">
        <p role="status">{said}</p>
        <button
          type="button"
          className="button"
          disabled={!draft}
          onClick={() => {
            edit(undefined);
            useLab.setState({ problems: [] });
            setSaid('');
          }}
        >
          <Undo2 size={16} aria-hidden="true" /> Revert
        </button>
        <button
          type="button"
          className="button button-primary"
          data-testid="apply-manifests"
          title="Ctrl Enter"
          disabled={pending}
          onClick={() => void apply()}
        >
          Apply
        </button>
      </div>
    </Modal>
  );
}
