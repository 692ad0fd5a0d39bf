import type { Result } from '../../base/result.ts';
import { err, ok } from '../../base/result.ts';
import type { Ipv4 } from '../../protocol/address.ts';
import type { IpvsConnectionView, IpvsServerView, IpvsStep } from '../../protocol/event.ts';
import {
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
  ipv4Length,
  TCP_SYN,
  UNREACH_FRAG_NEEDED,
  UNREACH_HOST,
  UNREACH_PORT,
} from '../../protocol/packet.ts';
import { ConntrackEntry, CT_REPLY, CT_UNTRACKED } from '../conntrack/entry.ts';
import { sendIcmpError } from '../ip/icmp.ts';
import type { IpvsTables, Netns } from '../ip/netns.ts';
import { finishOutput, passHook } from '../ip/output.ts';
import type { Skb } from '../link/skb.ts';
import {
  type HookState,
  type HookVerdict,
  NF_ACCEPT,
  NF_DROP,
  NF_STOLEN,
  PRIORITY_NAT_DESTINATION,
  PRIORITY_NAT_SOURCE,
} from '../netfilter/hooks.ts';
import { ConnectionTable, type IpvsAddressing, type IpvsConnection } from './connections.ts';
import type { Destination } from './destination.ts';
import type { IpvsCommand, IpvsTimeouts, VirtualServer, VirtualServerKey } from './model.ts';
import {
  addressing,
  type Balanced,
  errorToClient,
  errorToServer,
  isBalanced,
  isQuotingError,
  type QuotingError,
  toClient,
  toServer,
} from './rewrite.ts';
import { isActive, nextIpvsTcpState, TCP_TIMEOUT_SECONDS } from './tcp-states.ts';
import { type IpvsRefusal, VirtualServers, type VirtualService } from './virtual-servers.ts';

const SECOND = 1_000_000_000;
const JIFFY_NS = 4_000_000;
/** At most so many virtual servers are in a view. */
const LISTED_SERVERS_MAX = 250;
/** From this port FTP servers open data connections; such packets are never given to a server (ip_vs_schedule, FTPDATA). */
const FTP_DATA_PORT = 20;

type Choice = NonNullable<IpvsStep['chosenBy']>;

/**
 * IPVS of one network namespace (net/netfilter/ipvs/ip_vs_core.c, Linux 6.1): virtual servers, the table
 * of connections, and the functions at the hooks. It takes packets at INPUT (and, of processes of the
 * namespace itself, at OUTPUT) after all filtering, and sends them on through OUTPUT and POSTROUTING; answers
 * get the virtual address back at the end of FORWARD, or at INPUT.
 *
 * Forwarding is by masquerading only; FTP and SCTP helpers, thresholds and synchronization are left out.
 */
export class Ipvs implements IpvsTables {
  private readonly netns: Netns;
  private readonly virtualServers = new VirtualServers();
  private readonly table: ConnectionTable;
  private timeouts: IpvsTimeouts = { tcp: TCP_TIMEOUT_SECONDS.ESTABLISHED, tcpFin: TCP_TIMEOUT_SECONDS.FIN_WAIT, udp: 300 };
  private hooked = false;
  private sweepPending = false;

  constructor(netns: Netns) {
    this.netns = netns;
    this.table = new ConnectionTable({ lab: netns.lab, expired: (removed, kept) => this.expired(removed, kept) });
    netns.ipvs = this;
  }

  /** Carries out commands in order; stops at the first that is refused, and says which that is. */
  apply(commands: readonly IpvsCommand[]): Result<undefined, IpvsRefusal & { readonly index: number }> {
    const { lab } = this.netns;
    let refused: (IpvsRefusal & { readonly index: number }) | undefined;
    let changed = false;
    for (const [index, command] of commands.entries()) {
      if (command.type === 'setTimeouts') {
        this.setTimeouts(command.timeouts);
        continue;
      }
      const applied = this.virtualServers.apply(command, lab.sim.nowNs);
      if (!applied.ok) {
        refused = { ...applied.error, index };
        break;
      }
      changed = true;
      if (applied.value === 'serverRemoved') this.sweepSoon();
    }
    if (changed) {
      this.register();
      if (lab.recorder.on)
        lab.recorder.fact('ipvsServersChanged', this.netns.id, undefined, { servers: this.serverViews(), serverCount: this.serverCount });
    }
    return refused ? err(refused) : ok(undefined);
  }

