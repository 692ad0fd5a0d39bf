import { type Cidr, formatIp, formatMac, type Ipv4, type Mac, parseCidr, parseIpv4, parseMac, ZERO_MAC } from '../../protocol/address.ts';
import type { LabEvent, RouteType } from '../../protocol/event.ts';
import { type Ipv4Packet, ipv4Length, TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN, TCP_URG } from '../../protocol/packet.ts';
import { Conntrack } from '../conntrack/table.ts';
import { BridgeNetfilter } from '../ip/bridge-netfilter.ts';
import { Netns } from '../ip/netns.ts';
import { Bridge } from '../link/bridge.ts';
import { LinkEnd } from '../link/device.ts';
import { VETH_DELAY_NS } from '../link/timing.ts';
import { LabContext } from '../sim/lab-context.ts';
import { endpointText } from '../socket/demux.ts';
import type { TcpConnection } from '../socket/tcp-connection.ts';
import { Stack } from '../workload/stack.ts';

/** The form of the recordings; only what is read here. */
export interface Recording {
  readonly id: string;
  readonly spec: LabSpec;
  readonly probes: readonly RecordedProbe[];
}

interface LabSpec {
  readonly namespaces: Readonly<Record<string, { readonly sysctl?: Readonly<Record<string, string>>; readonly iptables?: readonly string[] }>>;
  readonly links: readonly LinkSpec[];
  readonly routes: readonly RouteSpec[];
  readonly servers: readonly ServerSpec[];
  readonly probes: readonly ProbeSpec[];
}

interface EndSpec { readonly ns: string; readonly name: string; readonly mac: string; readonly addr?: readonly string[]; readonly master?: string; readonly hairpin?: boolean }
type LinkSpec = (EndSpec & { readonly type: 'bridge' }) | { readonly type: 'veth'; readonly a: EndSpec; readonly b: EndSpec };
interface RouteSpec { readonly ns: string; readonly op?: string; readonly args?: readonly string[]; readonly dst: string; readonly via?: string; readonly dev?: string }
interface ServerSpec { readonly ns: string; readonly proto: 'tcp' | 'udp'; readonly port: number; readonly name?: string; readonly addr?: string }
interface Action { readonly sysctl?: readonly [string, string, string]; readonly exec?: readonly string[]; readonly route?: RouteSpec; readonly iptables?: readonly [string, readonly string[]] }

export interface ProbeSpec {
  readonly name: string;
  readonly kind: 'tcp' | 'udp' | 'ping';
  readonly from: string;
  readonly to: string;
  readonly state?: 'cold' | 'warm';
  readonly full?: boolean;
  readonly ttl?: number;
  readonly timeout?: number;
  readonly before?: readonly Action[];
  readonly after?: readonly Action[];
}

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
  readonly hops: readonly Hop[];
  readonly hops_omitted_after_handshake?: Readonly<Record<string, number>>;
  readonly fdb?: Readonly<Record<string, readonly string[]>>;
  readonly neigh?: Readonly<Record<string, readonly string[]>>;
  readonly conntrack_open?: Readonly<Record<string, readonly { readonly proto: string; readonly orig: string; readonly reply: string; readonly state?: string; readonly flags?: readonly string[] }[]>>;
}

const SECOND = 1_000_000_000;
const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const prefix = (text: string): Cidr => (text === 'default' ? { address: 0 as Ipv4, length: 0 } : (parseCidr(text) ?? { address: ip(text), length: 32 }));

/** A recorded lab rebuilt on the engine: the same namespaces, links, addresses and routes, and the same probes. */
export class RecordedLab {
  readonly lab = new LabContext(7);
  private readonly netns = new Map<string, Netns>();
  private readonly stacks = new Map<string, Stack>();
  private readonly bridges = new Map<string, Bridge>();
  private sourcePort = 40_000;

  constructor(spec: LabSpec) {
    for (const [name, { sysctl, iptables }] of Object.entries(spec.namespaces)) {
      const netns = new Netns(this.lab, name, 'host');
      this.netns.set(name, netns);
      this.stacks.set(name, new Stack(netns));
      // The recording kernel is Linux 6.18, whose first SYN retransmissions are a second apart.
      netns.sysctls.set('net.ipv4.tcp_syn_linear_timeouts', '4');
      for (const [key, value] of Object.entries(sysctl ?? {})) this.sysctl(name, key, value);
      if (iptables) netns.conntrack = new Conntrack(netns, netns.hooks);
    }
    for (const link of spec.links) this.link(link);
    for (const route of spec.routes) this.route(route);
    for (const server of spec.servers) this.serve(server);
    this.lab.recorder.take();
  }

  probe(probe: ProbeSpec): { hops: Hop[]; outcome: { result: string; errno?: string }; conntrack: Record<string, string[]>; fdb: Record<string, string[]>; neigh: Record<string, string[]> } {
    for (const action of probe.before ?? []) this.act(action);
    if ((probe.state ?? 'cold') === 'cold') this.flush();
    this.lab.recorder.take();
    const outcome: { result: string; errno?: string } = { result: 'timeout' };
    const startNs = this.lab.sim.nowNs;
    let conntrack: Record<string, string[]> | undefined;
    const done = (result: string, errno?: string): void => {
      outcome.result = result;
      if (errno) outcome.errno = errno;
      conntrack = this.conntrackLines();
    };
    const giveUp = this.start(probe, done);
    this.lab.sim.runUntil(startNs + (probe.timeout ?? (probe.kind === 'tcp' ? 1.4 : 0.8)) * SECOND, 1_000_000);
    conntrack ??= this.conntrackLines();
    giveUp?.();
    const tables = { fdb: this.fdbLines(), neigh: this.neighbourLines() };
    // Whatever answers are still on their way arrive while nobody looks.
    const hops = this.lab.recorder.take().flatMap(hopOf);
    this.lab.sim.runUntil(this.lab.sim.nowNs + 0.3 * SECOND, 1_000_000);
    this.lab.recorder.take();
    for (const action of probe.after ?? []) this.act(action);
    return { hops, outcome, conntrack, ...tables };
  }

