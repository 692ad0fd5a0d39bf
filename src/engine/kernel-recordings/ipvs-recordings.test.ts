import { describe, expect, it } from 'vitest';
import { byPacket, handshakeOnly, occurring, ofThisProbe } from './hops.ts';
import ipvsAffinity from './ipvs-affinity.json' with { type: 'json' };
import ipvsClusterIp from './ipvs-clusterip.json' with { type: 'json' };
import ipvsHairpinAndHost from './ipvs-hairpin-and-host.json' with { type: 'json' };
import { type Mark, markText, recordedMarks } from './ipvs-marks.ts';
import ipvsNoEndpoints from './ipvs-no-endpoints.json' with { type: 'json' };
import ipvsNodeProcess from './ipvs-node-process.json' with { type: 'json' };
import ipvsNodePort from './ipvs-nodeport.json' with { type: 'json' };
import ipvsSchedulers from './ipvs-schedulers.json' with { type: 'json' };
import ipvsUdp from './ipvs-udp.json' with { type: 'json' };
import { recordedWalks, withoutRandomPorts } from './netfilter-path.ts';
import { type Hop, type ProbeSpec, type RecordedIpvsEntry, RecordedLab, type RecordedProbe, type Recording } from './recorded-lab.ts';

/**
 * What a real Linux 6.1 kernel with ip_vs did in eight labs, against the engine. As for the other labs
 * (kernel-recordings.test.ts), and besides: what passed right before and right after the places of IPVS, which
 * server each connection got, whose address the servers saw, and the IPVS table while a connection is open and after.
 *
 * Of timing alone, and therefore not compared, are further:
 * - the length of a datagram as far as it names a port made by chance;
 * - how many seconds an entry has left, but for a few of them, since the recording machine was slow;
 * - whether an entry that has less than a minute left is gone already;
 * - entries that a probe neither made nor refreshed, and connections that an earlier probe left to time out.
 */
const LABS = [ipvsClusterIp, ipvsNodeProcess, ipvsNoEndpoints, ipvsNodePort, ipvsUdp, ipvsAffinity, ipvsSchedulers, ipvsHairpinAndHost] as unknown as Recording[];
const SECONDS_APART_MAX = 3;

