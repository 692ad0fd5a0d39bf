import * as Ariakit from '@ariakit/react';
import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import './modal.css';

interface ModalProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
  /** A dialog in the middle, or a drawer at the right that leaves the map in sight. */
  readonly as?: 'dialog' | 'drawer';
}

export function Modal({ title, onClose, children, as = 'dialog' }: ModalProps) {
  return (
    <Ariakit.Dialog
      open
      modal={as === 'dialog'}
      onClose={onClose}
      hideOnInteractOutside={as === 'dialog'}
      className={as}
      backdrop={as === 'dialog' ? <div className="backdrop" /> : false}
    >
      <div className="modal-head">
        <Ariakit.DialogHeading>{title}</Ariakit.DialogHeading>
        <Ariakit.DialogDismiss className="button button-icon" aria-label="Close">
          <X size={17} />
        </Ariakit.DialogDismiss>
      </div>
      {children}
    </Ariakit.Dialog>
  );
}
