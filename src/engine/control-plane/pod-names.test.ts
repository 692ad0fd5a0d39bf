import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, fnv32a, GeneratedNames, podTemplateHash, SAFE_ALPHABET } from './pod-names.ts';

it('fnv32a gives the published values', () => {
  // Test vectors of the draft that describes FNV (draft-eastlake-fnv, appendix C).
  expect(fnv32a('')).toBe(0x811c9dc5);
  expect(fnv32a('a')).toBe(0xe40c292c);
  expect(fnv32a('foobar')).toBe(0xbf9cf968);
});

describe('the hash of a template', () => {
  it('does not depend on the order of keys, and does on everything else', () => {
    expect(podTemplateHash({ a: 1, b: [{ c: 2, d: 3 }] })).toBe(podTemplateHash({ b: [{ d: 3, c: 2 }], a: 1 }));
    expect(podTemplateHash({ a: [1, 2] })).not.toBe(podTemplateHash({ a: [2, 1] }));
    expect(podTemplateHash({ a: '1' })).not.toBe(podTemplateHash({ a: 1 }));
  });

  it('has ten letters that spell no words', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => void expect(podTemplateHash(value)).toMatch(new RegExp(`^[${SAFE_ALPHABET}]{10}$`))));
  });

  it('reads JSON that is canonical', () => {
    expect(canonicalJson({ b: undefined, a: [null, 'x', { z: 1, y: true }] })).toBe('{"a":[null,"x",{"y":true,"z":1}]}');
  });
});

describe('generated names', () => {
  it('are the same on every run, and different for every ordinal, owner and namespace', () => {
    const make = (): readonly string[] => {
      const names = new GeneratedNames();
      return Array.from({ length: 2000 }, (_, i) => names.generate('default', 'web-', 'Deployment/web', i));
    };
    expect(make()).toEqual(make());
    expect(new Set(make()).size).toBe(2000);
    expect(new GeneratedNames().generate('default', 'web-', 'Deployment/a', 0)).not.toBe(
      new GeneratedNames().generate('default', 'web-', 'Deployment/b', 0),
    );
  });

  it('go around names that are taken, in their namespace only', () => {
    const first = new GeneratedNames().generate('default', 'web-', 'owner', 0);
    const names = new GeneratedNames();
    names.reserve('default', first);
    expect(names.isTaken('default', first)).toBe(true);
    expect(names.isTaken('other', first)).toBe(false);
    expect(names.generate('default', 'web-', 'owner', 0)).not.toBe(first);
    expect(names.generate('other', 'web-', 'owner', 0)).toBe(first);
  });

  it('have at most 63 characters', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 253 }), (length) => {
        const name = new GeneratedNames().generate('default', 'x'.repeat(length), 'owner', 0);
        expect(name).toMatch(new RegExp(`^x+[${SAFE_ALPHABET}]{5}$`));
        expect(name.length).toBe(Math.min(63, length + 5));
      }),
    );
  });
});
