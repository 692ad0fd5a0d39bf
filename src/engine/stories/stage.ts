import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatIp } from '../../protocol/address.ts';
import type { EventOf, EventType, FlowOutcome, LabEvent, ProbeProtocol, ProxyMode } from '../../protocol/event.ts';
import { loadCluster } from '../../scenario/load-cluster.ts';
import { World } from '../world.ts';

const SCENARIOS = join(import.meta.dirname, '../../../public/scenarios');

/** The ready-made scenarios, by file name. */
export const scenarioNames = (): string[] =>
  readdirSync(SCENARIOS)
    .filter((name) => name.endsWith('.yaml'))
    .sort();

/** A world made from a ready-made scenario, or from manifests as text. */
export function worldOf(source: string, mode?: ProxyMode): World {
  const text = source.includes('\n') ? source : readFileSync(join(SCENARIOS, source), 'utf8');
  const plan = loadCluster([{ name: 'story.yaml', text }]);
  if (!plan.ok) throw new Error(JSON.stringify(plan.error));
  return new World(mode ? { ...plan.value, proxy: { ...plan.value.proxy, mode } } : plan.value);
}

export interface Story extends FlowOutcome {
  readonly events: readonly LabEvent[];
}

/** Sends one probe and plays it to its end. */
export function send(world: World, from: string, to: string, protocol: ProbeProtocol = 'http'): Story {
  const answer = world.apply({ type: 'send', from, to, protocol });
  if (!answer.accepted) throw new Error(answer.reason);
  world.run();
  const events = world.takeEvents();
  const end = events.find((event) => event.type === 'flowEnded');
  if (end?.type !== 'flowEnded') throw new Error('the flow did not end');
  return { events, ...end.data };
}

/** How often each end came of many probes, one after the other: `http 10.244.2.2:80`. */
export function sendMany(world: World, from: string, to: string, count: number, protocol: ProbeProtocol = 'http'): Map<string, number> {
  const ends = new Map<string, number>();
  world.recording = false;
  world.onFlowEnd = (_flow, { kind, endpoint }) => {
    const end = `${kind} ${endpoint ?? ''}`.trim();
    ends.set(end, (ends.get(end) ?? 0) + 1);
  };
  const answer = world.apply({ type: 'send', from, to, protocol, count, intervalNs: 2_000_000 });
  if (!answer.accepted) throw new Error(answer.reason);
  world.run();
  world.recording = true;
  return ends;
}

export const ofType = <T extends EventType>(events: readonly LabEvent[], type: T, netns?: string): EventOf<T>[] =>
  events.filter((event): event is LabEvent & EventOf<T> => event.type === type && (netns === undefined || event.netns === netns));

/** Source address and TTL of what reached the process that serves. */
export const arrivals = (events: readonly LabEvent[], netns: string): { source: string; ttl: number }[] =>
  ofType(events, 'deliver', netns).flatMap(({ direction, frame }) =>
    direction === 'request' && frame?.payload.type === 'ipv4' ? [{ source: formatIp(frame.payload.src), ttl: frame.payload.ttl }] : [],
  );
