import type { Cidr, IpAddress, Ipv4, Mac } from '../../protocol/address.ts';
import { broadcastOf, isIpv4, networkOf, ZERO_MAC } from '../../protocol/address.ts';
import type {
  ConntrackTuple,
  ConntrackView,
  DropReason,
  HookName,
  IpvsConnectionView,
  IpvsServerView,
  RouteType,
  RouteView,
  RuleTableView,
  SocketView,
} from '../../protocol/event.ts';
import type { IcmpMessage, Ipv4Packet } from '../../protocol/packet.ts';
import type { FdbView, NetnsView } from '../../protocol/view.ts';
import type { ConntrackEntry } from '../conntrack/entry.ts';
import type { Bridge } from '../link/bridge.ts';
import { type Device, type DeviceOwner, Loopback } from '../link/device.ts';
import type { Skb } from '../link/skb.ts';
import { type HookState, HookTable } from '../netfilter/hooks.ts';
import type { LabContext } from '../sim/lab-context.ts';
import { Fib, type Route } from './fib.ts';
import { Reassembly } from './fragment.ts';
import { IcmpRateLimit } from './icmp.ts';
import { InetDevice } from './inet-device.ts';
import { neighbourViews } from './neighbour.ts';
import { Sysctls } from './sysctl.ts';

/** A transport protocol of a namespace; `socket/` provides them. */
export interface Transport {
  receive(skb: Skb, packet: Ipv4Packet): void;
  /** An ICMP error about a packet that this namespace sent. */
  error(skb: Skb, icmp: IcmpMessage, quote: Ipv4Packet): void;
  views(): SocketView[];
}

/** The table of tracked connections, where a namespace tracks any. */
export interface ConntrackTable {
  views(): ConntrackView[];
  flush(): void;
  deleteWhere(doomed: (entry: ConntrackEntry) => boolean): number;
  kill(original: ConntrackTuple): void;
  tupleTaken(tuple: ConntrackTuple, except: ConntrackEntry): boolean;
}

/** The rules of a namespace, whichever tool wrote them. */
export interface RuleTables {
  tableViews(): RuleTableView[];
}

/** The virtual servers of a namespace and their connections, where anything has asked for IPVS. */
export interface IpvsTables {
  /** At most so many as a view lists. */
  serverViews(): IpvsServerView[];
  readonly serverCount: number;
  connectionViews(): IpvsConnectionView[];
}

/** A network namespace (Linux: struct net): everything network that its processes can see. */
export class Netns implements DeviceOwner {
  readonly id: string;
  readonly kind: NetnsView['kind'];
  readonly lab: LabContext;
  readonly sysctls = new Sysctls();
  readonly fib = new Fib();
  readonly hooks = new HookTable();
  /** The latest state that each hook was passed with; most packets pass with the same. */
  readonly lastHookStates: Partial<Record<HookName, HookState>> = {};
  readonly devices = new Map<string, InetDevice>();
  readonly bridges: Bridge[] = [];
  readonly transports: Partial<Record<'tcp' | 'udp' | 'icmp', Transport>> = {};
  readonly reassembly: Reassembly;
  readonly icmpRateLimit: IcmpRateLimit;
  /** Path MTUs learned from "fragmentation needed" (RFC 1191), by destination. */
  readonly pathMtu = new Map<IpAddress, number>();
  conntrack: ConntrackTable | undefined = undefined;
  /** iptables and nftables of the namespace, where something has written rules. */
  rules: RuleTables | undefined = undefined;
  ipvs: IpvsTables | undefined = undefined;
  /** Called before the first packet passes a hook: rules may be written as late as that. */
  beforeFirstHook: (() => void) | undefined = undefined;
  readonly lo: InetDevice;
  private ipId: number;

  constructor(lab: LabContext, id: string, kind: NetnsView['kind']) {
    this.lab = lab;
    this.id = id;
    this.kind = kind;
    this.ipId = lab.random('ip-id').below(65_536);
    this.reassembly = new Reassembly(this);
    this.icmpRateLimit = new IcmpRateLimit(this);
    this.lo = this.addDevice(new Loopback(this, ZERO_MAC));
    this.addAddress(this.lo, { address: 0x7f000001 as Ipv4, length: 8 });
  }

