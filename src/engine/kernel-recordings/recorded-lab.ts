import { type Cidr, formatIp, formatMac, type Ipv4, type Mac, parseCidr, parseIpv4, parseMac, ZERO_MAC } from '../../protocol/address.ts';
import type { ConntrackTuple, IpvsConnectionView, LabEvent, RouteType } from '../../protocol/event.ts';
import { type Ipv4Packet, ipv4Length, TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN, TCP_URG } from '../../protocol/packet.ts';
import { Conntrack } from '../conntrack/table.ts';
import { BridgeNetfilter } from '../ip/bridge-netfilter.ts';
import type { InetDevice } from '../ip/inet-device.ts';
import { NamespaceRules } from '../ip/namespace-rules.ts';
import { Netns } from '../ip/netns.ts';
import { Ipvs } from '../ipvs/ipvs.ts';
import { parseCommands } from '../ipvs/parse.ts';
import { Bridge } from '../link/bridge.ts';
import { Dummy, LinkEnd } from '../link/device.ts';
import { VETH_DELAY_NS } from '../link/timing.ts';
import { restoreSets } from '../netfilter/ipset-text.ts';
import { LabContext } from '../sim/lab-context.ts';
import { endpointText } from '../socket/demux.ts';
import type { TcpConnection } from '../socket/tcp-connection.ts';
import { IpvsMarks, type Mark } from './ipvs-marks.ts';
import { type HookWalks, engineWalks, recordedDraws, type RecordedPath, withoutRandomPorts } from './netfilter-path.ts';
import { Stack } from '../workload/stack.ts';

/** The form of the recordings; only what is read here. */
export interface Recording {
  readonly id: string;
  /** `uname -r` of the recording kernel, where it is not Linux 6.18. */
  readonly kernel?: string;
  readonly spec: LabSpec;
  readonly probes: readonly RecordedProbe[];
}

interface LabSpec {
  readonly namespaces: Readonly<Record<string, { readonly sysctl?: Readonly<Record<string, string>>; readonly iptables?: readonly string[]; readonly nft?: readonly string[]; readonly ipset?: readonly string[]; readonly ipvs?: readonly string[] }>>;
  readonly links: readonly LinkSpec[];
  readonly routes?: readonly RouteSpec[];
  readonly servers?: readonly ServerSpec[];
  readonly probes: readonly ProbeSpec[];
}

interface EndSpec { readonly ns: string; readonly name: string; readonly mac: string; readonly addr?: readonly string[]; readonly master?: string; readonly hairpin?: boolean }
type LinkSpec = (EndSpec & { readonly type: 'bridge' }) | { readonly type: 'dummy'; readonly ns: string; readonly name: string; readonly addr?: readonly string[] } | { readonly type: 'veth'; readonly a: EndSpec; readonly b: EndSpec };
interface RouteSpec { readonly ns: string; readonly op?: string; readonly args?: readonly string[]; readonly dst: string; readonly via?: string; readonly dev?: string }
interface ServerSpec { readonly ns: string; readonly proto: 'tcp' | 'udp'; readonly port: number; readonly name?: string; readonly addr?: string }
interface Action { readonly sleep?: number; readonly sysctl?: readonly [string, string, string]; readonly exec?: readonly string[]; readonly route?: RouteSpec; readonly iptables?: readonly [string, readonly string[]]; readonly ipvs?: readonly [string, readonly string[]]; readonly 'ipvs-last'?: readonly [string, string]; readonly 'close-held'?: true }

export interface ProbeSpec {
  readonly name: string;
  readonly kind: 'tcp' | 'udp' | 'ping' | 'tcp-many' | 'udp-many' | 'none';
  readonly from: string;
  readonly to: string;
  readonly state?: 'cold' | 'warm';
  readonly full?: boolean;
  readonly ttl?: number;
  readonly timeout?: number;
  readonly before?: readonly Action[];
  readonly after?: readonly Action[];
  readonly during?: readonly Action[];
  readonly sport?: number;
  readonly send?: number;
  readonly count?: number;
  readonly bind?: string;
  /** Source addresses in turn. */
  readonly binds?: readonly string[];
  readonly keep_open?: boolean;
  /** Seconds between queries. */
  readonly pause?: number;
  /** Seconds that nothing happens. */
  readonly wait?: number;
  /** All entries of the IPVS table were recorded, not only new ones. */
  readonly all_conns?: boolean;
}

