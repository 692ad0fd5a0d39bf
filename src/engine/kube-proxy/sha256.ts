/*
 * SHA-256 (FIPS 180-4), synchronous and without a host: chain names are the only use, and a large
 * cluster has a hundred thousand of them, so nothing is allocated per digest.
 */

/** The first 32 bits of the fractional parts of the square (`degree` 2) or cube (3) roots of the first primes, exactly. */
function fractionBits(count: number, degree: bigint): Int32Array {
  const words = new Int32Array(count);
  for (let n = 2, found = 0; found < count; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    const scaled = BigInt(n) << (32n * degree);
    let root = 0n;
    for (let bit = 1n << 37n; bit > 0n; bit >>= 1n) if ((root | bit) ** degree <= scaled) root |= bit;
    words[found++] = Number(root & 0xffffffffn);
  }
  return words;
}

const K = fractionBits(64, 3n);
const INITIAL = fractionBits(8, 2n);
const SCHEDULE = new Int32Array(64);
const STATE = new Int32Array(8);
let block = new Uint8Array(1024);

/** Appends a text as UTF-8 to the block buffer and returns its length in octets. */
function encode(text: string): number {
  if (block.length < text.length * 3 + 72) block = new Uint8Array(text.length * 3 + 72);
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    let c = text.charCodeAt(i);
    if (c < 0x80) {
      block[at++] = c;
      continue;
    }
    if (c >= 0xd800 && c < 0xe000) {
      c = text.codePointAt(i) as number;
      // A lone surrogate has no UTF-8 form and becomes U+FFFD.
      if (c >= 0xd800 && c < 0xe000) c = 0xfffd;
      else i++;
    }
    if (c < 0x800) block[at++] = 0xc0 | (c >> 6);
    else {
      if (c < 0x10000) block[at++] = 0xe0 | (c >> 12);
      else {
        block[at++] = 0xf0 | (c >> 18);
        block[at++] = 0x80 | ((c >> 12) & 63);
      }
      block[at++] = 0x80 | ((c >> 6) & 63);
    }
    block[at++] = 0x80 | (c & 63);
  }
  return at;
}

/** The eight words of a text's digest. The array is used again by the next call. */
export function sha256(text: string): Int32Array {
  const length = encode(text);
  const padded = ((length + 72) >> 6) << 6;
  block[length] = 0x80;
  block.fill(0, length + 1, padded - 4);
  const bits = length * 8;
  for (let i = 0; i < 4; i++) block[padded - 1 - i] = (bits >>> (8 * i)) & 255;

  const w = SCHEDULE;
  STATE.set(INITIAL);
  for (let start = 0; start < padded; start += 64) {
    for (let i = 0, at = start; i < 16; i++, at += 4) {
      w[i] =
        ((block[at] as number) << 24) | ((block[at + 1] as number) << 16) | ((block[at + 2] as number) << 8) | (block[at + 3] as number);
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15] as number;
      const y = w[i - 2] as number;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = ((w[i - 16] as number) + s0 + (w[i - 7] as number) + s1) | 0;
    }
    let a = STATE[0] as number;
    let b = STATE[1] as number;
    let c = STATE[2] as number;
    let d = STATE[3] as number;
    let e = STATE[4] as number;
    let f = STATE[5] as number;
    let g = STATE[6] as number;
    let h = STATE[7] as number;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (K[i] as number) + (w[i] as number)) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    STATE[0] = (STATE[0] as number) + a;
    STATE[1] = (STATE[1] as number) + b;
    STATE[2] = (STATE[2] as number) + c;
    STATE[3] = (STATE[3] as number) + d;
    STATE[4] = (STATE[4] as number) + e;
    STATE[5] = (STATE[5] as number) + f;
    STATE[6] = (STATE[6] as number) + g;
    STATE[7] = (STATE[7] as number) + h;
  }
  return STATE;
}
