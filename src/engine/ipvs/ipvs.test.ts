import { beforeEach, describe, expect, it } from 'vitest';
import type { Cidr, Mac } from '../../protocol/address.ts';
import { formatIp, type Ipv4, parseCidr, parseIpv4, parseMac } from '../../protocol/address.ts';
import type { EventOf, EventType, LabEvent } from '../../protocol/event.ts';
import { applyEvents, EMPTY_STATE, viewAt } from '../../protocol/fold.ts';
import { type Ipv4Packet, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, type TransportPayload } from '../../protocol/packet.ts';
import { Conntrack } from '../conntrack/table.ts';
import { Netns } from '../ip/netns.ts';
import { localOut } from '../ip/output.ts';
import { Dummy, LinkEnd } from '../link/device.ts';
import { VETH_DELAY_NS } from '../link/timing.ts';
import { LabContext } from '../sim/lab-context.ts';
import { TcpLayer } from '../socket/tcp.ts';
import { UdpLayer } from '../socket/udp.ts';
import { Ipvs } from './ipvs.ts';
import { parseCommands } from './parse.ts';

const ip = (text: string): Ipv4 => parseIpv4(text) as Ipv4;
const SECOND = 1_000_000_000;
const VIP = '10.96.0.1';
const CLIENT = '10.1.0.10';

/** A client, a balancer and two servers: `c` 10.1.0.10 — 10.1.0.1 `lb` 10.2.0.1 — `s` 10.2.0.11 and 10.2.0.12. */
class Network {
  readonly lab = new LabContext(5);
  readonly client = new Netns(this.lab, 'c', 'host');
  readonly balancer = new Netns(this.lab, 'lb', 'node');
  readonly server = new Netns(this.lab, 's', 'host');
  readonly ipvs: Ipvs;
  /** Packets as they arrive at client and servers. */
  readonly arrived: string[] = [];

  constructor(commands: string, sysctls: Readonly<Record<string, number>> = {}) {
    this.cable(this.client, 'eth0', [`${CLIENT}/24`, '10.1.0.11/24'], this.balancer, 'vc', '10.1.0.1/24');
    this.cable(this.server, 'eth0', ['10.2.0.11/24', '10.2.0.12/24'], this.balancer, 'vs', '10.2.0.1/24');
    this.client.addRoute(parseCidr('0.0.0.0/0') as Cidr, { via: ip('10.1.0.1') });
    this.server.addRoute(parseCidr('0.0.0.0/0') as Cidr, { via: ip('10.2.0.1') });
    const dummy = this.balancer.addDevice(new Dummy(this.balancer, 'kube-ipvs0', 0 as Mac));
    this.balancer.addAddress(dummy, parseCidr(`${VIP}/32`) as Cidr);
    this.balancer.sysctls.set('net.ipv4.ip_forward', '1');
    for (const [key, value] of Object.entries(sysctls)) this.sysctl(key, value);
    this.balancer.conntrack = new Conntrack(this.balancer, this.balancer.hooks);
    this.ipvs = new Ipvs(this.balancer);
    this.ipvsadm(commands);
    for (const netns of [this.client, this.server]) {
      for (const name of ['tcp', 'udp'] as const)
        netns.transports[name] = {
          receive: (_skb, packet) => void this.arrived.push(text(packet)),
          error: (skb) => void this.arrived.push(text(skb.payload as Ipv4Packet)),
          views: () => [],
        };
    }
    this.settle();
    this.lab.recorder.take();
  }

  ipvsadm(commands: string): void {
    const parsed = parseCommands(commands);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
    const applied = this.ipvs.apply(parsed.value);
    if (!applied.ok) throw new Error(applied.error.message);
  }

  sysctl(key: string, value: number): void {
    const set = this.balancer.sysctls.set(key, String(value));
    if (!set.ok) throw new Error(set.error);
  }

  /** What a process of a namespace sends; returns what then arrives at client and servers. */
  send(from: Netns, packet: Partial<Ipv4Packet> & { readonly payload: TransportPayload }): string[] {
    const whole: Ipv4Packet = {
      type: 'ipv4',
      src: ip(CLIENT),
      dst: ip(VIP),
      ttl: 64,
      id: 1,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      tos: 0,
      ...packet,
    };
    localOut(from, whole, { flow: 1, direction: 'request', cause: 0 });
    this.settle();
    return this.arrived.splice(0);
  }

