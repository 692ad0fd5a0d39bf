import { assert } from '../../../base/assert.ts';
import { cidrContains, formatIp, type IpAddress } from '../../../protocol/address.ts';
import type { IpvsCommand, RealServer, VirtualServer, VirtualServerKey } from '../../ipvs/model.ts';
import { familyOf, type IpFamily, joinHostPort, parseCidrSloppy } from '../addresses.ts';
import { compareText } from '../compare-text.ts';

/** What a service port wants of the kernel: a virtual server and where its connections go. */
export interface WantedServer {
  /** `serverText` of it. */
  readonly key: string;
  readonly settings: Settings;
  readonly destinations: readonly Destination[];
}

export type Settings = Omit<VirtualServer, 'realServers'>;

export interface Destination {
  /** `ip:port` */
  readonly text: string;
  readonly address: IpAddress;
  readonly port: number;
}

/** Connections of a virtual server that go to this real server, active and inactive ones together. */
export type ConnectionCount = (server: VirtualServerKey, address: IpAddress, port: number) => number;

export const serverText = (address: IpAddress, port: number, protocol: string): string =>
  `${joinHostPort(formatIp(address), port)}/${protocol}`;

interface Claim {
  readonly owner: string;
  readonly wanted: WantedServer;
}

/** A virtual server that the kernel has, or is about to have. */
interface Entry {
  readonly key: string;
  /** undefined until the kernel has it. */
  settings: Settings | undefined;
  destinations: readonly Destination[];
  /** Found with another weight than 1, which the first sync puts right. */
  weights: ReadonlyMap<string, number> | undefined;
  /** Real servers with weight 0 that wait for their connections to end. */
  readonly terminating: Map<string, Destination>;
  /** Who wants it, in the order of names: the last one decides. (In kube-proxy it is the last of a random order.) */
  claims: readonly Claim[];
}

/**
 * The virtual servers of one node as kube-proxy keeps them (syncService, syncEndpoint and cleanLegacyService of
 * pkg/proxy/ipvs/proxier.go, with graceful_termination.go). Where the real one compares everything with the kernel
 * at every sync, this one remembers what the kernel has and looks at what changed.
 */
export class VirtualServerTable {
  readonly #family: IpFamily;
  readonly #isExcluded: (address: IpAddress) => boolean;
  readonly #entries = new Map<string, Entry>();
  readonly #touched = new Set<Entry>();
  readonly #terminating = new Set<Entry>();

  constructor(family: IpFamily, excludeCidrs: readonly string[]) {
    this.#family = family;
    const excluded = excludeCidrs.flatMap((text) => parseCidrSloppy(text) ?? []);
    this.#isExcluded = (address) => excluded.some((cidr) => cidrContains(cidr, address));
  }

  /** The kernel has this already: of an earlier kube-proxy, or of somebody else. */
  found({ realServers, ...settings }: VirtualServer): void {
    if (familyOf(settings.address) !== this.#family) return;
    const destinations = realServers.map(({ address, port }) => ({ text: joinHostPort(formatIp(address), port), address, port }));
    const entry: Entry = {
      key: serverText(settings.address, settings.port, settings.protocol),
      settings,
      destinations,
      weights: new Map(realServers.map(({ weight }, i) => [destinations[i]?.text ?? '', weight])),
      terminating: new Map(),
      claims: [],
    };
    this.#entries.set(entry.key, entry);
    this.#touched.add(entry);
  }

  /** What a service port wants from now on, instead of what it wanted before. */
  claim(owner: string, before: readonly WantedServer[], now: readonly WantedServer[]): void {
    for (const wanted of now) {
      let entry = this.#entries.get(wanted.key);
      if (entry === undefined) {
        entry = { key: wanted.key, settings: undefined, destinations: [], weights: undefined, terminating: new Map(), claims: [] };
        this.#entries.set(wanted.key, entry);
      }
      this.#touched.add(entry);
    }
    for (const { key } of before) {
      const entry = this.#entries.get(key);
      assert(entry !== undefined, 'what is wanted has an entry');
      entry.claims = entry.claims.filter((claim) => claim.owner !== owner);
      this.#touched.add(entry);
    }
    for (const wanted of now) {
      const entry = this.#entries.get(wanted.key);
      assert(entry !== undefined, 'what is wanted has an entry');
      const claim: Claim = { owner, wanted };
      entry.claims = entry.claims.length === 0 ? [claim] : [...entry.claims, claim].sort((a, b) => compareText(a.owner, b.owner));
    }
  }

  /** Commands for what changed: servers and their real servers first, servers that nobody wants last. */
  takeCommands(connections: ConnectionCount): readonly IpvsCommand[] {
    const commands: IpvsCommand[] = [];
    const removed: IpvsCommand[] = [];
    for (const entry of this.#touched) {
      const wanted = entry.claims.at(-1)?.wanted;
      if (wanted !== undefined) {
        this.#syncServer(entry, wanted.settings, commands);
        this.#syncDestinations(entry, wanted, connections, commands);
      } else if (entry.settings === undefined) this.#entries.delete(entry.key);
      else if (!this.#isExcluded(entry.settings.address)) {
        removed.push({ type: 'deleteServer', server: keyOf(entry.settings) });
        this.#entries.delete(entry.key);
        this.#terminating.delete(entry);
      }
    }
    this.#touched.clear();
    for (const command of removed) commands.push(command);
    return commands;
  }

  get hasTerminating(): boolean {
    return this.#terminating.size > 0;
  }

  /** Removes the real servers whose last connection has ended (tryDeleteRs). */
  removeTerminated(connections: ConnectionCount): readonly IpvsCommand[] {
    const commands: IpvsCommand[] = [];
    for (const entry of this.#terminating) {
      const server = keyOf(settingsOf(entry));
      for (const { text, address, port } of entry.terminating.values()) {
        if (connections(server, address, port) > 0) continue;
        commands.push({ type: 'deleteRealServer', server, address, port });
        this.#forgetTerminating(entry, text);
      }
    }
    return commands;
  }

  /** As the kernel has them. */
  list(): readonly VirtualServer[] {
    const servers: VirtualServer[] = [];
    for (const { settings, destinations, weights, terminating } of this.#entries.values()) {
      if (settings === undefined) continue;
      const realServers = destinations.map((destination) => realServer(destination, weights?.get(destination.text) ?? 1));
      for (const destination of terminating.values()) realServers.push(realServer(destination, 0));
      servers.push({ ...settings, realServers });
    }
    return servers;
  }

  #syncServer(entry: Entry, wanted: Settings, commands: IpvsCommand[]): void {
    const { settings } = entry;
    if (settings === undefined) commands.push({ type: 'addServer', server: wanted });
    else if (!sameSettings(settings, wanted)) commands.push({ type: 'editServer', server: wanted });
    entry.settings = wanted;
  }

