import { useEffect } from 'react';
import { useLab } from '../stores/lab-store.ts';
import { sendNext } from './actions.ts';
import { useScreen } from './screen-store.ts';

/** Where keys have a meaning of their own. */
const OWN_KEYS = 'input, textarea, select, [contenteditable="true"], [role="dialog"], [role="combobox"]';
/** Where only these have. */
const OWN_MOVES = '[role="tab"], [role="slider"]';
/** Keys that mean the same wherever one is. */
const EVERYWHERE: ReadonlySet<string> = new Set(['o', 'O', 't', 'T', '?']);
const MOVES: ReadonlySet<string> = new Set(['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End', ' ']);
const PRESSED_BY_SPACE = 'button, a, summary, [role="button"]';

export const SHORTCUTS: readonly (readonly [keys: string, what: string])[] = [
  ['Space', 'Send a packet: the last one again, or the first there is to send'],
  ['P', 'Play or pause'],
  ['→  ←', 'Step to the next or the previous event'],
  ['Home  End', 'To the start or the end of the recording'],
  ['Ctrl K', 'Command palette'],
  ['O', 'Open a ready-made scenario'],
  ['N', 'Netfilter: the rules that the packet walks through, or back to the map'],
  ['S', 'Services over the map'],
  ['T', 'Light or dark'],
  ['?', 'This list'],
];

function onKeyDown(event: KeyboardEvent): void {
  const screen = useScreen.getState();
  const { key } = event;
  if ((event.ctrlKey || event.metaKey) && !event.altKey && key.toLowerCase() === 'k') {
    event.preventDefault();
    if (screen.overlay === 'palette') screen.close();
    else screen.open('palette');
    return;
  }
  if (isTaken(event)) return;
  // What covers the recording has moves of its own.
  if (screen.workspace && !EVERYWHERE.has(key)) return;
  const act = actionOf(key);
  if (!act) return;
  event.preventDefault();
  act();
}

/** Somebody else has a use for this key: a dialog, a field, a slider, a button. */
function isTaken({ key, ctrlKey, metaKey, altKey, defaultPrevented, target }: KeyboardEvent): boolean {
  if (ctrlKey || metaKey || altKey || defaultPrevented || useScreen.getState().overlay) return true;
  const at = target instanceof Element ? target : document.body;
  if (at.closest(OWN_KEYS) || (MOVES.has(key) && at.closest(OWN_MOVES))) return true;
  return key === ' ' && at.closest(PRESSED_BY_SPACE) !== null;
}

function actionOf(key: string): (() => void) | undefined {
  const lab = useLab.getState();
  const screen = useScreen.getState();
  switch (key) {
    case ' ':
      return sendNext;
    case 'p':
    case 'P':
      return () => lab.setPlaying(!lab.playing);
    case 'ArrowRight':
      return () => lab.step(1);
    case 'ArrowLeft':
      return () => lab.step(-1);
    case 'Home':
      return () => lab.seek(0);
    case 'End':
      return () => lab.seek(lab.length);
    case 'n':
    case 'N':
      return () => screen.showStage(screen.stage === 'map' ? 'netfilter' : 'map');
    case 's':
    case 'S':
      return screen.toggleServices;
    case 't':
    case 'T':
      return screen.toggleTheme;
    case 'o':
    case 'O':
      return () => screen.open('gallery');
    case '?':
      return () => screen.open('shortcuts');
    default:
      return undefined;
  }
}

/** Keys of a workspace: what `act` has no use for, it answers with false. */
export function useOwnKeys(act: (key: string) => boolean): void {
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (!isTaken(event) && act(event.key)) event.preventDefault();
    };
    addEventListener('keydown', listen);
    return () => removeEventListener('keydown', listen);
  }, [act]);
}

export function useKeys(): void {
  useEffect(() => {
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);
}
