import { Send as SendIcon } from 'lucide-react';
import { type FormEvent, useMemo, useState } from 'react';
import type { Input } from '../../protocol/engine.ts';
import type { ProbeProtocol } from '../../protocol/event.ts';
import type { Topology } from '../../protocol/view.ts';
import { Modal } from '../../widgets/Modal.tsx';
import { WhatCouldHappen } from '../chance/WhatCouldHappen.tsx';
import { CompareButton } from '../compare/CompareButton.tsx';
import { sortedServices, targetsOfService } from '../services/service-facts.ts';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { defaultSend } from './default-send.ts';
import './send.css';

type Send = Extract<Input, { type: 'send' }>;

/** As many as a list of suggestions is good for; what is typed need not be among them. */
const SUGGESTIONS_MAX = 50;

const PROTOCOLS: readonly (readonly [ProbeProtocol, string, string])[] = [
  ['http', 'HTTP', 'GET / over a new TCP connection'],
  ['tcp', 'TCP', 'connect, then close'],
  ['udp', 'UDP', 'one datagram, and the answer if one comes'],
  ['icmp', 'ICMP', 'one echo request, as ping sends it'],
];

export function SendDialog() {
  const close = useScreen((s) => s.close);
  const topology = useLab((s) => s.topology);
  const lastSend = useLab((s) => s.lastSend);
  const pending = useLab((s) => s.pending);
  const send = useLab((s) => s.send);
  const start = lastSend ?? (topology && defaultSend(topology));
  const [from, setFrom] = useState(start?.from ?? '');
  const [to, setTo] = useState(useScreen((s) => s.sendTo) ?? start?.to ?? '');
  const [protocol, setProtocol] = useState<ProbeProtocol>(start?.protocol ?? 'http');
  const [count, setCount] = useState('1');
  const sources = useMemo(() => (topology ? sourcesOf(topology) : []), [topology]);
  const targets = useMemo(() => (topology ? targetsOf(topology) : []), [topology]);

  const one: Send | undefined =
    from.trim() === '' || to.trim() === ''
      ? undefined
      : { type: 'send', from: from.trim(), to: protocol === 'http' ? urlOf(to.trim()) : to.trim(), protocol };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (!one) return;
    const times = Math.max(1, Math.round(Number(count)) || 1);
    close();
    void send(times > 1 ? { ...one, count: times } : one);
  };
  return (
    <Modal title="Send" onClose={close}>
      <form className="send-form" onSubmit={submit}>
        <Suggested label="From" testId="send-from" value={from} onChange={setFrom} all={sources} placeholder="pod/default/client" />
        <Suggested
          label="To"
          testId="send-to"
          value={to}
          onChange={setTo}
          all={targets}
          placeholder="svc/NS/NAME:PORT, pod/NS/NAME:PORT, 10.96.0.20:80 or a URL"
        />
        <fieldset className="protocols">
          <legend>Protocol</legend>
          {PROTOCOLS.map(([value, label, what]) => (
            <label key={value} className="protocol">
              <input type="radio" name="protocol" value={value} checked={protocol === value} onChange={() => setProtocol(value)} />
              <b>{label}</b> <span>{what}</span>
            </label>
          ))}
        </fieldset>
        <div className="send-foot">
          <label className="send-count">
            How many
            <input
              className="field"
              type="number"
              min={1}
              max={1000}
              data-testid="send-count"
              value={count}
              onChange={(event) => setCount(event.target.value)}
            />
          </label>
          <button type="submit" className="button button-primary" data-testid="send-submit" disabled={pending || !one}>
            <SendIcon size={16} aria-hidden="true" /> Send
          </button>
        </div>
        <WhatCouldHappen send={one} />
        <CompareButton send={one} />
      </form>
    </Modal>
  );
}

interface SuggestedProps {
  readonly label: string;
  readonly testId: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly all: readonly string[];
  readonly placeholder: string;
}

function Suggested({ label, testId, value, onChange, all, placeholder }: SuggestedProps) {
  const shown = useMemo(() => all.filter((name) => name.includes(value) || all.includes(value)).slice(0, SUGGESTIONS_MAX), [all, value]);
  return (
    <label className="send-field">
      {label}
      <input
        className="field mono"
        data-testid={testId}
        list={`${testId}-list`}
        value={value}
        placeholder={placeholder}
        autoComplete="off"
        spellCheck={false}
        required
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id={`${testId}-list`}>
        {shown.map((name) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </label>
  );
}

/** HTTP to a bare address or name means port 80, as in a browser. */
const urlOf = (to: string): string => (/[:/]/.test(to) ? to : `http://${to}/`);

const sourcesOf = ({ pods, nodes, externals }: Topology): readonly string[] => [
  ...pods.map((p) => `pod/${p.namespace}/${p.name}`),
  ...nodes.map((n) => n.netns),
  ...externals.filter((e) => e.role === 'client').map(() => 'external'),
];

const targetsOf = ({ pods, nodes, services }: Topology): readonly string[] => [
  ...sortedServices(services, []).flatMap(targetsOfService),
  ...pods.flatMap((p) => {
    const ref = `pod/${p.namespace}/${p.name}`;
    return [...new Set(p.containers.flatMap((c) => c.listens.map((l) => `${ref}:${l.port}`))), ref];
  }),
  ...nodes.map((n) => n.netns),
];
