import { tcpFlagNames } from '../explain/packet-text.ts';
import { formatIp, formatMac } from '../protocol/address.ts';
import type { LabEvent } from '../protocol/event.ts';
import { type Ipv4Packet, ipv4Length, type TcpSegment } from '../protocol/packet.ts';
import type { KernelHop } from './machine.ts';

/** A frame at a device, from either side, in the same words. */
export interface Hop {
  readonly timeNs: number;
  readonly pkt: string;
  /** Tells packets of the same text apart. */
  readonly id: number;
  /** Where it is, and everything about it that must be the same on both sides. */
  readonly line: string;
}

/** Which device names and ports the two sides write differently. */
export interface Wording {
  readonly device: (name: string) => string;
  /** The client's own port, which becomes `C`. */
  readonly clientPort: number;
  /** Ports that nobody chose by chance; all others become `*`. */
  readonly knownPorts: ReadonlySet<number>;
}

const FLAG_ORDER = ['SYN', 'ACK', 'PSH', 'FIN', 'RST', 'URG'];
const ICMP_NAMES: Readonly<Record<string, string>> = {
  '0/0': 'echo-reply',
  '8/0': 'echo-request',
  '3/0': 'net-unreachable',
  '3/1': 'host-unreachable',
  '3/2': 'proto-unreachable',
  '3/3': 'port-unreachable',
  '3/4': 'frag-needed',
  '3/13': 'admin-prohibited',
  '11/0': 'ttl-exceeded',
  '5/1': 'redirect-host',
};

const flags = (segment: TcpSegment): string => {
  const names = new Set(tcpFlagNames(segment.flags));
  return FLAG_ORDER.filter((name) => names.has(name)).join('-');
};

function packetText(packet: Ipv4Packet): string {
  const src = formatIp(packet.src);
  const dst = formatIp(packet.dst);
  const { payload } = packet;
  switch (payload.type) {
    case 'tcp':
      return `${flags(payload)} ${src}:${payload.srcPort}>${dst}:${payload.dstPort}`;
    case 'udp':
      return `udp ${src}:${payload.srcPort}>${dst}:${payload.dstPort}`;
    case 'icmp': {
      const name = ICMP_NAMES[`${payload.icmpType}/${payload.code}`] ?? `icmp${payload.icmpType}/${payload.code}`;
      return `${name} ${src}>${dst}${payload.quote ? ` [${packetText(payload.quote)}]` : ''}`;
    }
    case 'opaque':
      return `${payload.protocol} ${src}>${dst}`;
  }
}

export function engineHops(events: readonly LabEvent[], wording: Wording): Hop[] {
  return events.flatMap((event) => {
    if ((event.type !== 'tx' && event.type !== 'rx') || !event.frame || event.device === undefined) return [];
    const { payload, src, dst } = event.frame;
    const other = event.type === 'rx' && event.data.otherHost;
    if (payload.type === 'ipv6') return [];
    const arp = payload.type === 'arp';
    const text = arp
      ? payload.op === 'request'
        ? `arp who-has ${formatIp(payload.targetIp)} tell ${formatIp(payload.senderIp)}`
        : `arp ${formatIp(payload.senderIp)} is-at ${formatMac(payload.senderMac)}`
      : packetText(payload);
    return [
      hop(wording, {
        timeNs: event.timeNs,
        id: arp ? 0 : payload.id,
        pkt: text,
        ns: event.netns,
        device: event.device,
        dir: event.type === 'tx' ? 'out' : 'in',
        mac: `${formatMac(src)}>${formatMac(dst)}`,
        ttl: arp ? undefined : payload.ttl,
        len: arp ? undefined : ipv4Length(payload),
        df: !arp && payload.dontFragment,
        other,
      }),
    ];
  });
}

export function kernelHops(hops: readonly KernelHop[], wording: Wording): Hop[] {
  const start = hops[0]?.t ?? 0;
  // A plain switch has no station of its own, while a bridge of Linux also hears what it floods.
  const frames = hops.filter((h) => !(h.ns === 'external/underlay' && h.if === 'switch'));
  return frames.map((h) =>
    hop(wording, {
      timeNs: h.t - start,
      id: h.ipid ?? 0,
      pkt: h.pkt.replace(/ len\d+/g, ''),
      ns: h.ns,
      device: h.if,
      dir: h.dir,
      mac: h.mac ?? '',
      ttl: h.ttl,
      len: h.len,
      df: h.df ?? false,
      other: h.otherhost ?? false,
    }),
  );
}

interface Parts {
  readonly timeNs: number;
  readonly id: number;
  readonly pkt: string;
  readonly ns: string;
  readonly device: string;
  readonly dir: 'in' | 'out';
  readonly mac: string;
  readonly ttl: number | undefined;
  readonly len: number | undefined;
  readonly df: boolean;
  readonly other: boolean;
}

function hop(wording: Wording, p: Parts): Hop {
  const pkt = withKnownPorts(p.pkt, wording);
  // The page that a server sends names its client's port, so its length is no fact of the network.
  const length = p.len === undefined || pkt.includes('PSH') || pkt.startsWith('udp') ? '' : ` len ${p.len}`;
  const line = [
    p.ns,
    wording.device(p.device),
    p.dir,
    pkt,
    p.device === 'lo' ? '' : p.mac,
    p.ttl === undefined ? '' : `ttl ${p.ttl}${p.df ? ' df' : ''}${length}`,
    p.other && p.device !== 'lo' ? 'for another station' : '',
  ]
    .filter((part) => part !== '')
    .join(' ');
  return { timeNs: p.timeNs, pkt, id: p.id, line };
}

/** In `a.b.c.d:port`, the client's port as C and ports of chance as *. */
export function withKnownPorts(text: string, { clientPort, knownPorts }: Wording): string {
  return text.replace(/(\d+\.\d+\.\d+\.\d+):(\d+)\b/g, (_whole, address: string, port: string) => {
    const number = Number(port);
    return `${address}:${number === clientPort ? 'C' : knownPorts.has(number) ? port : '*'}`;
  });
}
