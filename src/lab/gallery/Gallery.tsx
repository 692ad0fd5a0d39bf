import { useState } from 'react';
import { Modal } from '../../widgets/Modal.tsx';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import './gallery.css';
import { openScenario } from './open-scenario.ts';
import { READY_MADE } from './scenario-index.ts';

/** The scenarios that come with the project, each opened with one click. */
export default function Gallery() {
  const close = useScreen((s) => s.close);
  const pending = useLab((s) => s.pending);
  const loaded = useLab((s) => s.files[0]?.name);
  const [failed, setFailed] = useState<string>();
  const open = async (name: string): Promise<void> => setFailed(await openScenario(name));
  return (
    <Modal title="Open a scenario" onClose={close}>
      <p className="modal-note">It replaces the cluster that is on the map. The browser’s Back brings that one back.</p>
      {failed !== undefined && (
        <p className="gallery-failed" role="alert">
          {failed}
        </p>
      )}
      <ul className="gallery" data-testid="gallery">
        {READY_MADE.map(({ name, title, shows }) => (
          <li key={name}>
            <button
              type="button"
              className="gallery-item"
              data-testid={`scenario-${name}`}
              aria-current={loaded === `${name}.yaml` || undefined}
              aria-disabled={pending || undefined}
              onClick={() => {
                if (!pending) void open(name);
              }}
            >
              <b>{title}</b>
              {loaded === `${name}.yaml` && <span className="gallery-now">on the map</span>}
              <span>{shows}</span>
            </button>
          </li>
        ))}
      </ul>
    </Modal>
  );
}
