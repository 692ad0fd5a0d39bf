import type { Hop } from './hops.ts';

/** What of a connection depends on timing only: how often data is acknowledged, and how it is taken down. */
function kept(hops: readonly Hop[]): Hop[] {
  let firstAck: string | undefined;
  const firstData = new Set<string>();
  return hops.filter(({ pkt, id }) => {
    const kind = pkt.split(' ')[0] as string;
    if (kind === 'ACK') {
      // The third segment of the handshake, at every device; translated it is the same packet.
      firstAck ??= String(id);
      return String(id) === firstAck;
    }
    if (kind.includes('FIN')) return false;
    if (kind === 'ACK-PSH') {
      const who = pkt.split('>')[0] as string;
      firstData.add(who);
      return firstData.size <= 4;
    }
    // After the connection was made, a reset only says that one side had closed already.
    return !(kind.includes('RST') && firstAck !== undefined);
  });
}

/** Packets by their text; of each text the places it passed, in order, packet after packet; broadcasts without order. */
function byPacket(hops: readonly Hop[]): Map<string, string[]> {
  const packets = new Map<string, Map<number, string[]>>();
  for (const { pkt, id, line } of hops) {
    const copies = packets.get(pkt) ?? new Map<number, string[]>();
    packets.set(pkt, copies);
    copies.set(id, [...(copies.get(id) ?? []), line]);
  }
  return new Map(
    [...packets].map(([pkt, copies]) => {
      const lines = [...copies.values()].flat();
      return [pkt, pkt.startsWith('arp who-has') ? lines.sort() : lines];
    }),
  );
}

/** Which lines occur at all, for probes that wait so long that the number of repetitions is a matter of timing. */
const occurring = (hops: readonly Hop[]): Map<string, string[]> => new Map([['all', [...new Set(hops.map(({ line }) => line))].sort()]]);

/**
 * Compares what crossed the devices on both sides: undefined when it is the same, else two aligned traces of the
 * packets that differ, the first divergence marked.
 */
export function difference(engine: readonly Hop[], kernel: readonly Hop[], slow: boolean): string | undefined {
  const group = slow ? occurring : byPacket;
  const ours = group(kept(engine));
  const theirs = group(kept(kernel));
  const texts: string[] = [];
  for (const pkt of new Set([...theirs.keys(), ...ours.keys()])) {
    const a = ours.get(pkt) ?? [];
    const b = theirs.get(pkt) ?? [];
    if (a.length === b.length && a.every((line, i) => line === b[i])) continue;
    texts.push(aligned(pkt, a, b));
  }
  return texts.length === 0 ? undefined : texts.join('\n');
}

function aligned(pkt: string, ours: readonly string[], theirs: readonly string[]): string {
  const width = Math.max(5, ...ours.map((line) => line.length));
  const rows: string[] = [`  ${pkt}`, `    ${'engine'.padEnd(width)} | kernel`];
  let marked = false;
  for (let i = 0; i < Math.max(ours.length, theirs.length); i++) {
    const a = ours[i] ?? '-';
    const b = theirs[i] ?? '-';
    const first: boolean = !marked && a !== b;
    marked ||= first;
    rows.push(`${first ? '  > ' : '    '}${a.padEnd(width)} | ${b}`);
  }
  return rows.join('\n');
}
