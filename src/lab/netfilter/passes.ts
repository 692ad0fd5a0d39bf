import type { ConntrackView, EventOf, HookName, LabEvent } from '../../protocol/event.ts';
import { ipvsRewrite } from './ipvs-step.ts';

/** A packet on its way past the netfilter hooks of one namespace. */
export interface Pass {
  readonly netns: string;
  readonly packet: number;
  /** Indices of its events in the recording, in order. */
  readonly indices: readonly number[];
}

/** A bridge port or a device is entered once per pass; a packet that comes back starts another. */
const LEAVES: ReadonlySet<HookName> = new Set(['INPUT', 'POSTROUTING']);

/** Every pass of a flow's packets in which connection tracking or rules had a part, by its first event. */
export function passesOf(events: readonly LabEvent[], flow: number): readonly Pass[] {
  if (flow === 0) return [];
  const open = new Map<string, { indices: number[]; asked: boolean; leaving: boolean }>();
  const passes: Pass[] = [];
  const close = (key: string): void => {
    const pass = open.get(key);
    open.delete(key);
    const first = events[pass?.indices[0] ?? -1];
    if (pass?.asked && first) passes.push({ netns: first.netns, packet: first.packet, indices: pass.indices });
  };
  events.forEach((event, index) => {
    if (event.flow !== flow || event.packet === 0) return;
    const key = `${event.packet}|${event.netns}`;
    if (event.type === 'rx' && open.get(key)?.leaving) close(key);
    let pass = open.get(key);
    if (!pass) {
      pass = { indices: [], asked: false, leaving: false };
      open.set(key, pass);
    }
    pass.indices.push(index);
    if (event.type === 'hook' && LEAVES.has(event.data.hook)) pass.leaving = true;
    if (event.type === 'conntrack' || event.type === 'chain' || event.type === 'rule' || event.type === 'nat' || event.type === 'ipvs')
      pass.asked = true;
  });
  for (const key of [...open.keys()]) close(key);
  return passes.sort((a, b) => (a.indices[0] as number) - (b.indices[0] as number));
}

/** The pass that the playhead is in, else the last one before it, else the first of all. */
export function passAt(passes: readonly Pass[], position: number): Pass | undefined {
  let best: Pass | undefined;
  let bestIndex = -1;
  for (const pass of passes) {
    if ((pass.indices[0] as number) >= position) break;
    const last = pass.indices.findLast((index) => index < position) as number;
    if (last > bestIndex) {
      bestIndex = last;
      best = pass;
    }
  }
  return best ?? passes[0];
}

/** How the packet of a pass stands to connection tracking. */
export interface Connection {
  /** `new`: its first packet. `known`: a later one, or a reply. `untracked`: nobody looked. */
  readonly state: 'new' | 'known' | 'invalid' | 'untracked';
  readonly related: boolean;
  readonly direction: 'original' | 'reply';
  /** As it was when the pass was over. */
  readonly entry: ConntrackView | undefined;
  /** The packet was lost before its new entry went into the table. */
  readonly lost: boolean;
}

export function connectionOf(events: readonly LabEvent[], pass: Pass): Connection {
  const changes = pass.indices.flatMap((i) => {
    const event = events[i];
    return event?.type === 'conntrack' ? [event.data] : [];
  });
  const first = changes[0];
  if (!first) return { state: 'untracked', related: false, direction: 'original', entry: undefined, lost: false };
  const state = changes.some((c) => c.action === 'new') ? 'new' : first.action === 'invalid' ? 'invalid' : 'known';
  return {
    state,
    related: first.packetState === 'RELATED',
    direction: first.packetDirection,
    entry: changes.findLast((c) => c.entry !== undefined)?.entry,
    lost: state === 'new' && !changes.some((c) => c.action === 'confirmed') && pass.indices.some((i) => events[i]?.type === 'drop'),
  };
}

/** The rewrites of a pass, in order: those of NAT, and those of IPVS. */
export function rewritesOf(events: readonly LabEvent[], pass: Pass): readonly (EventOf<'nat'> | EventOf<'ipvs'>)[] {
  return pass.indices.flatMap((i) => {
    const event = events[i];
    return event?.type === 'nat' || (event?.type === 'ipvs' && ipvsRewrite(event.data)) ? [event] : [];
  });
}
