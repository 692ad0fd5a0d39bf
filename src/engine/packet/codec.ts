import { err, ok, type Result } from '../../base/result.ts';
import type { Ipv4, Ipv6, Mac } from '../../protocol/address.ts';
import {
  type ArpPacket,
  type Frame,
  ICMP_QUOTE_MAX,
  ICMP_REDIRECT,
  type IcmpMessage,
  type Ipv4Packet,
  type Ipv6Packet,
  ipv4Length,
  protocolNumber,
  type TcpOptions,
  type TcpSegment,
  type TransportPayload,
  tcpHeaderLength,
  transportLength,
} from '../../protocol/packet.ts';
import { internetChecksum, OctetReader, OctetWriter } from './octets.ts';

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_IPV6 = 0x86dd;

/** The octets of a frame as they are on the wire, without preamble, padding and frame check sequence; checksums are right. */
export function encodeFrame(frame: Frame): Uint8Array {
  const w = new OctetWriter();
  mac(w, frame.dst);
  mac(w, frame.src);
  switch (frame.payload.type) {
    case 'arp':
      w.u16(ETHERTYPE_ARP);
      encodeArp(w, frame.payload);
      break;
    case 'ipv4':
      w.u16(ETHERTYPE_IPV4);
      encodeIpv4(w, frame.payload);
      break;
    case 'ipv6':
      w.u16(ETHERTYPE_IPV6);
      encodeIpv6(w, frame.payload);
      break;
  }
  return w.take();
}

function mac(w: OctetWriter, address: Mac): void {
  w.u16(Math.floor(address / 0x1_0000_0000)).u32(address % 0x1_0000_0000);
}

function encodeArp(w: OctetWriter, arp: ArpPacket): void {
  w.u16(1)
    .u16(ETHERTYPE_IPV4)
    .u8(6)
    .u8(4)
    .u16(arp.op === 'request' ? 1 : 2);
  mac(w, arp.senderMac);
  w.u32(arp.senderIp);
  mac(w, arp.targetMac);
  w.u32(arp.targetIp);
}

function encodeIpv4(w: OctetWriter, ip: Ipv4Packet): void {
  const start = w.length;
  w.u8(0x45).u8(ip.tos).u16(ipv4Length(ip)).u16(ip.id);
  w.u16((ip.dontFragment ? 0x4000 : 0) | (ip.moreFragments ? 0x2000 : 0) | (ip.fragmentOffset >>> 3));
  w.u8(ip.ttl).u8(protocolNumber(ip.payload)).u16(0).u32(ip.src).u32(ip.dst);
  w.patch16(start + 10, internetChecksum(w.view(start, start + 20)));
  encodeTransport(w, ip);
}

/** Sum of the pseudo-header (RFC 9293 section 3.1, RFC 768). */
const pseudoHeader = (ip: Ipv4Packet, length: number): number =>
  (ip.src >>> 16) + (ip.src & 0xffff) + (ip.dst >>> 16) + (ip.dst & 0xffff) + protocolNumber(ip.payload) + length;

function encodeTransport(w: OctetWriter, ip: Ipv4Packet): void {
  const start = w.length;
  const payload = ip.payload;
  switch (payload.type) {
    case 'tcp':
      encodeTcp(w, payload);
      w.patch16(start + 16, internetChecksum(w.view(start, w.length), pseudoHeader(ip, w.length - start)));
      return;
    case 'udp': {
      w.u16(payload.srcPort)
        .u16(payload.dstPort)
        .u16(8 + payload.data.length)
        .u16(0)
        .data(payload.data);
      // Zero means "no checksum" (RFC 768), so a sum of zero is sent as all ones.
      w.patch16(start + 6, internetChecksum(w.view(start, w.length), pseudoHeader(ip, w.length - start)) || 0xffff);
      return;
    }
    case 'icmp':
      encodeIcmp(w, payload);
      w.patch16(start + 2, internetChecksum(w.view(start, w.length)));
      return;
    case 'opaque':
      w.data(payload.data);
      return;
  }
}

function encodeTcp(w: OctetWriter, tcp: TcpSegment): void {
  const headerLength = tcpHeaderLength(tcp.options);
  const end = w.length + headerLength;
  w.u16(tcp.srcPort).u16(tcp.dstPort).u32(tcp.seq).u32(tcp.ack);
  w.u8((headerLength / 4) << 4)
    .u8(tcp.flags)
    .u16(tcp.window)
    .u16(0)
    .u16(0);
  const o = tcp.options;
  if (o) {
    if (o.mss !== undefined) w.u8(2).u8(4).u16(o.mss);
    if (o.sackPermitted) w.u8(4).u8(2);
    if (o.timestamp) {
      // Linux pads to keep the two numbers aligned: before them where SACK-permitted does not (net/ipv4/tcp_output.c, tcp_options_write).
      if (!o.sackPermitted) w.u8(1).u8(1);
      w.u8(8).u8(10).u32(o.timestamp.value).u32(o.timestamp.echo);
    }
    if (o.windowScale !== undefined) w.u8(1).u8(3).u8(3).u8(o.windowScale);
    while (w.length < end) w.u8(1);
  }
  w.data(tcp.data);
}

