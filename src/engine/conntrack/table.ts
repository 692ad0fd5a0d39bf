import type { ConntrackChange, ConntrackTuple, ConntrackView } from '../../protocol/event.ts';
import { type Ipv4Packet, TCP_RST } from '../../protocol/packet.ts';
import type { Skb } from '../link/skb.ts';
import {
  type HookFunction,
  type HookTable,
  NF_ACCEPT,
  NF_DROP,
  PRIORITY_CONNTRACK,
  PRIORITY_CONNTRACK_CONFIRM,
} from '../netfilter/hooks.ts';
import type { LabContext } from '../sim/lab-context.ts';
import { ConntrackEntry, CT_ESTABLISHED, CT_INVALID, CT_NEW, CT_RELATED, CT_REPLY, CT_UNTRACKED } from './entry.ts';
import { nextTcpState, TCP_TIMEOUT_NS, type TcpConntrackState } from './tcp-states.ts';
import { hashTuple, invert, sameTuple, tupleOf } from './tuple.ts';

const SECOND = 1_000_000_000;
const UDP_TIMEOUT_NS = 30 * SECOND;
const UDP_STREAM_TIMEOUT_NS = 120 * SECOND;
const ICMP_TIMEOUT_NS = 30 * SECOND;
const GENERIC_TIMEOUT_NS = 600 * SECOND;

type PacketState = ConntrackChange['packetState'];

interface Owner {
  readonly id: string;
  readonly lab: LabContext;
  readonly sysctls: { get(key: string): number };
}

/**
 * Connection tracking of one namespace (net/netfilter/nf_conntrack_core.c). It looks at packets first
 * at PREROUTING and OUTPUT, and keeps an entry once the packet has got through POSTROUTING or INPUT.
 * TCP windows are not checked, as with nf_conntrack_tcp_be_liberal.
 */
export class Conntrack {
  private readonly owner: Owner;
  /** By hash of either tuple; a list only where two entries share a hash. */
  private readonly buckets = new Map<number, ConntrackEntry | ConntrackEntry[]>();
  private count = 0;
  private sweepAt = 1024;
  private ids = 0;

  constructor(owner: Owner, hooks: HookTable) {
    this.owner = owner;
    const track: HookFunction = (skb, state) => this.track(skb, state.inDevice ?? state.outDevice);
    const confirm: HookFunction = (skb, state) => this.confirm(skb, state.outDevice ?? state.inDevice);
    hooks.set('conntrack', [
      { hook: 'PREROUTING', priority: PRIORITY_CONNTRACK, run: track },
      { hook: 'OUTPUT', priority: PRIORITY_CONNTRACK, run: track },
      { hook: 'INPUT', priority: PRIORITY_CONNTRACK_CONFIRM, run: confirm },
      { hook: 'POSTROUTING', priority: PRIORITY_CONNTRACK_CONFIRM, run: confirm },
    ]);
  }

  /** Another entry holds this tuple, in either direction (nf_conntrack_tuple_taken). */
  tupleTaken(tuple: ConntrackTuple, except: ConntrackEntry): boolean {
    const found = this.find(tuple, this.owner.lab.sim.nowNs);
    return found !== undefined && found !== except;
  }

  /** Deletes entries, as `conntrack -D` does; returns how many. */
  deleteWhere(doomed: (entry: ConntrackEntry) => boolean): number {
    const entries = new Set<ConntrackEntry>();
    for (const bucket of this.buckets.values()) for (const entry of entriesOf(bucket)) if (doomed(entry)) entries.add(entry);
    for (const entry of entries) {
      this.remove(entry);
      this.noteDestroyed(entry);
    }
    return entries.size;
  }

  private noteDestroyed(entry: ConntrackEntry): void {
    this.owner.lab.recorder.fact('conntrack', this.owner.id, undefined, {
      action: 'destroyed',
      packetState: 'ESTABLISHED',
      packetDirection: 'original',
      entry: entry.view(),
    });
  }

  /** Deletes the entry of this original tuple, if there is one (nf_ct_kill). */
  kill(original: ConntrackTuple): void {
    const entry = this.find(original, this.owner.lab.sim.nowNs);
    if (!entry || !sameTuple(entry.original, original)) return;
    this.remove(entry);
    this.noteDestroyed(entry);
  }

  views(): ConntrackView[] {
    const nowNs = this.owner.lab.sim.nowNs;
    // Each entry stands in the table twice, once for each direction.
    const entries = new Set<ConntrackEntry>();
    for (const bucket of this.buckets.values()) for (const entry of entriesOf(bucket)) if (entry.expiresNs > nowNs) entries.add(entry);
    return [...entries].map((entry) => entry.view()).sort((a, b) => a.id - b.id);
  }

