import type { EventType } from '../../protocol/event.ts';
import type { Topology } from '../../protocol/view.ts';
import { applyShare } from '../share/share.ts';
import { browseRules, compareModes, openNetfilter, sendNext, switchMode } from '../shell/actions.ts';
import { MODES } from '../shell/mode-name.ts';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';

export interface Command {
  readonly title: string;
  /** The key that does the same, or what kind of thing it is. */
  readonly note: string;
  /** Leaves what is open on the screen as it is. */
  readonly anywhere?: boolean;
  readonly run: () => void;
}

/** Found by their title; nodes and pods after everything that can be done. */
export function commandsOf(topology: Topology | undefined): readonly Command[] {
  const lab = useLab.getState();
  const screen = useScreen.getState();
  const nodes = topology?.nodes ?? [];
  const places = topology ? [...topology.nodes, ...topology.externals, ...topology.pods.filter((p) => !p.hostNetwork)] : [];
  return [
    { title: 'Send a packet', note: 'Space', run: sendNext },
    { title: 'Send ...', note: 'form', run: () => screen.open('send') },
    { title: lab.playing ? 'Pause' : 'Play', note: 'P', run: () => lab.setPlaying(!lab.playing) },
    { title: 'To the start', note: 'Home', run: () => lab.seek(0) },
    { title: 'To the end', note: 'End', run: () => lab.seek(lab.length) },
    { title: 'Next drop', note: 'timeline', run: nextDrop },
    { title: 'Show the journey', note: 'panel', run: () => lab.show('journey') },
    { title: 'Show the packet', note: 'panel', run: () => lab.show('packet') },
    { title: 'Netfilter: the rule walk of the packet', note: 'N', run: () => openNetfilter() },
    { title: 'Show the map', note: 'N', run: () => screen.showStage('map') },
    { title: screen.services ? 'Hide Services on the map' : 'Services on the map', note: 'S', run: screen.toggleServices },
    { title: 'Show the Services', note: 'panel', run: () => lab.show('services') },
    ...MODES.map((mode): Command => ({ title: `kube-proxy: ${mode} mode`, note: 'proxy mode', run: () => void switchMode(mode) })),
    { title: 'Next rewrite (NAT)', note: 'timeline', run: nextRewrite },
    { title: 'Show the tables', note: 'panel', run: () => lab.show('tables') },
    { title: 'Edit manifests', note: 'drawer', run: () => screen.open('manifests') },
    { title: 'Compare modes: one connection under each', note: 'view', anywhere: true, run: () => compareModes() },
    { title: 'Cost chart: rules against the number of Services', note: 'view', anywhere: true, run: () => screen.work('cost') },
    { title: 'A real node’s dump: walk a packet through its rules', note: 'view', anywhere: true, run: () => screen.work('dump') },
    { title: 'Open a ready-made scenario', note: 'O', anywhere: true, run: () => screen.open('gallery') },
    { title: 'Share: copy the link', note: 'link', anywhere: true, run: () => void applyShare() },
    { title: 'Share: Linux script, capture (pcapng)', note: 'dialog', anywhere: true, run: () => screen.open('share') },
    { title: screen.theme === 'dark' ? 'Light theme' : 'Dark theme', note: 'T', anywhere: true, run: screen.toggleTheme },
    { title: 'Keys', note: '?', anywhere: true, run: () => screen.open('shortcuts') },
    ...nodes.map(({ netns }): Command => ({ title: `Rules of ${netns.replace('/', ' ')}`, note: 'rules', run: () => browseRules(netns) })),
    ...(topology?.services ?? []).map(
      ({ namespace, name }): Command => ({
        title: `Service ${namespace}/${name}`,
        note: 'service',
        run: () => lab.lookAtService(`${namespace}/${name}`),
      }),
    ),
    ...places.map(
      ({ netns }): Command => ({
        title: netns.replace('/', ' '),
        note: 'tables',
        run: () => lab.inspect(netns),
      }),
    ),
  ];
}

const nextDrop = (): void => next(['drop'], 'Nothing was dropped from here to the end of the recording.');
const nextRewrite = (): void => next(['nat', 'ipvs'], 'Nothing is rewritten from here to the end of the recording.');

function next(types: readonly EventType[], otherwise: string): void {
  const { recording, position, seek } = useLab.getState();
  const index = recording.events.findIndex((event, i) => i >= position && types.includes(event.type));
  if (index >= 0) seek(index + 1);
  else useLab.setState({ notice: otherwise });
}