/** An entry of the IPVS table; `unchanged` counts those that are left out. */
export interface RecordedIpvsEntry {
  readonly proto: string;
  readonly client: string;
  readonly virtual: string;
  readonly real: string;
  readonly state: string;
  readonly expires: number;
  readonly unchanged?: number;
}

type RecordedIpvsTables = Readonly<Record<string, readonly RecordedIpvsEntry[]>>;

export interface Hop {
  readonly t?: number;
  readonly ns: string;
  readonly if: string;
  readonly dir: 'in' | 'out';
  readonly pkt: string;
  readonly mac?: string;
  readonly ttl?: number;
  readonly ipid?: number;
  readonly df?: boolean;
  readonly len?: number;
  readonly otherhost?: boolean;
}

export interface RecordedProbe {
  readonly name: string;
  readonly outcome: Readonly<Record<string, unknown>> & { readonly result: string };
  readonly hops?: readonly Hop[];
  readonly netfilter?: readonly RecordedPath[];
  readonly hops_omitted_after_handshake?: Readonly<Record<string, number>>;
  readonly fdb?: Readonly<Record<string, readonly string[]>>;
  readonly neigh?: Readonly<Record<string, readonly string[]>>;
  readonly conntrack_open?: Readonly<Record<string, readonly { readonly proto: string; readonly orig: string; readonly reply: string; readonly state?: string; readonly flags?: readonly string[] }[]>>;
  readonly ipvs_open?: RecordedIpvsTables;
  readonly ipvs_after?: RecordedIpvsTables;
  readonly ipvs_services?: Readonly<Record<string, Readonly<Record<string, { readonly scheduler: string; readonly real: readonly string[] }>>>>;
}

const SECOND = 1_000_000_000;
const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const prefix = (text: string): Cidr => (text === 'default' ? { address: 0 as Ipv4, length: 0 } : (parseCidr(text) ?? { address: ip(text), length: 32 }));

interface Outcome {
  result: string;
  errno?: string;
  servedBy?: string;
  perEndpoint?: Readonly<Record<string, number>>;
  /** Who answered, one probe after the other; `-` for nobody. */
  sequence?: string[];
  failures?: Record<string, number>;
  /** The client's address as the server saw it, and how often; of a single probe with its port. */
  serverSeesSource?: Record<string, number>;
  serverSeesPeer?: string;
}

interface ProbeResult {
  readonly hops: Hop[];
  readonly walks: HookWalks;
  readonly outcome: Outcome;
  readonly conntrack: Record<string, string[]>;
  readonly fdb: Record<string, string[]>;
  readonly neigh: Record<string, string[]>;
  readonly marks: readonly Mark[];
  readonly ipvs: { readonly before: IpvsTables; readonly open: IpvsTables; readonly after: IpvsTables };
}

/** By namespace, what `ipvsadm -Lnc` lists, and when that was. */
interface IpvsTables { readonly nowNs: number; readonly entries: ReadonlyMap<string, readonly IpvsConnectionView[]> }

const NOTHING = { hops: [], walks: new Map(), conntrack: {}, fdb: {}, neigh: {}, marks: [] };

/** A recorded lab rebuilt on the engine: the same namespaces, links, addresses and routes, and the same probes. */
export class RecordedLab {
  readonly lab = new LabContext(7);
  private readonly netns = new Map<string, Netns>();
  private readonly stacks = new Map<string, Stack>();
  private readonly bridges = new Map<string, Bridge>();
  private sourcePort = 40_000;
  /** Ports that are not made by chance. */
  readonly knownPorts = new Set<number>();
  private readonly ruleLines = new Map<string, readonly string[]>();
  /** What chance shall decide, as it did in the recording; afterwards the lab's own random streams. */
  private draws: (boolean | number)[] = [];
  private readonly ipvs = new Map<string, Ipvs>();
  private readonly marks: IpvsMarks;
  /** Addresses of pods, and who answered last. */
  private readonly addressOf = new Map<string, string>();
  private lastServer = '';
  private held: TcpConnection[] = [];