  flush(): void {
    this.buckets.clear();
    this.count = 0;
  }

  private track(skb: Skb, device: string | undefined): typeof NF_ACCEPT | typeof NF_DROP {
    // Seen already: what comes in by `lo` went out through here. NOTRACK keeps it out.
    if (skb.ct !== undefined || skb.ctInfo === CT_UNTRACKED || skb.payload.type !== 'ipv4') return NF_ACCEPT;
    const ip = skb.payload;
    const tuple = tupleOf(ip);
    if (!tuple) {
      this.trackRelated(skb, ip, device);
      return NF_ACCEPT;
    }
    const nowNs = this.owner.lab.sim.nowNs;
    let entry = this.find(tuple, nowNs);
    const fresh = entry === undefined;
    if (!entry) {
      if (!this.roomForOne(nowNs)) {
        this.owner.lab.drop(this.owner.id, device, skb, 'conntrackFull', undefined);
        return NF_DROP;
      }
      entry = new ConntrackEntry(++this.ids, tuple, nowNs);
    }
    const direction = fresh || sameTuple(entry.original, tuple) ? 'original' : 'reply';
    return this.advance(skb, ip, entry, direction, fresh, device);
  }

  private advance(
    skb: Skb,
    ip: Ipv4Packet,
    entry: ConntrackEntry,
    direction: 'original' | 'reply',
    fresh: boolean,
    device: string | undefined,
  ): typeof NF_ACCEPT | typeof NF_DROP {
    const nowNs = this.owner.lab.sim.nowNs;
    const payload = ip.payload;
    if (payload.type === 'tcp') {
      const next = nextTcpState(entry.state as TcpConntrackState, direction, payload.flags);
      if (next === 'invalid') {
        skb.ctInfo = CT_INVALID;
        this.note(skb, device, 'invalid', 'INVALID', direction, undefined);
        return NF_ACCEPT;
      }
      if (next === 'SYN_SENT' && entry.state === 'TIME_WAIT') {
        // Closed on both sides, and now the port is used again: a connection of its own (nf_conntrack_tcp_packet, NF_REPEAT).
        this.remove(entry);
        this.noteDestroyed(entry);
        return this.track(skb, device);
      }
      if (next !== 'ignore') {
        if (direction === 'reply' && !entry.seenReply && payload.flags & TCP_RST) {
          // If the only reply is a reset, there never was a connection.
          this.remove(entry);
          skb.ct = entry;
          skb.ctInfo = CT_ESTABLISHED | CT_REPLY;
          this.note(skb, device, 'destroyed', 'ESTABLISHED', direction, entry);
          return NF_ACCEPT;
        }
        if (entry.state === 'SYN_RECV' && next === 'ESTABLISHED') entry.assured = true;
        entry.state = next;
        entry.expiresNs = nowNs + TCP_TIMEOUT_NS[next];
      }
    } else if (payload.type === 'udp') {
      const stream = entry.seenReply && nowNs > entry.streamAfterNs;
      if (stream) entry.assured = true;
      entry.expiresNs = nowNs + (stream ? UDP_STREAM_TIMEOUT_NS : UDP_TIMEOUT_NS);
    } else {
      entry.expiresNs = nowNs + (payload.type === 'icmp' ? ICMP_TIMEOUT_NS : GENERIC_TIMEOUT_NS);
    }
    if (direction === 'reply') entry.seenReply = true;
    const packetState: PacketState = direction === 'reply' || entry.seenReply ? 'ESTABLISHED' : 'NEW';
    skb.ct = entry;
    skb.ctInfo = (packetState === 'NEW' ? CT_NEW : CT_ESTABLISHED) | (direction === 'reply' ? CT_REPLY : 0);
    this.note(skb, device, fresh ? 'new' : 'updated', packetState, direction, entry);
    return NF_ACCEPT;
  }

  /** An ICMP error belongs to the connection of the packet that it quotes (nf_conntrack_proto_icmp.c, icmp_error_message). */
  private trackRelated(skb: Skb, ip: Ipv4Packet, device: string | undefined): void {
    const quote = ip.payload.type === 'icmp' ? ip.payload.quote : undefined;
    const inner = quote ? tupleOf(quote) : undefined;
    const nowNs = this.owner.lab.sim.nowNs;
    // The error goes the way an answer to the quoted packet would go.
    const answer = inner ? invert(inner) : undefined;
    const entry = answer ? this.find(answer, nowNs) : undefined;
    if (!entry || !answer) {
      skb.ctInfo = CT_INVALID;
      this.note(skb, device, 'invalid', 'INVALID', 'original', undefined);
      return;
    }
    const direction = sameTuple(entry.original, answer) ? 'original' : 'reply';
    skb.ct = entry;
    skb.ctInfo = CT_RELATED | (direction === 'reply' ? CT_REPLY : 0);
    this.note(skb, device, 'updated', 'RELATED', direction, entry);
  }

