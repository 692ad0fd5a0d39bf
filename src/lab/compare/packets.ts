import type { LabEvent } from '../../protocol/event.ts';
import { protocolNumber } from '../../protocol/packet.ts';

/** Which packet of the connection is looked at. */
export type Which = 'first' | 'later' | 'reply';

const PROTOCOL_NUMBERS = { http: 6, tcp: 6, udp: 17, icmp: 1 } as const;

/**
 * The events of one packet of a run, from its sender to its end: the first of the connection, the one after it in
 * the same direction, or the first that comes back. Empty where there is none.
 */
export function eventsOf(run: readonly LabEvent[], which: Which): readonly LabEvent[] {
  const started = run.findLast((event) => event.type === 'flowStarted');
  if (started?.type !== 'flowStarted') return [];
  const wanted = PROTOCOL_NUMBERS[started.data.protocol];
  const direction = which === 'reply' ? 'reply' : 'request';
  const own = new Set<number>();
  for (const event of run) {
    const packet = event.frame?.payload;
    if (event.flow !== started.flow || event.packet === 0 || event.direction !== direction || packet?.type !== 'ipv4') continue;
    // An ICMP error is a reply to any of them.
    const protocol = protocolNumber(packet.payload);
    if (protocol === wanted || (which === 'reply' && protocol === PROTOCOL_NUMBERS.icmp)) own.add(event.packet);
  }
  const packet = [...own][which === 'later' ? 1 : 0];
  return packet === undefined ? [] : run.filter((event) => event.flow === started.flow && event.packet === packet);
}

/** What evaluating a packet's way cost, over all nodes that it crossed. */
export interface PacketCost {
  readonly rules: number;
  readonly lookups: number;
  /** How often IPVS looked into its tables. */
  readonly ipvs: number;
}

export function costOf(events: readonly LabEvent[]): PacketCost {
  let rules = 0;
  let lookups = 0;
  let ipvs = 0;
  for (const event of events) {
    if (event.type === 'chain') {
      rules += event.data.rules;
      lookups += event.data.lookups;
    } else if (event.type === 'ipvs' && event.data.hook !== undefined) ipvs++;
  }
  return { rules, lookups, ipvs };
}

/** `12 rules, 3 lookups`; with IPVS as well, where it was asked. */
export function costText({ rules, lookups, ipvs }: PacketCost): string {
  if (rules + lookups + ipvs === 0) return 'no rule asked';
  const parts = [count(rules, 'rule'), count(lookups, 'lookup')];
  if (ipvs > 0) parts.push(ipvs === 1 ? 'ip_vs' : `${ipvs} × ip_vs`);
  return parts.join(', ');
}

const count = (n: number, what: string): string => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
