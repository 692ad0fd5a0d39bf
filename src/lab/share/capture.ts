import { sentence } from '../../explain/sentence.ts';
import type { Capture } from '../../protocol/engine.ts';
import type { EventType, LabEvent } from '../../protocol/event.ts';

/** A device that frames of a flow crossed. */
export interface CaptureDevice {
  readonly netns: string;
  readonly device: string;
  readonly frames: number;
}

const isFrame = (event: LabEvent, flow: number): boolean =>
  event.flow === flow && (event.type === 'tx' || event.type === 'rx') && event.frame !== undefined && event.device !== undefined;

/** Every device on the way of a flow, in the order in which its frames came there first. */
export function devicesOf(events: readonly LabEvent[], flow: number): readonly CaptureDevice[] {
  const devices = new Map<string, CaptureDevice>();
  for (const event of events) {
    if (!isFrame(event, flow) || event.device === undefined) continue;
    const name = interfaceName(event.netns, event.device);
    devices.set(name, { netns: event.netns, device: event.device, frames: (devices.get(name)?.frames ?? 0) + 1 });
  }
  return [...devices.values()];
}

const interfaceName = (netns: string, device: string): string => `${netns}:${device}`;

/** What was done to a packet between two devices, and is worth a comment at the next one. */
const TOLD: ReadonlySet<EventType> = new Set(['nat', 'ipvs', 'forward', 'fragmented', 'reassembled', 'icmpError']);
/** What ended a packet's way; it is told at the last device where the packet was seen. */
const LAST_TOLD: ReadonlySet<EventType> = new Set(['drop', 'deliver']);

/**
 * The frames of a flow as devices saw them, with what happened to each packet as a comment: what was done since
 * the device before, the frame itself, and after the last device how its way ended.
 */
export function captureOf(events: readonly LabEvent[], flow: number, devices: readonly CaptureDevice[]): Capture {
  const interfaces = devices.map(({ netns, device }) => interfaceName(netns, device));
  const packets: (Capture['packets'][number] & { comment: string })[] = [];
  const sinceLast = new Map<string, string[]>();
  const last = new Map<string, (typeof packets)[number]>();
  for (const event of events) {
    if (event.flow !== flow) continue;
    const key = `${event.packet} ${event.netns}`;
    const text = sentence(event).title;
    if (TOLD.has(event.type)) sinceLast.set(key, [...(sinceLast.get(key) ?? []), text]);
    const seen = last.get(key);
    if (LAST_TOLD.has(event.type) && seen) seen.comment = `${[seen.comment, ...(sinceLast.get(key) ?? []), text].join('. ')}`;
    if (!isFrame(event, flow) || !event.frame || event.device === undefined) continue;
    const at = interfaces.indexOf(interfaceName(event.netns, event.device));
    if (at < 0) continue;
    const comment = [...(sinceLast.get(key) ?? []), text].join('. ');
    sinceLast.delete(key);
    const packet = { interface: at, timeNs: event.timeNs, frame: event.frame, outgoing: event.type === 'tx', comment };
    last.set(key, packet);
    packets.push(packet);
  }
  return { interfaces, packets };
}