  constructor(spec: LabSpec, kernel = '6.18') {
    this.marks = new IpvsMarks(flowText);
    for (const [name, { sysctl, iptables, nft, ipset }] of Object.entries(spec.namespaces)) {
      const netns = new Netns(this.lab, name, 'host');
      this.netns.set(name, netns);
      this.stacks.set(name, new Stack(netns));
      // In Linux 6.18 the first SYN retransmissions are a second apart, in 6.1 they were not yet.
      if (!kernel.startsWith('6.1.')) netns.sysctls.set('net.ipv4.tcp_syn_linear_timeouts', '4');
      for (const [key, value] of Object.entries(sysctl ?? {})) this.sysctl(name, key, value);
      for (const line of ipset ?? []) this.ipset(netns, line);
      if (iptables) this.loadRules(netns, 'iptables', iptables);
      if (iptables && ipset) this.marks.register(netns);
      if (nft) this.loadRules(netns, 'nft', nft);
    }
    for (const end of spec.servers ?? []) this.knownPorts.add(end.port);
    for (const probe of spec.probes) if (probe.to.includes(':')) this.knownPorts.add(Number(probe.to.split(':')[1]));
    for (const link of spec.links) this.link(link);
    for (const route of spec.routes ?? []) this.route(route);
    for (const server of spec.servers ?? []) this.serve(server);
    for (const [name, { ipvs }] of Object.entries(spec.namespaces)) if (ipvs) this.ipvsadm(name, ipvs);
    for (const link of spec.links) if (link.type === 'veth' && link.a.addr?.[0]) this.addressOf.set(link.a.ns, link.a.addr[0].split('/')[0] as string);
    this.lab.recorder.take();
  }

  probe(probe: ProbeSpec, recorded: RecordedProbe): ProbeResult {
    // The recorder looked at all tables after the probe before, on a slow machine.
    if (this.ipvs.size > 0) this.lab.sim.runUntil(this.lab.sim.nowNs + 1 * SECOND, 1_000_000);
    for (const action of probe.before ?? []) this.act(action);
    if ((probe.state ?? 'cold') === 'cold') this.flush();
    // The recorder takes its time, too.
    if (this.ipvs.size > 0) this.lab.sim.runUntil(this.lab.sim.nowNs + 0.05 * SECOND, 1_000_000);
    this.lab.recorder.take();
    this.marks.take();
    const before = this.ipvsTables();
    if (probe.ttl !== undefined && probe.kind === 'tcp') this.sysctl(probe.from, 'net.ipv4.ip_default_ttl', String(probe.ttl));
    this.draws = recordedDraws(recorded.netfilter ?? [], (ns) => this.ruleLines.get(ns) ?? []);
    this.lab.draws = this.scriptedDraws();
    const outcome: Outcome = { result: 'timeout' };
    const startNs = this.lab.sim.nowNs;
    let conntrack: Record<string, string[]> | undefined;
    let open: IpvsTables | undefined;
    const look = (): void => {
      conntrack = this.conntrackLines();
      open = this.ipvsTables();
    };
    const done = (result: string, errno?: string, servedBy?: string, seenAs?: string): void => {
      if (outcome.result !== 'timeout') return;
      outcome.result = result;
      if (errno) outcome.errno = errno;
      if (servedBy) outcome.servedBy = servedBy;
      if (seenAs) outcome.serverSeesPeer = seenAs;
      if (servedBy) this.lastServer = servedBy;
      if (!probe.during && !probe.send) look();
    };
    if (probe.kind === 'tcp-many' || probe.kind === 'udp-many') {
      const counted = probe.kind === 'tcp-many' ? this.many(probe) : this.manyQueries(probe);
      const kept = this.ipvsTables();
      this.lab.sim.runUntil(this.lab.sim.nowNs + 0.15 * SECOND, 1_000_000);
      const after = this.ipvsTables();
      for (const connection of this.held) connection.close();
      this.held = [];
      this.lab.sim.runUntil(this.lab.sim.nowNs + 0.3 * SECOND, 1_000_000);
      this.lab.recorder.take();
      for (const action of probe.after ?? []) this.act(action);
      return { ...NOTHING, outcome: counted, ipvs: { before, open: kept, after } };
    }
    if (probe.kind === 'none') {
      this.lab.sim.runUntil(this.lab.sim.nowNs + ((probe.wait ?? 0.1) + 0.15) * SECOND, 1_000_000);
      const after = this.ipvsTables();
      return { ...NOTHING, outcome: { result: 'observed' }, ipvs: { before, open: after, after } };
    }
    const giveUp = this.start(probe, done, look);
    const limitNs = startNs + ((probe.timeout ?? (probe.kind === 'tcp' ? 1.4 : 0.8)) + (probe.send ? 0.6 : 0)) * SECOND;
    while (this.lab.sim.nowNs < limitNs && (outcome.result === 'timeout' || probe.send !== undefined)) this.lab.sim.runUntil(Math.min(limitNs, this.lab.sim.nowNs + 1_000_000), 1_000_000);
    // The recorder waits a little for stragglers.
    if (outcome.result !== 'timeout') this.lab.sim.runUntil(this.lab.sim.nowNs + 0.2 * SECOND, 1_000_000);
    if (conntrack === undefined) look();
    const after = this.ipvsTables();
    giveUp?.();
    const tables = { fdb: this.fdbLines(), neigh: this.neighbourLines() };
    // Whatever answers are still on their way arrive while nobody looks.
    const events = this.lab.recorder.take();
    const marks = this.marks.take();
    this.lab.sim.runUntil(this.lab.sim.nowNs + 0.3 * SECOND, 1_000_000);
    this.lab.recorder.take();
    for (const action of probe.after ?? []) this.act(action);
    if (probe.ttl !== undefined && probe.kind === 'tcp') this.sysctl(probe.from, 'net.ipv4.ip_default_ttl', '64');
    const walks = engineWalks(events, (e) => (e.frame?.payload.type === 'ipv4' ? flowText(e.frame.payload) : ''), this.knownPortsOf(this.sourcePort));
    return { hops: events.flatMap(hopOf), walks, outcome, conntrack: conntrack ?? {}, ...tables, marks, ipvs: { before, open: open as unknown as IpvsTables, after } };
  }