  addDevice(device: Device): InetDevice {
    const dev = new InetDevice(this, device);
    this.devices.set(device.name, dev);
    return dev;
  }

  /** Takes a device away with its addresses and routes; nothing is plugged into it. */
  removeDevice(dev: InetDevice): void {
    for (const cidr of [...dev.addresses]) this.removeAddress(dev, cidr);
    this.devices.delete(dev.device.name);
  }

  addBridge(bridge: Bridge): InetDevice {
    this.bridges.push(bridge);
    return this.addDevice(bridge);
  }

  /**
   * The address to speak from by a device (net/ipv4/devinet.c, inet_select_addr). Those of `lo` are for this host
   * only, so another device's is taken there: the first in the order in which they were made.
   */
  selectAddress(dev: InetDevice, towards: Ipv4 | undefined): Ipv4 | undefined {
    if (dev !== this.lo) return dev.selectAddress(towards);
    for (const other of this.devices.values()) {
      const address = other === this.lo ? undefined : other.selectAddress(undefined);
      if (address !== undefined) return address;
    }
    return undefined;
  }

  device(name: string): InetDevice | undefined {
    return this.devices.get(name);
  }

  /** Adds an interface address and the routes the kernel adds with it (net/ipv4/fib_frontend.c, fib_add_ifaddr). */
  addAddress(dev: InetDevice, cidr: Cidr): void {
    dev.addresses.push(cidr);
    this.addAddressRoutes(dev, cidr);
  }

  /** Takes an interface address away, with the routes that came with it; false when the device does not have it. */
  removeAddress(dev: InetDevice, cidr: Cidr): boolean {
    const at = dev.addresses.findIndex(({ address, length }) => address === cidr.address && length === cidr.length);
    if (at < 0) return false;
    dev.addresses.splice(at, 1);
    this.fib.remove('local', { address: cidr.address, length: 32 });
    const broadcast = broadcastOf(cidr);
    if (broadcast !== undefined) this.fib.remove('local', { address: broadcast, length: 32 });
    if (cidr.length < 32) this.fib.remove('main', networkOf(cidr));
    return true;
  }

  private addAddressRoutes(dev: InetDevice, cidr: Cidr): void {
    const { address } = cidr;
    if (!isIpv4(address)) return;
    if (dev === this.lo) {
      this.addKernelRoute(dev, 'local', 'local', networkOf(cidr), address);
    }
    this.addKernelRoute(dev, 'local', 'local', { address, length: 32 }, address);
    // Of a device that is down the address itself is local, and no more.
    if (!dev.device.up) return;
    const broadcast = broadcastOf(cidr);
    if (broadcast !== undefined) this.addKernelRoute(dev, 'local', 'broadcast', { address: broadcast, length: 32 }, address);
    if (dev !== this.lo && cidr.length < 32) this.addKernelRoute(dev, 'main', 'unicast', networkOf(cidr), address);
  }

  /** Adds a static route; with `via` the device is the one that reaches it. Returns false when nothing does. */
  addRoute(
    destination: Cidr,
    options: { via?: Ipv4 | undefined; device?: InetDevice | undefined; type?: RouteType | undefined },
  ): Route | undefined {
    const type = options.type ?? 'unicast';
    const device = options.device ?? (options.via === undefined ? undefined : this.fib.lookup(options.via)?.device);
    if (type === 'unicast' && !device) return undefined;
    const route: Route = {
      view: {
        table: 'main',
        type,
        destination: networkOf(destination),
        via: options.via,
        device: device?.device.name,
        prefSrc: undefined,
        scope: options.via === undefined ? 'link' : 'global',
        protocol: 'boot',
      },
      device,
      via: options.via,
      prefSrc: undefined,
    };
    this.fib.add(route);
    return route;
  }