  tcp(flags: number, srcPort = 40_000): string[] {
    return this.send(this.client, { payload: segment(srcPort, 80, flags) });
  }

  /** The server's segment, to the client. */
  tcpReply(flags: number, from = '10.2.0.12', dstPort = 40_000): string[] {
    return this.send(this.server, { src: ip(from), dst: ip(CLIENT), payload: segment(8080, dstPort, flags) });
  }

  settle(seconds = 0.001): void {
    this.lab.sim.runUntil(this.lab.sim.nowNs + seconds * SECOND, 1_000_000);
  }

  entries(): string[] {
    return this.ipvs
      .connections()
      .map(
        (c) =>
          `${formatIp(c.client.address)}:${c.client.port} ${formatIp(c.virtual.address)}:${c.virtual.port} ${formatIp(c.real.address)}:${c.real.port} ${c.state}`,
      );
  }

  events<T extends EventType>(type: T): EventOf<T>[] {
    return this.lab.recorder.take().filter((e) => e.type === type) as unknown as EventOf<T>[];
  }

  private cable(a: Netns, aName: string, aAddresses: readonly string[], b: Netns, bName: string, bAddress: string): void {
    const here = new LinkEnd(a, aName, 'veth', parseMac(`02:00:00:00:${a.id === 'c' ? '01' : '02'}:01`) as Mac, 1500, VETH_DELAY_NS);
    const there = new LinkEnd(b, bName, 'veth', parseMac(`02:00:00:00:${a.id === 'c' ? '01' : '02'}:02`) as Mac, 1500, VETH_DELAY_NS);
    LinkEnd.join(here, there);
    const inet = a.addDevice(here);
    for (const address of aAddresses) a.addAddress(inet, parseCidr(address) as Cidr);
    b.addAddress(b.addDevice(there), parseCidr(bAddress) as Cidr);
  }
}

const segment = (srcPort: number, dstPort: number, flags: number, data = ''): TransportPayload => ({
  type: 'tcp',
  srcPort,
  dstPort,
  seq: 1,
  ack: 1,
  flags,
  window: 1000,
  options: undefined,
  data,
});

const datagram = (srcPort: number, dstPort: number): TransportPayload => ({ type: 'udp', srcPort, dstPort, data: 'q' });

function text(packet: Ipv4Packet): string {
  const { src, dst, payload, ttl } = packet;
  if (payload.type === 'icmp')
    return `icmp ${payload.icmpType}/${payload.code} ${formatIp(src)} > ${formatIp(dst)} [${payload.quote ? text(payload.quote) : ''}]`;
  if (payload.type === 'opaque') return 'opaque';
  return `${payload.type} ${formatIp(src)}:${payload.srcPort} > ${formatIp(dst)}:${payload.dstPort} ttl ${ttl}`;
}

const TWO = `-A -t ${VIP}:80 -s rr\n-a -t ${VIP}:80 -r 10.2.0.11:8080 -m\n-a -t ${VIP}:80 -r 10.2.0.12:8080 -m`;

