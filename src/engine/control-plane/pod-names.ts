/**
 * Names as Kubernetes makes them, but the same on every run: where it draws random letters, the lab
 * takes a hash of the owner and the ordinal, so that adding or removing other objects renames no pod.
 */

/** Letters and digits that spell no words (k8s.io/apimachinery/pkg/util/rand, alphanums). */
export const SAFE_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

const SUFFIX_LENGTH = 5;
const SUFFIXES = SAFE_ALPHABET.length ** SUFFIX_LENGTH;

/** Names made from `generateName` have at most 63 characters (k8s.io/apiserver/pkg/storage/names, maxGeneratedNameLength). */
const GENERATED_BASE_MAX = 63 - SUFFIX_LENGTH;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a with 32 bits over UTF-16 units, the hash that Kubernetes uses for templates; `from` continues an earlier one. */
export function fnv32a(text: string, from = FNV_OFFSET): number {
  let hash = from;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return hash >>> 0;
}

/**
 * The value of the label `pod-template-hash`: decimal digits of a 32-bit FNV, each mapped into the safe
 * alphabet (rand.SafeEncodeString). Kubernetes hashes Go's dump of the template, defaults included, so
 * the letters differ from a real cluster's. Always ten of them here; a real hash is at times shorter.
 */
export function podTemplateHash(template: unknown): string {
  const digits = String(fnv32a(canonicalJson(template))).padStart(10, '0');
  let encoded = '';
  for (let i = 0; i < digits.length; i++) encoded += SAFE_ALPHABET[digits.charCodeAt(i) % SAFE_ALPHABET.length];
  return encoded;
}

/** JSON with sorted keys, so that the order in which a manifest writes them does not matter. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, v]) => `${JSON.stringify(key)}:${canonicalJson(v)}`).join(',')}}`;
}

/** Hands out names, and never one twice in a namespace. */
export class GeneratedNames {
  private readonly taken = new Set<string>();

  /** Keeps a name that a manifest gives. */
  reserve(namespace: string, name: string): void {
    this.taken.add(`${namespace}/${name}`);
  }

  isTaken(namespace: string, name: string): boolean {
    return this.taken.has(`${namespace}/${name}`);
  }

  /** `base` with five letters from the hash of `owner` and `ordinal`; further attempts where that name is taken. */
  generate(namespace: string, base: string, owner: string, ordinal: number): string {
    const cut = base.length > GENERATED_BASE_MAX ? base.slice(0, GENERATED_BASE_MAX) : base;
    for (let attempt = 0; ; attempt++) {
      const name = cut + suffixOf(fnv32a(`${owner}#${ordinal}#${attempt}`));
      const key = `${namespace}/${name}`;
      if (this.taken.has(key)) continue;
      this.taken.add(key);
      return name;
    }
  }
}

function suffixOf(hash: number): string {
  // FNV's low bits depend little on the last characters: mix once more before taking the remainder.
  let z = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  let rest = ((z ^ (z >>> 15)) >>> 0) % SUFFIXES;
  let suffix = '';
  for (let i = 0; i < SUFFIX_LENGTH; i++) {
    suffix += SAFE_ALPHABET[rest % SAFE_ALPHABET.length];
    rest = Math.floor(rest / SAFE_ALPHABET.length);
  }
  return suffix;
}
