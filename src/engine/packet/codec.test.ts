import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Ipv4, Mac } from '../../protocol/address.ts';
import type { Frame, Ipv4Packet, TransportPayload } from '../../protocol/packet.ts';
import { decodeFrame, encodeFrame, frameLength } from './codec.ts';
import { internetChecksum } from './octets.ts';

const u = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const macs = fc.integer({ min: 0, max: 0xffffffffffff }).map((n) => n as Mac);
const ips = u32.map((n) => n as Ipv4);
const data = fc.array(u(8), { maxLength: 60 }).map((octets) => String.fromCharCode(...octets));
const option = <T>(a: fc.Arbitrary<T>) => fc.option(a, { nil: undefined });

const tcp: fc.Arbitrary<TransportPayload> = fc.record({
  type: fc.constant('tcp' as const),
  srcPort: u(16),
  dstPort: u(16),
  seq: u32,
  ack: u32,
  flags: u(6),
  window: u(16),
  options: option(
    fc
      .record({
        mss: option(u(16)),
        windowScale: option(u(8)),
        sackPermitted: fc.boolean(),
        timestamp: option(fc.record({ value: u32, echo: u32 })),
      })
      .filter((o) => o.mss !== undefined || o.windowScale !== undefined || o.sackPermitted || o.timestamp !== undefined),
  ),
  data,
});
const udp: fc.Arbitrary<TransportPayload> = fc.record({ type: fc.constant('udp' as const), srcPort: u(16), dstPort: u(16), data });
const echo: fc.Arbitrary<TransportPayload> = fc.record({
  type: fc.constant('icmp' as const),
  icmpType: fc.constantFrom(0, 8),
  code: fc.constant(0),
  id: u(16),
  seq: u(16),
  mtu: fc.constant(0),
  gateway: fc.constant(0 as Ipv4),
  quote: fc.constant(undefined),
  data,
});
const packet = (payload: fc.Arbitrary<TransportPayload>): fc.Arbitrary<Ipv4Packet> =>
  fc.record({
    type: fc.constant('ipv4' as const),
    src: ips,
    dst: ips,
    ttl: u(8),
    id: u(16),
    dontFragment: fc.boolean(),
    moreFragments: fc.constant(false),
    fragmentOffset: fc.constant(0),
    tos: u(8),
    payload,
  });
const error: fc.Arbitrary<TransportPayload> = packet(fc.oneof(tcp, udp, echo)).map((quote) => ({
  type: 'icmp',
  icmpType: 3,
  code: 4,
  id: 0,
  seq: 0,
  mtu: 1450,
  gateway: 0 as Ipv4,
  quote,
  data: '',
}));
const arp = fc.record({
  type: fc.constant('arp' as const),
  op: fc.constantFrom('request' as const, 'reply' as const),
  senderMac: macs,
  senderIp: ips,
  targetMac: macs,
  targetIp: ips,
});
const frames: fc.Arbitrary<Frame> = fc.record({ dst: macs, src: macs, payload: fc.oneof(arp, packet(fc.oneof(tcp, udp, echo, error))) });

describe('the codec', () => {
  it('reads back what it wrote, for every kind of frame', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        expect(decodeFrame(encodeFrame(frame))).toEqual({ ok: true, value: frame });
      }),
    );
  });

  it('knows a frame’s length without encoding it', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        expect(encodeFrame(frame).length).toBe(frameLength(frame));
      }),
    );
  });

  it('refuses a packet with one bit turned over in IP header or TCP', () => {
    fc.assert(
      fc.property(macs, macs, packet(tcp), fc.nat(), (src, dst, payload, n) => {
        const bytes = encodeFrame({ src, dst, payload });
        const bit = (n % ((bytes.length - 14) * 8)) + 14 * 8;
        const changed = Uint8Array.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
        const decoded = decodeFrame(changed);
        expect(decoded.ok && JSON.stringify(decoded.value) === JSON.stringify({ dst, src, payload })).toBe(false);
        expect(decoded.ok).toBe(false);
      }),
    );
  });

  it('never throws on any octets', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeFrame(bytes)));
  });

  it('agrees with the example of RFC 1071 section 3', () => {
    expect(internetChecksum(Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7))).toBe(~0xddf2 & 0xffff);
  });

  it('writes an ARP request as captured on Linux', () => {
    const hex = [
      ...encodeFrame({
        dst: 0xffffffffffff as Mac,
        src: 0x0a580af4010a as Mac,
        payload: {
          type: 'arp',
          op: 'request',
          senderMac: 0x0a580af4010a as Mac,
          senderIp: 0x0af4010a as Ipv4,
          targetMac: 0 as Mac,
          targetIp: 0x0af4010b as Ipv4,
        },
      }),
    ]
      .map((b) => b.toString(16).padStart(2, '0'))
      .join('');
    expect(hex).toBe('ffffffffffff0a580af4010a08060001080006040001' + '0a580af4010a0af4010a' + '0000000000000af4010b');
  });
});