  /** All virtual servers, as `ipvsadm -Sn` orders them. */
  servers(): VirtualServer[] {
    return this.virtualServers.list();
  }

  /** Every entry of the table, by age; the oldest first. */
  connections(): IpvsConnectionView[] {
    return this.table
      .all()
      .sort((a, b) => a.id - b.id)
      .map((connection) => connection.view());
  }

  /** `ActiveConn`, `InActConn` and `PersistConn` of a real server. */
  connectionCounts(
    server: VirtualServerKey,
    real: Pick<Destination, 'address' | 'port'>,
  ): { active: number; inactive: number; persistent: number } {
    const found = this.virtualServers.destinationsOf(server).find((d) => d.address === real.address && d.port === real.port);
    return { active: found?.active ?? 0, inactive: found?.inactive ?? 0, persistent: found?.persistent ?? 0 };
  }

  get serverCount(): number {
    return this.virtualServers.size;
  }

  serverViews(): IpvsServerView[] {
    return this.virtualServers.views(LISTED_SERVERS_MAX);
  }

  connectionViews(): IpvsConnectionView[] {
    return this.connections();
  }

  currentTimeouts(): IpvsTimeouts {
    return this.timeouts;
  }

  /** ip_vs_ops4: the functions come with the first virtual server, and stay. */
  private register(): void {
    if (this.hooked) return;
    this.hooked = true;
    const replies = (skb: Skb, state: HookState): HookVerdict => this.replies(skb, state);
    const requests = (skb: Skb, state: HookState): HookVerdict => this.requests(skb, state);
    const errors = (skb: Skb, state: HookState): HookVerdict => this.forwardedErrors(skb, state);
    this.netns.hooks.set('ipvs', [
      { hook: 'INPUT', priority: PRIORITY_NAT_SOURCE - 2, run: replies },
      { hook: 'INPUT', priority: PRIORITY_NAT_SOURCE - 1, run: requests },
      { hook: 'OUTPUT', priority: PRIORITY_NAT_DESTINATION + 1, run: replies },
      { hook: 'OUTPUT', priority: PRIORITY_NAT_DESTINATION + 2, run: requests },
      { hook: 'FORWARD', priority: 99, run: errors },
      { hook: 'FORWARD', priority: 100, run: replies },
    ]);
  }

  /** ip_vs_out_hook: an answer of a real server gets the virtual address back as its source. */
  private replies(skb: Skb, state: HookState): HookVerdict {
    if (skb.ipvsDone || skb.payload.type !== 'ipv4') return NF_ACCEPT;
    const ip = skb.payload;
    if (isBalanced(ip)) {
      const { type, srcPort, dstPort } = ip.payload;
      const connection = this.ofReply(skb, type, ip.src, srcPort, ip.dst, dstPort);
      if (!connection) return NF_ACCEPT;
      const after = toClient(ip, connection);
      this.advance(connection, ip, 'toClient');
      this.table.touch(connection);
      this.backToClient(skb, state, connection, ip, after);
    } else if (isQuotingError(ip)) {
      // The quoted packet went to the server, so its addresses are the other way round.
      const { src, dst, payload } = ip.payload.quote;
      const connection = this.ofReply(skb, payload.type, dst, payload.dstPort, src, payload.srcPort);
      if (connection) this.backToClient(skb, state, connection, ip, errorToClient(ip, connection));
    }
    return NF_ACCEPT;
  }

  private ofReply(skb: Skb, protocol: 'tcp' | 'udp', real: Ipv4, realPort: number, client: Ipv4, port: number): IpvsConnection | undefined {
    this.countLookup(skb);
    return this.table.ofReply(protocol, real, realPort, client, port);
  }

  private backToClient(
    skb: Skb,
    state: HookState,
    connection: IpvsConnection,
    before: Balanced | QuotingError,
    after: Balanced | QuotingError,
  ): void {
    skb.payload = after;
    skb.ipvsDone = true;
    this.updateConntrack(skb, connection, 'toClient');
    this.note(skb, state, connection, { verdict: 'toClient', chosenBy: 'connection', before, after });
  }

