import { describe, expect, it } from 'vitest';
import clusterIpIptables from './clusterip-iptables.json' with { type: 'json' };
import clusterIpNftables from './clusterip-nftables.json' with { type: 'json' };
import dnsUdp from './dns-udp.json' with { type: 'json' };
import faultsRouting from './faults-routing.json' with { type: 'json' };
import networkPolicy from './networkpolicy.json' with { type: 'json' };
import noEndpoints from './no-endpoints.json' with { type: 'json' };
import nodeAndLoopback from './node-and-loopback.json' with { type: 'json' };
import nodePort from './nodeport.json' with { type: 'json' };
import podCrossNode from './pod-cross-node-host-gw.json' with { type: 'json' };
import podSameNode from './pod-same-node.json' with { type: 'json' };
import { byPacket, handshakeOnly, occurring, ofThisProbe } from './hops.ts';
import { recordedWalks, withoutRandomPorts } from './netfilter-path.ts';
import { type Hop, RecordedLab, type Recording } from './recorded-lab.ts';

/**
 * What a real Linux 6.18 kernel did in ten labs, against the engine: for each probe every packet's
 * sequence of devices with MACs, addresses, TTL, flags and length, the rules that it matched at each
 * hook, the outcome, and the tables after. What chance decided in the recording is decided the same here.
 *
 * Differences that come from timing alone, and are therefore not compared:
 * - times, and how packets that are under way together interleave; the order within one packet is;
 * - the order in which copies of one broadcast arrive;
 * - in warm probes, what refreshes a neighbour entry, since that depends on how long ago the probe before was;
 * - whether a redirect is sent, which is limited by time;
 * - in probes that last a second or more: how often a retransmission or a repeated ARP request falls
 *   into the recorder's window, since the kernel's timers are rounded up to its tick. Which ones occur is compared;
 * - answers to an earlier probe's half-open connection that still arrive (told by its port), and, in
 *   the probes where they also lead to ARP, that ARP;
 * - a reset after the connection was closed, when the recorder's server process had gone already;
 * - IP identification, TCP sequence numbers and the ports that masquerading chooses, which are random.
 */
/** The rules were replaced while the probe ran, so the recorder could no longer tell the numbers of the old ones. */
const RENUMBERED = 'rules of the Service removed in the middle of a connection, then data';

const ofPort = (text: string, own: number): boolean => [...text.matchAll(/:(400\d\d)\b/g)].every((m) => Number(m[1]) === own);

/** Probes before which an earlier connection's leftovers had a neighbour learned already, or ask for it now: which one. */
const ARP_OF_AN_EARLIER_PROBE: Readonly<Record<string, string>> = {
  'asymmetric return path, rp_filter=1 on node2 only': '10.244.2.1 ',
  'FORWARD policy DROP on node2, no CNI accept rules': '192.168.1.12 ',
};

const LABS = [podSameNode, podCrossNode, nodeAndLoopback, faultsRouting, clusterIpIptables, clusterIpNftables, nodePort, noEndpoints, dnsUdp, networkPolicy] as unknown as Recording[];

for (const recording of LABS) {
  describe(`kernel lab ${recording.id}`, () => {
    const lab = new RecordedLab(recording.spec);
    recording.spec.probes.forEach((spec, i) => {
      const recorded = recording.probes[i];
      if (!recorded) throw new Error(`${recording.id}: probe ${spec.name} was not recorded`);
      const ours = lab.probe(spec, recorded);
      const known = lab.knownPortsOf(lab.lastSourcePort);
      it(spec.name, () => {
        expect(ours.outcome.result).toBe(recorded.outcome.result);
        expect(ours.outcome.errno).toBe(recorded.outcome['errno']);
        expect(ours.outcome.servedBy).toBe(recorded.outcome['served_by']);
        if (spec.kind === 'tcp-many') {
          expect(chiSquareOfEqualShares(ours.outcome.perEndpoint ?? {})).toBeLessThan(13.8);
          expect(Object.keys(ours.outcome.perEndpoint ?? {}).sort()).toEqual(Object.keys(recorded.outcome['per_endpoint'] as object).sort());
          return;
        }
        const kept = (all: readonly Hop[]): Hop[] => {
          const own = ofThisProbe(all.filter((h) => 'pkt' in h && !(h.pkt.startsWith('arp') && h.pkt.includes(ARP_OF_AN_EARLIER_PROBE[spec.name] ?? 'none'))));
          const counted = spec.state === 'warm' ? own.filter((h) => !h.pkt.startsWith('arp')) : own;
          return spec.kind === 'tcp' && !spec.full ? handshakeOnly(counted) : counted;
        };
        const masked = (all: readonly Hop[]): Hop[] => all.map((h) => ('pkt' in h ? { ...h, pkt: withoutRandomPorts(h.pkt, known) } : h));
        const hops = kept(masked(ours.hops));
        const shown = kept(masked(recorded.hops ?? []));
        const walks = spec.name === RENUMBERED ? [] : [...recordedWalks(recorded.netfilter ?? [], known)].filter(([key]) => ofPort(key, lab.lastSourcePort) && !key.includes('redirect-host'));
        for (const [key, rules] of walks) expect({ key, rules: ours.walks.get(key) }).toEqual({ key, rules });
        const slow = shown.some((h) => (h.t ?? 0) > 900_000);
        if (slow) expect(occurring(hops)).toEqual(occurring(shown));
        else expect(byPacket(hops)).toEqual(byPacket(shown));
        if (!slow) {
          expect(ours.fdb).toEqual(recorded.fdb ?? {});
          if (spec.state !== 'warm') expect(ours.neigh).toEqual(recorded.neigh ?? {});
        }
        const open = Object.fromEntries(Object.entries(recorded.conntrack_open ?? {}).map(([ns, entries]) => [ns, entries.filter((e) => e.proto !== 'icmp').map((e) => `${withoutRandomPorts(e.orig, known)} ${withoutRandomPorts(e.reply, known)} ${e.state ?? ''} ${(e.flags ?? []).join('')}`).sort()] as const).filter(([, e]) => e.length > 0));
        // Entries of earlier connections may have ended meanwhile.
        const own = (tables: Readonly<Record<string, readonly string[]>>): object =>
          Object.fromEntries(Object.entries(tables).map(([ns, lines]) => [ns, lines.filter((l) => l.includes(`:${spec.sport ?? lab.lastSourcePort}>`))] as const).filter(([, lines]) => lines.length > 0));
        expect(own(ours.conntrack)).toEqual(own(open));
      });
    });
  });
}

/** Against equal shares; two degrees of freedom and a chance of 0.1 % give 13.8. */
function chiSquareOfEqualShares(counts: Readonly<Record<string, number>>): number {
  const values = Object.values(counts);
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return values.reduce((sum, n) => sum + (n - mean) ** 2 / mean, 0);
}
