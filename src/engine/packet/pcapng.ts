import type { Capture } from '../../protocol/engine.ts';
import { encodeFrame } from './codec.ts';

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const LINKTYPE_ETHERNET = 1;

/** A pcapng file (draft-ietf-opsawg-pcapng): little-endian, named interfaces, nanosecond timestamps from the start of the simulation, a comment per packet. */
export function encodePcapng(capture: Capture): Uint8Array {
  const blocks: Uint8Array[] = [
    block(SECTION_HEADER, [u32(0x1a2b3c4d), u16(1), u16(0), u32(0xffffffff), u32(0xffffffff), option(4, text('Hoplab')), END]),
    ...capture.interfaces.map((name) =>
      block(INTERFACE_DESCRIPTION, [u16(LINKTYPE_ETHERNET), u16(0), u32(262_144), option(2, text(name)), option(9, Uint8Array.of(9)), END]),
    ),
  ];
  for (const { interface: index, timeNs, frame, comment, outgoing } of capture.packets) {
    const bytes = encodeFrame(frame);
    blocks.push(
      block(ENHANCED_PACKET, [
        u32(index),
        u32(Math.floor(timeNs / 0x1_0000_0000)),
        u32(timeNs % 0x1_0000_0000),
        u32(bytes.length),
        u32(bytes.length),
        padded(bytes),
        option(1, text(comment)),
        option(2, u32(outgoing ? 2 : 1)),
        END,
      ]),
    );
  }
  return concat(blocks);
}

const END = new Uint8Array(4);
/** UTF-8 (RFC 3629), written out since the engine has no platform types. */
function text(s: string): Uint8Array {
  const octets: number[] = [];
  for (const c of s) {
    const p = c.codePointAt(0) as number;
    if (p < 0x80) octets.push(p);
    else if (p < 0x800) octets.push(0xc0 | (p >> 6), 0x80 | (p & 63));
    else if (p < 0x10000) octets.push(0xe0 | (p >> 12), 0x80 | ((p >> 6) & 63), 0x80 | (p & 63));
    else octets.push(0xf0 | (p >> 18), 0x80 | ((p >> 12) & 63), 0x80 | ((p >> 6) & 63), 0x80 | (p & 63));
  }
  return Uint8Array.from(octets);
}
const u16 = (n: number): Uint8Array => Uint8Array.of(n & 255, n >>> 8);
const u32 = (n: number): Uint8Array => Uint8Array.of(n & 255, (n >>> 8) & 255, (n >>> 16) & 255, n >>> 24);
const padded = (b: Uint8Array): Uint8Array => concat([b, new Uint8Array((4 - (b.length % 4)) % 4)]);
const option = (code: number, value: Uint8Array): Uint8Array => concat([u16(code), u16(value.length), padded(value)]);

function block(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(parts);
  const length = u32(body.length + 12);
  return concat([u32(type), length, body, length]);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
