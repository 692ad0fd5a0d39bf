import type { Cidr, Mac } from './address.ts';
import type {
  ConntrackView,
  IpvsConnectionView,
  IpvsServerView,
  LabEvent,
  NeighbourView,
  RouteView,
  RuleTableView,
  SocketView,
} from './event.ts';
import type { DeviceView, FdbView, NetnsView } from './view.ts';

/**
 * The state of every namespace in view at one point of the recording. Immutable with structural
 * sharing: applying an event copies only the table that it changes, so keyframes are cheap to keep.
 */
export interface LabState {
  /** Of the last event applied; 0 before the first. */
  readonly seq: number;
  readonly timeNs: number;
  readonly netns: ReadonlyMap<string, NetnsTables>;
}

export interface NetnsTables {
  readonly base: Pick<NetnsView, 'id' | 'kind'>;
  readonly devices: ReadonlyMap<string, DeviceView>;
  readonly routes: readonly RouteView[];
  readonly neighbours: ReadonlyMap<string, NeighbourView>;
  readonly fdb: ReadonlyMap<string, FdbView>;
  readonly conntrack: ReadonlyMap<number, ConntrackView>;
  readonly sockets: ReadonlyMap<number, SocketView>;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly ruleTables: readonly RuleTableView[];
  readonly ipvsServers: readonly IpvsServerView[];
  readonly ipvsServerCount: number;
  readonly ipvsConnections: ReadonlyMap<number, IpvsConnectionView>;
}

export const EMPTY_STATE: LabState = { seq: 0, timeNs: 0, netns: new Map() };

/** Linux bridges forget a station after 300 s of silence (net/bridge/br_device.c, BR_DEFAULT_AGEING_TIME). */
export const FDB_AGEING_NS = 300_000_000_000;

/** Folds events in order; `events` must directly follow `state.seq`. */
export function applyEvents(state: LabState, events: readonly LabEvent[]): LabState {
  if (events.length === 0) return state;
  const netns = new Map(state.netns);
  let { seq, timeNs } = state;
  for (const event of events) {
    seq = event.seq;
    timeNs = event.timeNs;
    const before = netns.get(event.netns);
    const after = applyToNetns(before, event);
    if (after && after !== before) netns.set(event.netns, after);
  }
  return { seq, timeNs, netns };
}

function applyToNetns(tables: NetnsTables | undefined, event: LabEvent): NetnsTables | undefined {
  if (event.type === 'netnsAppeared') return tablesOf(event.data.view);
  if (!tables) return undefined;
  switch (event.type) {
    case 'bridge':
      return learn(tables, event.data.bridge, event.data.ingress, event.data.learned !== undefined, event.frame?.src, event.timeNs);
    case 'neighbour': {
      const key = neighbourKey(event.data.entry);
      const neighbours = new Map(tables.neighbours);
      if (event.data.action === 'removed') neighbours.delete(key);
      else neighbours.set(key, event.data.entry);
      return { ...tables, neighbours };
    }
    case 'conntrack': {
      const entry = event.data.entry;
      // An entry is in the table from its confirmation on; what is dropped before leaves no entry.
      if (!entry || event.data.action === 'new') return tables;
      const conntrack = new Map(tables.conntrack);
      if (event.data.action === 'destroyed') conntrack.delete(entry.id);
      else conntrack.set(entry.id, entry);
      return { ...tables, conntrack };
    }
    case 'socket': {
      const sockets = new Map(tables.sockets);
      if (event.data.view.state === 'CLOSED') sockets.delete(event.data.view.id);
      else sockets.set(event.data.view.id, event.data.view);
      return { ...tables, sockets };
    }
    case 'deviceChanged': {
      const { view } = event.data;
      const devices = new Map(tables.devices).set(view.name, view);
      if (view.master === undefined) return { ...tables, devices };
      // A bridge knows the MACs of its own ports, and forgets what it learned from one that lost its link.
      const heard = [...tables.fdb].filter(([, f]) => f.local || f.port !== view.name || (view.up && view.carrier));
      const own = { bridge: view.master, mac: view.mac, port: view.name, local: true, updatedNs: 0 };
      return { ...tables, devices, fdb: new Map(heard).set(`${view.master} ${view.mac}`, own) };
    }
    case 'routeChanged':
      return {
        ...tables,
        routes:
          event.data.action === 'added'
            ? [...tables.routes, event.data.route]
            : tables.routes.filter((r) => !sameRoute(r, event.data.route)),
      };
    case 'sysctlChanged':
      return { ...tables, sysctls: { ...tables.sysctls, [event.data.key]: event.data.value } };
    case 'ipvs': {
      const { connections, removed } = event.data;
      if (connections.length === 0 && removed.length === 0) return tables;
      const ipvsConnections = new Map(tables.ipvsConnections);
      for (const connection of connections) ipvsConnections.set(connection.id, connection);
      for (const id of removed) ipvsConnections.delete(id);
      return { ...tables, ipvsConnections };
    }
    case 'ipvsServersChanged':
      return { ...tables, ipvsServers: event.data.servers, ipvsServerCount: event.data.serverCount };
    case 'proxySynced':
      return withIpvsDevice({ ...tables, ruleTables: event.data.tables }, event.data.ipvsDevice);
    default:
      return tables;
  }
}

