import { Download, Link } from 'lucide-react';
import { type ReactNode, useMemo, useState } from 'react';
import { Modal } from '../../widgets/Modal.tsx';
import { placeTitle } from '../journey/hops.ts';
import { useScreen } from '../shell/screen-store.ts';
import { useLab } from '../stores/lab-store.ts';
import { captureOf, devicesOf } from './capture.ts';
import { download, fileStem } from './download.ts';
import './share.css';
import { applyShare } from './share.ts';

/** What can be taken along: a link, a script for a Linux machine, a capture file. */
export default function ShareDialog() {
  const close = useScreen((s) => s.close);
  return (
    <Modal title="Share" onClose={close}>
      <ShareLink />
      <LinuxScript />
      <CaptureFile />
    </Modal>
  );
}

interface WayProps {
  readonly title: string;
  readonly about: ReactNode;
  readonly children: ReactNode;
  readonly said: string;
  readonly failed?: boolean;
}

function Way({ title, about, children, said, failed = false }: WayProps) {
  return (
    <section className="share-way" aria-label={title}>
      <h2>{title}</h2>
      <div className="share-about">{about}</div>
      <div className="share-do">
        {children}
        <p role="status" className={failed ? 'share-failed' : undefined}>
          {said}
        </p>
      </div>
    </section>
  );
}

function ShareLink() {
  const [said, setSaid] = useState('');
  return (
    <Way title="Link" about={<p>It holds the whole scenario. Whoever opens it has the same cluster, and the same packets.</p>} said={said}>
      <button type="button" className="button" data-testid="share-link" onClick={() => void applyShare().then(setSaid)}>
        <Link size={16} aria-hidden="true" /> Copy link
      </button>
    </Way>
  );
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function LinuxScript() {
  const engine = useLab((s) => s.engine);
  const stem = fileStem(useLab((s) => s.files));
  const [said, setSaid] = useState<{ readonly text: string; readonly failed: boolean }>();
  const make = async (): Promise<void> => {
    if (!engine) return;
    setSaid(undefined);
    try {
      const answer = await engine.linuxLab();
      if (answer.known) download(`${stem}.sh`, answer.script, 'text/x-shellscript');
      setSaid(
        answer.known
          ? { text: `${stem}.sh was made.`, failed: false }
          : { text: `No script can be made of this cluster: ${answer.reason}.`, failed: true },
      );
    } catch (error) {
      setSaid({ text: `No script was made: ${reasonOf(error)}`, failed: true });
    }
  };
  const run = (command: string): ReactNode => <code>{`bash ${stem}.sh ${command}`}</code>;
  return (
    <Way
      title="Linux script"
      about={
        <p>
          Builds this cluster’s network on a Linux machine, in namespaces of its own: the same devices, routes and rules. {run('up')} makes
          it, {run('probe FROM TO')} sends through it and says what came of it, {run('capture FROM TO')} shows what crossed each device, and{' '}
          {run('down')} removes it all. As root, or without in <code>unshare -Urn</code>.
        </p>
      }
      said={said?.text ?? ''}
      failed={said?.failed ?? false}
    >
      <button type="button" className="button" data-testid="share-script" disabled={!engine} onClick={() => void make()}>
        <Download size={16} aria-hidden="true" /> {stem}.sh
      </button>
    </Way>
  );
}

const ALL = 'all';

function CaptureFile() {
  const { engine, recording, length, flow, files } = useLab();
  const [where, setWhere] = useState(ALL);
  const [said, setSaid] = useState<{ readonly text: string; readonly failed: boolean }>();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `length` says when the recording grew
  const devices = useMemo(() => devicesOf(recording.events, flow), [recording, length, flow]);
  const places = [...new Set(devices.map((d) => d.netns))];
  const chosen = where === ALL || !places.includes(where) ? devices : devices.filter((d) => d.netns === where);
  const name = `${fileStem(files)}.pcapng`;
  const make = async (): Promise<void> => {
    if (!engine) return;
    setSaid(undefined);
    try {
      const capture = captureOf(recording.events, flow, chosen);
      download(name, await engine.pcapng(capture), 'application/x-pcapng');
      setSaid({ text: `${name}: ${capture.packets.length} frames.`, failed: false });
    } catch (error) {
      setSaid({ text: `No capture was made: ${reasonOf(error)}`, failed: true });
    }
  };
  return (
    <Way
      title="Capture (pcapng)"
      about={
        devices.length === 0 ? (
          <p>A file that Wireshark and tshark open. Nothing has been sent yet: press Space first.</p>
        ) : (
          <p>
            The frames of the flow that the journey follows, for Wireshark and tshark: with the devices’ names, virtual times, and what
            happened to each packet as its comment.
          </p>
        )
      }
      said={said?.text ?? ''}
      failed={said?.failed ?? false}
    >
      {devices.length > 0 && (
        <select
          className="field"
          aria-label="Devices"
          data-testid="capture-where"
          value={where}
          onChange={(event) => {
            setWhere(event.target.value);
            setSaid(undefined);
          }}
        >
          <option value={ALL}>All {devices.length} devices on its way</option>
          {places.map((netns) => (
            <option key={netns} value={netns}>
              {`${placeTitle(netns)}: ${devices
                .filter((d) => d.netns === netns)
                .map((d) => d.device)
                .join(', ')}`}
            </option>
          ))}
        </select>
      )}
      <button
        type="button"
        className="button"
        data-testid="share-capture"
        disabled={!engine || devices.length === 0}
        onClick={() => void make()}
      >
        <Download size={16} aria-hidden="true" /> {name}
      </button>
    </Way>
  );
}
