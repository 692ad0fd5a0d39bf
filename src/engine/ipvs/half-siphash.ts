/*
 * hsiphash of one 32-bit word as 64-bit kernels compute it: SipHash-1-3 cut to 32 bits
 * (lib/siphash.c, hsiphash_1u32). Bigints would be simpler but far slower when mh fills its table, so
 * each 64-bit word is two halves, low first.
 */
const state = new Int32Array(8);

function add(a: number, b: number): void {
  const low = ((state[a] as number) >>> 0) + ((state[b] as number) >>> 0);
  state[a + 1] = (state[a + 1] as number) + (state[b + 1] as number) + (low > 0xffffffff ? 1 : 0);
  state[a] = low;
}

function xor(a: number, b: number): void {
  state[a] = (state[a] as number) ^ (state[b] as number);
  state[a + 1] = (state[a + 1] as number) ^ (state[b + 1] as number);
}

function rotate(a: number, bits: number): void {
  const low = state[a] as number;
  const high = state[a + 1] as number;
  if (bits === 32) {
    state[a] = high;
    state[a + 1] = low;
    return;
  }
  state[a] = (low << bits) | (high >>> (32 - bits));
  state[a + 1] = (high << bits) | (low >>> (32 - bits));
}

const V0 = 0;
const V1 = 2;
const V2 = 4;
const V3 = 6;

function round(): void {
  add(V0, V1);
  rotate(V1, 13);
  xor(V1, V0);
  rotate(V0, 32);
  add(V2, V3);
  rotate(V3, 16);
  xor(V3, V2);
  add(V0, V3);
  rotate(V3, 21);
  xor(V3, V0);
  add(V2, V1);
  rotate(V1, 17);
  xor(V1, V2);
  rotate(V2, 32);
}

/** The hash of a 32-bit word under a key whose two 64-bit halves are both `key`, a number below 2^32. */
export function halfSipHash(word: number, key: number): number {
  state[0] = 0x70736575 ^ key;
  state[1] = 0x736f6d65;
  state[2] = 0x6e646f6d ^ key;
  state[3] = 0x646f7261;
  state[4] = 0x6e657261 ^ key;
  state[5] = 0x6c796765;
  state[6] = 0x79746573 ^ key;
  state[7] = 0x74656462;
  const last = 4 << 24;
  state[6] = (state[6] as number) ^ word;
  state[7] = (state[7] as number) ^ last;
  round();
  state[0] = (state[0] as number) ^ word;
  state[1] = (state[1] as number) ^ last;
  state[4] = (state[4] as number) ^ 0xff;
  round();
  round();
  round();
  return ((state[0] as number) ^ (state[2] as number) ^ (state[4] as number) ^ (state[6] as number)) >>> 0;
}
