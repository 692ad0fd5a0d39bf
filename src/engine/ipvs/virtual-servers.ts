import { err, ok, type Result } from '../../base/result.ts';
import type { IpAddress } from '../../protocol/address.ts';
import type { IpvsServerView } from '../../protocol/event.ts';
import { Destination } from './destination.ts';
import type { IpvsCommand, IpvsProtocol, RealServer, VirtualServer, VirtualServerKey } from './model.ts';
import type { FirstPacket, Scheduler } from './scheduler.ts';
import { schedulerOf } from './schedulers.ts';
import { inListingOrder, schedulerFlagNames } from './text.ts';

/** A virtual server as the kernel keeps it (Linux: struct ip_vs_service). */
export class VirtualService {
  settings: Omit<VirtualServer, 'realServers'>;
  /** The kernel's list: the newest first. */
  readonly destinations: Destination[] = [];
  private scheduler: Scheduler;

  constructor(settings: Omit<VirtualServer, 'realServers'>) {
    this.settings = settings;
    this.scheduler = schedulerOf(settings, this.destinations);
  }

  choose(packet: FirstPacket): Destination | undefined {
    return this.scheduler.choose(packet);
  }

  edit(settings: Omit<VirtualServer, 'realServers'>): void {
    const before = this.settings;
    this.settings = settings;
    // The same scheduler goes on with what it remembers; its flags take effect at once (ip_vs_edit_service).
    if (before.scheduler !== settings.scheduler || String(before.schedulerFlags) !== String(settings.schedulerFlags))
      this.scheduler = schedulerOf(settings, this.destinations);
  }

  find(address: IpAddress, port: number): Destination | undefined {
    return this.destinations.find((d) => d.address === address && d.port === port);
  }

  add(destination: Destination): void {
    destination.available = true;
    this.destinations.unshift(destination);
    this.scheduler.changed('added');
  }

  setWeight(destination: Destination, weight: number): void {
    destination.setWeight(weight);
    this.scheduler.changed('weight');
  }

  remove(destination: Destination): void {
    const at = this.destinations.indexOf(destination);
    const previous = this.destinations[at - 1];
    this.destinations.splice(at, 1);
    destination.available = false;
    this.scheduler.changed({ removed: destination, previous });
  }
}

/** Why a command is refused: errno as the kernel gives it, and the words in which ipvsadm says so (libipvs/libipvs.c, ipvs_strerror). */
export interface IpvsRefusal {
  readonly errno: 'EEXIST' | 'ESRCH' | 'ENOENT' | 'EINVAL' | 'EOPNOTSUPP';
  readonly message: string;
}

const refuse = (errno: IpvsRefusal['errno'], message: string): Result<never, IpvsRefusal> => err({ errno, message });

/** A removed server is remembered so long at least, longer while connections lead to it (ip_vs.h, IP_VS_DEST_TRASH_PERIOD). */
const TRASH_NS = 120 * 1_000_000_000;

export type ServerCommand = Exclude<IpvsCommand, { readonly type: 'setTimeouts' }>;

/** The virtual servers of one network namespace, in a hash by protocol, address and port (net/netfilter/ipvs/ip_vs_ctl.c). */
export class VirtualServers {
  private readonly services = new Map<string | number, VirtualService>();
  /** Real servers that were removed: added again to the same virtual server, one comes back with its connections (ip_vs_trash_get_dest). */
  private readonly trash = new Map<string, Destination>();

  get size(): number {
    return this.services.size;
  }

  find(protocol: IpvsProtocol, address: IpAddress, port: number): VirtualService | undefined {
    return this.services.get(keyOf(protocol, address, port));
  }

  /** Carries out a command; a removal tells that there may be connections without a server now. */
  apply(command: ServerCommand, nowNs: number): Result<'changed' | 'serverRemoved', IpvsRefusal> {
    const { protocol, address, port } = command.server;
    const key = keyOf(protocol, address, port);
    const service = this.services.get(key);
    switch (command.type) {
      case 'addServer':
        if (service) return refuse('EEXIST', 'Service already exists');
        if (port === 0) return refuse('EOPNOTSUPP', 'a virtual server for every port (port 0) is not modelled');
        this.services.set(key, new VirtualService(settingsOf(command.server)));
        return ok('changed');
      case 'editServer':
        if (!service) return refuse('ESRCH', 'No such service');
        service.edit(settingsOf(command.server));
        return ok('changed');
      case 'deleteServer': {
        if (!service) return refuse('ESRCH', 'No such service');
        this.services.delete(key);
        for (const destination of [...service.destinations]) this.discard(service, destination, nowNs);
        return ok('serverRemoved');
      }
      case 'addRealServer':
      case 'editRealServer':
      case 'deleteRealServer':
        if (!service) return refuse('ESRCH', 'Service not defined');
        return this.applyToDestination(service, command, nowNs);
    }
  }