  /** ip_vs_in_hook: a packet for a virtual server goes to the real server of its connection, or of the scheduler's choice. */
  private requests(skb: Skb, state: HookState): HookVerdict {
    if (skb.ipvsDone || skb.payload.type !== 'ipv4') return NF_ACCEPT;
    const ip = skb.payload;
    if (!isBalanced(ip)) return isQuotingError(ip) ? this.errorOfClient(skb, state, ip) : NF_ACCEPT;
    const wanted: IpvsAddressing = {
      protocol: ip.payload.type,
      client: ip.src,
      clientPort: ip.payload.srcPort,
      virtual: ip.dst,
      virtualPort: ip.payload.dstPort,
    };
    this.countLookup(skb);
    let connection = this.table.ofRequest(wanted);
    let chosenBy: Choice = 'connection';
    if (connection) {
      const held = this.held(skb, ip, connection);
      if (held === 'drop') {
        const gone = !connection.destination.available;
        this.note(skb, state, connection, { verdict: 'dropped', chosenBy, before: ip, after: undefined });
        this.netns.lab.drop(this.netns.id, state.inDevice ?? state.outDevice, skb, gone ? 'ipvsServerGone' : 'ipvsReuse', undefined);
        return NF_DROP;
      }
      if (held === 'anew') connection = undefined;
    }
    if (!connection) {
      const scheduled = this.schedule(skb, state, ip, wanted);
      if (typeof scheduled === 'number') return scheduled;
      ({ connection, chosenBy } = scheduled);
    }
    this.advance(connection, ip, 'toServer');
    if (!connection.service.settings.onePacket) this.table.touch(connection);
    const target = connection;
    return this.transmit(skb, state, target, chosenBy, ip, (ttl) => toServer(ip, target, ttl));
  }

  /** Whether an entry still holds for a packet: `anew` gives the packet a new one, as to a client port that is used again. */
  private held(skb: Skb, ip: Balanced, connection: IpvsConnection): 'holds' | 'anew' | 'drop' {
    const { sysctls } = this.netns;
    const { destination } = connection;
    const expireNoServer = (): boolean => sysctls.get('net.ipv4.vs.expire_nodest_conn') === 1;
    // Conntrack knows the old connection as well: a new one must wait until that is gone (ip_vs_conn_uses_old_conntrack).
    const oldConntrack = (): boolean => connection.tracked && skb.ct instanceof ConntrackEntry && skb.ct.confirmed;
    if (ip.payload.type === 'tcp' && ip.payload.flags & TCP_SYN) {
      const resting = destination.weight === 0 && expireNoServer();
      const closed = connection.tcpState === 'TIME_WAIT' || connection.tcpState === 'CLOSE';
      if (resting || (closed && !connection.control && sysctls.get('net.ipv4.vs.conn_reuse_mode') !== 0))
        return this.giveUp(connection, oldConntrack());
    }
    if (destination.available) return 'holds';
    return expireNoServer() ? this.giveUp(connection, oldConntrack()) : 'drop';
  }

  private giveUp(connection: IpvsConnection, oldConntrack: boolean): 'anew' | 'drop' {
    if (!oldConntrack) connection.tracked = false;
    this.table.expireSoon(connection);
    return oldConntrack ? 'drop' : 'anew';
  }

  /** tcp_conn_schedule, udp_conn_schedule, ip_vs_schedule: the first packet of a connection. */
  private schedule(
    skb: Skb,
    state: HookState,
    ip: Balanced,
    wanted: IpvsAddressing,
  ): { readonly connection: IpvsConnection; readonly chosenBy: Choice } | HookVerdict {
    if (ip.payload.type === 'tcp' && !(ip.payload.flags & TCP_SYN)) return NF_ACCEPT;
    this.countLookup(skb);
    const service = this.virtualServers.find(wanted.protocol, wanted.virtual, wanted.virtualPort);
    if (!service || wanted.clientPort === FTP_DATA_PORT) return NF_ACCEPT;
    if ((state.inDevice === undefined || state.inDevice === 'lo') && this.isReplyOfLocalServer(wanted)) return NF_ACCEPT;
    const persistent = service.settings.persistenceSeconds !== undefined;
    const known = persistent ? this.template(service, wanted) : undefined;
    const destination = known?.destination ?? this.choose(service, wanted);
    if (!destination) return this.refuse(skb, state, ip, service);
    const tracked = this.netns.sysctls.get('net.ipv4.vs.conntrack') === 1;
    const control = persistent ? (known ?? this.newTemplate(service, wanted, destination, tracked)) : undefined;
    if (control) this.table.touch(control);
    const kind = { template: false, control, tracked };
    const connection = this.table.create(wanted, service, destination, kind, !service.settings.onePacket);
    return { connection, chosenBy: known ? 'template' : 'scheduler' };
  }