  /** A port that neither the lab nor the recorder's client chose is made by chance. */
  knownPortsOf(sourcePort: number): ReadonlySet<number> {
    const known = new Set(this.knownPorts);
    for (let port = 40_000; port <= sourcePort; port++) known.add(port);
    for (let port = 50_053; port <= 50_060; port++) known.add(port);
    return known;
  }

  get lastSourcePort(): number {
    return this.sourcePort;
  }

  private scriptedDraws(): LabContext['draws'] {
    const own = new LabContext(11).draws;
    return {
      chance: (numerator) => {
        const next = this.draws.shift();
        return typeof next === 'boolean' ? next : own.chance(numerator);
      },
      pick: (n) => {
        const next = this.draws.shift();
        return typeof next === 'number' && next >= 0 && next < n ? next : own.pick(n);
      },
    };
  }

  /** Many connections one after the other, only counted. */
  private many(probe: ProbeSpec): Outcome {
    this.lab.recorder.on = false;
    const counts: Record<string, number> = {};
    const sequence: string[] = [];
    const failures: Record<string, number> = {};
    const serverSeesSource: Record<string, number> = {};
    for (let i = 0; i < (probe.count ?? 1); i++) {
      const [host, port] = probe.to.split(':');
      const stack = this.stacks.get(probe.from) as Stack;
      let over = false;
      const connection = stack.tcp.connect({
        to: ip(host as string), port: Number(port), process: 'probe', flow: 1, cause: 0,
        ...(probe.binds ? { from: ip(probe.binds[i % probe.binds.length] as string) } : {}),
        ...(probe.sport === undefined ? {} : { localPort: probe.sport + i }),
        handler: {
          received: (c, data) => {
            const [name, seenAs] = data.split(' ') as [string, string];
            counts[name] = (counts[name] ?? 0) + 1;
            const source = seenAs.split(':')[0] as string;
            serverSeesSource[source] = (serverSeesSource[source] ?? 0) + 1;
            sequence[i] = name;
            this.lastServer = name;
            over = true;
            if (probe.keep_open) this.held.push(c);
            else c.close();
          },
          failed: (_c, error) => {
            failures[error] = (failures[error] ?? 0) + 1;
            over = true;
          },
          ended: (c) => c.close(),
        },
      });
      sequence[i] = '-';
      for (let waited = 0; waited < 14 && !over; waited++) this.lab.sim.runUntil(this.lab.sim.nowNs + 0.1 * SECOND, 1_000_000);
      if (typeof connection !== 'string' && connection.state === 'SYN-SENT') connection.close();
    }
    this.lab.recorder.on = true;
    return { result: 'counted', perEndpoint: counts, sequence, failures, serverSeesSource };
  }

