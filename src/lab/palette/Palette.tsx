import * as Ariakit from '@ariakit/react';
import { useMemo, useState } from 'react';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { type Command, commandsOf } from './commands.ts';
import './palette.css';

const SHOWN_MAX = 40;

/** Every word that was typed is somewhere in the title. */
function matches(command: Command, words: readonly string[]): boolean {
  const title = command.title.toLowerCase();
  return words.every((word) => title.includes(word));
}

export function Palette() {
  const close = useScreen((s) => s.close);
  const work = useScreen((s) => s.work);
  const topology = useLab((s) => s.topology);
  const [typed, setTyped] = useState('');
  const commands = useMemo(() => commandsOf(topology), [topology]);
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = commands.filter((command) => matches(command, words)).slice(0, SHOWN_MAX);
  const run = (command: Command): void => {
    if (command.anywhere) close();
    else work(undefined);
    command.run();
  };
  return (
    <Ariakit.Dialog open onClose={close} className="dialog palette" aria-label="Command palette" backdrop={<div className="backdrop" />}>
      <Ariakit.ComboboxProvider open includesBaseElement={false} focusLoop value={typed} setValue={setTyped}>
        <Ariakit.Combobox
          className="palette-input"
          placeholder="What to do, or which pod or node to look at"
          aria-label="Command"
          autoSelect="always"
          autoFocus
          data-testid="palette-input"
        />
        <Ariakit.ComboboxList className="palette-list" aria-label="Commands" alwaysVisible>
          {shown.map((command) => (
            <Ariakit.ComboboxItem
              key={command.title}
              className="palette-item"
              focusOnHover
              setValueOnClick={false}
              hideOnClick={false}
              onClick={() => run(command)}
            >
              <span>{command.title}</span>
              <span className="palette-note">{command.note}</span>
            </Ariakit.ComboboxItem>
          ))}
        </Ariakit.ComboboxList>
      </Ariakit.ComboboxProvider>
      {shown.length === 0 && <p className="palette-none">Nothing is called that here.</p>}
    </Ariakit.Dialog>
  );
}