const IPVS_DEVICE = 'kube-ipvs0';

/** A device with addresses is there, or is no longer; its addresses have the routes that the kernel gives those of a device that is down. */
function withIpvsDevice(tables: NetnsTables, device: DeviceView | undefined): NetnsTables {
  if (!device && !tables.devices.has(IPVS_DEVICE)) return tables;
  const devices = new Map(tables.devices);
  if (device) devices.set(device.name, device);
  else devices.delete(IPVS_DEVICE);
  const routes = tables.routes.filter((route) => route.device !== IPVS_DEVICE);
  for (const { address, length } of device?.addresses ?? []) routes.push(localRoute(IPVS_DEVICE, { address, length }));
  return { ...tables, devices, routes };
}

const localRoute = (device: string, destination: Cidr): RouteView => ({
  table: 'local',
  type: 'local',
  destination,
  via: undefined,
  device,
  prefSrc: destination.address,
  scope: 'host',
  protocol: 'kernel',
});

function learn(
  tables: NetnsTables,
  bridge: string,
  port: string | undefined,
  learned: boolean,
  mac: Mac | undefined,
  timeNs: number,
): NetnsTables {
  if (!learned || port === undefined || mac === undefined) return tables;
  const fdb = new Map(tables.fdb);
  fdb.set(`${bridge} ${mac}`, { bridge, mac, port, local: false, updatedNs: timeNs });
  return { ...tables, fdb };
}

const neighbourKey = (n: NeighbourView): string => `${n.device} ${n.address}`;

export const sameRoute = (a: RouteView, b: RouteView): boolean =>
  a.table === b.table &&
  a.type === b.type &&
  a.destination.address === b.destination.address &&
  a.destination.length === b.destination.length &&
  a.via === b.via &&
  a.device === b.device;

export function tablesOf(view: NetnsView): NetnsTables {
  return {
    base: { id: view.id, kind: view.kind },
    devices: new Map(view.devices.map((d) => [d.name, d])),
    routes: view.routes,
    neighbours: new Map(view.neighbours.map((n) => [neighbourKey(n), n])),
    fdb: new Map(view.fdb.map((f) => [`${f.bridge} ${f.mac}`, f])),
    conntrack: new Map(view.conntrack.map((c) => [c.id, c])),
    sockets: new Map(view.sockets.map((s) => [s.id, s])),
    sysctls: view.sysctls,
    ruleTables: view.ruleTables,
    ipvsServers: view.ipvsServers,
    ipvsServerCount: view.ipvsServerCount,
    ipvsConnections: new Map(view.ipvsConnections.map((c) => [c.id, c])),
  };
}

/** A namespace's tables as they are at `timeNs`: entries whose time has run out are gone, as the tools would show. */
export function viewAt(tables: NetnsTables, timeNs: number): NetnsView {
  return {
    ...tables.base,
    devices: [...tables.devices.values()],
    routes: tables.routes,
    neighbours: [...tables.neighbours.values()],
    fdb: [...tables.fdb.values()].filter((f) => f.local || timeNs - f.updatedNs < FDB_AGEING_NS),
    conntrack: [...tables.conntrack.values()].filter((c) => c.expiresNs > timeNs),
    sockets: [...tables.sockets.values()],
    sysctls: tables.sysctls,
    ruleTables: tables.ruleTables,
    ipvsServers: tables.ipvsServers,
    ipvsServerCount: tables.ipvsServerCount,
    ipvsConnections: [...tables.ipvsConnections.values()].sort((a, b) => a.id - b.id),
  };
}
