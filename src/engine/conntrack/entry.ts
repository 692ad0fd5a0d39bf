import type { ConntrackTuple, ConntrackView } from '../../protocol/event.ts';
import type { TcpConntrackState } from './tcp-states.ts';
import { invert } from './tuple.ts';

const SECOND = 1_000_000_000;
/** A UDP exchange that goes on after two seconds is a stream (nf_conntrack_proto_udp.c). */
const UDP_STREAM_AFTER_NS = 2 * SECOND;

/** One tracked connection (Linux: struct nf_conn). The tuples are replaced, never changed in place. */
export class ConntrackEntry {
  readonly id: number;
  readonly original: ConntrackTuple;
  /** What answers carry: the original inverted, but where NAT has changed it before confirmation. */
  reply: ConntrackTuple;
  state: TcpConntrackState | undefined;
  assured = false;
  seenReply = false;
  confirmed = false;
  expiresNs = 0;
  mark = 0;
  /** IPS_SRC_NAT, IPS_DST_NAT: the connection is translated so. */
  snat = false;
  dnat = false;
  /** IPS_SRC_NAT_DONE, IPS_DST_NAT_DONE: the nat chains have been asked, whatever they said. */
  sourceDone = false;
  destinationDone = false;
  readonly streamAfterNs: number;

  constructor(id: number, original: ConntrackTuple, nowNs: number) {
    this.id = id;
    this.original = original;
    this.reply = invert(original);
    this.state = original.protocol === 6 ? 'NONE' : undefined;
    this.streamAfterNs = nowNs + UDP_STREAM_AFTER_NS;
  }

  view(): ConntrackView {
    return {
      id: this.id,
      original: this.original,
      reply: this.reply,
      state: this.state,
      assured: this.assured,
      seenReply: this.seenReply,
      expiresNs: this.expiresNs,
      mark: this.mark,
    };
  }
}

/** How a packet relates to its entry; what `skb.ctInfo` holds (include/uapi/linux/netfilter/nf_conntrack_common.h). */
export const CT_NEW = 1;
export const CT_ESTABLISHED = 2;
export const CT_RELATED = 3;
export const CT_REPLY = 4;
export const CT_INVALID = 8;
export const CT_UNTRACKED = 16;
