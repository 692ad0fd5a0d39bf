import * as Ariakit from '@ariakit/react';
import { useMemo, useState } from 'react';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { allCommands, type Command, matching } from './commands.ts';
import './palette.css';

export function Palette() {
  const topology = useLab((s) => s.topology);
  const close = useScreen((s) => s.close);
  const [text, setText] = useState('');
  const commands = useMemo(() => allCommands(topology), [topology]);
  const found = matching(commands, text);
  const run = (command: Command): void => {
    close();
    command.run();
  };
  return (
    <Ariakit.Dialog open onClose={close} className="dialog palette" aria-label="Commands" backdrop={<div className="backdrop" />}>
      <Ariakit.ComboboxProvider open setValue={setText}>
        <Ariakit.Combobox
          autoFocus
          autoSelect="always"
          className="palette-input"
          aria-label="Command, node or pod"
          placeholder="Command, node or pod"
          data-testid="palette-input"
        />
        <Ariakit.ComboboxList className="palette-list" aria-label="Commands" alwaysVisible>
          {found.map((command) => (
            <Ariakit.ComboboxItem
              key={command.name}
              className="palette-item"
              focusOnHover
              hideOnClick={false}
              setValueOnClick={false}
              onClick={() => run(command)}
            >
              <span>{command.name}</span>
              {command.hint !== '' && <span className="palette-hint">{command.hint}</span>}
            </Ariakit.ComboboxItem>
          ))}
        </Ariakit.ComboboxList>
      </Ariakit.ComboboxProvider>
      <p className={found.length === 0 ? 'palette-none' : 'visually-hidden'} role="status">
        {found.length === 0 ? 'No command, node or pod of that name' : `${found.length} found`}
      </p>
    </Ariakit.Dialog>
  );
}
