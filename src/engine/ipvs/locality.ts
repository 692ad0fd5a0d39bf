import type { Destination } from './destination.ts';
import { leastLoaded, mostLoaded } from './least-connection.ts';
import type { FirstPacket, Scheduler } from './scheduler.ts';

/** net.ipv4.vs.lblc_expiration and lblcr_expiration by default: a day. */
const EXPIRATION_NS = 86_400 * 1_000_000_000;

/** More active connections than its weight, while another has less than half of its own. */
function isOverloaded(destination: Destination, all: readonly Destination[]): boolean {
  return destination.active > destination.weight && all.some(({ active, weight }) => active * 2 < weight);
}

/**
 * lblc: a destination address stays with its server, made for caches (net/netfilter/ipvs/ip_vs_lblc.c).
 * A virtual server has one address only, so the kernel's table by address is one entry here.
 */
export class LocalityLeastConnection implements Scheduler {
  private readonly destinations: readonly Destination[];
  private cached: { readonly destination: Destination; lastUseNs: number } | undefined = undefined;

  constructor(destinations: readonly Destination[]) {
    this.destinations = destinations;
  }

  choose({ nowNs }: FirstPacket): Destination | undefined {
    const { cached } = this;
    if (cached && nowNs - cached.lastUseNs < EXPIRATION_NS) {
      cached.lastUseNs = nowNs;
      const { destination } = cached;
      if (destination.available && destination.weight > 0 && !isOverloaded(destination, this.destinations)) return destination;
    }
    const chosen = leastLoaded(this.destinations);
    if (chosen) this.cached = { destination: chosen, lastUseNs: nowNs };
    return chosen;
  }

  changed(): void {}
}

/** lblcr: as lblc with a set of servers for the address, which grows under load and shrinks after a day (net/netfilter/ipvs/ip_vs_lblcr.c). */
export class LocalityLeastConnectionWithReplication implements Scheduler {
  private readonly destinations: readonly Destination[];
  /** The newest first. */
  private set: Destination[] | undefined = undefined;
  private lastUseNs = 0;
  private modifiedNs = 0;

  constructor(destinations: readonly Destination[]) {
    this.destinations = destinations;
  }

  choose({ nowNs }: FirstPacket): Destination | undefined {
    if (this.set && nowNs - this.lastUseNs >= EXPIRATION_NS) this.set = undefined;
    this.lastUseNs = nowNs;
    if (this.set) {
      const chosen = leastLoaded(this.set.filter(({ available }) => available));
      if (this.set.length > 1 && nowNs > this.modifiedNs + EXPIRATION_NS) this.shrink(nowNs);
      if (chosen && !isOverloaded(chosen, this.destinations)) return chosen;
    }
    const chosen = leastLoaded(this.destinations);
    if (chosen && !this.set?.includes(chosen)) {
      this.set = [chosen, ...(this.set ?? [])];
      this.modifiedNs = nowNs;
    }
    return chosen;
  }

  changed(): void {}

  private shrink(nowNs: number): void {
    const most = mostLoaded(this.set ?? []);
    if (!most) return;
    this.set = this.set?.filter((destination) => destination !== most);
    this.modifiedNs = nowNs;
  }
}
