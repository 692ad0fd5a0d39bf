import type { ConntrackTuple } from '../../protocol/event.ts';
import type { Ipv4Packet } from '../../protocol/packet.ts';

/** The reply type of an ICMP query (net/netfilter/nf_conntrack_proto_icmp.c, invmap); others have no reply to track. */
const ICMP_REPLY_OF: Readonly<Record<number, number>> = { 8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17 };

/** The tuple of a packet; undefined for what is not tracked by ports, such as a fragment or an ICMP error. */
export function tupleOf(ip: Ipv4Packet): ConntrackTuple | undefined {
  const { src, dst, payload } = ip;
  switch (payload.type) {
    case 'tcp':
      return { src, dst, protocol: 6, srcPort: payload.srcPort, dstPort: payload.dstPort };
    case 'udp':
      return { src, dst, protocol: 17, srcPort: payload.srcPort, dstPort: payload.dstPort };
    case 'icmp':
      return ICMP_REPLY_OF[payload.icmpType] === undefined
        ? undefined
        : { src, dst, protocol: 1, srcPort: payload.id, dstPort: payload.icmpType * 256 + payload.code };
    case 'opaque':
      return ip.fragmentOffset > 0 || ip.moreFragments ? undefined : { src, dst, protocol: payload.protocol, srcPort: 0, dstPort: 0 };
  }
}

/** The tuple that answers to a tuple carry (nf_ct_invert_tuple). */
export function invert(t: ConntrackTuple): ConntrackTuple {
  if (t.protocol !== 1) return { src: t.dst, dst: t.src, protocol: t.protocol, srcPort: t.dstPort, dstPort: t.srcPort };
  const type = ICMP_REPLY_OF[t.dstPort >> 8] ?? 0;
  return { src: t.dst, dst: t.src, protocol: 1, srcPort: t.srcPort, dstPort: type * 256 + (t.dstPort & 255) };
}

export const sameTuple = (a: ConntrackTuple, b: ConntrackTuple): boolean =>
  a.src === b.src && a.dst === b.dst && a.srcPort === b.srcPort && a.dstPort === b.dstPort && a.protocol === b.protocol;

/** A hash of an IPv4 tuple, as a signed 32-bit number: those are the cheapest keys of a Map. */
export function hashTuple(t: ConntrackTuple): number {
  let h = Math.imul((t.src as number) ^ 0x9e3779b9, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13) ^ (t.dst as number), 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15) ^ ((t.srcPort << 16) | t.dstPort), 0x27d4eb2f);
  return (h ^ (h >>> 16) ^ t.protocol) | 0;
}