  #syncDestinations(entry: Entry, wanted: WantedServer, connections: ConnectionCount, commands: IpvsCommand[]): void {
    const before = entry.destinations;
    const now = wanted.destinations;
    if (before === now) return;
    const server = keyOf(wanted.settings);
    const known = new Set(before.map(({ text }) => text));
    for (const destination of now) {
      const { text, address, port } = destination;
      const real = realServer(destination, 1);
      if (known.has(text)) {
        if ((entry.weights?.get(text) ?? 1) !== 1) commands.push({ type: 'editRealServer', server, real });
        continue;
      }
      if (entry.terminating.has(text)) {
        commands.push({ type: 'deleteRealServer', server, address, port });
        this.#forgetTerminating(entry, text);
      }
      commands.push({ type: 'addRealServer', server, real });
    }
    const kept = new Set(now.map(({ text }) => text));
    for (const destination of before) if (!kept.has(destination.text)) this.#retire(entry, server, destination, connections, commands);
    entry.destinations = now;
    entry.weights = undefined;
  }

  /** GracefulDeleteRS: at once if nothing uses it, else it gets no new connections and goes when the last one has ended. */
  #retire(entry: Entry, server: VirtualServerKey, destination: Destination, connections: ConnectionCount, commands: IpvsCommand[]): void {
    const { text, address, port } = destination;
    if (!endsGracefully(server) || connections(server, address, port) === 0) {
      commands.push({ type: 'deleteRealServer', server, address, port });
      return;
    }
    commands.push({ type: 'editRealServer', server, real: realServer(destination, 0) });
    entry.terminating.set(text, destination);
    this.#terminating.add(entry);
  }

  #forgetTerminating(entry: Entry, text: string): void {
    entry.terminating.delete(text);
    if (entry.terminating.size === 0) this.#terminating.delete(entry);
  }
}

/**
 * Of UDP and SCTP the kernel ends the connections itself when the next packet comes, as kube-proxy sets
 * net.ipv4.vs.expire_nodest_conn (IsRsGracefulTerminationNeeded of pkg/proxy/ipvs/util/ipvs.go).
 */
const endsGracefully = ({ protocol }: VirtualServerKey): boolean => protocol === 'tcp';

const keyOf = ({ protocol, address, port }: VirtualServerKey): VirtualServerKey => ({ protocol, address, port });

const realServer = ({ address, port }: Destination, weight: number): RealServer => ({ address, port, forwarding: 'masq', weight });

const sameSettings = (a: Settings, b: Settings): boolean =>
  a.scheduler === b.scheduler &&
  a.persistenceSeconds === b.persistenceSeconds &&
  a.onePacket === b.onePacket &&
  a.schedulerFlags.join() === b.schedulerFlags.join();

function settingsOf(entry: Entry): Settings {
  assert(entry.settings !== undefined, 'a server with real servers is there');
  return entry.settings;
}
