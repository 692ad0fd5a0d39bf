import type { Ipv4 } from '../../protocol/address.ts';
import type { ConntrackTuple } from '../../protocol/event.ts';
import type { IcmpMessage, Ipv4Packet, TcpSegment, UdpDatagram } from '../../protocol/packet.ts';
import type { IpvsConnection } from './connections.ts';

/** A packet of TCP or UDP: those that IPVS balances here. */
export type Balanced = Ipv4Packet & { readonly payload: TcpSegment | UdpDatagram };

export const isBalanced = (ip: Ipv4Packet): ip is Balanced => ip.payload.type === 'tcp' || ip.payload.type === 'udp';

/** An ICMP error that quotes such a packet. */
export type QuotingError = Ipv4Packet & { readonly payload: IcmpMessage & { readonly quote: Balanced } };

/** Unreachable, source quench and time exceeded are looked into, other errors are not (ip_vs_core.c, ip_vs_in_icmp, ip_vs_out_icmp). */
export function isQuotingError(ip: Ipv4Packet): ip is QuotingError {
  const { payload } = ip;
  if (payload.type !== 'icmp' || (payload.icmpType !== 3 && payload.icmpType !== 4 && payload.icmpType !== 11)) return false;
  return payload.quote !== undefined && isBalanced(payload.quote);
}

/** The direction a packet is rewritten in; `ttl` is the new one. */
export function toServer(ip: Balanced, { real, realPort }: IpvsConnection, ttl: number): Balanced {
  return { ...ip, dst: real, ttl, payload: { ...ip.payload, dstPort: realPort } } as Balanced;
}

export function toClient(ip: Balanced, { virtual, virtualPort }: IpvsConnection): Balanced {
  return { ...ip, src: virtual, payload: { ...ip.payload, srcPort: virtualPort } } as Balanced;
}

/** ip_vs_nat_icmp: the quoted packet went the other way than the error, so its other half changes. */
export function errorToServer(ip: QuotingError, { real, realPort }: IpvsConnection, ttl: number): QuotingError {
  const { quote } = ip.payload;
  const rewritten = { ...quote, src: real, payload: { ...quote.payload, srcPort: realPort } } as Balanced;
  return { ...ip, dst: real, ttl, payload: { ...ip.payload, quote: rewritten } };
}

export function errorToClient(ip: QuotingError, { virtual, virtualPort }: IpvsConnection): QuotingError {
  const { quote } = ip.payload;
  const rewritten = { ...quote, dst: virtual, payload: { ...quote.payload, dstPort: virtualPort } } as Balanced;
  return { ...ip, src: virtual, payload: { ...ip.payload, quote: rewritten } };
}

/** Who speaks to whom; of an ICMP error in the packet that it quotes. */
export function addressing(ip: Balanced | QuotingError): ConntrackTuple {
  const inner = ip.payload.type === 'icmp' ? ip.payload.quote : (ip as Balanced);
  const { src, dst, payload } = inner;
  return { src: src as Ipv4, dst, protocol: payload.type === 'tcp' ? 6 : 17, srcPort: payload.srcPort, dstPort: payload.dstPort };
}