  /** Many queries one after the other, each from a socket of its own; with `sport` all from that port. */
  private manyQueries(probe: ProbeSpec): Outcome {
    const stack = this.stacks.get(probe.from) as Stack;
    const [host, portText] = probe.to.split(':');
    const to = { address: ip(host as string), port: Number(portText) };
    const sequence: string[] = [];
    const counts: Record<string, number> = {};
    const failures: Record<string, number> = {};
    for (let i = 0; i < (probe.count ?? 1); i++) {
      if (i > 0 && probe.pause) this.lab.sim.runUntil(this.lab.sim.nowNs + probe.pause * SECOND, 1_000_000);
      let answer: string | undefined;
      const socket = stack.udp.connect(to.address, to.port, 'probe', { received: (_s, data) => void (answer = data.split(' ')[0]), failed: (_s, error) => void (answer = error) }, probe.sport);
      if (typeof socket === 'string') throw new Error(socket);
      answer = stack.udp.send(socket, 'query', to, { flow: 1, direction: 'request', cause: 0 });
      const limitNs = this.lab.sim.nowNs + (probe.timeout ?? 1.5) * SECOND;
      while (answer === undefined && this.lab.sim.nowNs < limitNs) this.lab.sim.runUntil(this.lab.sim.nowNs + 0.01 * SECOND, 1_000_000);
      stack.udp.close(socket, 0);
      sequence.push(answer ?? '-');
      if (answer === undefined) failures.timeout = (failures.timeout ?? 0) + 1;
      else if (this.addressOf.has(answer)) {
        counts[answer] = (counts[answer] ?? 0) + 1;
        this.lastServer = answer;
      } else failures[answer] = (failures[answer] ?? 0) + 1;
    }
    return { result: 'counted', perEndpoint: counts, sequence, failures };
  }

  private ipvsTables(): IpvsTables {
    return { nowNs: this.lab.sim.nowNs, entries: new Map([...this.ipvs].map(([name, ipvs]) => [name, ipvs.connections()])) };
  }

  /** Virtual servers as `ipvsadm -Ln --nosort` lists them: the kernel's order, the newest first. */
  ipvsServers(ns: string, to: string): { line: string; inactive: number; goneSoon: number }[] | undefined {
    const ipvs = this.ipvs.get(ns);
    const server = ipvs?.servers().find((s) => `${s.protocol} ${endpointText(s.address, s.port)}` === to);
    if (!ipvs || !server) return undefined;
    return [...server.realServers].reverse().map((real) => {
      const { active, inactive } = ipvs.connectionCounts(server, real);
      const soon = this.lab.sim.nowNs + 45 * SECOND;
      const goneSoon = ipvs.connections().filter((c) => c.virtual.address === server.address && c.real.address === real.address && !c.active && !c.template && c.expiresNs < soon).length;
      return { line: `${endpointText(real.address, real.port)} Masq weight ${real.weight} active ${active}`, inactive, goneSoon };
    });
  }

  private ipvsadm(ns: string, lines: readonly string[]): void {
    const ipvs = this.ipvs.get(ns) ?? new Ipvs(this.ns(ns));
    this.ipvs.set(ns, ipvs);
    const commands = parseCommands(lines.join('\n'));
    if (!commands.ok) throw new Error(JSON.stringify(commands.error));
    const applied = ipvs.apply(commands.value);
    if (!applied.ok) throw new Error(applied.error.message);
  }

  private ipset(netns: Netns, line: string): void {
    const rules = (netns.rules as NamespaceRules | undefined) ?? new NamespaceRules(netns);
    netns.rules = rules;
    const done = restoreSets(rules.iptables.sets, line);
    if (!done.ok) throw new Error(JSON.stringify(done.error));
  }