  /** All as `ipvsadm -R` would be told, in the order of `ipvsadm -Sn`; real servers in the order in which they were added. */
  list(): VirtualServer[] {
    return inListingOrder([...this.services.values()].map(({ settings }) => settings)).map((settings) => ({
      ...settings,
      realServers: this.destinationsOf(settings).map(modelOf).reverse(),
    }));
  }

  views(max: number): IpvsServerView[] {
    const settings = [...this.services.values()].map((service) => service.settings);
    return inListingOrder(settings)
      .slice(0, max)
      .map((s) => ({
        protocol: s.protocol,
        address: s.address,
        port: s.port,
        scheduler: s.scheduler,
        schedulerFlags: schedulerFlagNames(s),
        persistenceSeconds: s.persistenceSeconds,
        onePacket: s.onePacket,
        realServers: this.destinationsOf(s).map(({ address, port, weight }) => ({ address, port, weight })),
      }));
  }

  destinationsOf({ protocol, address, port }: VirtualServerKey): readonly Destination[] {
    return this.find(protocol, address, port)?.destinations ?? [];
  }

  private applyToDestination(
    service: VirtualService,
    command: Extract<ServerCommand, { readonly type: 'addRealServer' | 'editRealServer' | 'deleteRealServer' }>,
    nowNs: number,
  ): Result<'changed' | 'serverRemoved', IpvsRefusal> {
    if (command.type === 'deleteRealServer') {
      const destination = service.find(command.address, command.port);
      if (!destination) return refuse('ENOENT', 'No such destination');
      this.discard(service, destination, nowNs);
      return ok('serverRemoved');
    }
    const { real } = command;
    if (real.forwarding !== 'masq') return refuse('EOPNOTSUPP', `forwarding by ${real.forwarding} is not modelled, only masquerading (-m)`);
    const present = service.find(real.address, real.port);
    if (command.type === 'editRealServer') {
      if (!present) return refuse('ENOENT', 'No such destination');
      service.setWeight(present, real.weight);
      return ok('changed');
    }
    if (present) return refuse('EEXIST', 'Destination already exists');
    const name = trashName(service.settings, real.address, real.port);
    const old = this.trash.get(name);
    this.trash.delete(name);
    const remembered = old && (isReferenced(old) || nowNs - old.removedNs < TRASH_NS) ? old : undefined;
    if (remembered) {
      remembered.weight = real.weight;
      remembered.lastWeight = real.weight;
    }
    service.add(remembered ?? new Destination(real));
    return ok('changed');
  }

  private discard(service: VirtualService, destination: Destination, nowNs: number): void {
    service.remove(destination);
    destination.removedNs = nowNs;
    // What nobody remembers any more makes room now and then.
    if (this.trash.size >= 1024 && (this.trash.size & (this.trash.size - 1)) === 0)
      for (const [name, old] of this.trash) if (!isReferenced(old) && nowNs - old.removedNs >= TRASH_NS) this.trash.delete(name);
    this.trash.set(trashName(service.settings, destination.address, destination.port), destination);
  }
}

const isReferenced = ({ active, inactive, persistent }: Destination): boolean => active + inactive + persistent > 0;

const PROTOCOLS: Readonly<Record<IpvsProtocol, number>> = { tcp: 0, udp: 1, sctp: 2 };

/** An IPv4 address, a port and a protocol are one exact number. */
const keyOf = (protocol: IpvsProtocol, address: IpAddress, port: number): string | number =>
  typeof address === 'number' ? (address * 65_536 + port) * 4 + PROTOCOLS[protocol] : `${protocol} ${address} ${port}`;

const trashName = (server: VirtualServerKey, address: IpAddress, port: number): string =>
  `${keyOf(server.protocol, server.address, server.port)} ${address} ${port}`;

const modelOf = ({ address, port, forwarding, weight }: Destination): RealServer => ({ address, port, forwarding, weight });

const settingsOf = (server: Omit<VirtualServer, 'realServers'>): Omit<VirtualServer, 'realServers'> => ({
  protocol: server.protocol,
  address: server.address,
  port: server.port,
  scheduler: server.scheduler,
  schedulerFlags: server.schedulerFlags,
  persistenceSeconds: server.persistenceSeconds,
  onePacket: server.onePacket,
});
