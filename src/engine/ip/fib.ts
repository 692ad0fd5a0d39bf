import type { Cidr, Ipv4 } from '../../protocol/address.ts';
import { cidrContains, isIpv4, maskV4, networkOf } from '../../protocol/address.ts';
import type { RouteView } from '../../protocol/event.ts';
import type { InetDevice } from './inet-device.ts';

/** One route, with its device resolved. `view` is what `ip route` shows. */
export interface Route {
  readonly view: RouteView;
  readonly device: InetDevice | undefined;
  readonly via: Ipv4 | undefined;
  readonly prefSrc: Ipv4 | undefined;
}

/**
 * Routes that many namespaces have in common: one per node's podCIDR, by the node's address. Kept
 * once for the cluster, so that N nodes do not cost N times N routes.
 */
export interface SharedRoutes {
  find(destination: Ipv4): { readonly destination: Cidr; readonly via: Ipv4 } | undefined;
  all(): Iterable<{ readonly destination: Cidr; readonly via: Ipv4 }>;
}

/** A table that answers by longest prefix (net/ipv4/fib_trie.c): one hash per prefix length in use. */
class RouteTable {
  private readonly byLength = new Map<number, Map<number, Route>>();
  private lengths: number[] = [];

  add(route: Route): void {
    const { address, length } = route.view.destination;
    let routes = this.byLength.get(length);
    if (!routes) {
      routes = new Map();
      this.byLength.set(length, routes);
      this.lengths = [...this.byLength.keys()].sort((a, b) => b - a);
    }
    routes.set(address as Ipv4, route);
  }

  remove(destination: Cidr): Route | undefined {
    const routes = this.byLength.get(destination.length);
    const route = routes?.get(destination.address as Ipv4);
    routes?.delete(destination.address as Ipv4);
    return route;
  }

  lookup(destination: Ipv4): Route | undefined {
    for (const length of this.lengths) {
      const route = this.byLength.get(length)?.get((destination & maskV4(length)) >>> 0);
      if (route) return route;
    }
    return undefined;
  }

  all(): Route[] {
    return [...this.lengths]
      .reverse()
      .flatMap((length) =>
        [...(this.byLength.get(length) as Map<number, Route>).values()].sort(
          (a, b) => Number(a.view.destination.address) - Number(b.view.destination.address),
        ),
      );
  }
}

/** The forwarding information base of a namespace: table `local` is asked first, then `main` (net/ipv4/fib_rules.c). */
export class Fib {
  private readonly local = new RouteTable();
  private readonly main = new RouteTable();
  private shared: { readonly routes: SharedRoutes; readonly except: Cidr | undefined; readonly device: InetDevice } | undefined = undefined;
  private readonly cache = new Map<Ipv4, Route | undefined>();
  /** Called before the first question: addresses that decide about routes may come as late as that. */
  beforeFirstLookup: (() => void) | undefined = undefined;

  add(route: Route): void {
    this.tableOf(route.view.table).add(route);
    this.cache.clear();
  }

  remove(table: 'local' | 'main', destination: Cidr): Route | undefined {
    this.cache.clear();
    return this.tableOf(table).remove(destination);
  }

  /** Joins the cluster's common routes, out of `device`, but for the namespace's own prefix. */
  share(routes: SharedRoutes, except: Cidr | undefined, device: InetDevice): void {
    this.shared = { routes, except, device };
    this.cache.clear();
  }

  /** A device went up or down: cached answers may be wrong. */
  changed(): void {
    this.cache.clear();
  }

  lookup(destination: Ipv4): Route | undefined {
    this.beforeFirstLookup?.();
    const cached = this.cache.get(destination);
    if (cached !== undefined) return cached;
    const route = this.local.lookup(destination) ?? this.lookupMain(destination);
    if (this.cache.size > 4096) this.cache.clear();
    if (route) this.cache.set(destination, route);
    return route;
  }

  /** The route of table `local` for an address, which tells what kind of address it is here. */
  lookupLocal(address: Ipv4): Route | undefined {
    this.beforeFirstLookup?.();
    return this.local.lookup(address);
  }

  isLocal(address: Ipv4): boolean {
    // Table `local` is asked first, so the cached answer of a lookup tells.
    return this.lookup(address)?.view.type === 'local';
  }

  /** Table `main` as `ip route` lists it, then table `local`. */
  view(): RouteView[] {
    const main = this.main.all();
    if (this.shared?.device.device.up) {
      const { except } = this.shared;
      for (const route of this.shared.routes.all())
        if (!sameCidr(route.destination, except)) main.push(this.sharedRoute(route, this.shared.device));
    }
    main.sort(
      (a, b) =>
        Number(a.view.destination.address) - Number(b.view.destination.address) || a.view.destination.length - b.view.destination.length,
    );
    return [...main, ...this.local.all()].map((r) => r.view);
  }

  /** Routes that go when a device goes down. */
  ofDevice(device: InetDevice): Route[] {
    return [...this.main.all(), ...this.local.all()].filter((r) => r.device === device && r.view.type !== 'local');
  }

  private lookupMain(destination: Ipv4): Route | undefined {
    const own = this.main.lookup(destination);
    if (!this.shared?.device.device.up) return own;
    const common = this.shared.routes.find(destination);
    if (!common || sameCidr(common.destination, this.shared.except) || (own && own.view.destination.length >= common.destination.length))
      return own;
    return this.sharedRoute(common, this.shared.device);
  }

  private sharedRoute({ destination, via }: { destination: Cidr; via: Ipv4 }, device: InetDevice): Route {
    const view: RouteView = {
      table: 'main',
      type: 'unicast',
      destination,
      via,
      device: device.device.name,
      prefSrc: undefined,
      scope: 'global',
      protocol: 'static',
    };
    return { view, device, via, prefSrc: undefined };
  }

  private tableOf(table: 'local' | 'main'): RouteTable {
    return table === 'local' ? this.local : this.main;
  }
}

const sameCidr = (a: Cidr, b: Cidr | undefined): boolean => b !== undefined && a.address === b.address && a.length === b.length;

/** Routes by node podCIDR in one hash per prefix length. */
export class PodCidrRoutes implements SharedRoutes {
  private readonly byLength = new Map<number, Map<number, { destination: Cidr; via: Ipv4 }>>();

  add(podCidr: Cidr, via: Ipv4): void {
    const destination = networkOf(podCidr);
    if (!isIpv4(destination.address)) return;
    let routes = this.byLength.get(destination.length);
    if (!routes) {
      routes = new Map();
      this.byLength.set(destination.length, routes);
    }
    routes.set(destination.address, { destination, via });
  }

  find(destination: Ipv4): { destination: Cidr; via: Ipv4 } | undefined {
    let best: { destination: Cidr; via: Ipv4 } | undefined;
    for (const [length, routes] of this.byLength) {
      const route = routes.get((destination & maskV4(length)) >>> 0);
      if (route && cidrContains(route.destination, destination) && (!best || length > best.destination.length)) best = route;
    }
    return best;
  }

  *all(): Iterable<{ destination: Cidr; via: Ipv4 }> {
    for (const routes of this.byLength.values()) yield* routes.values();
  }
}
