import { TCP_FIN, TCP_SYN } from '../../protocol/packet.ts';

/** A segment that is kept until it is acknowledged. */
export interface Sent {
  readonly seq: number;
  readonly flags: number;
  readonly data: string;
  sentNs: number;
  retransmitted: boolean;
}

/** Sequence numbers wrap (RFC 9293 section 3.4). */
export const seqAdd = (a: number, n: number): number => (a + n) >>> 0;
export const seqLess = (a: number, b: number): boolean => ((a - b) | 0) < 0;

/** Sequence numbers that a segment takes: SYN and FIN count as one octet each. */
export const seqLength = (s: { readonly flags: number; readonly data: string }): number =>
  s.data.length + (s.flags & TCP_SYN ? 1 : 0) + (s.flags & TCP_FIN ? 1 : 0);