  private start(probe: ProbeSpec, done: (result: string, errno?: string) => void): (() => void) | undefined {
    const stack = this.stacks.get(probe.from) as Stack;
    const [host, portText] = probe.to.split(':');
    const to = ip(host as string);
    const port = Number(portText ?? 0);
    const localPort = ++this.sourcePort;
    const origin = { flow: 1, direction: 'request', cause: 0 } as const;
    const failed = (error: string): void => done(error === 'ECONNREFUSED' ? 'refused' : 'error', error);
    if (probe.kind === 'tcp') {
      const connection = stack.tcp.connect({
        to, port, localPort, process: 'probe', flow: 1, cause: 0,
        handler: {
          // The recorder's client reads the greeting, looks at the tables and closes some 14 ms later.
          received: (c) => {
            done('connected');
            this.lab.sim.schedule(14_000_000, (x: TcpConnection) => x.close(), c, undefined);
          },
          failed: (_c, error) => failed(error),
          ended: (c) => c.close(),
        },
      });
      if (typeof connection === 'string') failed(connection);
      return typeof connection === 'string' ? undefined : () => void (connection.state === 'SYN-SENT' && connection.close());
    }
    if (probe.kind === 'udp') {
      const socket = stack.udp.connect(to, port, 'probe', { received: () => done('answered'), failed: (_s, error) => failed(error) }, localPort);
      if (typeof socket === 'string') failed(socket);
      else stack.udp.send(socket, 'qqqqq', { address: to, port }, origin);
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
    const type = (route.args?.[0] ?? 'unicast') as RouteType;
    netns.addRoute(prefix(route.dst), { via: route.via === undefined ? undefined : ip(route.via), device: route.dev === undefined ? undefined : netns.device(route.dev), type });
  }

  private serve(server: ServerSpec): void {
    const stack = this.stacks.get(server.ns) as Stack;
    const name = server.name ?? server.ns;
    const text = (c: TcpConnection): string => `${name} ${endpointText(c.remoteAddress, c.remotePort)} ${endpointText(c.localAddress, c.localPort)}\n`;
    stack.tcp.listen(server.addr === undefined ? (0 as Ipv4) : ip(server.addr), server.port, name, () => ({
      opened: (c) => void this.lab.sim.schedule(300_000, (x: TcpConnection) => x.send(text(x)), c, undefined),
      ended: (c) => void this.lab.sim.schedule(100_000, (x: TcpConnection) => x.close(), c, undefined),
    }));
  }

  private act(action: Action): void {
    if (action.sysctl) this.sysctl(...action.sysctl);
    else if (action.route) this.route(action.route);
    else if (action.iptables) {
      const netns = this.ns(action.iptables[0]);
      // Rules that need connection tracking switch it on; tables without rules switch it off.
      const rules = action.iptables[1].some((line) => line.startsWith('-A'));
      netns.hooks.clear();
      netns.conntrack = rules ? new Conntrack(netns, netns.hooks) : undefined;
    } else if (action.exec) this.exec(action.exec);
    else throw new Error(`the action ${JSON.stringify(action)} is not understood`);
  }

  private exec([ns, ...words]: readonly string[]): void {
    const netns = this.ns(ns as string);
    const command = words.join(' ');
    const route = /^ip route del (?:blackhole |unreachable )?(\S+)$/.exec(command);
    const link = /^ip link set (\S+) (up|down)$/.exec(command);
    if (route) netns.removeRoute(prefix(route[1] as string));
    else if (link) netns.setDeviceUp(netns.device(link[1] as string) as never, link[2] === 'up');
    else if (!/^iptables -P FORWARD (ACCEPT|DROP)$/.test(command)) throw new Error(`the command ${command} is not understood`);
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
    return this.lines((n) => n.view().conntrack.filter((c) => c.original.protocol !== 1).map((c) => `${endpointText(c.original.src, c.original.srcPort)}>${endpointText(c.original.dst, c.original.dstPort)} ${c.state ?? ''} ${c.assured ? 'ASSURED' : ''}${c.seenReply ? '' : 'UNREPLIED'}`));
  }

  private lines(of: (netns: Netns) => string[]): Record<string, string[]> {
    return Object.fromEntries([...this.netns].map(([name, netns]) => [name, of(netns).sort()] as const).filter(([, lines]) => lines.length > 0));
  }
}

const FLAGS = [[TCP_SYN, 'SYN'], [TCP_ACK, 'ACK'], [TCP_PSH, 'PSH'], [TCP_FIN, 'FIN'], [TCP_RST, 'RST'], [TCP_URG, 'URG']] as const;
const ICMP_NAMES: Readonly<Record<string, string>> = { '0/0': 'echo-reply', '8/0': 'echo-request', '3/0': 'net-unreachable', '3/1': 'host-unreachable', '3/3': 'port-unreachable', '3/4': 'frag-needed', '11/0': 'ttl-exceeded' };

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
