import type { Topology } from '../../protocol/view.ts';
import { share } from '../share/ShareButton.tsx';
import { sendNext } from '../shell/actions.ts';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';

export interface Command {
  readonly name: string;
  readonly hint: string;
  readonly run: () => void;
}

/** What the palette offers at most at once. */
const SHOWN_MAX = 60;

function actions(): readonly Command[] {
  const lab = useLab.getState();
  const screen = useScreen.getState();
  return [
    { name: 'Send a packet', hint: 'Space', run: sendNext },
    { name: 'Send from and to', hint: '', run: () => screen.open('send') },
    { name: lab.playing ? 'Pause' : 'Play', hint: 'P', run: () => lab.setPlaying(!lab.playing) },
    { name: 'Step', hint: '→', run: () => lab.step(1) },
    { name: 'Step back', hint: '←', run: () => lab.step(-1) },
    { name: 'To the start', hint: 'Home', run: () => lab.seek(0) },
    { name: 'To the end', hint: 'End', run: () => lab.seek(lab.length) },
    { name: 'Manifests', hint: '', run: () => screen.open('manifests') },
    {
      name: 'Share: copy the link',
      hint: '',
      run: () => void share().then((said) => useLab.setState({ notice: said })),
    },
    { name: screen.theme === 'dark' ? 'Light theme' : 'Dark theme', hint: 'T', run: screen.toggleTheme },
    { name: 'Keys', hint: '?', run: () => screen.open('shortcuts') },
  ];
}

function places(topology: Topology | undefined): readonly Command[] {
  if (!topology) return [];
  const { inspect } = useLab.getState();
  const nodes = topology.nodes.map((n) => ({ name: `Inspect node ${n.name}`, hint: '', run: () => inspect(n.netns) }));
  const pods = topology.pods.map((p) => ({ name: `Inspect pod ${p.namespace}/${p.name}`, hint: p.node, run: () => inspect(p.netns) }));
  return [...nodes, ...pods];
}

export const allCommands = (topology: Topology | undefined): readonly Command[] => [...actions(), ...places(topology)];

/** Commands that hold every word of `text`. */
export function matching(commands: readonly Command[], text: string): readonly Command[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found: Command[] = [];
  for (const command of commands) {
    const name = command.name.toLowerCase();
    if (words.every((word) => name.includes(word))) found.push(command);
    if (found.length === SHOWN_MAX) break;
  }
  return found;
}