for (const recording of LABS) {
  describe(`kernel lab ${recording.id}`, () => {
    const lab = new RecordedLab(recording.spec, recording.kernel);
    recording.spec.probes.forEach((spec, i) => {
      const recorded = recording.probes[i];
      if (!recorded) throw new Error(`${recording.id}: probe ${spec.name} was not recorded`);
      const ours = lab.probe(spec, recorded);
      const known = new Set([...lab.knownPortsOf(lab.lastSourcePort), ...Array.from({ length: spec.count ?? 0 }, (_, n) => (spec.sport ?? 0) + n)]);
      const sport = spec.sport ?? lab.lastSourcePort;
      const servers = Object.fromEntries(Object.entries(recorded.ipvs_services ?? {}).map(([ns, byServer]) => [ns, Object.fromEntries(Object.keys(byServer).map((to) => [to, lab.ipvsServers(ns, to)]))]));
      it(spec.name, () => {
        const { outcome } = recorded;
        expect(ours.outcome.result).toBe(outcome.result);
        expect(ours.outcome.errno).toBe(outcome['errno']);
        expect(ours.outcome.servedBy).toBe(outcome['served_by']);
        expect(ours.outcome.sequence).toEqual(outcome['sequence']);
        if (outcome['sequence']) expect(ours.outcome.failures).toEqual(outcome['failures'] ?? {});
        if (outcome['server_sees_source']) expect(ours.outcome.serverSeesSource).toEqual(outcome['server_sees_source']);
        if (outcome['server_sees_peer']) expect(withoutRandomPorts(ours.outcome.serverSeesPeer ?? '', known)).toBe(withoutRandomPorts(outcome['server_sees_peer'] as string, known));
        compareTables(spec, recorded, ours.ipvs, known);
        for (const [ns, byServer] of Object.entries(recorded.ipvs_services ?? {}))
          for (const [to, { real }] of Object.entries(byServer)) {
            expect(servers[ns]?.[to]?.map(({ line }) => line)).toEqual(real.map((line) => line.replace(/ inactive .*/, '')));
            for (const [at, { inactive, goneSoon }] of (servers[ns]?.[to] ?? []).entries()) {
              const shown = Number(/ inactive (\d+)/.exec(real[at] as string)?.[1]);
              expect(inactive).toBeGreaterThanOrEqual(shown);
              expect(inactive - goneSoon).toBeLessThanOrEqual(shown);
            }
          }
        if (!recorded.hops) return;
        const kept = (all: readonly Hop[]): Hop[] => {
          const own = ofThisProbe(all.filter((h) => 'pkt' in h));
          const counted = spec.state === 'warm' ? own.filter((h) => !h.pkt.startsWith('arp')) : own;
          return spec.kind === 'tcp' && !spec.full ? handshakeOnly(counted) : counted;
        };
        const masked = (all: readonly Hop[]): Hop[] => all.map((h) => ('pkt' in h ? { ...h, pkt: withoutRandomPorts(h.pkt, known) } : h));
        const hops = kept(masked(withoutPortText(ours.hops, spec, known)));
        const shown = kept(masked(withoutPortText(recorded.hops, spec, known)));
        for (const [key, rules] of recordedWalks(recorded.netfilter ?? [], known)) if (ofPort(key, lab.lastSourcePort)) expect({ key, rules: ours.walks.get(key) }).toEqual({ key, rules });
        comparePlaces(recorded, ours.marks, known, lab.lastSourcePort);
        const slow = shown.some((h) => (h.t ?? 0) > 900_000);
        if (slow) expect(occurring(hops)).toEqual(occurring(shown));
        else expect(byPacket(hops)).toEqual(byPacket(shown));
        if (!slow) {
          expect(ours.fdb).toEqual(recorded.fdb ?? {});
          if (spec.state !== 'warm') expect(ours.neigh).toEqual(recorded.neigh ?? {});
        }
        const open = Object.fromEntries(Object.entries(recorded.conntrack_open ?? {}).map(([ns, entries]) => [ns, entries.filter((e) => e.proto !== 'icmp').map((e) => `${withoutRandomPorts(e.orig, known)} ${withoutRandomPorts(e.reply, known)} ${e.state ?? ''} ${(e.flags ?? []).join('')}`).sort()] as const).filter(([, e]) => e.length > 0));
        const own = (tables: Readonly<Record<string, readonly string[]>>): object =>
          Object.fromEntries(Object.entries(tables).map(([ns, lines]) => [ns, lines.filter((l) => l.includes(`:${sport}>`))] as const).filter(([, lines]) => lines.length > 0));
        expect(own(ours.conntrack)).toEqual(own(open));
      });
    });
  });
}

/** A server says whom it saw, so that the length of its datagram depends on the port that masquerading chose. */
function withoutPortText(hops: readonly Hop[], { kind, to }: ProbeSpec, known: ReadonlySet<number>): readonly Hop[] {
  const chosen = hops.flatMap((h) => ('pkt' in h && !h.pkt.startsWith('arp') ? [...h.pkt.matchAll(/:(\d+)\b/g)] : [])).find(([, port]) => !known.has(Number(port)))?.[1];
  if (kind !== 'udp' || chosen === undefined) return hops;
  const answer = new RegExp(`udp [^ >]*:(535[34]|${to.split(':')[1]})>`);
  return hops.map((h) => ('pkt' in h && answer.test(h.pkt) && h.len !== undefined ? { ...h, len: h.len - chosen.length } : h));
}

/** Nothing of a connection of an earlier probe. */
const ofPort = (text: string, own: number): boolean => [...text.matchAll(/:(400\d\d)\b/g)].every((m) => Number(m[1]) === own);

