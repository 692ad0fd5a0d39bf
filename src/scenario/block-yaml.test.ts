import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readBlockYaml } from './block-yaml.ts';
import { parseTrees, valueOfTree } from './yaml-tree.ts';

/** What the full parser reads; undefined when it finds an error or not exactly one document. */
function readFully(text: string): { readonly value: unknown } | undefined {
  const trees = parseTrees(text);
  if (!trees.ok || trees.value.length !== 1 || !trees.value[0]) return undefined;
  const value = valueOfTree(trees.value[0]);
  return value.ok ? { value: value.value } : undefined;
}

/** The law: what the fast reader reads, the full parser reads the same. */
function expectAgreement(text: string): boolean {
  const fast = readBlockYaml(text);
  if (fast) expect(fast, JSON.stringify(text)).toEqual(readFully(text));
  return fast !== undefined;
}

describe('what kubectl prints is read without the full parser', () => {
  const cases: readonly (readonly [what: string, text: string, value: unknown])[] = [
    ['a mapping', 'a: b\nc:\n  d: 1\n', { a: 'b', c: { d: 1 } }],
    ['a document marker and comments', '--- # one\n# two\na: b # three\n  # four\nc: d#e\n', { a: 'b', c: 'd#e' }],
    ['lists, indented and not', 'a:\n- 1\n- x: y\n  z: w\nb:\n  - q\n', { a: [1, { x: 'y', z: 'w' }], b: ['q'] }],
    ['lists in items', '- a:\n  - b\n  c: d\n-\n  e: f\n-\n', [{ a: ['b'], c: 'd' }, { e: 'f' }, null]],
    [
      'scalars',
      "a: true\nb: ~\nc: -1.5\nd: 1e3\ne: \"1\"\nf: 'it''s'\ng: 0755\nh: 10.244.0.1\ni: -x\nj: http://x:80/\n",
      { a: true, c: -1.5, d: 1000, e: '1', f: "it's", g: 755, h: '10.244.0.1', i: '-x', j: 'http://x:80/' },
    ],
    ['escapes', 'a: "x\\n\\t\\"\\u00e9"\n', { a: 'x\n\t"é' }],
    ['empty collections', 'a: {}\nb: [] # none\n', { a: {}, b: [] }],
    [
      'literal blocks',
      'a: |\n  one\n\n    two # no comment\nb: |-\n  three\n\n# comment\nc: d\n',
      { a: 'one\n\n  two # no comment\n', b: 'three', c: 'd' },
    ],
    ['scalars broken over lines', "a: one\n  two\nb: 'three\n  four'\nc: d\n", { a: 'one two', b: 'three four', c: 'd' }],
    ['double quotes broken over lines', 'a: "one\n  two\n  \\ three \\"four\\""\nb: c\n', { a: 'one two  three "four"', b: 'c' }],
    [
      'the keys of managed fields',
      'f:status:\n  k:{"type":"Ready"}:\n    .: {}\n    f:type: {}\n',
      { 'f:status': { 'k:{"type":"Ready"}': { '.': {}, 'f:type': {} } } },
    ],
    ['Windows line ends', 'a: |\r\n  one\r\n  two\r\nb: c\r\n', { a: 'one\ntwo\n', b: 'c' }],
    ['keys with a meaning in JavaScript', 'constructor: a\ntoString: b\n', { constructor: 'a', toString: 'b' }],
  ];
  it.each(cases)('%s', (_, text, value) => {
    expect(readBlockYaml(text)).toEqual({ value });
    expect(readFully(text)).toEqual({ value });
  });
});

