import { bytes, icmpName, packetText, protocolName, tcpFlagNames } from '../../explain/packet-text.ts';
import { formatIp, formatMac } from '../../protocol/address.ts';
import { type Frame, type Ipv4Packet, ipv4Length, protocolNumber, type TransportPayload } from '../../protocol/packet.ts';

export interface Field {
  readonly label: string;
  readonly value: string;
}

export interface Layer {
  readonly name: string;
  readonly kind: 'l2' | 'l3' | 'l4' | 'data';
  readonly fields: readonly Field[];
}

const field = (label: string, value: string | number): Field => ({ label, value: String(value) });
const yes = (value: boolean): string => (value ? 'yes' : 'no');

/** The layers of a frame from the outside in, with every field. */
export function layersOf(frame: Frame): readonly Layer[] {
  const packet = frame.payload;
  const type = packet.type === 'arp' ? '0x0806 (ARP)' : packet.type === 'ipv4' ? '0x0800 (IPv4)' : '0x86dd (IPv6)';
  const ethernet: Layer = {
    name: 'Ethernet',
    kind: 'l2',
    fields: [field('Destination', formatMac(frame.dst)), field('Source', formatMac(frame.src)), field('Type', type)],
  };
  switch (packet.type) {
    case 'arp':
      return [
        ethernet,
        {
          name: 'ARP',
          kind: 'l2',
          fields: [
            field('Operation', packet.op === 'request' ? '1 (request)' : '2 (reply)'),
            field('Sender MAC', formatMac(packet.senderMac)),
            field('Sender IP', formatIp(packet.senderIp)),
            field('Target MAC', formatMac(packet.targetMac)),
            field('Target IP', formatIp(packet.targetIp)),
          ],
        },
      ];
    case 'ipv6':
      return [
        ethernet,
        {
          name: 'IPv6',
          kind: 'l3',
          fields: [
            field('Source', formatIp(packet.src)),
            field('Destination', formatIp(packet.dst)),
            field('Hop limit', packet.hopLimit),
            field('Next header', `${packet.nextHeader} (${protocolName(packet.nextHeader)})`),
            field('Payload', bytes(packet.data.length)),
          ],
        },
      ];
    case 'ipv4':
      return [ethernet, ipv4Layer(packet), ...transportLayers(packet.payload)];
  }
}

function ipv4Layer(packet: Ipv4Packet): Layer {
  const protocol = protocolNumber(packet.payload);
  return {
    name: 'IPv4',
    kind: 'l3',
    fields: [
      field('Source', formatIp(packet.src)),
      field('Destination', formatIp(packet.dst)),
      field('TTL', packet.ttl),
      field('Protocol', `${protocol} (${protocolName(protocol)})`),
      field('Total length', ipv4Length(packet)),
      field('Identification', packet.id),
      field('Don’t fragment', yes(packet.dontFragment)),
      field('More fragments', yes(packet.moreFragments)),
      field('Fragment offset', packet.fragmentOffset),
      field('TOS', `0x${packet.tos.toString(16).padStart(2, '0')}`),
    ],
  };
}

function transportLayers(payload: TransportPayload): readonly Layer[] {
  switch (payload.type) {
    case 'tcp': {
      const { options } = payload;
      const fields = [
        field('Source port', payload.srcPort),
        field('Destination port', payload.dstPort),
        field('Flags', tcpFlagNames(payload.flags).join(', ') || 'none'),
        field('Sequence number', payload.seq),
        field('Acknowledgement', payload.ack),
        field('Window', payload.window),
      ];
      if (options?.mss !== undefined) fields.push(field('MSS', options.mss));
      if (options?.windowScale !== undefined) fields.push(field('Window scale', options.windowScale));
      if (options?.sackPermitted) fields.push(field('SACK permitted', 'yes'));
      if (options?.timestamp) fields.push(field('Timestamps', `${options.timestamp.value}, echo ${options.timestamp.echo}`));
      return [{ name: 'TCP', kind: 'l4', fields }, ...dataLayers(payload.data)];
    }
    case 'udp': {
      const fields = [
        field('Source port', payload.srcPort),
        field('Destination port', payload.dstPort),
        field('Length', 8 + payload.data.length),
      ];
      return [{ name: 'UDP', kind: 'l4', fields }, ...dataLayers(payload.data)];
    }
    case 'icmp': {
      const fields = [
        field('Type', `${payload.icmpType} (${icmpName(payload.icmpType, payload.code)})`),
        field('Code', payload.code),
        field('Identifier', payload.id),
        field('Sequence number', payload.seq),
      ];
      if (payload.mtu !== 0) fields.push(field('Next-hop MTU', payload.mtu));
      if (payload.gateway !== 0) fields.push(field('Gateway', formatIp(payload.gateway)));
      if (payload.quote) fields.push(field('Quotes', packetText({ dst: 0, src: 0, payload: payload.quote } as Frame)));
      return [{ name: 'ICMP', kind: 'l4', fields }, ...dataLayers(payload.quote ? '' : payload.data)];
    }
    case 'opaque':
      return [
        {
          name: protocolName(payload.protocol).toUpperCase(),
          kind: 'l4',
          fields: [field('Protocol', payload.protocol), field('Payload', bytes(payload.data.length))],
        },
      ];
  }
}

const HTTP = /^(?:[A-Z]+ \S+ HTTP\/|HTTP\/)/;

function dataLayers(data: string): readonly Layer[] {
  if (data === '') return [];
  if (HTTP.test(data)) return [{ name: 'HTTP', kind: 'data', fields: [field('Message', data.replaceAll('\r\n', '\n').trimEnd())] }];
  return [{ name: 'Data', kind: 'data', fields: [field('Length', bytes(data.length)), field('Octets', hexOf(data))] }];
}

/** The first 64 octets in hexadecimal. */
function hexOf(data: string): string {
  const octets = [...data.slice(0, 64)].map((c) => c.charCodeAt(0).toString(16).padStart(2, '0'));
  return octets.join(' ') + (data.length > 64 ? ' ...' : '');
}

/** What a field was before, for each field whose value is another now. Frames of different protocols are not compared. */
export function changesOf(before: readonly Layer[], after: readonly Layer[]): ReadonlyMap<string, string> {
  const was = new Map<string, string>(before.flatMap((layer) => layer.fields.map((f) => [`${layer.name} ${f.label}`, f.value] as const)));
  const changes = new Map<string, string>();
  if (before.map((l) => l.name).join() !== after.map((l) => l.name).join()) return changes;
  for (const layer of after) {
    for (const { label, value } of layer.fields) {
      const key = `${layer.name} ${label}`;
      const old = was.get(key);
      if (old !== undefined && old !== value) changes.set(key, old);
    }
  }
  return changes;
}