const bare = (text: string, known: ReadonlySet<number>): string => withoutRandomPorts(text.replace(/ len\d+|  *\[.*\]/g, ''), known);

/** Who passed the places right before and right after those of IPVS. */
function comparePlaces(recorded: RecordedProbe, ours: readonly Mark[], known: ReadonlySet<number>, port: number): void {
  // As with walks through rules, a packet is also found by the header that it came with.
  const packetsAt = new Map<string, number[]>();
  for (const mark of ours) {
    const first = ours.find(({ ns, packet }) => ns === mark.ns && packet === mark.packet) ?? mark;
    for (const { pkt } of [mark, first]) {
      const key = `${mark.ns} ${bare(markText({ ...mark, pkt }), known)}`;
      packetsAt.set(key, [...(packetsAt.get(key) ?? []), mark.packet]);
    }
  }
  for (const { ns, marks } of recordedMarks(recorded.netfilter ?? [])) {
    for (const mark of marks) if (ofPort(mark, port)) expect([...packetsAt.keys()]).toContain(`${ns} ${bare(mark, known)}`);
    // Taken by IPVS: it came before its place, and not behind it.
    const taken = marks.find((mark) => mark.startsWith('before-ipvs-input'));
    if (!taken || marks.some((mark) => mark.startsWith('after-ipvs-input'))) continue;
    const packets = packetsAt.get(`${ns} ${bare(taken, known)}`) ?? [];
    expect(ours.filter((mark) => mark.ns === ns && mark.mark === 'after-ipvs-input' && packets.includes(mark.packet))).toEqual([]);
  }
}

type Tables = ReturnType<RecordedLab['probe']>['ipvs'];

/** Entries that are new, refreshed or changed: each that was recorded is here, and none is here that was not recorded. */
function compareTables(spec: ProbeSpec, recorded: RecordedProbe, ours: Tables, known: ReadonlySet<number>): void {
  for (const [then, table] of [['ipvs_open', ours.open], ['ipvs_after', ours.after]] as const) {
    const entries = recorded[then];
    if (!entries) continue;
    for (const [ns, views] of table.entries) {
      const before = new Map((ours.before.entries.get(ns) ?? []).map((c) => [c.id, c]));
      const address = (spec.to.split(':')[0] as string);
      const here = views.map((c) => {
        const text = (e: { readonly address: unknown; readonly port: number }): string => `${dotted(e.address as number)}:${e.port}`;
        const was = before.get(c.id);
        return {
          line: withoutRandomPorts(`${c.protocol} ${text(c.client)} ${text(c.virtual)} ${text(c.real)} ${c.state}`, known),
          expires: Math.floor((c.expiresNs - table.nowNs) / 1_000_000_000),
          fresh: was === undefined || was.state !== c.state || was.virtual.port !== c.virtual.port,
          own: text(c.virtual).startsWith(`${address}:`),
        };
      }).sort((a, b) => Number(b.fresh) - Number(a.fresh));
      const listed = (entries[ns] ?? []).filter((e) => e.unchanged === undefined && (!spec.all_conns || e.virtual.startsWith(`${address}:`)));
      const lineOf = (e: RecordedIpvsEntry): string => withoutRandomPorts(`${e.proto} ${e.client} ${e.virtual} ${e.real} ${e.state}`, known);
      for (const e of listed) {
        const at = here.findIndex((h) => h.line === lineOf(e) && Math.abs(h.expires - e.expires) <= SECONDS_APART_MAX);
        expect({ then, ns, missing: at < 0 ? lineOf(e) : undefined, here: at < 0 ? here.filter((h) => h.own) : [] }).toEqual({ then, ns, missing: undefined, here: [] });
        here.splice(at, 1);
      }
      expect({ then, ns, more: here.filter((h) => (spec.all_conns ? h.own : h.fresh)).map((h) => h.line) }).toEqual({ then, ns, more: [] });
    }
  }
}

const dotted = (a: number): string => `${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}`;
