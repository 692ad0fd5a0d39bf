import { Footprints } from 'lucide-react';
import { type FormEvent, useMemo, useRef } from 'react';
import { Editor, type EditorHandle } from '../manifests/Editor.tsx';
import { WorkspaceFrame } from '../shell/WorkspaceFrame.tsx';
import { useLab } from '../stores/lab-store.ts';
import { DumpAnswer } from './DumpAnswer.tsx';
import './dump.css';
import { dumpDevices } from './dump-chains.ts';
import { type PacketForm, useDump } from './dump-store.ts';

const NO_LINES: readonly number[] = [];

/** The walk of a packet through the rules of a real node, as its own tools print them. */
export default function DumpWorkspace() {
  const { dumps, walked, paste, useExample: takeExample, walk } = useDump();
  const editor = useRef<EditorHandle>(null);
  const trace = walked?.trace;
  const marked = useMemo(() => {
    if (!trace || trace.ok) return NO_LINES;
    return trace.problems.flatMap(({ line }) => (line === undefined ? [] : [line]));
  }, [trace]);
  return (
    <WorkspaceFrame title="A real node’s dump" testId="dump">
      <div className={`dump${walked ? ' dump-walked' : ''}`}>
        <div className="dump-given">
          <p className="workspace-note">
            Paste what the node prints, one after the other, in any order: <code>iptables-save</code> or <code>nft list ruleset</code>,{' '}
            <code>ip addr</code>, <code>ip route</code>, <code>ipset save</code>, <code>ipvsadm -Sn</code>. It stays in this browser.{' '}
            <button type="button" className="link-button" data-testid="dump-example" onClick={takeExample}>
              Take an example
            </button>
          </p>
          <Editor
            ref={editor}
            label="Output of the node’s tools"
            language="plain"
            text={dumps}
            marked={marked}
            onChange={paste}
            onApply={() => void walk()}
          />
          <PacketFields />
        </div>
        <DumpAnswer onGoTo={(line) => editor.current?.goTo(line, 1)} />
      </div>
    </WorkspaceFrame>
  );
}

function PacketFields() {
  const { dumps, packet, pending, describe, walk } = useDump();
  const ready = useLab((s) => s.engine !== undefined);
  const devices = useMemo(() => dumpDevices(dumps), [dumps]);
  const hasPorts = packet.protocol !== 'icmp';
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    void walk();
  };
  const field = (label: string, name: 'source' | 'destination' | 'sourcePort' | 'destinationPort', placeholder: string) => (
    <label className={name.endsWith('Port') ? 'dump-port' : undefined}>
      {label}
      <input
        className="field mono"
        data-testid={`dump-${name}`}
        value={packet[name]}
        placeholder={placeholder}
        inputMode={name.endsWith('Port') ? 'numeric' : 'text'}
        disabled={name.endsWith('Port') && !hasPorts}
        required={name === 'source' || name === 'destination' || (name === 'destinationPort' && hasPorts)}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => describe({ [name]: event.target.value })}
      />
    </label>
  );
  return (
    <form className="dump-packet" aria-label="The packet" onSubmit={submit}>
      <label>
        Protocol
        <select
          className="field"
          data-testid="dump-protocol"
          value={packet.protocol}
          onChange={(event) => describe({ protocol: event.target.value as PacketForm['protocol'] })}
        >
          <option value="tcp">TCP (a SYN)</option>
          <option value="udp">UDP</option>
          <option value="icmp">ICMP (echo request)</option>
        </select>
      </label>
      <label>
        Comes in by
        <select
          className="field"
          data-testid="dump-device"
          value={packet.inDevice}
          onChange={(event) => describe({ inDevice: event.target.value })}
        >
          <option value="">the node itself sends it</option>
          {[...new Set([...devices, ...(packet.inDevice === '' ? [] : [packet.inDevice])])].map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {field('Source', 'source', '10.244.1.5')}
      {field('Port', 'sourcePort', '40000')}
      {field('Destination', 'destination', '10.96.0.20')}
      {field('Port', 'destinationPort', '80')}
      <button type="submit" className="button button-primary" data-testid="dump-walk" title="Ctrl Enter" disabled={!ready || pending}>
        <Footprints size={16} aria-hidden="true" /> Walk
      </button>
    </form>
  );
}
