import {
  ICMP_UNREACHABLE,
  type Ipv4Packet,
  TCP_ACK,
  TCP_FIN,
  TCP_RST,
  TCP_SYN,
  type TcpSegment,
  UNREACH_ADMIN,
  UNREACH_HOST,
  UNREACH_NET,
  UNREACH_PORT,
  UNREACH_PROTOCOL,
} from '../../protocol/packet.ts';
import type { Skb } from '../link/skb.ts';
import type { RejectType } from '../netfilter/evaluation.ts';
import { sendIcmpError } from './icmp.ts';
import type { Netns } from './netns.ts';
import { localOut } from './output.ts';

/** Codes of ICMP type 3 by the names that iptables gives them (extensions/libipt_REJECT.c). */
const CODES: Partial<Record<RejectType, number>> = {
  'icmp-net-unreachable': UNREACH_NET,
  'icmp-host-unreachable': UNREACH_HOST,
  'icmp-proto-unreachable': UNREACH_PROTOCOL,
  'icmp-port-unreachable': UNREACH_PORT,
  'icmp-net-prohibited': 9,
  'icmp-host-prohibited': 10,
  'icmp-admin-prohibited': UNREACH_ADMIN,
};

/** Tells the sender of a rejected packet (net/ipv4/netfilter/nf_reject_ipv4.c, nf_send_unreach, nf_send_reset). */
export function sendReject(netns: Netns, skb: Skb, how: RejectType): void {
  if (how === 'tcp-reset') {
    sendReset(netns, skb);
    return;
  }
  const code = CODES[how];
  if (code !== undefined) sendIcmpError(netns, skb, ICMP_UNREACHABLE, code, 'rejectedByRule');
}

/** nf_send_reset: in the name of whoever the segment was for, and of its connection; a reset is never answered, nor a later fragment. */
function sendReset(netns: Netns, skb: Skb): void {
  const ip = skb.payload as Ipv4Packet;
  const segment = ip.payload;
  if (segment.type !== 'tcp' || segment.flags & TCP_RST || ip.fragmentOffset > 0) return;
  answerWithReset(netns, skb, ip, segment, true);
}

/**
 * Answers a segment with a reset: with the sequence number that its sender expects, or acknowledging what it sent (RFC 9293
 * section 3.10.7.1). `ofConnection`: the reset belongs to the segment's conntrack entry.
 */
export function answerWithReset(netns: Netns, skb: Skb, ip: Ipv4Packet, segment: TcpSegment, ofConnection: boolean): void {
  const acked = (segment.flags & TCP_ACK) !== 0;
  const length = segment.data.length + (segment.flags & TCP_SYN ? 1 : 0) + (segment.flags & TCP_FIN ? 1 : 0);
  const payload: TcpSegment = {
    type: 'tcp',
    srcPort: segment.dstPort,
    dstPort: segment.srcPort,
    seq: acked ? segment.ack : 0,
    ack: acked ? 0 : (segment.seq + length) >>> 0,
    flags: acked ? TCP_RST : TCP_RST | TCP_ACK,
    window: 0,
    options: undefined,
    data: '',
  };
  const packet: Ipv4Packet = {
    type: 'ipv4',
    src: ip.dst,
    dst: ip.src,
    ttl: netns.sysctls.defaultTtl,
    id: 0,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    tos: 0,
    payload,
  };
  localOut(netns, packet, {
    flow: skb.flow,
    direction: skb.direction === 'request' ? 'reply' : 'request',
    cause: skb.cause,
    ...(ofConnection ? { answering: skb } : {}),
  });
}