describe('a connection', () => {
  let network: Network;
  beforeEach(() => {
    network = new Network(TWO);
  });

  it('goes to a server and back with the virtual address, a TTL lower', () => {
    expect(network.tcp(TCP_SYN)).toEqual(['tcp 10.1.0.10:40000 > 10.2.0.12:8080 ttl 63']);
    expect(network.tcpReply(TCP_SYN | TCP_ACK)).toEqual(['tcp 10.96.0.1:80 > 10.1.0.10:40000 ttl 63']);
  });

  it('passes through its states, and counts among the active ones while it is', () => {
    const counts = () =>
      network.ipvs.connectionCounts({ protocol: 'tcp', address: ip(VIP), port: 80 }, { address: ip('10.2.0.12'), port: 8080 });
    const state = () => network.entries()[0]?.split(' ').at(-1);
    network.tcp(TCP_SYN);
    expect([state(), counts()]).toEqual(['SYN_RECV', { active: 1, inactive: 0, persistent: 0 }]);
    network.tcpReply(TCP_SYN | TCP_ACK);
    network.tcp(TCP_ACK);
    expect([state(), counts()]).toEqual(['ESTABLISHED', { active: 1, inactive: 0, persistent: 0 }]);
    network.tcp(TCP_FIN | TCP_ACK);
    expect([state(), counts()]).toEqual(['CLOSE_WAIT', { active: 0, inactive: 1, persistent: 0 }]);
    network.tcpReply(TCP_FIN | TCP_ACK);
    expect(state()).toBe('TIME_WAIT');
    network.settle(119);
    expect(network.entries()).toHaveLength(1);
    network.settle(2);
    expect([network.entries(), counts()]).toEqual([[], { active: 0, inactive: 0, persistent: 0 }]);
  });

  it('a segment that is no SYN begins none', () => {
    network.tcp(TCP_ACK);
    expect(network.entries()).toEqual([]);
  });

  it('a reset closes it', () => {
    network.tcp(TCP_SYN);
    network.tcpReply(TCP_SYN | TCP_ACK);
    network.tcp(TCP_ACK);
    network.tcp(TCP_RST);
    expect(network.entries()[0]).toContain('CLOSE');
    network.settle(11);
    expect(network.entries()).toEqual([]);
  });

  it('--set changes how long entries live from their next packet on', () => {
    network.ipvsadm('--set 5 0 7');
    expect(network.ipvs.currentTimeouts()).toEqual({ tcp: 5, tcpFin: 120, udp: 7 });
    network.tcp(TCP_SYN);
    network.tcp(TCP_ACK);
    network.settle(6);
    expect(network.entries()).toEqual([]);
  });

  it('a packet with TTL 1 is told of from the virtual address; the turn is used up', () => {
    const arrived = network.send(network.client, { ttl: 1, payload: segment(40_000, 80, TCP_SYN) });
    expect(arrived).toEqual(['icmp 11/0 10.96.0.1 > 10.1.0.10 [tcp 10.1.0.10:40000 > 10.96.0.1:80 ttl 1]']);
    expect(network.tcp(TCP_SYN, 40_001)).toEqual(['tcp 10.1.0.10:40001 > 10.2.0.11:8080 ttl 63']);
  });

  it('a packet too big for the way to the server is told of', () => {
    network.tcp(TCP_SYN);
    const out = network.balancer.device('vs');
    if (out) out.device.mtu = 100;
    const arrived = network.send(network.client, { payload: segment(40_000, 80, TCP_ACK, 'x'.repeat(200)) });
    expect(arrived[0]).toMatch(/^icmp 3\/4 10\.96\.0\.1 > 10\.1\.0\.10/);
  });

  it('no way to the server: host unreachable', () => {
    network.ipvsadm(`-A -t ${VIP}:81 -s rr\n-a -t ${VIP}:81 -r 172.16.0.1:80 -m`);
    const arrived = network.send(network.client, { payload: segment(40_000, 81, TCP_SYN) });
    expect(arrived[0]).toMatch(/^icmp 3\/1 10\.96\.0\.1 > 10\.1\.0\.10/);
  });

  it('FTP data connections are not given to a server', () => {
    network.tcp(TCP_SYN, 20);
    expect(network.entries()).toEqual([]);
  });
});

