import type { IpAddress } from '../../../protocol/address.ts';
import { isIpv4, parseIp } from '../../../protocol/address.ts';
import type { RulePacket } from '../evaluation.ts';
import type { Match } from './model.ts';

type RecentMatch = Extract<Match, { type: 'recent' }>;

/** ip_list_tot: a list forgets the address unseen longest when it has this many (net/netfilter/xt_recent.c). */
const ADDRESSES_MAX = 100;
/** Without `--hitcount`, times are kept of this many packets of an address (recent_mt_check). */
const STAMPS_DEFAULT = 32;

interface RecentEntry {
  readonly address: IpAddress;
  ttl: number;
  /** A ring; `index` is where the next time goes, once it is brought back into the ring. */
  readonly stampsNs: number[];
  index: number;
}

interface RecentList {
  /** The mask of the rule that came first holds for the list. */
  readonly mask: string | undefined;
  references: number;
  stampsMax: number;
  /** In the order in which they were last seen: a Map keeps the order of insertion, and updating inserts anew. */
  readonly entries: Map<IpAddress, RecentEntry>;
}

/**
 * The lists of `-m recent` of a namespace (/proc/net/xt_recent), shared by IPv4 and IPv6. A list lives as long
 * as some rule names it, whatever happens to other rules.
 */
export class RecentLists {
  private readonly lists = new Map<string, RecentList>();

  /** A rule that names the list was added. */
  retain(match: RecentMatch): void {
    const stampsMax = match.hitCount === undefined ? STAMPS_DEFAULT : 2 ** Math.ceil(Math.log2(match.hitCount));
    const list = this.lists.get(match.name);
    if (list === undefined) {
      this.lists.set(match.name, { mask: match.mask, references: 1, stampsMax, entries: new Map() });
      return;
    }
    list.references++;
    if (stampsMax > list.stampsMax) {
      list.entries.clear();
      list.stampsMax = stampsMax;
    }
  }

  /** A rule that named the list was deleted. */
  release(match: RecentMatch): void {
    const list = this.lists.get(match.name);
    if (list !== undefined && --list.references === 0) this.lists.delete(match.name);
  }

  /** Addresses of a list with the time they were last seen, the one unseen longest first. */
  seen(name: string): readonly { readonly address: IpAddress; readonly lastSeenNs: number }[] {
    const list = this.lists.get(name);
    if (list === undefined) return [];
    return [...list.entries.values()].map((entry) => ({ address: entry.address, lastSeenNs: lastStamp(entry) }));
  }

  /** recent_mt of net/netfilter/xt_recent.c */
  matches(match: RecentMatch, packet: RulePacket, nowNs: number): boolean {
    const list = this.lists.get(match.name);
    if (list === undefined) return match.negated;
    const address = masked(match.side === 'rsource' ? packet.src : packet.dst, list.mask);
    // The TTL as it was before forwarding lowered it.
    const ttl = packet.hook === 'FORWARD' ? packet.ttl + 1 : packet.ttl;
    const found = list.entries.get(address);
    const entry = found !== undefined && match.rttl && found.ttl !== ttl && found.ttl !== 0 ? undefined : found;
    if (entry === undefined) {
      if (match.action !== 'set') return match.negated;
      if (list.entries.size >= ADDRESSES_MAX) forgetOldest(list);
      list.entries.set(address, { address, ttl, stampsNs: [nowNs], index: 1 });
      return !match.negated;
    }
    switch (match.action) {
      case 'set':
        this.update(list, entry, ttl, nowNs);
        return !match.negated;
      case 'remove':
        list.entries.delete(address);
        return !match.negated;
      default:
        return this.check(list, match, entry, ttl, nowNs);
    }
  }

  private check(list: RecentList, match: RecentMatch, entry: RecentEntry, ttl: number, nowNs: number): boolean {
    const sinceNs = match.seconds === undefined ? undefined : nowNs - match.seconds * 1e9;
    let hits = 0;
    for (const stampNs of entry.stampsNs) if (sinceNs === undefined || stampNs >= sinceNs) hits++;
    const result = hits >= (match.hitCount ?? 1) !== match.negated;
    const updates = match.action === 'update' && result;
    if (match.reap && sinceNs !== undefined) reap(list, sinceNs, updates ? entry : undefined);
    if (updates) this.update(list, entry, ttl, nowNs);
    return result;
  }

  private update(list: RecentList, entry: RecentEntry, ttl: number, nowNs: number): void {
    entry.index %= list.stampsMax;
    entry.stampsNs[entry.index++] = nowNs;
    entry.ttl = ttl;
    list.entries.delete(entry.address);
    list.entries.set(entry.address, entry);
  }
}

const lastStamp = (entry: RecentEntry): number => entry.stampsNs[entry.index - 1] as number;

function forgetOldest(list: RecentList): void {
  for (const address of list.entries.keys()) {
    list.entries.delete(address);
    return;
  }
}

/** Forgets the one address unseen longest if it is too old, unless it is about to be seen again. */
function reap(list: RecentList, sinceNs: number, spared: RecentEntry | undefined): void {
  for (const entry of list.entries.values()) {
    if (entry !== spared && lastStamp(entry) < sinceNs) list.entries.delete(entry.address);
    return;
  }
}

function masked(address: IpAddress, mask: string | undefined): IpAddress {
  const value = mask === undefined ? undefined : parseIp(mask);
  if (value === undefined) return address;
  if (isIpv4(address)) return (isIpv4(value) ? (address & value) >>> 0 : address) as IpAddress;
  return (isIpv4(value) ? address : address & value) as IpAddress;
}
