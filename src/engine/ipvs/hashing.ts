import { type IpAddress, isIpv4 } from '../../protocol/address.ts';
import type { Destination } from './destination.ts';
import { halfSipHash } from './half-siphash.ts';
import { greatestCommonDivisor } from './round-robin.ts';
import type { FirstPacket, Scheduler } from './scheduler.ts';

/** 2^8 buckets (CONFIG_IP_VS_SH_TAB_BITS, CONFIG_IP_VS_DH_TAB_BITS). */
const BUCKET_BITS = 8;
const BUCKETS = 1 << BUCKET_BITS;

/** hash_32 (include/linux/hash.h), by the golden ratio. */
const bucketOf = (word: number): number => Math.imul(word, 0x61c88647) >>> (32 - BUCKET_BITS);

/** An address as one 32-bit word; of IPv6 the four words XORed. */
function fold(address: IpAddress): number {
  if (isIpv4(address)) return address;
  let word = 0n;
  for (let rest: bigint = address; rest > 0n; rest >>= 32n) word ^= rest & 0xffffffffn;
  return Number(word);
}

/** dh: the same server for the same destination address, that is, one for all clients (net/netfilter/ipvs/ip_vs_dh.c). */
export class DestinationHashing implements Scheduler {
  private readonly destinations: readonly Destination[];
  private readonly bucket: number;

  constructor(destinations: readonly Destination[], address: IpAddress) {
    this.destinations = destinations;
    this.bucket = bucketOf(fold(address));
  }

  choose(): Destination | undefined {
    // The buckets are dealt out to the servers in turn.
    const destination = this.destinations[this.bucket % this.destinations.length];
    return destination && destination.weight > 0 ? destination : undefined;
  }

  changed(): void {}
}

export interface HashingFlags {
  /** A server with weight 0 is passed over; without it such a server's clients are refused. */
  readonly fallback: boolean;
  /** The client's port counts as well. */
  readonly port: boolean;
}

/** sh: the same server for the same client, by a table that is dealt out by weight (net/netfilter/ipvs/ip_vs_sh.c). */
export class SourceHashing implements Scheduler {
  private readonly destinations: readonly Destination[];
  private readonly flags: HashingFlags;
  private buckets: readonly Destination[] | undefined = undefined;

  constructor(destinations: readonly Destination[], flags: HashingFlags) {
    this.destinations = destinations;
    this.flags = flags;
  }

  choose({ source, sourcePort }: FirstPacket): Destination | undefined {
    this.buckets ??= deal(this.destinations);
    const { buckets } = this;
    if (buckets.length === 0) return undefined;
    const hash = bucketOf((fold(source) + (this.flags.port ? sourcePort : 0)) | 0);
    const own = buckets[hash] as Destination;
    if (own.weight > 0) return own;
    if (!this.flags.fallback) return undefined;
    for (let offset = 0; offset < BUCKETS; offset++) {
      const other = buckets[(((offset + hash) % BUCKETS) + hash) % BUCKETS] as Destination;
      if (other.weight > 0) return other;
    }
    return undefined;
  }

  changed(): void {
    this.buckets = undefined;
  }
}

/** As many neighbouring buckets for each server as it has weight, and at least one (ip_vs_sh_reassign). */
function deal(destinations: readonly Destination[]): Destination[] {
  if (destinations.length === 0) return [];
  const buckets: Destination[] = [];
  for (let at = 0, dealt = 0; buckets.length < BUCKETS; ) {
    const destination = destinations[at] as Destination;
    buckets.push(destination);
    if (++dealt < destination.weight) continue;
    at = (at + 1) % destinations.length;
    dealt = 0;
  }
  return buckets;
}

/** Of the table for Maglev hashing (CONFIG_IP_VS_MH_TAB_INDEX 12): a prime number of places, and log2 of what weights are scaled down to. */
const MAGLEV_PLACES = 4093;
const MAGLEV_WEIGHT_BITS = 6;
const MAGLEV_KEY_1 = 2654435761;
const MAGLEV_KEY_2 = 2654446892;

/** mh: Maglev hashing, by which few clients move when servers come and go (net/netfilter/ipvs/ip_vs_mh.c). */
export class MaglevHashing implements Scheduler {
  private readonly destinations: readonly Destination[];
  private readonly flags: HashingFlags;
  private places: readonly (Destination | undefined)[] | undefined = undefined;

  constructor(destinations: readonly Destination[], flags: HashingFlags) {
    this.destinations = destinations;
    this.flags = flags;
  }

  choose({ source, sourcePort }: FirstPacket): Destination | undefined {
    this.places ??= populate(this.destinations);
    const word = fold(source) + (this.flags.port ? sourcePort : 0);
    const place = halfSipHash(word | 0, MAGLEV_KEY_1) % MAGLEV_PLACES;
    const own = this.places[place];
    if (!own || own.weight > 0) return own;
    if (!this.flags.fallback) return undefined;
    for (let offset = 0; offset < MAGLEV_PLACES; offset++) {
      const other = this.places[halfSipHash((word + ((offset + place) % MAGLEV_PLACES)) | 0, MAGLEV_KEY_1) % MAGLEV_PLACES];
      if (!other || other.weight > 0) return other;
    }
    return undefined;
  }

  /** The table is filled again when it is next needed; what is in it depends on the list only. */
  changed(): void {
    this.places = undefined;
  }
}

/** Each server in turn takes the next free place of its own permutation, until all are taken (ip_vs_mh_permutate, ip_vs_mh_populate). */
function populate(destinations: readonly Destination[]): readonly (Destination | undefined)[] {
  const places = new Array<Destination | undefined>(MAGLEV_PLACES).fill(undefined);
  const divisor = destinations.reduce((d, { lastWeight }) => (lastWeight > 0 ? greatestCommonDivisor(lastWeight, d) : d), 0);
  if (divisor < 1) return places;
  const highest = destinations.reduce((max, { lastWeight }) => Math.max(max, lastWeight), 0);
  const shift = Math.max(0, 32 - Math.clz32(Math.floor(highest / divisor)) - MAGLEV_WEIGHT_BITS);
  const turns = destinations
    .filter(({ lastWeight }) => lastWeight > 0)
    .map((destination) => {
      const word = (fold(destination.address) + destination.port) | 0;
      return {
        destination,
        place: halfSipHash(word, MAGLEV_KEY_1) % MAGLEV_PLACES,
        skip: (halfSipHash(word, MAGLEV_KEY_2) % (MAGLEV_PLACES - 1)) + 1,
        count: Math.max(1, Math.floor(destination.lastWeight / divisor) >> shift),
      };
    });
  for (let taken = 0; ; ) {
    for (const turn of turns) {
      for (let i = 0; i < turn.count; i++) {
        while (places[turn.place] !== undefined) turn.place = (turn.place + turn.skip) % MAGLEV_PLACES;
        places[turn.place] = turn.destination;
        if (++taken === MAGLEV_PLACES) return places;
      }
    }
  }
}