  private start(probe: ProbeSpec, done: (result: string, errno?: string, servedBy?: string, seenAs?: string) => void, tables: () => void): (() => void) | undefined {
    const stack = this.stacks.get(probe.from) as Stack;
    const [host, portText] = probe.to.split(':');
    const to = ip(host as string);
    const port = Number(portText ?? 0);
    const localPort = probe.sport ?? ++this.sourcePort;
    const origin = { flow: 1, direction: 'request', cause: 0 } as const;
    const failed = (error: string): void => done(error === 'ECONNREFUSED' ? 'refused' : 'error', error);
    if (probe.kind === 'tcp') {
      const connection = stack.tcp.connect({
        to, port, localPort, process: 'probe', flow: 1, cause: 0,
        ...(probe.bind === undefined ? {} : { from: ip(probe.bind) }),
        handler: {
          // The recorder's client reads the greeting, looks at the tables and closes some 14 ms later.
          received: (c, data) => {
            done('connected', undefined, ...(data.split(' ') as [string, string]));
            const close = (x: TcpConnection): void => {
              tables();
              x.close();
            };
            const during = (x: TcpConnection): void => {
              for (const action of probe.during ?? []) this.act(action);
              const goOn = (y: TcpConnection): void => {
                if (probe.send) y.send('x'.repeat(probe.send));
                this.lab.sim.schedule(probe.send ? 600_000_000 : 9_000_000, close, y, undefined);
              };
              // ipvsadm is a process that has to be started and ended.
              if (this.ipvs.size > 0 && probe.during) this.lab.sim.schedule(10_000_000, goOn, x, undefined);
              else goOn(x);
            };
            this.lab.sim.schedule(5_000_000, during, c, undefined);
          },
          failed: (_c, error) => failed(error),
          ended: (c) => c.close(),
        },
      });
      if (typeof connection === 'string') failed(connection);
      return typeof connection === 'string' ? undefined : () => void (connection.state === 'SYN-SENT' && connection.close());
    }
    if (probe.kind === 'udp') {
      const socket = stack.udp.connect(to, port, 'probe', { received: (_s, data) => done('answered', undefined, ...(data.trim().split(' ') as [string, string])), failed: (_s, error) => failed(error) }, localPort);
      if (typeof socket === 'string') failed(socket);
      else {
        const error = stack.udp.send(socket, 'qqqqq', { address: to, port }, origin);
        if (error) failed(error);
      }
      return typeof socket === 'string' ? undefined : () => stack.udp.close(socket, 0);
    }
    const stop = stack.ping.send({
      to, size: 84, ttl: probe.ttl, dontFragment: false, process: 'ping', origin,
      handler: { replied: () => done('replied'), failed: () => done('icmp-error') },
    });
    if (typeof stop === 'string') failed(stop);
    return typeof stop === 'string' ? undefined : stop;
  }

  private link(link: LinkSpec): void {
    if (link.type === 'bridge') {
      const netns = this.ns(link.ns);
      const bridge = new Bridge(netns, link.name, parseMac(link.mac) as Mac, 1500);
      bridge.hooks = new BridgeNetfilter(netns);
      this.bridges.set(`${link.ns} ${link.name}`, bridge);
      const dev = netns.addBridge(bridge);
      for (const a of link.addr ?? []) netns.addAddress(dev, prefix(a));
      return;
    }
    if (link.type === 'dummy') {
      const netns = this.ns(link.ns);
      const dev = netns.addDevice(new Dummy(netns, link.name, ZERO_MAC));
      for (const a of link.addr ?? []) netns.addAddress(dev, prefix(a));
      return;
    }
    const end = (e: EndSpec): LinkEnd => new LinkEnd(this.ns(e.ns), e.name, 'veth', parseMac(e.mac) as Mac, 1500, VETH_DELAY_NS);
    const a = end(link.a);
    const b = end(link.b);
    LinkEnd.join(a, b);
    for (const [e, device] of [[link.a, a], [link.b, b]] as const) {
      const dev = this.ns(e.ns).addDevice(device);
      if (e.master) (this.bridges.get(`${e.ns} ${e.master}`) as Bridge).addPort(device, e.hairpin ?? false);
      for (const address of e.addr ?? []) this.ns(e.ns).addAddress(dev, prefix(address));
    }
  }

  private route(route: RouteSpec): void {
    const netns = this.ns(route.ns);
    if (route.op === 'del') {
      netns.removeRoute(prefix(route.dst));
      return;
    }
    const type = (route.args?.[0] ?? 'unicast') as RouteType;
    netns.addRoute(prefix(route.dst), { via: route.via === undefined ? undefined : ip(route.via), device: route.dev === undefined ? undefined : netns.device(route.dev), type });
  }

  private serve(server: ServerSpec): void {
    const stack = this.stacks.get(server.ns) as Stack;
    const name = server.name ?? server.ns;
    const address = server.addr === undefined ? (0 as Ipv4) : ip(server.addr);
    if (server.proto === 'udp') {
      stack.udp.bind(address, server.port, name, {
        received: (socket, _data, from) =>
          void stack.udp.send(socket, `${name} ${endpointText(from.address, from.port)}\n`, { address: from.address, port: from.port }, { flow: from.flow, direction: 'reply', cause: from.cause }),
      });
      return;
    }
    const text = (c: TcpConnection): string => `${name} ${endpointText(c.remoteAddress, c.remotePort)} ${endpointText(c.localAddress, c.localPort)}\n`;
    stack.tcp.listen(address, server.port, name, () => ({
      opened: (c) => void this.lab.sim.schedule(300_000, (x: TcpConnection) => x.send(text(x)), c, undefined),
      ended: (c) => void this.lab.sim.schedule(100_000, (x: TcpConnection) => x.close(), c, undefined),
    }));
  }

