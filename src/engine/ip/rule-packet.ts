import type { IpAddress } from '../../protocol/address.ts';
import type { ConntrackTuple, HookName } from '../../protocol/event.ts';
import { type Ipv4Packet, ipv4Length, protocolNumber } from '../../protocol/packet.ts';
import { ConntrackEntry, CT_ESTABLISHED, CT_INVALID, CT_RELATED, CT_REPLY, CT_UNTRACKED } from '../conntrack/entry.ts';
import type { Skb } from '../link/skb.ts';
import type { RuleConntrack, RuleIpvs, RulePacket } from '../netfilter/evaluation.ts';
import type { HookState } from '../netfilter/hooks.ts';

/** A packet at a hook, shown to rules in their terms. */
export class HookPacket implements RulePacket {
  readonly hook: HookName;
  readonly inDevice: string | undefined;
  readonly outDevice: string | undefined;
  readonly physInDevice: string | undefined;
  readonly physOutDevice: string | undefined;
  readonly src: IpAddress;
  readonly dst: IpAddress;
  readonly protocol: number;
  readonly srcPort: number | undefined;
  readonly dstPort: number | undefined;
  readonly tcpFlags: number | undefined;
  readonly icmpType: number | undefined;
  readonly icmpCode: number | undefined;
  readonly laterFragment: boolean;
  readonly ttl: number;
  readonly tos: number;
  readonly length: number;
  readonly conntrack: RuleConntrack | undefined;
  private readonly skb: Skb;

  constructor(skb: Skb, ip: Ipv4Packet, state: HookState, nowNs: number) {
    const { payload } = ip;
    const ported = payload.type === 'tcp' || payload.type === 'udp';
    this.skb = skb;
    this.hook = state.hook;
    this.inDevice = state.inDevice;
    this.outDevice = state.outDevice;
    this.physInDevice = state.physInDevice ?? skb.physIn;
    this.physOutDevice = state.physOutDevice;
    this.src = ip.src;
    this.dst = ip.dst;
    this.protocol = protocolNumber(payload);
    this.srcPort = ported ? payload.srcPort : undefined;
    this.dstPort = ported ? payload.dstPort : undefined;
    this.tcpFlags = payload.type === 'tcp' ? payload.flags : undefined;
    this.icmpType = payload.type === 'icmp' ? payload.icmpType : undefined;
    this.icmpCode = payload.type === 'icmp' ? payload.code : undefined;
    this.laterFragment = ip.fragmentOffset > 0;
    this.ttl = ip.ttl;
    this.tos = ip.tos;
    this.length = ipv4Length(ip);
    this.conntrack = conntrackOf(skb, nowNs);
  }

  get ipvs(): RuleIpvs | undefined {
    return this.skb.ipvsServer;
  }

  get mark(): number {
    return this.skb.mark;
  }

  set mark(mark: number) {
    this.skb.mark = mark >>> 0;
  }

  get untracked(): boolean {
    return this.skb.ctInfo === CT_UNTRACKED;
  }

  /** NOTRACK counts only before connection tracking has looked (net/netfilter/xt_CT.c, notrack_tg). */
  set untracked(on: boolean) {
    if (on && this.skb.ct === undefined) this.skb.ctInfo = CT_UNTRACKED;
  }
}

const INVALID: RuleConntrack = withoutEntry('INVALID');
const UNTRACKED: RuleConntrack = withoutEntry('UNTRACKED');

function withoutEntry(state: 'INVALID' | 'UNTRACKED'): RuleConntrack {
  return {
    state,
    direction: 'ORIGINAL',
    snat: false,
    dnat: false,
    seenReply: false,
    assured: false,
    confirmed: false,
    original: undefined,
    reply: undefined,
    mark: 0,
    expiresSeconds: 0,
  };
}

function conntrackOf(skb: Skb, nowNs: number): RuleConntrack | undefined {
  if (skb.ct instanceof ConntrackEntry) return new TrackedPacket(skb.ct, skb.ctInfo, nowNs);
  if (skb.ctInfo === CT_UNTRACKED) return UNTRACKED;
  return skb.ctInfo === CT_INVALID ? INVALID : undefined;
}

class TrackedPacket implements RuleConntrack {
  private readonly entry: ConntrackEntry;
  private readonly info: number;
  private readonly nowNs: number;

  constructor(entry: ConntrackEntry, info: number, nowNs: number) {
    this.entry = entry;
    this.info = info;
    this.nowNs = nowNs;
  }

  get state(): RuleConntrack['state'] {
    const kind = this.info & 3;
    return kind === CT_ESTABLISHED ? 'ESTABLISHED' : kind === CT_RELATED ? 'RELATED' : 'NEW';
  }

  get direction(): 'ORIGINAL' | 'REPLY' {
    return this.info & CT_REPLY ? 'REPLY' : 'ORIGINAL';
  }

  get snat(): boolean {
    return this.entry.snat;
  }

  get dnat(): boolean {
    return this.entry.dnat;
  }

  get seenReply(): boolean {
    return this.entry.seenReply;
  }

  get assured(): boolean {
    return this.entry.assured;
  }

  get confirmed(): boolean {
    return this.entry.confirmed;
  }

  get original(): ConntrackTuple {
    return this.entry.original;
  }

  get reply(): ConntrackTuple {
    return this.entry.reply;
  }

  get mark(): number {
    return this.entry.mark;
  }

  set mark(mark: number) {
    this.entry.mark = mark >>> 0;
  }

  get expiresSeconds(): number {
    return Math.max(0, Math.floor((this.entry.expiresNs - this.nowNs) / 1_000_000_000));
  }
}
