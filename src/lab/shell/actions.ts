import type { ProxyMode } from '../../protocol/event.ts';
import { passAt, passesOf } from '../netfilter/passes.ts';
import { defaultSend, sendBetween } from '../send/default-send.ts';
import { single, useLab } from '../stores/lab-store.ts';
import { useScreen } from './screen-store.ts';

/** What the space bar does: the last thing again, or the first thing there is to send. */
export function sendNext(): void {
  const { topology, lastSend, send, phase } = useLab.getState();
  if (phase !== 'ready' || !topology) return;
  const input = lastSend ?? defaultSend(topology);
  if (input) void send(input);
  else useLab.setState({ notice: 'There is nobody to send to: the cluster has no second pod or node. Add one under Manifests.' });
}

/** One connection under every mode: what was sent last, else the first there is to send. */
export function compareModes(): void {
  const { topology, lastSend } = useLab.getState();
  const send = lastSend ?? (topology && defaultSend(topology));
  if (send) useScreen.getState().compare(single(send));
  else useLab.setState({ notice: 'There is nobody to send to, so there is nothing to compare. Add a second pod under Manifests.' });
}

/** What a drag on the map does. */
export function sendDragged(from: string, toNetns: string): void {
  const { topology, send } = useLab.getState();
  if (topology) void send(sendBetween(topology, from, toNetns));
}

/** Shows the rule walk; of a node where there is one: the pass there that is nearest to the playhead. Else the node's rules. */
export function openNetfilter(netns?: string): void {
  const { recording, flow, position, seek } = useLab.getState();
  const passes = passesOf(recording.events, flow);
  const there = netns === undefined ? passes : passes.filter((pass) => pass.netns === netns);
  if (netns !== undefined && there.length === 0) {
    browseRules(netns);
    return;
  }
  if (netns !== undefined && passAt(passes, position)?.netns !== netns) {
    const pass = there.findLast((p) => (p.indices[0] as number) < position) ?? there[0];
    if (pass) seek((pass.indices.at(-1) as number) + 1);
  }
  useScreen.getState().showStage('netfilter');
}

/** All rules of a namespace, in the panel. */
export function browseRules(netns: string): void {
  useLab.getState().inspect(netns);
  useScreen.getState().showTables('rules');
}

/** Every kube-proxy in another mode; answers why not, which is said at the top of the map as well. */
export async function switchMode(mode: ProxyMode): Promise<string | undefined> {
  const refused = await useLab.getState().setProxyMode(mode);
  if (refused !== undefined) useLab.setState({ notice: `kube-proxy stays as it is: ${refused}` });
  return refused;
}
