import { type Ipv4Packet, protocolNumber } from '../../protocol/packet.ts';
import { Skb } from '../link/skb.ts';
import { decodePayload, encodePayload } from '../packet/codec.ts';
import type { Timer } from '../sim/simulation.ts';
import type { InetDevice } from './inet-device.ts';
import type { Netns } from './netns.ts';

/** Cuts a packet to the MTU (net/ipv4/ip_output.c, ip_do_fragment); offsets are multiples of eight octets (RFC 791). */
export function fragment(out: InetDevice, skb: Skb, mtu: number): Skb[] {
  const { netns, device } = out;
  const packet = skb.payload as Ipv4Packet;
  const body = encodePayload(packet);
  const room = Math.floor((mtu - 20) / 8) * 8;
  const count = Math.ceil(body.length / room);
  const recorder = netns.lab.recorder;
  if (recorder.on) recorder.packet('fragmented', netns.id, device.name, skb, { mtu, fragments: count });
  const cause = skb.cause;
  const pieces: Skb[] = [];
  for (let i = 0; i < count; i++) {
    const part = body.subarray(i * room, (i + 1) * room);
    const piece = skb.clone();
    piece.cause = cause;
    piece.payload = {
      ...packet,
      dontFragment: false,
      fragmentOffset: packet.fragmentOffset + i * room,
      moreFragments: i < count - 1 || packet.moreFragments,
      payload: { type: 'opaque', protocol: protocolNumber(packet.payload), data: String.fromCharCode(...part) },
    };
    pieces.push(piece);
  }
  return pieces;
}

/** Time that an incomplete packet is kept (net.ipv4.ipfrag_time, 30 s). */
const IPFRAG_TIME_NS = 30_000_000_000;

interface Pending {
  readonly pieces: { offset: number; data: string; last: boolean }[];
  readonly timer: Timer;
}

/** Puts fragments together again (net/ipv4/ip_fragment.c). */
export class Reassembly {
  private readonly netns: Netns;
  private readonly pending = new Map<string, Pending>();

  constructor(netns: Netns) {
    this.netns = netns;
  }

  /** The packet itself when it is whole, the reassembled one with its last fragment, else undefined. */
  take(skb: Skb, dev: InetDevice): Skb | undefined {
    const ip = skb.payload as Ipv4Packet;
    if (!ip.moreFragments && ip.fragmentOffset === 0) return skb;
    if (ip.payload.type !== 'opaque') return skb;
    const key = `${ip.src} ${ip.dst} ${ip.id} ${ip.payload.protocol}`;
    let pending = this.pending.get(key);
    if (!pending) {
      pending = { pieces: [], timer: this.netns.lab.sim.schedule(IPFRAG_TIME_NS, expire, this as Reassembly, key, true) };
      this.pending.set(key, pending);
    }
    pending.pieces.push({ offset: ip.fragmentOffset, data: ip.payload.data, last: !ip.moreFragments });
    const body = joined(pending.pieces);
    if (body === undefined) {
      const recorder = this.netns.lab.recorder;
      if (recorder.on)
        recorder.packet('deliver', this.netns.id, dev.device.name, skb, {
          to: 'the reassembly queue, until all fragments are here',
          process: undefined,
        });
      return undefined;
    }
    this.netns.lab.sim.cancel(pending.timer);
    this.pending.delete(key);
    const payload = decodePayload(
      ip.payload.protocol,
      Uint8Array.from(body, (c) => c.charCodeAt(0)),
    );
    if (!payload) {
      this.netns.drop(skb, dev, 'notUnderstood', 'the reassembled packet is malformed');
      return undefined;
    }
    const whole = new Skb(
      skb.packet,
      skb.flow,
      skb.direction,
      skb.cause,
      { ...ip, moreFragments: false, fragmentOffset: 0, payload },
      skb.src,
      skb.dst,
    );
    const recorder = this.netns.lab.recorder;
    if (recorder.on) recorder.packet('reassembled', this.netns.id, dev.device.name, whole, { fragments: pending.pieces.length });
    return whole;
  }

  /** For tests and views: how many packets wait for fragments. */
  get waiting(): number {
    return this.pending.size;
  }

  static expire(reassembly: Reassembly, key: string): void {
    reassembly.pending.delete(key);
  }
}

const expire = (reassembly: Reassembly, key: string): void => Reassembly.expire(reassembly, key);

function joined(pieces: readonly { offset: number; data: string; last: boolean }[]): string | undefined {
  const sorted = [...pieces].sort((a, b) => a.offset - b.offset);
  let body = '';
  for (const piece of sorted) {
    if (piece.offset > body.length) return undefined;
    body += piece.data.slice(body.length - piece.offset);
  }
  return sorted.at(-1)?.last ? body : undefined;
}