  private choose(service: VirtualService, { client, clientPort }: IpvsAddressing): Destination | undefined {
    return service.choose({ source: client, sourcePort: clientPort, nowNs: this.netns.lab.sim.nowNs });
  }

  /** The template by which a client stays with its server; one whose server takes nothing new is set aside (ip_vs_check_template). */
  private template(service: VirtualService, wanted: IpvsAddressing): IpvsConnection | undefined {
    const template = this.table.ofRequest({ ...wanted, clientPort: 0 });
    if (!template || template.service !== service) return undefined;
    const { destination } = template;
    const resting = destination.weight === 0 && this.netns.sysctls.get('net.ipv4.vs.expire_quiescent_template') === 1;
    if (destination.available && !resting) return template;
    this.table.setAside(template);
    this.noteTable([], [template]);
    return undefined;
  }

  private newTemplate(service: VirtualService, wanted: IpvsAddressing, destination: Destination, tracked: boolean): IpvsConnection {
    const kind = { template: true, control: undefined, tracked };
    const template = this.table.create({ ...wanted, clientPort: 0 }, service, destination, kind);
    template.timeoutNs = (service.settings.persistenceSeconds as number) * SECOND;
    return template;
  }

  /** What a server of this namespace answers is no request, although it is addressed to a client that is a virtual server, too. */
  private isReplyOfLocalServer({ protocol, client, clientPort, virtual, virtualPort }: IpvsAddressing): boolean {
    return (
      this.table.ofRequest({ protocol, client: virtual, clientPort: virtualPort, virtual: client, virtualPort: clientPort }) !== undefined
    );
  }

  /** ip_vs_leave: for TCP, too, the answer is "port unreachable", since no TCP has seen the segment. */
  private refuse(skb: Skb, state: HookState, ip: Balanced, service: VirtualService): HookVerdict {
    const { netns } = this;
    const { address, port, scheduler } = service.settings;
    const { recorder } = netns.lab;
    const device = state.inDevice ?? state.outDevice;
    if (recorder.on)
      recorder.packet('ipvs', netns.id, device, skb, {
        verdict: 'refused',
        hook: state.hook,
        virtual: { protocol: ip.payload.type, address, port },
        real: undefined,
        scheduler,
        chosenBy: undefined,
        before: addressing(ip),
        after: undefined,
        quoted: false,
        connections: [],
        removed: [],
      });
    netns.lab.drop(netns.id, device, skb, 'ipvsNoServer', undefined);
    sendIcmpError(netns, skb, ICMP_UNREACHABLE, UNREACH_PORT, 'ipvsNoServer');
    return NF_DROP;
  }

  /** The entry's state after a packet, and with it its time (tcp_state_transition, udp_state_transition). */
  private advance(connection: IpvsConnection, ip: Balanced, direction: 'toServer' | 'toClient'): void {
    const { control } = connection;
    if (ip.payload.type === 'udp') {
      connection.timeoutNs = this.timeouts.udp * SECOND;
      if (direction === 'toClient' && control) control.assured = true;
      return;
    }
    const next = nextIpvsTcpState(connection.tcpState, direction, ip.payload.flags);
    connection.tcpState = next;
    this.table.setActive(connection, isActive(next));
    connection.timeoutNs = this.tcpTimeoutSeconds(next) * SECOND;
    if (next === 'ESTABLISHED' && control) control.assured = true;
  }

  private tcpTimeoutSeconds(state: keyof typeof TCP_TIMEOUT_SECONDS): number {
    if (state === 'ESTABLISHED') return this.timeouts.tcp;
    return state === 'FIN_WAIT' ? this.timeouts.tcpFin : TCP_TIMEOUT_SECONDS[state];
  }