function encodeIcmp(w: OctetWriter, icmp: IcmpMessage): void {
  w.u8(icmp.icmpType).u8(icmp.code).u16(0);
  if (icmp.quote) {
    if (icmp.icmpType === ICMP_REDIRECT) w.u32(icmp.gateway);
    else w.u16(0).u16(icmp.mtu);
    const inner = new OctetWriter();
    encodeIpv4(inner, icmp.quote);
    w.bytes(inner.view(0, Math.min(ICMP_QUOTE_MAX, inner.length)));
  } else {
    w.u16(icmp.id).u16(icmp.seq).data(icmp.data);
  }
}

function encodeIpv6(w: OctetWriter, ip: Ipv6Packet): void {
  w.u32(0x60000000).u16(ip.data.length).u8(ip.nextHeader).u8(ip.hopLimit);
  for (const address of [ip.src, ip.dst]) for (let shift = 112n; shift >= 0n; shift -= 16n) w.u16(Number((address >> shift) & 0xffffn));
  w.data(ip.data);
}

/** Reads a frame; the error says what is wrong. Checksums are verified, but not inside an ICMP error's quote, which may be cut short. */
export function decodeFrame(bytes: Uint8Array): Result<Frame, string> {
  const r = new OctetReader(bytes);
  try {
    const dst = readMac(r);
    const src = readMac(r);
    const etherType = r.u16();
    const payload =
      etherType === ETHERTYPE_ARP
        ? decodeArp(r)
        : etherType === ETHERTYPE_IPV4
          ? decodeIpv4(r, true)
          : etherType === ETHERTYPE_IPV6
            ? decodeIpv6(r)
            : undefined;
    if (payload === undefined) return err(`EtherType 0x${etherType.toString(16).padStart(4, '0')} is not understood`);
    return typeof payload === 'string' ? err(payload) : ok({ dst, src, payload });
  } catch (error) {
    if (error instanceof RangeError) return err(error.message);
    throw error;
  }
}

const readMac = (r: OctetReader): Mac => (r.u16() * 0x1_0000_0000 + r.u32()) as Mac;

function decodeArp(r: OctetReader): ArpPacket | string {
  if (r.u16() !== 1 || r.u16() !== ETHERTYPE_IPV4 || r.u8() !== 6 || r.u8() !== 4) return 'ARP is not for Ethernet and IPv4';
  const op = r.u16();
  if (op !== 1 && op !== 2) return `ARP operation ${op} is not understood`;
  return {
    type: 'arp',
    op: op === 1 ? 'request' : 'reply',
    senderMac: readMac(r),
    senderIp: r.u32() as Ipv4,
    targetMac: readMac(r),
    targetIp: r.u32() as Ipv4,
  };
}

function decodeIpv4(r: OctetReader, whole: boolean): Ipv4Packet | string {
  const start = r.offset;
  const versionAndLength = r.u8();
  if (versionAndLength !== 0x45) return versionAndLength >>> 4 === 4 ? 'IPv4 options are not understood' : 'the packet is not IPv4';
  const tos = r.u8();
  const length = r.u16();
  const id = r.u16();
  const fragment = r.u16();
  const ttl = r.u8();
  const protocol = r.u8();
  r.u16();
  const src = r.u32() as Ipv4;
  const dst = r.u32() as Ipv4;
  if (internetChecksum(r.bytes.subarray(start, start + 20)) !== 0) return 'the IPv4 header checksum is wrong';
  const dataLength = length - 20;
  if (dataLength < 0 || (whole && dataLength > r.left)) return `the IPv4 total length ${length} does not fit`;
  const head = {
    type: 'ipv4',
    src,
    dst,
    ttl,
    id,
    tos,
    dontFragment: (fragment & 0x4000) !== 0,
    moreFragments: (fragment & 0x2000) !== 0,
    fragmentOffset: (fragment & 0x1fff) * 8,
  } as const;
  const body = r.bytes.subarray(r.offset, r.offset + Math.min(dataLength, r.left));
  const payload =
    head.moreFragments || head.fragmentOffset > 0
      ? opaque(protocol, body)
      : decodeTransport(protocol, body, whole ? { src, dst } : undefined);
  return typeof payload === 'string' ? payload : { ...head, payload };
}

function opaque(protocol: number, body: Uint8Array): TransportPayload {
  return { type: 'opaque', protocol, data: new OctetReader(body).data(body.length) };
}

