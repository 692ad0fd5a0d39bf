import { useUi } from '../shell/ui-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { defaultTraffic } from './default-traffic.ts';

/** Sends what was sent last, else what shows the most of this cluster. */
export function sendAgain(): void {
  const { topology, lastSend, send } = useLab.getState();
  const traffic = lastSend ?? (topology && defaultTraffic(topology));
  if (!traffic) {
    useLab.setState({ notice: 'This cluster has no two places to send between. Add a Pod or a Node under Manifests.' });
    return;
  }
  useUi.setState({ sent: true });
  void send({ ...traffic, type: 'send' });
}
