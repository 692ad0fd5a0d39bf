import { deflateSync, Inflate, strFromU8, strToU8 } from 'fflate';
import { err, ok, type Result } from '../base/result.ts';
import type { SourceFile } from '../protocol/engine.ts';

/**
 * A scenario's link: `v1.` and base64url (RFC 4648 section 5) of four octets of Adler-32 (RFC 1950)
 * followed by raw DEFLATE of the files as JSON. It lives in the URL's fragment, so no server sees it.
 */
const VERSION = 1;
/** What a link may unfold to: far more than any that people send, far less than what hurts a browser. */
const INFLATED_LENGTH_MAX = 8 * 1024 * 1024;
const CHUNK = 4096;

/** The files as they are; `encodeLink` leaves out first what a link need not carry. Apart, so that a page that only opens links loads no YAML. */
export function packLink(files: readonly SourceFile[]): string {
  const json = strToU8(JSON.stringify(files.map((f) => [f.name, f.text])));
  const packed = deflateSync(json, { level: 9 });
  const bytes = new Uint8Array(4 + packed.length);
  new DataView(bytes.buffer).setUint32(0, adler32(json));
  bytes.set(packed, 4);
  let binary = '';
  for (const b of bytes) binary += String.fromCharCode(b);
  return `v${VERSION}.${btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')}`;
}

/** The error is a sentence for people. Never throws, whatever the text. */
export function decodeLink(fragment: string): Result<{ files: SourceFile[] }, string> {
  const parts = /^v(\d{1,4})\.([A-Za-z0-9_-]*)$/.exec(fragment);
  if (!parts || Number(parts[1]) === 0)
    return err('This is not a Hoplab link, or characters of it were lost or changed. Ask for the link again.');
  if (Number(parts[1]) > VERSION) return err('This link was made with a newer Hoplab. Reload the page to update, then open it again.');
  const bytes = fromBase64Url(parts[2] as string);
  if (!bytes || bytes.length < 5) return err('This link is cut short. Ask for the whole link.');
  const json = inflate(bytes.subarray(4));
  if (!json.ok) return json;
  if (adler32(json.value) !== new DataView(bytes.buffer, bytes.byteOffset).getUint32(0))
    return err('This link is damaged or cut short: its checksum does not match. Ask for the link again.');
  const files = readFiles(strFromU8(json.value));
  return files ? ok({ files }) : err('This link is whole, but holds no scenario that can be read.');
}

/** Stops as soon as more comes out than a link may hold. */
function inflate(packed: Uint8Array): Result<Uint8Array, string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  const stream = new Inflate((chunk) => {
    chunks.push(chunk);
    length += chunk.length;
  });
  try {
    for (let at = 0; at < packed.length; at += CHUNK) {
      stream.push(packed.subarray(at, at + CHUNK), at + CHUNK >= packed.length);
      if (length > INFLATED_LENGTH_MAX)
        return err(`This link unfolds to more than ${INFLATED_LENGTH_MAX / 1_048_576} MiB, which no scenario needs. It was not opened.`);
    }
  } catch {
    return err('This link is damaged or cut short. Ask for the link again.');
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return ok(whole);
}

function readFiles(json: string): SourceFile[] | undefined {
  try {
    const value: unknown = JSON.parse(json);
    if (!Array.isArray(value) || value.length === 0) return undefined;
    const files = value.map((entry: unknown) =>
      Array.isArray(entry) && typeof entry[0] === 'string' && typeof entry[1] === 'string' ? { name: entry[0], text: entry[1] } : undefined,
    );
    return files.every((f) => f !== undefined) ? files : undefined;
  } catch {
    return undefined;
  }
}

function fromBase64Url(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function adler32(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  return b * 65_536 + a;
}
