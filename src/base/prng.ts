/**
 * Deterministic random numbers: sfc32 (Chris Doty-Humphrey's PractRand family), seeded by a
 * splitmix-style mix of the scenario's seed and the name of the purpose, so that a new consumer of
 * randomness shifts no other stream.
 */
export class RandomStream {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  constructor(seed: number, purpose: string) {
    let h = (seed ^ 0x9e3779b9) >>> 0;
    for (let i = 0; i < purpose.length; i++) {
      h = Math.imul(h ^ purpose.charCodeAt(i), 0x85ebca6b);
      h = (h ^ (h >>> 13)) >>> 0;
    }
    this.a = mix(h + 0x6d2b79f5);
    this.b = mix(h + 0xdaa66d2b);
    this.c = mix(h + 0x47f8b4c1);
    for (let i = 0; i < 12; i++) this.uint32();
  }

  /** Uniform over 0 .. 2^32 - 1. */
  uint32(): number {
    const t = (this.a + this.b + this.counter++) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + t;
    return t >>> 0;
  }

  /** Uniform over 0 .. bound - 1, without modulo bias. `bound` is an integer from 1 to 2^32. */
  below(bound: number): number {
    const limit = 0x100000000 - (0x100000000 % bound);
    let x = this.uint32();
    while (x >= limit) x = this.uint32();
    return x % bound;
  }
}

function mix(x: number): number {
  let z = x >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