  /** ip_vs_forward_icmp: an error about an answer, on its way to the server. */
  private forwardedErrors(skb: Skb, state: HookState): HookVerdict {
    if (skb.payload.type !== 'ipv4' || !isQuotingError(skb.payload)) return NF_ACCEPT;
    return this.errorOfClient(skb, state, skb.payload);
  }

  /** ip_vs_in_icmp: a client reports that an answer did not arrive; its server shall learn of it. */
  private errorOfClient(skb: Skb, state: HookState, ip: QuotingError): HookVerdict {
    const { src, dst, payload } = ip.payload.quote;
    this.countLookup(skb);
    const connection = this.table.ofRequest({
      protocol: payload.type,
      client: dst,
      clientPort: payload.dstPort,
      virtual: src,
      virtualPort: payload.srcPort,
    });
    if (!connection) return NF_ACCEPT;
    return this.transmit(skb, state, connection, 'connection', ip, (ttl) => errorToServer(ip, connection, ttl));
  }

  /** ip_vs_nat_xmit and __ip_vs_get_out_rt: like a router, then out through OUTPUT and POSTROUTING. */
  private transmit(
    skb: Skb,
    state: HookState,
    connection: IpvsConnection,
    chosenBy: Choice,
    before: Balanced | QuotingError,
    rewrite: (ttl: number) => Balanced | QuotingError,
  ): HookVerdict {
    const { netns } = this;
    const route = netns.fib.lookup(connection.real);
    const out = route?.device;
    const device = netns.device(state.inDevice ?? state.outDevice ?? '');
    const given = (after: Balanced | QuotingError | undefined): void =>
      this.note(skb, state, connection, { verdict: 'toServer', chosenBy, before, after });
    if (route?.view.type === 'local' && state.hook !== 'FORWARD') {
      // The server is here: the packet goes on as it came, only for another socket.
      const after = rewrite(before.ttl);
      skb.payload = after;
      this.markSent(skb, connection);
      given(after);
      return NF_ACCEPT;
    }
    if (!route || !out || route.view.type !== 'unicast') {
      given(undefined);
      netns.drop(skb, device, 'noRoute', undefined);
      sendIcmpError(netns, skb, ICMP_UNREACHABLE, UNREACH_HOST, 'noRoute');
      return NF_STOLEN;
    }
    if (before.src >>> 24 === 127) {
      given(undefined);
      netns.drop(skb, device, 'martianSource', undefined);
      return NF_STOLEN;
    }
    if (before.ttl <= 1) {
      given(undefined);
      netns.drop(skb, device, 'ttlExceeded', undefined);
      sendIcmpError(netns, skb, ICMP_TIME_EXCEEDED, 0, 'ttlExceeded');
      return NF_STOLEN;
    }
    const { mtu } = out.device;
    if (before.dontFragment && before.payload.type !== 'icmp' && ipv4Length(before) > mtu) {
      given(undefined);
      netns.drop(skb, device, 'tooBig', `${ipv4Length(before)} octets, but ${out.device.name} takes ${mtu}`);
      sendIcmpError(netns, skb, ICMP_UNREACHABLE, UNREACH_FRAG_NEEDED, 'tooBig', mtu);
      return NF_STOLEN;
    }
    const after = rewrite(before.ttl - 1);
    skb.payload = after;
    this.markSent(skb, connection);
    given(after);
    const { recorder } = netns.lab;
    const nextHop = route.via ?? connection.real;
    if (recorder.on) {
      recorder.packet('route', netns.id, out.device.name, skb, { destination: connection.real, route: route.view, nextHop, input: false });
      recorder.packet('forward', netns.id, out.device.name, skb, { ttlBefore: before.ttl, ttlAfter: before.ttl - 1 });
    }
    if (passHook(netns, skb, 'OUTPUT', undefined, out.device.name) === NF_ACCEPT) finishOutput(out, nextHop, skb, state.inDevice);
    return NF_STOLEN;
  }

  private markSent(skb: Skb, connection: IpvsConnection): void {
    const { protocol, virtual, virtualPort } = connection;
    skb.ipvsDone = true;
    skb.ipvsServer = { protocol: protocol === 'tcp' ? 6 : 17, address: virtual, port: virtualPort };
    this.updateConntrack(skb, connection, 'toServer');
  }