describe('ICMP errors', () => {
  it('of a server reach the client in terms of the virtual server', () => {
    const network = new Network(TWO);
    network.tcp(TCP_SYN);
    const quote = { src: ip(CLIENT), dst: ip('10.2.0.12'), ttl: 62, id: 1, payload: segment(40_000, 8080, TCP_SYN) };
    const arrived = network.send(network.server, { src: ip('10.2.0.12'), dst: ip(CLIENT), payload: unreachable(quote) });
    expect(arrived).toEqual(['icmp 3/3 10.96.0.1 > 10.1.0.10 [tcp 10.1.0.10:40000 > 10.96.0.1:80 ttl 62]']);
  });

  it('of a client reach the server in terms of the server', () => {
    const network = new Network(TWO);
    network.tcp(TCP_SYN);
    network.tcpReply(TCP_SYN | TCP_ACK);
    const quote = { src: ip(VIP), dst: ip(CLIENT), ttl: 62, id: 1, payload: segment(80, 40_000, TCP_ACK) };
    const arrived = network.send(network.client, { payload: unreachable(quote) });
    expect(arrived).toEqual(['icmp 3/3 10.1.0.10 > 10.2.0.12 [tcp 10.2.0.12:8080 > 10.1.0.10:40000 ttl 62]']);
  });

  it('about something else pass', () => {
    const network = new Network(TWO);
    const quote = { src: ip(VIP), dst: ip(CLIENT), ttl: 62, id: 1, payload: segment(80, 40_001, TCP_ACK) };
    expect(network.send(network.client, { payload: unreachable(quote) })).toEqual([]);
    expect(network.events('ipvs')).toEqual([]);
  });
});

function unreachable(quote: Pick<Ipv4Packet, 'src' | 'dst' | 'ttl' | 'id' | 'payload'>): TransportPayload {
  const whole: Ipv4Packet = { type: 'ipv4', dontFragment: true, moreFragments: false, fragmentOffset: 0, tos: 0, ...quote };
  return { type: 'icmp', icmpType: 3, code: 3, id: 0, seq: 0, mtu: 0, gateway: 0 as Ipv4, quote: whole, data: '' };
}

describe('conntrack', () => {
  const entries = (network: Network): string[] =>
    network.balancer.view().conntrack.map(({ original: o, reply: r }) => `${formatIp(o.dst)}:${o.dstPort} ${formatIp(r.src)}:${r.srcPort}`);

  it('net.ipv4.vs.conntrack 1: one entry, client to virtual address and server to client', () => {
    const network = new Network(TWO, { 'net.ipv4.vs.conntrack': 1 });
    network.tcp(TCP_SYN);
    expect(entries(network)).toEqual(['10.96.0.1:80 10.2.0.12:8080']);
  });

  it('0: none', () => {
    const network = new Network(TWO);
    network.tcp(TCP_SYN);
    network.tcpReply(TCP_SYN | TCP_ACK);
    expect(entries(network)).toEqual([]);
  });

  it('goes with the entry of IPVS', () => {
    const network = new Network(`-A -u ${VIP}:53 -s rr\n-a -u ${VIP}:53 -r 10.2.0.11:53 -m\n--set 0 0 2`, { 'net.ipv4.vs.conntrack': 1 });
    network.send(network.client, { payload: datagram(40_000, 53) });
    expect(entries(network)).toHaveLength(1);
    network.settle(3);
    expect([entries(network), network.entries()]).toEqual([[], []]);
  });
});

describe('a client port that is used again', () => {
  function closed(sysctls: Readonly<Record<string, number>> = {}): Network {
    const network = new Network(TWO, sysctls);
    for (const step of [
      () => network.tcp(TCP_SYN),
      () => network.tcpReply(TCP_SYN | TCP_ACK),
      () => network.tcp(TCP_ACK),
      () => network.tcp(TCP_FIN | TCP_ACK),
      () => network.tcpReply(TCP_FIN | TCP_ACK),
      () => network.tcp(TCP_ACK),
    ])
      step();
    expect(network.entries()[0]).toContain('TIME_WAIT');
    return network;
  }

  it.each([0, 1])('gets the next server (net.ipv4.vs.conntrack %i)', (tracked) => {
    const network = closed({ 'net.ipv4.vs.conntrack': tracked });
    expect(network.tcp(TCP_SYN)).toEqual(['tcp 10.1.0.10:40000 > 10.2.0.11:8080 ttl 63']);
    network.settle(0.01);
    expect(network.entries()).toEqual(['10.1.0.10:40000 10.96.0.1:80 10.2.0.11:8080 SYN_RECV']);
    expect(network.balancer.view().conntrack).toHaveLength(tracked);
  });

  it('conn_reuse_mode 0: the old server', () => {
    const network = closed({ 'net.ipv4.vs.conn_reuse_mode': 0 });
    expect(network.tcp(TCP_SYN)).toEqual(['tcp 10.1.0.10:40000 > 10.2.0.12:8080 ttl 63']);
  });

  it('while conntrack still knows the old connection, the packet is dropped and both go', () => {
    const network = new Network(TWO, { 'net.ipv4.vs.conntrack': 1 });
    network.tcp(TCP_SYN);
    network.tcpReply(TCP_SYN | TCP_ACK);
    network.tcp(TCP_ACK);
    network.tcp(TCP_RST);
    network.lab.recorder.take();
    expect(network.tcp(TCP_SYN)).toEqual([]);
    expect(network.events('drop').map(({ data }) => data.reason)).toEqual(['ipvsReuse']);
    network.settle(0.01);
    expect([network.entries(), network.balancer.view().conntrack]).toEqual([[], []]);
    expect(network.tcp(TCP_SYN)).toEqual(['tcp 10.1.0.10:40000 > 10.2.0.11:8080 ttl 63']);
  });
});

