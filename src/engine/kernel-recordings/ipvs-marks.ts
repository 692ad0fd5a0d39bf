import type { Ipv4Packet } from '../../protocol/packet.ts';
import type { Netns } from '../ip/netns.ts';
import { type HookFunction, NF_ACCEPT } from '../netfilter/hooks.ts';
import type { RecordedPath } from './netfilter-path.ts';

/** A packet passed a place right before or right after those of IPVS. */
export interface Mark {
  readonly ns: string;
  readonly mark: string;
  readonly in: string | undefined;
  readonly out: string | undefined;
  readonly pkt: string;
  readonly packet: number;
}

/** Where the recorder looked, too. */
const PLACES = [
  ['before-ipvs-input', 'INPUT', 97],
  ['after-ipvs-input', 'INPUT', 101],
  ['after-ipvs-output', 'OUTPUT', -97],
  ['before-ipvs-forward', 'FORWARD', 98],
  ['after-ipvs-forward', 'FORWARD', 101],
] as const;

/** Notes packets right around the places of IPVS, as the recordings do with chains of their own. */
export class IpvsMarks {
  private marks: Mark[] = [];
  private readonly textOf: (packet: Ipv4Packet) => string;

  constructor(textOf: (packet: Ipv4Packet) => string) {
    this.textOf = textOf;
  }

  register(netns: Netns): void {
    netns.hooks.set('marks', PLACES.map(([mark, hook, priority]) => {
      const run: HookFunction = (skb, state) => {
        if (skb.payload.type === 'ipv4') this.marks.push({ ns: netns.id, mark, in: state.inDevice, out: state.outDevice, pkt: this.textOf(skb.payload), packet: skb.packet });
        return NF_ACCEPT;
      };
      return { hook, priority, run };
    }));
  }

  take(): Mark[] {
    const taken = this.marks;
    this.marks = [];
    return taken;
  }
}

/** Per recorded path, the marks that it passed, in order: each with its devices and, where it was noted, the packet. */
export function recordedMarks(paths: readonly RecordedPath[]): { ns: string; pkt: string; marks: string[] }[] {
  const result: { ns: string; pkt: string; marks: string[] }[] = [];
  for (const { ns, pkt, path } of paths) {
    if (!path) continue;
    let packet = pkt;
    const marks: string[] = [];
    for (const item of path) {
      packet = item.pkt ?? packet;
      if (item.hook?.includes('-ipvs-')) marks.push(`${item.hook} in=${item.in ?? ''} out=${item.out ?? ''} ${packet}`);
    }
    result.push({ ns, pkt, marks });
  }
  return result;
}

export const markText = ({ mark, in: into, out, pkt }: Mark): string => `${mark} in=${into ?? ''} out=${out ?? ''} ${pkt}`;
