import { create } from 'zustand';
import type { DescribedPacket, RulesTrace } from '../../protocol/engine.ts';
import { useLab } from '../stores/lab-store.ts';
import { EXAMPLE_DUMP } from './example-dump.ts';

/** The packet as it stands in the form: text, until the engine is asked. */
export interface PacketForm {
  readonly protocol: DescribedPacket['protocol'];
  readonly source: string;
  readonly sourcePort: string;
  readonly destination: string;
  readonly destinationPort: string;
  /** Empty: a process of the node sends it. */
  readonly inDevice: string;
}

/** What was walked: the text belongs to the answer, whatever the editor holds by now. */
interface Walked {
  readonly dumps: string;
  readonly trace: RulesTrace;
}

interface DumpStore {
  readonly dumps: string;
  readonly packet: PacketForm;
  readonly walked: Walked | undefined;
  readonly pending: boolean;
  paste(dumps: string): void;
  describe(change: Partial<PacketForm>): void;
  useExample(): void;
  walk(): Promise<void>;
}

const NOTHING: PacketForm = { protocol: 'tcp', source: '', sourcePort: '', destination: '', destinationPort: '', inDevice: '' };
const EXAMPLE: PacketForm = {
  ...NOTHING,
  source: '10.244.1.5',
  sourcePort: '41932',
  destination: '10.96.0.20',
  destinationPort: '80',
  inDevice: 'cni0',
};

/** What was pasted stays while one looks at something else; it never leaves the browser. */
export const useDump = create<DumpStore>()((set, get) => ({
  dumps: '',
  packet: NOTHING,
  walked: undefined,
  pending: false,
  paste: (dumps) => set({ dumps }),
  describe: (change) => set({ packet: { ...get().packet, ...change } }),
  useExample: () => set({ dumps: EXAMPLE_DUMP, packet: EXAMPLE, walked: undefined }),
  async walk() {
    const { engine } = useLab.getState();
    const { dumps, packet, pending } = get();
    if (!engine || pending) return;
    set({ pending: true });
    try {
      set({ walked: { dumps, trace: await engine.traceRules({ dumps, packet: describedPacket(packet) }) } });
    } catch (error) {
      const message = `The engine stopped over this: ${error instanceof Error ? error.message : String(error)}`;
      set({ walked: { dumps, trace: { ok: false, problems: [{ line: undefined, message }] } } });
    } finally {
      set({ pending: false });
    }
  },
}));

/** The form's texts as the engine wants them; what is no number is for the engine to refuse. */
export function describedPacket(form: PacketForm): DescribedPacket {
  const port = (text: string): number | undefined => (text.trim() === '' || form.protocol === 'icmp' ? undefined : Number(text));
  return {
    protocol: form.protocol,
    source: form.source.trim(),
    destination: form.destination.trim(),
    sourcePort: port(form.sourcePort),
    destinationPort: port(form.destinationPort),
    inDevice: form.inDevice === '' ? undefined : form.inDevice,
  };
}
