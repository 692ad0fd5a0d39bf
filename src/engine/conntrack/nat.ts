import type { Ipv4 } from '../../protocol/address.ts';
import { isIpv4 } from '../../protocol/address.ts';
import type { ConntrackTuple, HookName } from '../../protocol/event.ts';
import type { IcmpMessage, Ipv4Packet } from '../../protocol/packet.ts';
import type { Skb } from '../link/skb.ts';
import type { NatRequest } from '../netfilter/evaluation.ts';
import type { LabContext } from '../sim/lab-context.ts';
import { type ConntrackEntry, CT_RELATED, CT_REPLY } from './entry.ts';
import { invert, sameTuple } from './tuple.ts';

/** Which half of a tuple NAT changes at a hook: the destination on the way in, the source on the way out (HOOK2MANIP). */
export type Manip = 'source' | 'destination';

export const manipOf = (hook: HookName): Manip => (hook === 'POSTROUTING' || hook === 'INPUT' ? 'source' : 'destination');

/** nf_nat_core.c, NF_NAT_MAX_ATTEMPTS: so many ports are tried from one random start. */
const ATTEMPTS_MAX = 128;
const ATTEMPTS_MIN = 16;

/** What NAT needs of the table of connections and of the namespace. */
export interface NatOwner {
  readonly id: string;
  readonly lab: LabContext;
  /** Another entry holds this tuple, in either direction (nf_conntrack_tuple_taken). */
  tupleTaken(tuple: ConntrackTuple, except: ConntrackEntry): boolean;
}

/**
 * Decides how a connection is translated (net/netfilter/nf_nat_core.c, nf_nat_setup_info): changes the
 * tuple that replies will carry, once for each half, before the entry is confirmed. False: no port is free.
 */
export function setUpNat(owner: NatOwner, entry: ConntrackEntry, manip: Manip, range: NatRange): boolean {
  if (!entry.confirmed) {
    const present = invert(entry.reply);
    const wanted = uniqueTuple(owner, entry, present, manip, range);
    if (!wanted) return false;
    if (!sameTuple(present, wanted)) {
      entry.reply = invert(wanted);
      if (manip === 'source') entry.snat = true;
      else entry.dnat = true;
    }
  }
  if (manip === 'source') entry.sourceDone = true;
  else entry.destinationDone = true;
  return true;
}

/** Addresses and ports that the translated half may have (struct nf_nat_range2). */
export interface NatRange {
  readonly addresses: { readonly min: Ipv4; readonly max: Ipv4 } | undefined;
  readonly ports: { readonly min: number; readonly max: number } | undefined;
  readonly random: boolean;
  readonly fullyRandom: boolean;
  readonly persistent: boolean;
}

/** The range of a connection that no rule translates: its present address, so that only a clash of ports changes anything (nf_nat_alloc_null_binding). */
export function nullRange(entry: ConntrackEntry, manip: Manip): NatRange {
  const address = (manip === 'source' ? entry.reply.dst : entry.reply.src) as Ipv4;
  return { addresses: { min: address, max: address }, ports: undefined, random: false, fullyRandom: false, persistent: false };
}

/** A rule's request as a range; `address` is what masquerade and redirect stand for. */
export function rangeOf(nat: NatRequest, address: Ipv4 | undefined): NatRange {
  const given = nat.addresses;
  const addresses =
    given && isIpv4(given.min) && isIpv4(given.max)
      ? { min: given.min, max: given.max }
      : address === undefined
        ? undefined
        : { min: address, max: address };
  return { addresses, ports: nat.ports, random: nat.random, fullyRandom: nat.fullyRandom, persistent: nat.persistent };
}

/** get_unique_tuple: keep what can be kept, else take an address and a port that nobody has. */
function uniqueTuple(
  owner: NatOwner,
  entry: ConntrackEntry,
  present: ConntrackTuple,
  manip: Manip,
  range: NatRange,
): ConntrackTuple | undefined {
  const free = (tuple: ConntrackTuple): boolean => !owner.tupleTaken(invert(tuple), entry);
  const anyPort = range.random || range.fullyRandom;
  if (manip === 'source' && !anyPort && inRange(present, range) && free(present)) return present;
  let tuple = present;
  if (range.addresses) {
    const address = chooseAddress(range.addresses, present, range.persistent);
    tuple = manip === 'source' ? { ...present, src: address } : { ...present, dst: address };
  }
  if (!anyPort) {
    const port = portOf(tuple, manip);
    if (range.ports) {
      const one = range.ports.min === range.ports.max;
      if (port >= range.ports.min && port <= range.ports.max && (one || free(tuple))) return tuple;
    } else if (free(tuple)) {
      return tuple;
    }
  }
  return uniquePort(owner, tuple, manip, range, free);
}

function inRange(tuple: ConntrackTuple, { addresses, ports }: NatRange): boolean {
  if (addresses && !(tuple.src >= addresses.min && tuple.src <= addresses.max)) return false;
  return !ports || (tuple.srcPort >= ports.min && tuple.srcPort <= ports.max);
}

/** Of several addresses one by a hash of who talks to whom, so that a client keeps its own (find_best_ips_proto). */
function chooseAddress({ min, max }: { min: Ipv4; max: Ipv4 }, tuple: ConntrackTuple, persistent: boolean): Ipv4 {
  if (min === max) return min;
  let h = Math.imul((tuple.src as number) ^ 0x9e3779b9, 0x85ebca6b);
  if (!persistent) h = Math.imul(h ^ (h >>> 13) ^ (tuple.dst as number), 0xc2b2ae35);
  const span = max - min + 1;
  return (min + Math.floor((((h ^ (h >>> 16)) >>> 0) / 0x1_0000_0000) * span)) as Ipv4;
}

