import type { Hop } from './recorded-lab.ts';

const line = (h: Hop): string => [h.ns, h.if, h.dir, h.pkt, h.mac, h.ttl, h.df ? 'df' : '', h.len, h.otherhost ? 'otherhost' : ''].join(' ');

/** Packets by their text; of each text the hops in order, packet after packet; broadcasts without order. */
export function byPacket(hops: readonly Hop[]): Record<string, string[]> {
  const packets = new Map<string, Map<number, string[]>>();
  for (const hop of hops) {
    const copies = packets.get(hop.pkt) ?? new Map<number, string[]>();
    packets.set(hop.pkt, copies);
    const id = hop.ipid ?? 0;
    copies.set(id, [...(copies.get(id) ?? []), line(hop)]);
  }
  return Object.fromEntries([...packets].map(([pkt, copies]) => {
    const lines = [...copies.values()].flat();
    return [pkt, pkt.startsWith('arp who-has') ? lines.sort() : lines];
  }));
}

/** Which hops there are, however often. */
export const occurring = (hops: readonly Hop[]): string[] => [...new Set(hops.map(line))].sort();

/** Leaves out what belongs to the connection of an earlier probe: those have lower ports. */
export function ofThisProbe(hops: readonly Hop[]): Hop[] {
  const ports = (h: Hop): number[] => [...h.pkt.matchAll(/:(400\d\d)\b/g)].map((m) => Number(m[1]));
  const own = Math.max(0, ...hops.flatMap(ports));
  return hops.filter((h) => ports(h).every((port) => port === own));
}

/** The recorder keeps the handshake, ARP and ICMP of a TCP probe, unless it was told to keep everything. */
export function handshakeOnly(hops: readonly Hop[]): Hop[] {
  let firstAck: string | undefined;
  return hops.filter((h) => {
    const kind = h.pkt.split(' ')[0] as string;
    if (kind === 'ACK') {
      const id = `${h.pkt} ${h.ipid}`;
      firstAck ??= id;
      return id === firstAck;
    }
    if (kind.includes('RST') && firstAck !== undefined) return false;
    return !/PSH|FIN/.test(kind);
  });
}
