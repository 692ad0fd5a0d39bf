import type { LabEvent } from '../../protocol/event.ts';

/** The walk of one packet through the rules of one namespace, as the recordings write it. */
export interface RecordedPath {
  readonly n: number;
  readonly ns: string;
  readonly pkt: string;
  readonly after_hop?: number;
  readonly same_path_as?: number;
  readonly path?: readonly PathItem[];
}

interface PathItem {
  readonly hook?: string;
  readonly in?: string;
  readonly out?: string;
  readonly pkt?: string;
  readonly table?: string;
  readonly chain?: string;
  readonly rule?: number;
  readonly text?: string;
  readonly verdict?: string;
}

/** By hook, devices and packet, the rules that matched there, in order: `nat KUBE-SERVICES 1`. */
export type HookWalks = Map<string, string[]>;

/** Chance-made ports are not comparable; all others are. */
export function withoutRandomPorts(text: string, known: ReadonlySet<number>): string {
  return text.replace(/:(\d+)\b/g, (whole, port: string) => (known.has(Number(port)) ? whole : ':*'));
}

export function recordedWalks(paths: readonly RecordedPath[], known: ReadonlySet<number>): HookWalks {
  const walks: HookWalks = new Map();
  for (const { ns, pkt, path } of paths) {
    let packet = pkt;
    let walk: string[] | undefined;
    for (const item of path ?? []) {
      if (item.hook?.includes('-ipvs-')) {
        // Not a hook but a mark within one: the rules after it are still the hook's.
        packet = item.pkt ?? packet;
      } else if (item.hook !== undefined) {
        packet = item.pkt ?? packet;
        walk = [];
        const key = walkKey(ns, item.hook, item.in, item.out, packet, known);
        // The same packet sent again goes the same way, or is another one's continuation: the first counts.
        if (!walks.has(key)) walks.set(key, walk);
      } else if (item.rule !== undefined) {
        walk?.push(`${item.table} ${item.chain} ${item.rule}`);
      }
    }
  }
  return walks;
}

export function engineWalks(events: readonly LabEvent[], textOf: (event: LabEvent) => string, known: ReadonlySet<number>): HookWalks {
  const walks: HookWalks = new Map();
  const open = new Map<string, string[]>();
  // The recordings note a new header at most hooks only, so each walk is also found by the header that the packet came with.
  const first = new Map<string, string>();
  for (const event of events) {
    const place = `${event.netns} ${event.packet}`;
    if (event.type === 'hook') {
      const walk: string[] = [];
      const { hook, inDevice, outDevice } = event.data;
      const now = textOf(event);
      if (!first.has(place)) first.set(place, now);
      for (const text of [now, first.get(place) as string]) {
        const key = walkKey(event.netns, hook.toLowerCase(), inDevice, outDevice, text, known);
        if (!walks.has(key)) walks.set(key, walk);
      }
      open.set(place, walk);
    } else if (event.type === 'rule') {
      const { table, chain, rule } = event.data.place;
      open.get(place)?.push(`${table} ${chain} ${rule}`);
    }
  }
  return walks;
}

function walkKey(ns: string, hook: string, into: string | undefined, out: string | undefined, pkt: string, known: ReadonlySet<number>): string {
  return `${ns} ${hook} in=${into ?? ''} out=${out ?? ''} ${withoutRandomPorts(pkt.replace(/ len\d+|  *\[.*\]/g, ''), known)}`;
}

/** What chance decided in a recording, in order: of each statistic rule whether it matched, of each numgen which number came out. */
export function recordedDraws(paths: readonly RecordedPath[], rulesOf: (ns: string) => readonly string[]): (boolean | number)[] {
  const draws: (boolean | number)[] = [];
  const pathOf = (entry: RecordedPath | undefined): readonly PathItem[] =>
    entry?.path ?? (entry?.same_path_as === undefined ? [] : pathOf(paths.find((other) => other.n === entry.same_path_as)));
  for (const entry of [...paths].sort((a, b) => (a.after_hop ?? 0) - (b.after_hop ?? 0))) {
    const { ns } = entry;
    for (const item of pathOf(entry)) {
      if (item.rule === undefined) continue;
      if (item.text?.startsWith('numgen random')) {
        const choices = [...item.text.matchAll(/(\d+) : (goto [^,} ]+)/g)];
        draws.push(choices.findIndex((choice) => choice[2] === item.verdict));
        continue;
      }
      const chain = rulesOf(ns).filter((line) => line.startsWith(`-A ${item.chain} `));
      if (item.table !== 'nat') continue;
      for (const [i, line] of chain.slice(0, item.rule).entries()) if (line.includes('--mode random')) draws.push(i === item.rule - 1);
    }
  }
  return draws;
}
