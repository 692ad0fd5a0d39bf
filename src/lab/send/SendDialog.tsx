import { type FormEvent, useMemo, useState } from 'react';
import type { ProbeProtocol } from '../../protocol/event.ts';
import type { Topology } from '../../protocol/view.ts';
import { Modal } from '../../widgets/Modal.tsx';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { defaultSend } from './default-send.ts';
import './send.css';

const PROTOCOLS: readonly (readonly [ProbeProtocol, string])[] = [
  ['http', 'HTTP request'],
  ['tcp', 'TCP connection'],
  ['udp', 'UDP datagram'],
  ['icmp', 'ICMP echo (ping)'],
];
/** More names than this are typed, not chosen. */
const NAMES_MAX = 500;

function placesOf(topology: Topology | undefined): readonly string[] {
  if (!topology) return [];
  const pods = topology.pods.slice(0, NAMES_MAX).map((p) => `pod/${p.namespace}/${p.name}`);
  return [...pods, ...topology.nodes.map((n) => n.netns), 'external'];
}

/** `host:80` apart; a URL stays whole. */
function splitTarget(target: string): { readonly host: string; readonly port: string } {
  const parts = /^([^:]+):(\d+)$/.exec(target);
  return parts ? { host: parts[1] as string, port: parts[2] as string } : { host: target, port: '' };
}

export function SendDialog() {
  const topology = useLab((s) => s.topology);
  const send = useLab((s) => s.send);
  const close = useScreen((s) => s.close);
  const places = useMemo(() => placesOf(topology), [topology]);
  const [initial] = useState(() => useScreen.getState().draft ?? useLab.getState().lastSend ?? (topology && defaultSend(topology)));
  const [from, setFrom] = useState(initial?.from ?? places[0] ?? '');
  const [host, setHost] = useState(() => splitTarget(initial?.to ?? '').host);
  const [port, setPort] = useState(() => splitTarget(initial?.to ?? '').port);
  const [protocol, setProtocol] = useState<ProbeProtocol>(initial?.protocol ?? 'http');
  const isUrl = host.includes('://');
  const takesPort = protocol !== 'icmp' && !isUrl;

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    close();
    const to = takesPort && port !== '' ? `${host.trim()}:${port}` : host.trim();
    void send({ type: 'send', from: from.trim(), to, protocol });
  };
  return (
    <Modal title="Send" onClose={close}>
      <form className="send-form" onSubmit={submit}>
        <datalist id="places">
          {places.map((place) => (
            <option key={place} value={place} />
          ))}
        </datalist>
        <label className="send-wide">
          From
          <input className="field mono" data-testid="send-from" list="places" required value={from} onChange={(e) => setFrom(e.target.value)} />
        </label>
        <label className="send-wide">
          To
          <input
            className="field mono"
            data-testid="send-to"
            list="places"
            required
            value={host}
            onChange={(e) => setHost(e.target.value)}
            aria-describedby="send-to-help"
          />
          <span id="send-to-help" className="send-help">
            A pod, a node, external, or any IPv4 address
          </span>
        </label>
        <label>
          Protocol
          <select className="field" data-testid="send-protocol" value={protocol} onChange={(e) => setProtocol(e.target.value as ProbeProtocol)}>
            {PROTOCOLS.map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <label>
          Port
          <input
            className="field mono"
            data-testid="send-port"
            type="number"
            min={1}
            max={65535}
            disabled={!takesPort}
            placeholder={takesPort ? 'first that it serves' : ''}
            value={takesPort ? port : ''}
            onChange={(e) => setPort(e.target.value)}
          />
        </label>
        <button type="submit" className="button button-primary send-wide" data-testid="send-submit">
          Send
        </button>
      </form>
    </Modal>
  );
}