describe('no server', () => {
  it.each([
    ['none', `-A -t ${VIP}:80 -s rr`],
    ['weight 0 only', `-A -t ${VIP}:80 -s rr\n-a -t ${VIP}:80 -r 10.2.0.11:8080 -m -w 0`],
  ])('%s: port unreachable from the virtual address, and no entry', (_name, commands) => {
    const network = new Network(commands, { 'net.ipv4.vs.conntrack': 1 });
    expect(network.tcp(TCP_SYN)).toEqual(['icmp 3/3 10.96.0.1 > 10.1.0.10 [tcp 10.1.0.10:40000 > 10.96.0.1:80 ttl 64]']);
    expect([network.entries(), network.balancer.view().conntrack]).toEqual([[], []]);
    expect(network.lab.recorder.take().flatMap((e) => (e.type === 'ipvs' || e.type === 'drop' ? [e.type] : []))).toEqual(['ipvs', 'drop']);
  });

  it('weight 0 lets a connection go on', () => {
    const network = new Network(TWO);
    network.tcp(TCP_SYN);
    network.ipvsadm(`-e -t ${VIP}:80 -r 10.2.0.12:8080 -m -w 0`);
    expect(network.tcp(TCP_ACK)).toEqual(['tcp 10.1.0.10:40000 > 10.2.0.12:8080 ttl 63']);
  });

  it('a server that is removed: its packets are dropped, or with expire_nodest_conn its entries go', () => {
    const network = new Network(TWO);
    network.tcp(TCP_SYN);
    network.ipvsadm(`-d -t ${VIP}:80 -r 10.2.0.12:8080`);
    network.lab.recorder.take();
    expect(network.tcp(TCP_ACK)).toEqual([]);
    expect(network.events('drop').map(({ data }) => data.reason)).toEqual(['ipvsServerGone']);
    network.sysctl('net.ipv4.vs.expire_nodest_conn', 1);
    network.ipvsadm(`-d -t ${VIP}:80 -r 10.2.0.11:8080`);
    network.settle(0.005);
    expect(network.entries()).toEqual([]);
  });
});