  /** The packet got through: its new entry goes into the table (__nf_conntrack_confirm). */
  private confirm(skb: Skb, device: string | undefined): typeof NF_ACCEPT | typeof NF_DROP {
    const entry = skb.ct;
    if (!(entry instanceof ConntrackEntry) || entry.confirmed || (skb.ctInfo & 3) !== CT_NEW) return NF_ACCEPT;
    if (this.tupleTaken(entry.original, entry) || this.tupleTaken(entry.reply, entry)) {
      this.owner.lab.drop(
        this.owner.id,
        device,
        skb,
        'natClash',
        'another connection with the same addresses and ports was confirmed meanwhile',
      );
      return NF_DROP;
    }
    entry.confirmed = true;
    this.insert(entry.original, entry);
    if (!sameTuple(entry.original, entry.reply)) this.insert(entry.reply, entry);
    this.count++;
    this.note(skb, device, 'confirmed', 'NEW', 'original', entry);
    return NF_ACCEPT;
  }

  private find(tuple: ConntrackTuple, nowNs: number): ConntrackEntry | undefined {
    const bucket = this.buckets.get(hashTuple(tuple));
    if (!bucket) return undefined;
    if (!Array.isArray(bucket)) return this.alive(bucket, tuple, nowNs);
    for (const entry of bucket) {
      const found = this.alive(entry, tuple, nowNs);
      if (found) return found;
    }
    return undefined;
  }

  /** The entry, if it is the tuple's and its time has not run out; an expired one goes. */
  private alive(entry: ConntrackEntry, tuple: ConntrackTuple, nowNs: number): ConntrackEntry | undefined {
    if (!sameTuple(entry.original, tuple) && !sameTuple(entry.reply, tuple)) return undefined;
    if (entry.expiresNs > nowNs) return entry;
    this.remove(entry);
    return undefined;
  }

  private insert(tuple: ConntrackTuple, entry: ConntrackEntry): void {
    const hash = hashTuple(tuple);
    const bucket = this.buckets.get(hash);
    this.buckets.set(hash, bucket ? [...entriesOf(bucket), entry] : entry);
  }

  private remove(entry: ConntrackEntry): void {
    if (!entry.confirmed) return;
    entry.confirmed = false;
    for (const tuple of [entry.original, entry.reply]) {
      const hash = hashTuple(tuple);
      const bucket = this.buckets.get(hash);
      if (bucket === entry) this.buckets.delete(hash);
      else if (Array.isArray(bucket)) {
        const rest = bucket.filter((e) => e !== entry);
        this.buckets.set(hash, rest.length === 1 ? (rest[0] as ConntrackEntry) : rest);
      }
    }
    this.count--;
  }

  /** Room in the table, if need be by dropping an entry that is not assured (early_drop). */
  private roomForOne(nowNs: number): boolean {
    if (this.count >= this.sweepAt) {
      this.sweep((entry) => entry.expiresNs <= nowNs, Number.POSITIVE_INFINITY);
      this.sweepAt = Math.max(1024, this.count * 2);
    }
    if (this.count < this.owner.sysctls.get('net.netfilter.nf_conntrack_max')) return true;
    this.sweep((entry) => entry.expiresNs <= nowNs || !entry.assured, 1);
    return this.count < this.owner.sysctls.get('net.netfilter.nf_conntrack_max');
  }

  private sweep(doomed: (entry: ConntrackEntry) => boolean, removalsMax: number): void {
    let removed = 0;
    // A Map may lose entries while it is walked.
    for (const bucket of this.buckets.values()) {
      for (const entry of entriesOf(bucket)) {
        if (removed >= removalsMax) return;
        if (!entry.confirmed || !doomed(entry)) continue;
        this.remove(entry);
        removed++;
      }
    }
  }

  private note(
    skb: Skb,
    device: string | undefined,
    action: ConntrackChange['action'],
    packetState: PacketState,
    packetDirection: 'original' | 'reply',
    entry: ConntrackEntry | undefined,
  ): void {
    const recorder = this.owner.lab.recorder;
    if (recorder.on)
      recorder.packet('conntrack', this.owner.id, device, skb, { action, packetState, packetDirection, entry: entry?.view() });
  }
}

const entriesOf = (bucket: ConntrackEntry | ConntrackEntry[]): readonly ConntrackEntry[] => (Array.isArray(bucket) ? bucket : [bucket]);
