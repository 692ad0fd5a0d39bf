import type { Ipv4 } from '../../protocol/address.ts';
import type { IpvsConnectionView } from '../../protocol/event.ts';
import type { LabContext } from '../sim/lab-context.ts';
import type { Timer } from '../sim/simulation.ts';
import type { Destination } from './destination.ts';
import type { IpvsTcpState } from './tcp-states.ts';
import type { VirtualService } from './virtual-servers.ts';

const SECOND = 1_000_000_000;
/** A fresh entry has so long until its first packet has set its state (ip_vs_conn_new). */
const FIRST_TIMEOUT_NS = 3 * SECOND;
/** One that is still needed when its time has run out stays so much longer (ip_vs_conn_expire). */
const STILL_NEEDED_NS = 60 * SECOND;
/** The port that a template set aside gets, so that no client finds it (ip_vs_check_template). */
const SET_ASIDE_PORT = 65_535;

export interface IpvsAddressing {
  readonly protocol: 'tcp' | 'udp';
  readonly client: Ipv4;
  readonly clientPort: number;
  readonly virtual: Ipv4;
  readonly virtualPort: number;
}

/** An entry of the table: a connection and the server it goes to, or a template (Linux: struct ip_vs_conn). */
export class IpvsConnection {
  readonly id: number;
  readonly protocol: 'tcp' | 'udp';
  readonly client: Ipv4;
  readonly clientPort: number;
  readonly virtual: Ipv4;
  virtualPort: number;
  readonly real: Ipv4;
  realPort: number;
  readonly service: VirtualService;
  readonly destination: Destination;
  readonly template: boolean;
  /** The template that it came by. */
  readonly control: IpvsConnection | undefined;
  /** Entries that came by this template and are in the table. */
  controlled = 0;
  /** IP_VS_CONN_F_NFCT: conntrack follows it, and its entry goes with this one. */
  tracked: boolean;
  tcpState: IpvsTcpState = 'NONE';
  /** Of a template: one of its connections got through (IP_VS_CTPL_S_ASSURED). */
  assured = false;
  active = false;
  timeoutNs = FIRST_TIMEOUT_NS;
  expiresNs = 0;
  timer: Timer | undefined = undefined;

  constructor(
    id: number,
    addressing: IpvsAddressing,
    service: VirtualService,
    destination: Destination,
    kind: { readonly template: boolean; readonly control: IpvsConnection | undefined; readonly tracked: boolean },
  ) {
    this.id = id;
    this.protocol = addressing.protocol;
    this.client = addressing.client;
    this.clientPort = addressing.clientPort;
    this.virtual = addressing.virtual;
    this.virtualPort = addressing.virtualPort;
    this.service = service;
    this.destination = destination;
    this.real = destination.address as Ipv4;
    this.realPort = destination.port;
    this.template = kind.template;
    this.control = kind.control;
    this.tracked = kind.tracked;
  }

  /** As `ipvsadm -Lnc` names it (ip_vs_state_name). */
  get state(): string {
    if (this.template) return this.assured ? 'ASSURED' : 'NONE';
    return this.protocol === 'udp' ? 'UDP' : this.tcpState;
  }

  view(): IpvsConnectionView {
    return {
      id: this.id,
      protocol: this.protocol,
      client: { address: this.client, port: this.clientPort },
      virtual: { address: this.virtual, port: this.virtualPort },
      real: { address: this.real, port: this.realPort },
      state: this.state,
      template: this.template,
      active: this.active,
      expiresNs: this.expiresNs,
    };
  }
}

interface Owner {
  readonly lab: LabContext;
  /** Entries have run out, or were kept although their time had. */
  expired(removed: readonly IpvsConnection[], kept: readonly IpvsConnection[]): void;
}

/**
 * The table of connections (net/netfilter/ipvs/ip_vs_conn.c): by client, since both directions of a
 * connection have its address and port. Where several match, the newest counts.
 */
export class ConnectionTable {
  private readonly owner: Owner;
  private readonly byClient = new Map<number, IpvsConnection[]>();
  private ids = 0;

  constructor(owner: Owner) {
    this.owner = owner;
  }

  /** A new entry, counted with its server; a template has client port 0. With `hashed` false it is in no table: one packet, and that is all. */
  create(
    addressing: IpvsAddressing,
    service: VirtualService,
    destination: Destination,
    kind: { readonly template: boolean; readonly control: IpvsConnection | undefined; readonly tracked: boolean },
    hashed = true,
  ): IpvsConnection {
    const connection = new IpvsConnection(++this.ids, addressing, service, destination, kind);
    if (!hashed) return connection;
    if (connection.template) destination.persistent++;
    else destination.inactive++;
    if (connection.control) connection.control.controlled++;
    this.hash(connection);
    return connection;
  }

