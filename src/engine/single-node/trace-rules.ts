import { formatIp, type Ipv4, parseIpv4 } from '../../protocol/address.ts';
import type { DescribedPacket, RulesTrace, RulesTraceRequest } from '../../protocol/engine.ts';
import type { LabEvent } from '../../protocol/event.ts';
import { ICMP_ECHO_REQUEST, type Ipv4Packet, TCP_SYN, type TransportPayload } from '../../protocol/packet.ts';
import { lookupOrCreate } from '../ip/neighbour.ts';
import type { Netns } from '../ip/netns.ts';
import { localOut } from '../ip/output.ts';
import { Skb } from '../link/skb.ts';
import { LabContext } from '../sim/lab-context.ts';
import { readDumps, SOME_MAC } from './dumped-node.ts';

/** More next hops than these are not learned one after the other. */
const ATTEMPTS_MAX = 4;
const TASKS_MAX = 10_000;

/** Sends one described packet through a node that was rebuilt from dumps, and records its way. */
export function traceRules({ dumps, packet }: RulesTraceRequest): RulesTrace {
  const described = packetOf(packet);
  if (typeof described === 'string') return { ok: false, problems: [{ line: undefined, message: described }] };
  const known: { device: string; nextHop: Ipv4 }[] = [];
  for (let attempt = 1; ; attempt++) {
    const lab = new LabContext(1);
    const node = readDumps(dumps, lab);
    if (!node.ok) return { ok: false, problems: node.error };
    const { netns, notes } = node.value;
    // Who has which MAC is not in a dump of rules; every next hop answers here.
    for (const { device, nextHop } of known) {
      const dev = netns.device(device);
      if (dev) lookupOrCreate(dev, nextHop).makePermanent(SOME_MAC);
    }
    lab.recorder.take();
    const problem = inject(netns, described, packet.inDevice);
    if (problem !== undefined) return { ok: false, problems: [{ line: undefined, message: problem }] };
    lab.sim.runUntil(lab.sim.nowNs + 1, TASKS_MAX);
    const events = lab.recorder.take();
    const waiting = events.find((event) => event.type === 'queued');
    if (waiting?.type === 'queued' && waiting.device !== undefined && attempt < ATTEMPTS_MAX) {
      known.push({ device: waiting.device, nextHop: waiting.data.nextHop as Ipv4 });
      continue;
    }
    return { ok: true, events, verdict: verdictOf(events), notes };
  }
}

function inject(netns: Netns, packet: Ipv4Packet, inDevice: string | undefined): string | undefined {
  const { lab } = netns;
  if (inDevice === undefined) {
    const error = localOut(netns, packet, { flow: 1, direction: 'request', cause: 0 });
    return error === 'ENETUNREACH' ? `the node has no route to ${formatIp(packet.dst)}: paste its “ip route”` : undefined;
  }
  const dev = netns.device(inDevice);
  if (!dev) return `there is no device ${JSON.stringify(inDevice)}; devices: ${[...netns.devices.keys()].join(', ')}`;
  const skb = new Skb(lab.nextPacket(), 1, 'request', 0, packet, SOME_MAC, dev.device.mac);
  dev.device.receive(skb);
  return undefined;
}

/** How the packet's way ended, in one sentence. */
function verdictOf(events: readonly LabEvent[]): string {
  const drop = events.find((event) => event.type === 'drop');
  const loss = drop?.type === 'drop' && drop.data.detail !== undefined ? ` by ${drop.data.detail}` : '';
  if (drop?.type === 'drop' && drop.data.reason === 'rejectedByRule') return `It is rejected${loss}.`;
  const refused = events.find((event) => event.type === 'ipvs' && event.data.verdict === 'refused');
  if (refused?.type === 'ipvs' && refused.data.virtual) {
    const { address, port } = refused.data.virtual;
    return `It is refused: the virtual server ${formatIp(address)}:${port} has no real server that takes new connections.`;
  }
  const out = events.findLast((event) => event.type === 'tx' && event.direction === 'request');
  const packet = out?.frame?.payload;
  if (out && packet?.type === 'ipv4') return `It leaves by ${out.device} for ${endpoint(packet, 'dst')}, as ${endpoint(packet, 'src')}.`;
  const reached = events.find(
    (event) =>
      event.type === 'deliver' ||
      (event.type === 'drop' && (event.data.reason === 'protocolUnreachable' || event.data.reason === 'noSocket')),
  );
  if (reached) return 'It is for the node itself, and is given to whatever process listens there.';
  return drop?.type === 'drop' ? `It is dropped${loss || ` (${drop.data.reason})`}.` : 'It goes nowhere.';
}

function endpoint(packet: Ipv4Packet, side: 'src' | 'dst'): string {
  const { payload } = packet;
  const port = payload.type === 'tcp' || payload.type === 'udp' ? `:${side === 'src' ? payload.srcPort : payload.dstPort}` : '';
  return `${formatIp(packet[side])}${port}`;
}

/** The packet as a record, or what is wrong with its description. */
function packetOf(packet: DescribedPacket): Ipv4Packet | string {
  const src = parseIpv4(packet.source);
  const dst = parseIpv4(packet.destination);
  if (src === undefined) return `source: expected an IPv4 address, got ${JSON.stringify(packet.source)}`;
  if (dst === undefined) return `destination: expected an IPv4 address, got ${JSON.stringify(packet.destination)}`;
  const ports = [packet.sourcePort ?? 40_000, packet.destinationPort ?? 0] as const;
  for (const port of ports) if (!Number.isInteger(port) || port < 0 || port > 65_535) return `expected a port from 0 to 65535, got ${port}`;
  if (packet.protocol !== 'icmp' && packet.destinationPort === undefined) return `${packet.protocol} needs a destination port`;
  return {
    type: 'ipv4',
    src,
    dst,
    ttl: 64,
    id: 1,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    tos: 0,
    payload: payloadOf(packet.protocol, ports[0], ports[1]),
  };
}

function payloadOf(protocol: DescribedPacket['protocol'], srcPort: number, dstPort: number): TransportPayload {
  switch (protocol) {
    case 'tcp':
      return { type: 'tcp', srcPort, dstPort, seq: 1, ack: 0, flags: TCP_SYN, window: 64_240, options: undefined, data: '' };
    case 'udp':
      return { type: 'udp', srcPort, dstPort, data: 'hello' };
    case 'icmp':
      return {
        type: 'icmp',
        icmpType: ICMP_ECHO_REQUEST,
        code: 0,
        id: 1,
        seq: 1,
        mtu: 0,
        gateway: 0 as Ipv4,
        quote: undefined,
        data: 'x'.repeat(56),
      };
  }
}
