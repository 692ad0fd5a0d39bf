import { Modal } from '../../widgets/Modal.tsx';
import { SHORTCUTS } from './keys.ts';
import { useScreen } from './screen-store.ts';

export function Shortcuts() {
  const close = useScreen((s) => s.close);
  return (
    <Modal title="Keys" onClose={close}>
      <dl className="shortcuts">
        {SHORTCUTS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split('  ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <p className="modal-note">Drag from one pod to another on the map to send between them.</p>
    </Modal>
  );
}