describe('persistence', () => {
  const PERSISTENT = TWO.replace('-s rr', '-s rr -p 10');

  it('a client stays with its server, another gets the next', () => {
    const network = new Network(PERSISTENT);
    const to = (srcPort: number, src = CLIENT): string | undefined =>
      network.send(network.client, { src: ip(src), payload: segment(srcPort, 80, TCP_SYN) })[0]?.split(' ')[3];
    expect([to(1), to(2), to(3, '10.1.0.11'), to(4)]).toEqual(['10.2.0.12:8080', '10.2.0.12:8080', '10.2.0.11:8080', '10.2.0.12:8080']);
    expect(network.entries().filter((line) => line.includes(':0 '))).toEqual([
      '10.1.0.10:0 10.96.0.1:80 10.2.0.12:8080 NONE',
      '10.1.0.11:0 10.96.0.1:80 10.2.0.11:8080 NONE',
    ]);
  });

  it('a template is kept 60 s more while a connection needs it, and goes after that', () => {
    const network = new Network(PERSISTENT);
    network.tcp(TCP_SYN);
    network.tcp(TCP_ACK);
    expect(network.entries()[0]).toContain(':0 10.96.0.1:80 10.2.0.12:8080 ASSURED');
    network.settle(11);
    const [template] = network.ipvs.connections();
    expect(Math.round(((template?.expiresNs ?? 0) - network.lab.sim.nowNs) / SECOND)).toBe(59);
    network.settle(1200);
    expect(network.entries()).toEqual([]);
  });

  it('without connections it goes when its time is over', () => {
    const network = new Network(`-A -u ${VIP}:53 -s rr -p 10\n-a -u ${VIP}:53 -r 10.2.0.11:53 -m\n--set 0 0 2`);
    network.send(network.client, { payload: datagram(1, 53) });
    network.settle(9);
    expect(network.entries()).toHaveLength(1);
    network.settle(2);
    expect(network.entries()).toEqual([]);
  });

  it.each([
    [0, '10.2.0.12'],
    [1, '10.2.0.11'],
  ])('its server gets weight 0, expire_quiescent_template %i: %s', (expire, server) => {
    const network = new Network(PERSISTENT, { 'net.ipv4.vs.expire_quiescent_template': expire });
    network.tcp(TCP_SYN);
    network.ipvsadm(`-e -t ${VIP}:80 -r 10.2.0.12:8080 -m -w 0`);
    expect(network.tcp(TCP_SYN, 40_001)[0]).toContain(`> ${server}:8080`);
    expect(network.entries().some((line) => line.includes(':65535'))).toBe(expire === 1);
  });
});

describe('UDP', () => {
  const UDP = `-A -u ${VIP}:53 -s rr\n-a -u ${VIP}:53 -r 10.2.0.11:53 -m\n-a -u ${VIP}:53 -r 10.2.0.12:53 -m`;
  const ask = (network: Network, port = 40_000): string | undefined =>
    network.send(network.client, { payload: datagram(port, 53) })[0]?.split(' ')[3];

  it('a port keeps its server while it speaks', () => {
    const network = new Network(UDP);
    expect([ask(network), ask(network), ask(network, 40_001)]).toEqual(['10.2.0.12:53', '10.2.0.12:53', '10.2.0.11:53']);
    network.settle(299);
    expect(ask(network)).toBe('10.2.0.12:53');
    network.settle(299);
    expect(ask(network)).toBe('10.2.0.12:53');
    network.settle(301);
    expect(network.entries()).toEqual([]);
  });

  it('one packet scheduling: every packet its server, and no entry', () => {
    const network = new Network(UDP.replace('-s rr', '-s rr -o'));
    expect([ask(network), ask(network), ask(network)]).toEqual(['10.2.0.12:53', '10.2.0.11:53', '10.2.0.12:53']);
    expect(network.entries()).toEqual([]);
    expect(network.ipvs.connectionCounts({ protocol: 'udp', address: ip(VIP), port: 53 }, { address: ip('10.2.0.11'), port: 53 })).toEqual({
      active: 0,
      inactive: 0,
      persistent: 0,
    });
  });
});

