/** Writes big-endian octets into a growing buffer. */
export class OctetWriter {
  private buffer = new Uint8Array(256);
  length = 0;

  u8(value: number): this {
    this.room(1);
    this.buffer[this.length++] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value >>> 8).u8(value & 255);
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value & 0xffff);
  }

  /** A binary string: each unit is one octet. */
  data(text: string): this {
    this.room(text.length);
    for (let i = 0; i < text.length; i++) this.buffer[this.length + i] = text.charCodeAt(i);
    this.length += text.length;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.room(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  /** Overwrites two octets that were written before, e.g. a checksum. */
  patch16(offset: number, value: number): void {
    this.buffer[offset] = value >>> 8;
    this.buffer[offset + 1] = value & 255;
  }

  take(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  view(from: number, to: number): Uint8Array {
    return this.buffer.subarray(from, to);
  }

  private room(extra: number): void {
    if (this.length + extra <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + extra));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }
}

/** Reads big-endian octets; reading past the end throws RangeError, which `decodeFrame` turns into an error value. */
export class OctetReader {
  readonly bytes: Uint8Array;
  offset = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.offset;
  }

  u8(): number {
    const value = this.bytes[this.offset];
    if (value === undefined) throw new RangeError(`truncated at octet ${this.offset}`);
    this.offset++;
    return value;
  }

  u16(): number {
    return this.u8() * 256 + this.u8();
  }

  u32(): number {
    return this.u16() * 65_536 + this.u16();
  }

  data(length: number): string {
    if (length > this.left) throw new RangeError(`truncated at octet ${this.bytes.length}`);
    let text = '';
    for (let i = 0; i < length; i++) text += String.fromCharCode(this.bytes[this.offset + i] as number);
    this.offset += length;
    return text;
  }
}

/** The Internet checksum (RFC 1071): the one's complement of the one's complement sum; `start` carries a pseudo-header's sum. */
export function internetChecksum(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] as number) * 256 + (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65_536);
  return ~sum & 0xffff;
}