describe('anything else is left to the full parser', () => {
  it.each([
    'a: [1]\n',
    'a: {b: c}\n',
    'a: &x b\n',
    'a: *x\n',
    'a: !!str 1\n',
    'a: >\n  b\n',
    'a: |2\n  b\n',
    'a: |+\n  b\n',
    'a:\tb\n',
    '? a\n: b\n',
    '<<: a\n',
    '"a": b\n',
    'a: b: c\n',
    'a: b\na: c\n',
    'a:\na: c\n',
    'a: 1\n b: 2\n',
    ' a: 1\n',
    'a:\n    b: 1\n  c: 2\n',
    '- - a\n',
    '1: a\n',
    'true: a\n',
    'a: 0x1f\n',
    'a: .inf\n',
    '__proto__: a\n',
    '%YAML 1.2\n---\na: b\n',
    'a: b\n...\n',
    'text\n',
    '',
    '# comment\n',
    '--- a\n',
    'a: "b\\\n  c"\n',
    'a: "b\n\n  c"\n',
    'a: "b\nc"\n',
    'a: "\\x41"\n',
    "a: 'b'c\n",
    "a: 'b'#c\n",
    'a: b\n  c: d\n',
    'a: b # c\n  d\n',
    'a: b\n\n  c\n',
    'a: @b\n',
    'a: `b`\n',
    'a: - b\n',
    'a : b\n',
    '{{ a }}: b\n',
    'a: {{ b }}\n',
    'a: |\n  b',
    `${'a:\n'.split('').join('')}${Array.from({ length: 60 }, (_, i) => `${' '.repeat(i + 1)}a:\n`).join('')}`,
  ])('%j', (text) => {
    expect(readBlockYaml(text)).toBeUndefined();
  });
});

describe('both readers agree', () => {
  const words = fc.constantFrom(
    'a',
    'name',
    'x: y',
    'x #y',
    '#',
    '- a',
    '-',
    '-1',
    '1',
    '1.50',
    '1_000',
    '0o7',
    '0x1',
    'true',
    'Yes',
    'null',
    '~',
    '',
    ' ',
    'a ',
    ' a',
    "it's",
    '"q"',
    'a\nb',
    'a\n',
    '\n',
    'a\n\nb\n',
    '  a\nb',
    '|',
    '>',
    '{',
    '[a]',
    '&a',
    '*a',
    '!a',
    '%a',
    '@a',
    '?',
    ': ',
    'a:',
    'é',
    '😀',
    '=',
    '<<',
    '.inf',
    '1e3',
    '+1',
    '.5',
    '5.',
    'x'.repeat(100),
    'word '.repeat(30),
  );
  const scalar = fc.oneof(
    words,
    fc.string(),
    fc.integer(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
  );
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      scalar,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(fc.oneof(words, fc.stringMatching(/^[a-z.:/]{1,8}$/)), tie('tree'), { maxKeys: 4 }),
    ),
  }));

  it('about everything a printer makes', () => {
    let read = 0;
    fc.assert(
      fc.property(tree, fc.constantFrom(0, 20, 80), (value, lineWidth) => {
        for (const singleQuote of [true, false])
          read += Number(expectAgreement(stringify(value, { lineWidth, singleQuote, aliasDuplicateObjects: false })));
      }),
      { numRuns: 2000 },
    );
    expect(read).toBeGreaterThan(200);
  });

  it('about printed text with something changed in it', () => {
    const change = fc.constantFrom(
      '',
      ' ',
      '  ',
      '\n',
      '\n\n',
      '\n  ',
      ':',
      ': ',
      '- ',
      '#',
      ' #',
      "'",
      '"',
      '|',
      '{}',
      '\\',
      '---\n',
      '...',
      'x',
      '\r\n',
      '&a ',
      '  # c\n',
      '\n# c\n',
    );
    fc.assert(
      fc.property(tree, fc.nat(), fc.nat(3), change, (value, at, removed, inserted) => {
        const text = stringify(value, { lineWidth: 20, singleQuote: true, aliasDuplicateObjects: false });
        const place = at % (text.length + 1);
        expectAgreement(text.slice(0, place) + inserted + text.slice(place + removed));
      }),
      { numRuns: 4000 },
    );
  });

  it('about pieces in any order', () => {
    const piece = fc.constantFrom(
      'a',
      'b: ',
      'c:\n',
      '- ',
      '-\n',
      '  ',
      ' ',
      '\n',
      '# c\n',
      "'",
      "''",
      '"',
      '|\n',
      '|-\n',
      '{}',
      '[]',
      'x y',
      '1',
      'null',
      ' #z',
      '---\n',
      ':',
      '\\n',
      'd: e\n',
      '  f: g\n',
      '- h\n',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 25 }), (parts) => void expectAgreement(parts.join(''))),
      { numRuns: 6000 },
    );
  });
});