describe('a server on the balancer itself', () => {
  const LOCAL = `-A -t ${VIP}:80 -s rr\n-a -t ${VIP}:80 -r 10.1.0.1:8080 -m\n-A -u ${VIP}:53 -s rr\n-a -u ${VIP}:53 -r 10.1.0.1:5353 -m`;

  it('answers a client with the virtual address, for TCP and UDP', () => {
    const network = new Network(LOCAL, { 'net.ipv4.vs.conntrack': 1 });
    const tcp = new TcpLayer(network.balancer);
    const udp = new UdpLayer(network.balancer);
    tcp.listen(0 as Ipv4, 8080, 'web', () => ({}));
    udp.bind(0 as Ipv4, 5353, 'dns', {
      received: (socket, _data, from) =>
        void udp.send(socket, 'a', { address: from.address, port: from.port, from: from.to }, { flow: 1, direction: 'reply', cause: 0 }),
    });
    expect(network.tcp(TCP_SYN)).toEqual(['tcp 10.96.0.1:80 > 10.1.0.10:40000 ttl 64']);
    expect(network.send(network.client, { payload: datagram(40_000, 53) })).toEqual(['udp 10.96.0.1:53 > 10.1.0.10:40000 ttl 64']);
  });

  it('answers a process of the balancer, too', () => {
    const network = new Network(LOCAL, { 'net.ipv4.vs.conntrack': 1 });
    const udp = new UdpLayer(network.balancer);
    const heard: string[] = [];
    udp.bind(0 as Ipv4, 5353, 'dns', {
      received: (socket, _data, from) =>
        void udp.send(socket, 'a', { address: from.address, port: from.port, from: from.to }, { flow: 1, direction: 'reply', cause: 0 }),
    });
    const socket = udp.connect(ip(VIP), 53, 'client', {
      received: (_socket, data, from) => void heard.push(`${data} ${formatIp(from.address)}:${from.port}`),
    });
    if (typeof socket === 'string') throw new Error(socket);
    udp.send(socket, 'q', { address: ip(VIP), port: 53 }, { flow: 1, direction: 'request', cause: 0 });
    network.settle();
    expect(heard).toEqual(['a 10.96.0.1:53']);
  });
});

describe('what is recorded', () => {
  it('commands stop at the first that is refused', () => {
    const network = new Network(TWO);
    const commands = parseCommands(`-a -t ${VIP}:80 -r 10.2.0.13:80 -m\n-D -t 10.96.0.9:80\n-D -t ${VIP}:80`);
    const applied = network.ipvs.apply(commands.ok ? commands.value : []);
    expect(applied.ok ? undefined : applied.error).toEqual({ errno: 'ESRCH', message: 'No such service', index: 1 });
    expect(network.ipvs.servers()[0]?.realServers).toHaveLength(3);
  });

  it('the fold of events has the same servers and connections as the view', () => {
    const network = new Network(TWO.replace('-s rr', '-s rr -p 10'), { 'net.ipv4.vs.expire_nodest_conn': 1 });
    const begin: LabEvent = {
      type: 'netnsAppeared',
      seq: 1,
      timeNs: 0,
      cause: 0,
      netns: 'lb',
      device: undefined,
      packet: 0,
      flow: 0,
      direction: 'request',
      frame: undefined,
      data: { view: network.balancer.view() },
    };
    let state = applyEvents(EMPTY_STATE, [begin]);
    const agree = (): void => {
      state = applyEvents(state, network.lab.recorder.take());
      const folded = viewAt(state.netns.get('lb') as never, network.lab.sim.nowNs);
      const seen = network.balancer.view();
      expect(folded.ipvsConnections).toEqual(seen.ipvsConnections);
      expect([folded.ipvsServers, folded.ipvsServerCount]).toEqual([seen.ipvsServers, seen.ipvsServerCount]);
    };
    const steps = [
      () => network.tcp(TCP_SYN),
      () => network.tcpReply(TCP_SYN | TCP_ACK),
      () => network.tcp(TCP_SYN, 40_001),
      () => network.tcp(TCP_RST, 40_001),
      () => network.settle(30),
      () => network.ipvsadm(`-A -u ${VIP}:53 -s lc`),
      () => network.ipvsadm(`-d -t ${VIP}:80 -r 10.2.0.12:8080`),
      () => network.settle(1),
      () => network.settle(1000),
    ];
    for (const step of steps) {
      step();
      agree();
    }
    expect(network.entries()).toEqual([]);
  });

  it('events name server, scheduler and who chose', () => {
    const network = new Network(TWO);
    network.tcp(TCP_SYN);
    network.tcpReply(TCP_SYN | TCP_ACK);
    const steps = network
      .events('ipvs')
      .map(({ data, device }) => [data.verdict, data.hook, data.chosenBy, data.scheduler, device, data.connections[0]?.state]);
    expect(steps).toEqual([
      ['toServer', 'INPUT', 'scheduler', 'rr', 'vc', 'SYN_RECV'],
      ['toClient', 'FORWARD', 'connection', 'rr', 'vs', 'SYN_RECV'],
    ]);
  });
});