const portOf = (tuple: ConntrackTuple, manip: Manip): number =>
  manip === 'source' || tuple.protocol === 1 ? tuple.srcPort : tuple.dstPort;

function withPort(tuple: ConntrackTuple, manip: Manip, port: number): ConntrackTuple {
  return manip === 'source' || tuple.protocol === 1 ? { ...tuple, srcPort: port } : { ...tuple, dstPort: port };
}

/** nf_nat_l4proto_unique_tuple: from a random port upwards; privileged ports stay among their own. */
function uniquePort(
  owner: NatOwner,
  tuple: ConntrackTuple,
  manip: Manip,
  range: NatRange,
  free: (tuple: ConntrackTuple) => boolean,
): ConntrackTuple | undefined {
  const { protocol } = tuple;
  if (protocol !== 1 && protocol !== 6 && protocol !== 17 && protocol !== 132) return tuple;
  let min: number;
  let size: number;
  if (range.ports) {
    min = range.ports.min;
    size = range.ports.max - range.ports.min + 1;
  } else if (protocol === 1) {
    min = 0;
    size = 65_536;
  } else {
    // Without ports in the rule a destination port is never changed.
    if (manip === 'destination') return tuple;
    const port = portOf(tuple, manip);
    if (port < 512) [min, size] = [1, 511];
    else if (port < 1024) [min, size] = [600, 424];
    else [min, size] = [1024, 64_512];
  }
  const random = owner.lab.random('nat-port');
  let offset = range.random || range.fullyRandom || manip === 'source' ? random.below(65_536) : 0;
  let attempts = Math.min(size, ATTEMPTS_MAX);
  for (;;) {
    for (let i = 0; i < attempts; i++, offset++) {
      const candidate = withPort(tuple, manip, min + (offset % size));
      if (free(candidate)) return candidate;
    }
    if (attempts >= size || attempts < ATTEMPTS_MIN) return undefined;
    attempts = Math.floor(attempts / 2);
    offset = random.below(65_536);
  }
}

/** Whether this hook has to rewrite packets of the connection that go this way (nf_nat_packet). */
export function mustManip(entry: ConntrackEntry, manip: Manip, reply: boolean): boolean {
  return (manip === 'source') !== reply ? entry.snat : entry.dnat;
}

/** Rewrites the header of a packet of a translated connection (nf_nat_manip_pkt). */
export function manipPacket(owner: NatOwner, skb: Skb, device: string | undefined, entry: ConntrackEntry, manip: Manip): void {
  const reply = (skb.ctInfo & CT_REPLY) !== 0;
  if (!mustManip(entry, manip, reply)) return;
  const ip = skb.payload as Ipv4Packet;
  const other = reply ? entry.original : entry.reply;
  const target = invert(other);
  const related = (skb.ctInfo & 3) === CT_RELATED && ip.payload.type === 'icmp';
  let after: Ipv4Packet;
  if (related && ip.payload.type === 'icmp' && ip.payload.quote) {
    // The quoted packet went the other way, so it shows the other half (nf_nat_icmp_reply_translation).
    const quote = rewrite(ip.payload.quote, other, manip === 'source' ? 'destination' : 'source');
    after = { ...withAddress(ip, target, manip), payload: { ...ip.payload, quote } };
  } else {
    after = rewrite(ip, target, manip);
  }
  skb.payload = after;
  const { recorder } = owner.lab;
  if (!recorder.on) return;
  recorder.packet('nat', owner.id, device, skb, {
    manip,
    undo: reply,
    before: addressingOf(ip),
    after: addressingOf(after),
    entry: entry.id,
    quoted: related,
  });
}

function withAddress(ip: Ipv4Packet, target: ConntrackTuple, manip: Manip): Ipv4Packet {
  return manip === 'source' ? { ...ip, src: target.src as Ipv4 } : { ...ip, dst: target.dst as Ipv4 };
}

function rewrite(ip: Ipv4Packet, target: ConntrackTuple, manip: Manip): Ipv4Packet {
  const moved = withAddress(ip, target, manip);
  const { payload } = ip;
  switch (payload.type) {
    case 'tcp':
    case 'udp':
      return {
        ...moved,
        payload: manip === 'source' ? { ...payload, srcPort: target.srcPort } : { ...payload, dstPort: target.dstPort },
      };
    case 'icmp':
      return { ...moved, payload: { ...payload, id: target.srcPort } };
    case 'opaque':
      return moved;
  }
}

/** Who speaks to whom in a packet; of an ICMP error its own addresses. */
function addressingOf(ip: Ipv4Packet): ConntrackTuple {
  const { src, dst, payload } = ip;
  switch (payload.type) {
    case 'tcp':
      return { src, dst, protocol: 6, srcPort: payload.srcPort, dstPort: payload.dstPort };
    case 'udp':
      return { src, dst, protocol: 17, srcPort: payload.srcPort, dstPort: payload.dstPort };
    case 'icmp':
      return { src, dst, protocol: 1, srcPort: payload.id, dstPort: icmpKind(payload) };
    case 'opaque':
      return { src, dst, protocol: payload.protocol, srcPort: 0, dstPort: 0 };
  }
}

const icmpKind = (icmp: IcmpMessage): number => icmp.icmpType * 256 + icmp.code;