  /**
   * ip_vs_nat_send_or_cont: with net.ipv4.vs.conntrack the new entry learns where answers will come
   * from (ip_vs_nfct.c, ip_vs_update_conntrack); without it conntrack forgets the packet (ip_vs_notrack).
   */
  private updateConntrack(skb: Skb, connection: IpvsConnection, direction: 'toServer' | 'toClient'): void {
    const entry = skb.ct;
    if (!connection.tracked) {
      if (entry === undefined) return;
      skb.ct = undefined;
      skb.ctInfo = CT_UNTRACKED;
      return;
    }
    if (!(entry instanceof ConntrackEntry) || entry.confirmed || skb.ctInfo & CT_REPLY || connection.service.settings.onePacket) return;
    const icmp = entry.reply.protocol === 1;
    if (direction === 'toServer') entry.reply = { ...entry.reply, src: connection.real, ...(icmp ? {} : { srcPort: connection.realPort }) };
    else entry.reply = { ...entry.reply, dst: connection.virtual, ...(icmp ? {} : { dstPort: connection.virtualPort }) };
  }

  private setTimeouts({ tcp, tcpFin, udp }: IpvsTimeouts): void {
    this.timeouts = { tcp: tcp || this.timeouts.tcp, tcpFin: tcpFin || this.timeouts.tcpFin, udp: udp || this.timeouts.udp };
  }

  /** ip_vs_enqueue_expire_nodest_conns: a tick after a server has gone, so have its connections, where that is wanted. */
  private sweepSoon(): void {
    if (this.sweepPending) return;
    this.sweepPending = true;
    this.netns.lab.sim.schedule(JIFFY_NS, sweep, this as Ipvs, undefined, true);
  }

  sweepNow(): void {
    this.sweepPending = false;
    if (this.netns.sysctls.get('net.ipv4.vs.expire_nodest_conn') === 1) this.table.removeWithoutServer();
  }

  private expired(removed: readonly IpvsConnection[], kept: readonly IpvsConnection[]): void {
    for (const { tracked, template, protocol, client, clientPort, virtual, virtualPort } of removed) {
      if (!tracked || template) continue;
      const number = protocol === 'tcp' ? 6 : 17;
      this.netns.conntrack?.kill({ src: client, dst: virtual, protocol: number, srcPort: clientPort, dstPort: virtualPort });
    }
    this.noteTable(removed, kept);
  }

  private countLookup(skb: Skb): void {
    const note = this.netns.lab.flowNotes.get(skb.flow);
    if (note) note.lookups++;
  }

  private note(
    skb: Skb,
    state: HookState,
    connection: IpvsConnection,
    step: {
      readonly verdict: 'toServer' | 'toClient' | 'dropped';
      readonly chosenBy: Choice;
      readonly before: Balanced | QuotingError;
      readonly after: Balanced | QuotingError | undefined;
    },
  ): void {
    const { recorder } = this.netns.lab;
    if (!recorder.on) return;
    const { protocol, virtual, virtualPort, real, realPort, service, control } = connection;
    const { onePacket, scheduler } = service.settings;
    recorder.packet('ipvs', this.netns.id, state.hook === 'OUTPUT' ? state.outDevice : state.inDevice, skb, {
      verdict: step.verdict,
      hook: state.hook,
      virtual: { protocol, address: virtual, port: virtualPort },
      real: { address: real, port: realPort },
      scheduler,
      chosenBy: step.chosenBy,
      before: addressing(step.before),
      after: step.after && addressing(step.after),
      quoted: step.before.payload.type === 'icmp',
      connections: onePacket ? [] : [connection.view(), ...(control ? [control.view()] : [])],
      removed: [],
    });
  }

  private noteTable(removed: readonly IpvsConnection[], changed: readonly IpvsConnection[]): void {
    const { recorder } = this.netns.lab;
    if (!recorder.on) return;
    recorder.fact('ipvs', this.netns.id, undefined, {
      verdict: 'expired',
      hook: undefined,
      virtual: undefined,
      real: undefined,
      scheduler: undefined,
      chosenBy: undefined,
      before: undefined,
      after: undefined,
      quoted: false,
      connections: changed.map((connection) => connection.view()),
      removed: removed.map(({ id }) => id),
    });
  }
}

function sweep(ipvs: Ipvs): void {
  ipvs.sweepNow();
}
