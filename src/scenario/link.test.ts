import fc from 'fast-check';
import { deflateSync, strToU8, zlibSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { encodeLink } from './encode-link.ts';
import { FIRST_CLUSTER } from './first-cluster.ts';
import { decodeLink } from './link.ts';

describe('a link', () => {
  it('brings the files back as they were', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ name: fc.string(), text: fc.string() }), { minLength: 1 }), (files) => {
        expect(decodeLink(encodeLink(files))).toEqual({ ok: true, value: { files } });
      }),
    );
  });

  it('of the first cluster is short enough for any program', () => {
    expect(encodeLink(FIRST_CLUSTER).length).toBeLessThan(2_000);
  });

  it('that is no link, newer, cut short or damaged says so', () => {
    const link = encodeLink(FIRST_CLUSTER);
    expect(decodeLink('hello')).toMatchObject({ ok: false, error: expect.stringContaining('not a Hoplab link') });
    expect(decodeLink(link.replace('v1.', 'v2.'))).toMatchObject({ ok: false, error: expect.stringContaining('newer Hoplab') });
    expect(decodeLink(link.slice(0, link.length / 2))).toMatchObject({ ok: false, error: expect.stringContaining('cut short') });
    expect(decodeLink('v1.')).toMatchObject({ ok: false, error: expect.stringContaining('cut short') });
  });

  it('with one character changed is refused', () => {
    const link = encodeLink(FIRST_CLUSTER);
    fc.assert(
      fc.property(fc.integer({ min: 3, max: link.length - 2 }), (at) => {
        const changed = `${link.slice(0, at)}${link[at] === 'A' ? 'B' : 'A'}${link.slice(at + 1)}`;
        expect(decodeLink(changed).ok).toBe(false);
      }),
    );
  });

  it('of a version that never was is no link', () => {
    expect(decodeLink(encodeLink(FIRST_CLUSTER).replace('v1.', 'v0.'))).toMatchObject({
      ok: false,
      error: expect.stringContaining('not a Hoplab link'),
    });
  });

  it('that holds something else than files says so', () => {
    for (const content of ['[]', '{}', 'null', '7', '"text"', '[1]', '[["name"]]', '[["name",7]]', '[[null,"text"]]', 'no JSON']) {
      expect(decodeLink(linkOf(content)), content).toEqual({
        ok: false,
        error: 'This link is whole, but holds no scenario that can be read.',
      });
    }
    expect(decodeLink(linkOf('[["a.yaml","kind: Pod"]]'))).toEqual({ ok: true, value: { files: [{ name: 'a.yaml', text: 'kind: Pod' }] } });
  });

  it('keeps every character, also those of no alphabet and halves of a pair', () => {
    const files = [{ name: '__proto__', text: 'é 漢 😀 \ud83d \u0000 \u2028 \r\n' }];
    expect(decodeLink(encodeLink(files))).toEqual({ ok: true, value: { files } });
  });

  it('cut anywhere is refused, and any one character changed never throws or changes the files', () => {
    const link = encodeLink(FIRST_CLUSTER);
    for (let length = 0; length < link.length; length++) expect(decodeLink(link.slice(0, length)).ok, `${length}`).toBe(false);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: link.length - 1 }), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
        const decoded = decodeLink(link.slice(0, at) + character + link.slice(at + 1));
        if (decoded.ok) expect(decoded.value.files).toEqual(FIRST_CLUSTER);
      }),
    );
  });

  it('that unfolds without end is stopped', () => {
    const bomb = deflateSync(new Uint8Array(64 * 1024 * 1024), { level: 9 });
    const text = `v1.${Buffer.concat([Buffer.alloc(4), bomb]).toString('base64url')}`;
    expect(decodeLink(text)).toMatchObject({ ok: false, error: expect.stringContaining('unfolds') });
  });

  it('never throws', () => {
    fc.assert(fc.property(fc.string(), (text) => void decodeLink(text)));
    fc.assert(fc.property(fc.base64String(), (text) => void decodeLink(`v1.${text}`)));
  });
});

/** A whole link with any content. The zlib format ends with the same checksum that a link begins with. */
function linkOf(content: string): string {
  const zlib = zlibSync(strToU8(content));
  return `v1.${Buffer.concat([zlib.subarray(-4), zlib.subarray(2, -4)]).toString('base64url')}`;
}
