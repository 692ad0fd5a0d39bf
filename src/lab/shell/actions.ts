import { defaultSend, sendBetween } from '../send/default-send.ts';
import { useLab } from '../stores/lab-store.ts';

/** What the space bar does: the last thing again, or the first thing there is to send. */
export function sendNext(): void {
  const { topology, lastSend, send, phase } = useLab.getState();
  if (phase !== 'ready' || !topology) return;
  const input = lastSend ?? defaultSend(topology);
  if (input) void send(input);
  else useLab.setState({ notice: 'There is nobody to send to: the cluster has no second pod or node. Add one under Manifests.' });
}

/** What a drag on the map does. */
export function sendDragged(from: string, toNetns: string): void {
  const { topology, send } = useLab.getState();
  if (topology) void send(sendBetween(topology, from, toNetns));
}