  removeRoute(destination: Cidr): Route | undefined {
    return this.fib.remove('main', networkOf(destination));
  }

  /**
   * Sets a device up or down as `ip link set` does. Routes out of a device go with it and only the
   * connected ones come back (net/ipv4/fib_frontend.c, fib_disable_ip, fib_add_ifaddr); the cluster's common
   * routes come back too, since the network plugin watches over them. A bridge forgets what it learned from a port
   * without carrier, at either end of the link.
   */
  setDeviceUp(dev: InetDevice, up: boolean): void {
    const { device } = dev;
    if (device.up === up) return;
    const { recorder } = this.lab;
    const before = new Map(this.fib.view().map((r) => [routeKey(r), r]));
    device.up = up;
    if (!up) {
      for (const neighbour of [...dev.neighbours.values()]) neighbour.forget();
      for (const route of this.fib.ofDevice(dev)) this.fib.remove(route.view.table, route.view.destination);
    } else {
      for (const cidr of dev.addresses) this.addAddressRoutes(dev, cidr);
    }
    this.fib.changed();
    const after = new Map(this.fib.view().map((r) => [routeKey(r), r]));
    for (const [key, route] of before)
      if (!after.has(key)) recorder.fact('routeChanged', this.id, device.name, { action: 'removed', route });
    for (const [key, route] of after) if (!before.has(key)) recorder.fact('routeChanged', this.id, device.name, { action: 'added', route });
    for (const end of device.peer ? [device, device.peer] : [device]) {
      if (!up) end.port?.bridge.forgetPort(end.port);
      noteDevice(end);
      if (end.port) noteDevice(end.port.bridge);
    }
  }

  /** The next IP identification for packets that no connected socket counts itself. */
  nextIpId(): number {
    this.ipId = (this.ipId + 1) & 0xffff;
    return this.ipId;
  }

  drop(skb: Skb, dev: InetDevice | undefined, reason: DropReason, detail: string | undefined): void {
    this.lab.drop(this.id, dev?.device.name, skb, reason, detail);
  }

  view(): NetnsView {
    const fdb: FdbView[] = this.bridges.flatMap((b) => b.fdbView());
    return {
      id: this.id,
      kind: this.kind,
      devices: [...this.devices.values()].map((d) => d.view()),
      routes: this.fib.view(),
      neighbours: neighbourViews(this.devices.values()),
      fdb,
      conntrack: this.conntrack?.views() ?? [],
      sockets: (['tcp', 'udp', 'icmp'] as const).flatMap((p) => this.transports[p]?.views() ?? []),
      sysctls: this.sysctls.view(),
      ruleTables: this.rules?.tableViews() ?? [],
      ipvsServers: this.ipvs?.serverViews() ?? [],
      ipvsServerCount: this.ipvs?.serverCount ?? 0,
      ipvsConnections: this.ipvs?.connectionViews() ?? [],
    };
  }

  private addKernelRoute(dev: InetDevice, table: 'local' | 'main', type: RouteType, destination: Cidr, prefSrc: Ipv4): void {
    this.fib.add({
      view: {
        table,
        type,
        destination,
        via: undefined,
        device: dev.device.name,
        prefSrc,
        scope: type === 'local' ? 'host' : 'link',
        protocol: 'kernel',
      },
      device: type === 'local' ? (this.lo ?? dev) : dev,
      via: undefined,
      prefSrc,
    });
  }
}

/** The MAC that this lab gives a device by its address: an OUI-like prefix, then the four octets. */
export const macOf = (prefix: number, address: Ipv4): Mac => (prefix * 0x1_0000_0000 + address) as Mac;

const routeKey = (r: RouteView): string => `${r.table} ${r.type} ${r.destination.address}/${r.destination.length} ${r.via} ${r.device}`;

/** Records how a device is now, in the namespace that it lives in. */
function noteDevice(device: Device): void {
  const inet = device.upper;
  if (inet instanceof InetDevice) device.owner.lab.recorder.fact('deviceChanged', device.owner.id, device.name, { view: inet.view() });
}