  private act(action: Action): void {
    if (action.sysctl) this.sysctl(...action.sysctl);
    else if (action.route) this.route(action.route);
    else if (action.iptables) this.loadRules(this.ns(action.iptables[0]), 'iptables', action.iptables[1]);
    else if (action.ipvs) this.ipvsadm(...action.ipvs);
    else if (action['ipvs-last']) this.ipvsadm(action['ipvs-last'][0], [action['ipvs-last'][1].replace('{last}', this.addressOf.get(this.lastServer) as string)]);
    else if (action.exec) this.exec(action.exec);
    else if (action.sleep !== undefined) this.lab.sim.runUntil(this.lab.sim.nowNs + action.sleep * SECOND, 1_000_000);
    else throw new Error(`the action ${JSON.stringify(action)} is not understood`);
  }

  /** What iptables-restore and `nft -f` do; rules that need connection tracking switch it on. */
  private loadRules(netns: Netns, tool: 'iptables' | 'nft', lines: readonly string[]): void {
    this.ruleLines.set(netns.id, lines);
    const rules = (netns.rules as NamespaceRules | undefined) ?? new NamespaceRules(netns);
    netns.rules = rules;
    const loaded = tool === 'iptables' ? rules.restore(lines.join('\n')) : rules.loadNftables(lines.join('\n'));
    if (!loaded.ok) throw new Error(loaded.error);
    const tracked = lines.some((line) => tool === 'nft' || line.startsWith('-A'));
    if (!tracked) {
      netns.hooks.set('conntrack', []);
      netns.conntrack = undefined;
    } else netns.conntrack ??= new Conntrack(netns, netns.hooks);
  }

  private exec([ns, ...words]: readonly string[]): void {
    const netns = this.ns(ns as string);
    const command = words.join(' ');
    const route = /^ip route del (?:blackhole |unreachable )?(\S+)$/.exec(command);
    const gone = /^ip link del (\S+)$/.exec(command);
    const deleted = /^conntrack -D -p udp --orig-dst (\S+) --reply-src (\S+)$/.exec(command);
    const policy = /^iptables -P (\S+) (ACCEPT|DROP)$/.exec(command);
    const link = /^ip link set (\S+) (up|down)$/.exec(command);
    const address = /^ip addr (add|del) (\S+) dev (\S+)$/.exec(command);
    if (command.startsWith('ipset ')) this.ipset(netns, command.slice('ipset '.length));
    else if (address) {
      const dev = netns.device(address[3] as string) as InetDevice;
      if (address[1] === 'add') netns.addAddress(dev, prefix(address[2] as string));
      else netns.removeAddress(dev, prefix(address[2] as string));
    } else if (route) netns.removeRoute(prefix(route[1] as string));
    else if (link) netns.setDeviceUp(netns.device(link[1] as string) as never, link[2] === 'up');
    else if (gone) this.unplug(netns, gone[1] as string);
    else if (command === 'conntrack -F') netns.conntrack?.flush();
    else if (deleted) netns.conntrack?.deleteWhere((e) => e.original.dst === ip(deleted[1] as string) && e.reply.src === ip(deleted[2] as string));
    else if (policy) (netns.rules as NamespaceRules).setPolicy('filter', policy[1] as 'FORWARD', policy[2] as 'ACCEPT' | 'DROP');
    else throw new Error(`the command ${command} is not understood`);
  }

  /** A veth pair that is deleted goes at both ends. */
  private unplug(netns: Netns, name: string): void {
    const device = netns.device(name)?.device;
    if (!device) throw new Error(`there is no device ${name} in ${netns.id}`);
    for (const end of [device.peer, device]) {
      const owner = end && this.ns(end.owner.id);
      const inet = end && owner?.device(end.name);
      if (inet) owner?.setDeviceUp(inet, false);
    }
  }

  private sysctl(ns: string, key: string, value: string): void {
    const result = this.ns(ns).sysctls.set(key, value);
    if (!result.ok) throw new Error(result.error);
  }

  private flush(): void {
    for (const netns of this.netns.values()) {
      netns.conntrack?.flush();
      for (const bridge of netns.bridges) bridge.flushFdb();
      for (const dev of netns.devices.values()) for (const neighbour of [...dev.neighbours.values()]) neighbour.forget();
      netns.pathMtu.clear();
    }
  }