function decodeTransport(protocol: number, body: Uint8Array, verify: { src: Ipv4; dst: Ipv4 } | undefined): TransportPayload | string {
  const r = new OctetReader(body);
  const pseudo = verify
    ? (verify.src >>> 16) + (verify.src & 0xffff) + (verify.dst >>> 16) + (verify.dst & 0xffff) + protocol + body.length
    : 0;
  if (protocol === 6) {
    if (verify && internetChecksum(body, pseudo) !== 0) return 'the TCP checksum is wrong';
    return decodeTcp(r);
  }
  if (protocol === 17) {
    const srcPort = r.u16();
    const dstPort = r.u16();
    const length = r.u16();
    const checksum = r.u16();
    if (verify && checksum !== 0 && internetChecksum(body, pseudo) !== 0) return 'the UDP checksum is wrong';
    if (verify && length - 8 !== r.left) return `the UDP length ${length} does not fit`;
    return { type: 'udp', srcPort, dstPort, data: r.data(r.left) };
  }
  if (protocol === 1) {
    if (verify && internetChecksum(body) !== 0) return 'the ICMP checksum is wrong';
    return decodeIcmp(r);
  }
  return opaque(protocol, body);
}

function decodeTcp(r: OctetReader): TcpSegment | string {
  const srcPort = r.u16();
  const dstPort = r.u16();
  const seq = r.u32();
  const ack = r.u32();
  const headerLength = (r.u8() >>> 4) * 4;
  const flags = r.u8();
  const window = r.u16();
  r.u32();
  if (headerLength < 20) return `the TCP data offset ${headerLength} is too small`;
  const options = headerLength > 20 ? decodeTcpOptions(r, headerLength) : undefined;
  if (typeof options === 'string') return options;
  return { type: 'tcp', srcPort, dstPort, seq, ack, flags, window, options, data: r.data(r.left) };
}

function decodeTcpOptions(r: OctetReader, end: number): TcpOptions | string {
  const options = {
    mss: undefined as number | undefined,
    windowScale: undefined as number | undefined,
    sackPermitted: false,
    timestamp: undefined as TcpOptions['timestamp'],
  };
  while (r.offset < end) {
    const kind = r.u8();
    if (kind === 0) break;
    if (kind === 1) continue;
    const length = r.u8();
    if (length < 2) return `TCP option ${kind} has length ${length}`;
    const next = r.offset + length - 2;
    if (kind === 2) options.mss = r.u16();
    else if (kind === 3) options.windowScale = r.u8();
    else if (kind === 4) options.sackPermitted = true;
    else if (kind === 8) options.timestamp = { value: r.u32(), echo: r.u32() };
    r.offset = next;
  }
  r.offset = end;
  return options;
}

function decodeIcmp(r: OctetReader): IcmpMessage | string {
  const icmpType = r.u8();
  const code = r.u8();
  r.u16();
  const base = { type: 'icmp', icmpType, code, id: 0, seq: 0, mtu: 0, gateway: 0 as Ipv4, quote: undefined, data: '' } as const;
  if (icmpType === 0 || icmpType === 8) return { ...base, id: r.u16(), seq: r.u16(), data: r.data(r.left) };
  if (icmpType !== 3 && icmpType !== 5 && icmpType !== 11) return { ...base, id: r.u16(), seq: r.u16(), data: r.data(r.left) };
  const redirect = icmpType === ICMP_REDIRECT;
  const rest = r.u32();
  const gateway = (redirect ? rest : 0) as Ipv4;
  const mtu = redirect ? 0 : rest & 0xffff;
  const quote = decodeIpv4(r, false);
  return typeof quote === 'string' ? quote : { ...base, mtu, gateway, quote };
}

function decodeIpv6(r: OctetReader): Ipv6Packet | string {
  if (r.u32() >>> 28 !== 6) return 'the packet is not IPv6';
  const length = r.u16();
  const nextHeader = r.u8();
  const hopLimit = r.u8();
  const address = (): Ipv6 => {
    let value = 0n;
    for (let i = 0; i < 8; i++) value = (value << 16n) | BigInt(r.u16());
    return value as Ipv6;
  };
  return { type: 'ipv6', src: address(), dst: address(), nextHeader, hopLimit, data: r.data(length) };
}

/** The octets above the IP header, as fragmentation cuts them. */
export function encodePayload(ip: Ipv4Packet): Uint8Array {
  const w = new OctetWriter();
  encodeTransport(w, ip);
  return w.take();
}

/** The inverse of `encodePayload` once all fragments are together; undefined when the octets make no sense. */
export function decodePayload(protocol: number, body: Uint8Array): TransportPayload | undefined {
  try {
    const payload = decodeTransport(protocol, body, undefined);
    return typeof payload === 'string' ? undefined : payload;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Octets of a frame without frame check sequence. */
export function frameLength(frame: Frame): number {
  switch (frame.payload.type) {
    case 'arp':
      return 14 + 28;
    case 'ipv4':
      return 14 + 20 + transportLength(frame.payload.payload);
    case 'ipv6':
      return 14 + 40 + frame.payload.data.length;
  }
}