  /** The entry of a packet from a client to a virtual server (ip_vs_conn_in_get). */
  ofRequest({ protocol, client, clientPort, virtual, virtualPort }: IpvsAddressing): IpvsConnection | undefined {
    return this.bucket(protocol, client, clientPort)?.find((c) => c.virtual === virtual && c.virtualPort === virtualPort);
  }

  /** The entry of a packet from a real server to a client (ip_vs_conn_out_get). */
  ofReply(protocol: 'tcp' | 'udp', real: Ipv4, realPort: number, client: Ipv4, clientPort: number): IpvsConnection | undefined {
    return this.bucket(protocol, client, clientPort)?.find((c) => c.real === real && c.realPort === realPort && !c.template);
  }

  /** Sets an entry's time anew (ip_vs_conn_put). */
  touch(connection: IpvsConnection): void {
    const { sim } = this.owner.lab;
    connection.expiresNs = sim.nowNs + connection.timeoutNs;
    const { timer } = connection;
    // A timer that fires too early looks again then: most entries are refreshed many times.
    if (timer && !timer.done && timer.timeNs <= connection.expiresNs) return;
    sim.cancel(timer);
    connection.timer = sim.schedule(connection.timeoutNs, fire, this as ConnectionTable, connection, true);
  }

  /** Counts an entry among the active ones of its server, or the others. */
  setActive(connection: IpvsConnection, active: boolean): void {
    if (connection.active === active) return;
    connection.active = active;
    connection.destination.active += active ? 1 : -1;
    connection.destination.inactive += active ? -1 : 1;
  }

  /** Lets an entry go as soon as the present packet is dealt with (ip_vs_conn_expire_now). */
  expireSoon(connection: IpvsConnection): void {
    const { sim } = this.owner.lab;
    sim.cancel(connection.timer);
    connection.expiresNs = sim.nowNs;
    connection.timer = sim.schedule(0, fire, this as ConnectionTable, connection, true);
  }

  /** The template's server takes no more connections: no client shall find it (ip_vs_check_template). */
  setAside(template: IpvsConnection): void {
    template.virtualPort = SET_ASIDE_PORT;
    template.realPort = SET_ASIDE_PORT;
  }

  /** Removes every entry whose server is gone, and templates that then lead nowhere (ip_vs_expire_nodest_conn_flush). */
  removeWithoutServer(): void {
    const removed: IpvsConnection[] = [];
    for (const connection of this.all()) {
      if (connection.destination.available || connection.controlled > 0) continue;
      this.unhash(connection);
      removed.push(connection);
      const { control } = connection;
      if (!control || control.controlled > 0) continue;
      this.unhash(control);
      removed.push(control);
    }
    if (removed.length > 0) this.owner.expired(removed, []);
  }

  all(): IpvsConnection[] {
    return [...this.byClient.values()].flat();
  }

  /** What the timer of an entry does (ip_vs_conn_expire). */
  expire(connection: IpvsConnection): void {
    const { sim } = this.owner.lab;
    connection.timer = undefined;
    if (connection.expiresNs > sim.nowNs) {
      connection.timer = sim.schedule(connection.expiresNs - sim.nowNs, fire, this as ConnectionTable, connection, true);
      return;
    }
    if (connection.controlled > 0) {
      connection.timeoutNs = STILL_NEEDED_NS;
      this.touch(connection);
      this.owner.expired([], [connection]);
      return;
    }
    this.unhash(connection);
    this.owner.expired([connection], []);
  }

  private hash(connection: IpvsConnection): void {
    const key = clientKey(connection.protocol, connection.client, connection.clientPort);
    const bucket = this.byClient.get(key);
    if (bucket) bucket.unshift(connection);
    else this.byClient.set(key, [connection]);
  }

  /** Takes an entry out of the table and out of the counts. */
  private unhash(connection: IpvsConnection): void {
    const key = clientKey(connection.protocol, connection.client, connection.clientPort);
    const bucket = this.byClient.get(key);
    const at = bucket?.indexOf(connection) ?? -1;
    if (!bucket || at < 0) return;
    if (bucket.length === 1) this.byClient.delete(key);
    else bucket.splice(at, 1);
    this.owner.lab.sim.cancel(connection.timer);
    connection.timer = undefined;
    const { destination, control } = connection;
    if (connection.template) destination.persistent--;
    else if (connection.active) destination.active--;
    else destination.inactive--;
    if (control) control.controlled--;
  }

  private bucket(protocol: 'tcp' | 'udp', client: Ipv4, port: number): readonly IpvsConnection[] | undefined {
    return this.byClient.get(clientKey(protocol, client, port));
  }
}

function fire(table: ConnectionTable, connection: IpvsConnection): void {
  table.expire(connection);
}

/** Address, port and protocol in one exact number. */
const clientKey = (protocol: 'tcp' | 'udp', client: Ipv4, port: number): number =>
  (client * 65_536 + port) * 2 + (protocol === 'udp' ? 1 : 0);
