import fc from 'fast-check';
import { deflateSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { FIRST_CLUSTER } from './first-cluster.ts';
import { decodeLink, encodeLink } from './link.ts';

describe('a link', () => {
  it('brings the files back as they were', () => {
    fc.assert(fc.property(fc.array(fc.record({ name: fc.string(), text: fc.string() }), { minLength: 1 }), (files) => {
      expect(decodeLink(encodeLink(files))).toEqual({ ok: true, value: { files } });
    }));
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
    fc.assert(fc.property(fc.integer({ min: 3, max: link.length - 2 }), (at) => {
      const changed = `${link.slice(0, at)}${link[at] === 'A' ? 'B' : 'A'}${link.slice(at + 1)}`;
      expect(decodeLink(changed).ok).toBe(false);
    }));
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
