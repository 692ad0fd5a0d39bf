import { describe, expect, it } from 'vitest';
import faultsRouting from './faults-routing.json' with { type: 'json' };
import nodeAndLoopback from './node-and-loopback.json' with { type: 'json' };
import podCrossNode from './pod-cross-node-host-gw.json' with { type: 'json' };
import podSameNode from './pod-same-node.json' with { type: 'json' };
import { type Hop, RecordedLab, type Recording } from './recorded-lab.ts';

/**
 * What a real Linux 6.18 kernel did in four labs, against the engine: for each probe every packet's
 * sequence of devices with MACs, addresses, TTL, flags and length, the outcome, and the tables after.
 *
 * Differences that come from timing alone, and are therefore not compared:
 * - times, and how packets that are under way together interleave; the order within one packet is;
 * - the order in which copies of one broadcast arrive;
 * - in probes that last a second or more: how often a retransmission or a repeated ARP request falls
 *   into the recorder's window, since the kernel's timers are rounded up to its tick. Which ones occur is compared;
 * - answers to an earlier probe's half-open connection that still arrive (told by its port), and, in
 *   the one probe where they also make a pod ask by ARP, that ARP;
 * - a reset after the connection was closed, when the recorder's server process had gone already;
 * - IP identification and TCP sequence numbers, which are random.
 */
const NEEDS_RULES: Readonly<Record<string, string>> = {
  'node1 to a pod of node2': 'the network plugin masquerades with a random port, which needs NAT',
  "pod-a to the other node's IP": 'the network plugin masquerades, which needs NAT',
  'FORWARD policy DROP on node2, no CNI accept rules': 'a filter rule drops it',
};

const ARP_OF_AN_EARLIER_PROBE = 'asymmetric return path, rp_filter=1 on node2 only';

const LABS = [podSameNode, podCrossNode, nodeAndLoopback, faultsRouting] as unknown as Recording[];

const line = (h: Hop): string => [h.ns, h.if, h.dir, h.pkt, h.mac, h.ttl, h.df ? 'df' : '', h.len, h.otherhost ? 'otherhost' : ''].join(' ');

/** Packets by their text; of each text the hops in order, packet after packet; broadcasts without order. */
function byPacket(hops: readonly Hop[]): Record<string, string[]> {
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

const occurring = (hops: readonly Hop[]): string[] => [...new Set(hops.map(line))].sort();

/** Leaves out what belongs to the connection of an earlier probe: those have lower ports. */
function ofThisProbe(hops: readonly Hop[]): Hop[] {
  const ports = (h: Hop): number[] => [...h.pkt.matchAll(/:(4\d{4})\b/g)].map((m) => Number(m[1]));
  const own = Math.max(0, ...hops.flatMap(ports));
  return hops.filter((h) => ports(h).every((port) => port === own));
}

/** The recorder keeps the handshake, ARP and ICMP of a TCP probe, unless it was told to keep everything. */
function handshakeOnly(hops: readonly Hop[]): Hop[] {
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

for (const recording of LABS) {
  describe(`kernel lab ${recording.id}`, () => {
    const lab = new RecordedLab(recording.spec);
    recording.spec.probes.forEach((spec, i) => {
      const recorded = recording.probes[i];
      if (!recorded) throw new Error(`${recording.id}: probe ${spec.name} was not recorded`);
      const ours = lab.probe(spec);
      if (NEEDS_RULES[spec.name]) return;
      it(spec.name, () => {
        expect(ours.outcome.result).toBe(recorded.outcome.result);
        expect(ours.outcome.errno).toBe(recorded.outcome['errno']);
        const kept = (all: readonly Hop[]): Hop[] => {
          const own = ofThisProbe(all.filter((h) => 'pkt' in h && !(spec.name === ARP_OF_AN_EARLIER_PROBE && h.pkt.includes('arp') && h.pkt.includes('10.244.2.1 '))));
          return spec.kind === 'tcp' && !spec.full ? handshakeOnly(own) : own;
        };
        const hops = kept(ours.hops);
        const shown = kept(recorded.hops);
        const slow = shown.some((h) => (h.t ?? 0) > 900_000);
        if (slow) expect(occurring(hops)).toEqual(occurring(shown));
        else expect(byPacket(hops)).toEqual(byPacket(shown));
        if (!slow) {
          expect(ours.fdb).toEqual(recorded.fdb ?? {});
          expect(ours.neigh).toEqual(recorded.neigh ?? {});
        }
        const open = Object.fromEntries(Object.entries(recorded.conntrack_open ?? {}).map(([ns, entries]) => [ns, entries.filter((e) => e.proto !== 'icmp').map((e) => `${e.orig} ${e.state ?? ''} ${(e.flags ?? []).join('')}`).sort()] as const).filter(([, e]) => e.length > 0));
        expect(ours.conntrack).toEqual(open);
      });
    });
  });
}