  private ns(name: string): Netns {
    const netns = this.netns.get(name);
    if (!netns) throw new Error(`there is no namespace ${name}`);
    return netns;
  }

  private fdbLines(): Record<string, string[]> {
    return this.lines((n) => n.view().fdb.filter((f) => !f.local).map((f) => `${formatMac(f.mac)} dev ${f.port} master ${f.bridge}`));
  }

  private neighbourLines(): Record<string, string[]> {
    return this.lines((n) => n.view().neighbours.map((x) => `${formatIp(x.address)} dev ${x.device} ${x.mac === undefined ? '-' : formatMac(x.mac)} ${x.state}`));
  }

  private conntrackLines(): Record<string, string[]> {
    const known = this.knownPortsOf(this.sourcePort);
    const tuple = (t: ConntrackTuple): string => withoutRandomPorts(`${endpointText(t.src, t.srcPort)}>${endpointText(t.dst, t.dstPort)}`, known);
    return this.lines((n) => n.view().conntrack.filter((c) => c.original.protocol !== 1).map((c) => `${tuple(c.original)} ${tuple(c.reply)} ${c.state ?? ''} ${c.assured ? 'ASSURED' : ''}${c.seenReply ? '' : 'UNREPLIED'}`));
  }

  private lines(of: (netns: Netns) => string[]): Record<string, string[]> {
    return Object.fromEntries([...this.netns].map(([name, netns]) => [name, of(netns).sort()] as const).filter(([, lines]) => lines.length > 0));
  }
}

const FLAGS = [[TCP_SYN, 'SYN'], [TCP_ACK, 'ACK'], [TCP_PSH, 'PSH'], [TCP_FIN, 'FIN'], [TCP_RST, 'RST'], [TCP_URG, 'URG']] as const;
const ICMP_NAMES: Readonly<Record<string, string>> = { '0/0': 'echo-reply', '8/0': 'echo-request', '3/0': 'net-unreachable', '3/1': 'host-unreachable', '3/3': 'port-unreachable', '3/4': 'frag-needed', '11/0': 'ttl-exceeded', '5/1': 'redirect-host' };

/** A packet as the recordings write it. */
function flowText(p: Ipv4Packet): string {
  const t = p.payload;
  if (t.type === 'tcp') return `${FLAGS.filter(([bit]) => t.flags & bit).map(([, name]) => name).join('-')} ${endpointText(p.src, t.srcPort)}>${endpointText(p.dst, t.dstPort)}${t.data.length > 0 ? ` len${t.data.length}` : ''}`;
  if (t.type === 'udp') return `udp ${endpointText(p.src, t.srcPort)}>${endpointText(p.dst, t.dstPort)}`;
  if (t.type === 'icmp') return `${ICMP_NAMES[`${t.icmpType}/${t.code}`] ?? `icmp${t.icmpType}/${t.code}`} ${formatIp(p.src)}>${formatIp(p.dst)}${t.quote ? ` [${flowText(t.quote)}]` : ''}`;
  return `${t.protocol} ${formatIp(p.src)}>${formatIp(p.dst)}`;
}

function hopOf(event: LabEvent): Hop[] {
  if ((event.type !== 'tx' && event.type !== 'rx') || !event.frame || event.device === undefined) return [];
  const { payload, src, dst } = event.frame;
  const base = { ns: event.netns, if: event.device, dir: event.type === 'tx' ? ('out' as const) : ('in' as const) };
  const macs = event.device === 'lo' && src === ZERO_MAC ? {} : { mac: `${formatMac(src)}>${formatMac(dst)}` };
  const otherhost = event.type === 'rx' && event.data.otherHost ? { otherhost: true } : {};
  if (payload.type === 'arp') {
    return [{ ...base, ...macs, ...otherhost, pkt: payload.op === 'request' ? `arp who-has ${formatIp(payload.targetIp)} tell ${formatIp(payload.senderIp)}` : `arp ${formatIp(payload.senderIp)} is-at ${formatMac(payload.senderMac)}` }];
  }
  if (payload.type !== 'ipv4') return [];
  return [{ ...base, ...macs, ...otherhost, pkt: flowText(payload), ttl: payload.ttl, ipid: payload.id, ...(payload.dontFragment ? { df: true } : {}), len: ipv4Length(payload) }];
}
