import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Problem } from '../protocol/view.ts';
import { readManifests, TEXT_LENGTH_MAX } from './read-manifests.ts';

const read = (...texts: readonly string[]) => readManifests(texts.map((text, i) => ({ name: `file-${i + 1}.yaml`, text })));

/** What is wrong with the texts; fails when they can be read. */
function errorsOf(...texts: readonly string[]): readonly Problem[] {
  const result = read(...texts);
  if (result.ok) throw new Error('these texts can be read');
  return result.error.filter((problem) => problem.severity === 'error');
}

/** `kind/name` of every object in the texts. */
function namesIn(...texts: readonly string[]): readonly string[] {
  const result = read(...texts);
  if (!result.ok) throw new Error(result.error.map((problem) => problem.message).join('\n'));
  return result.value.objects.map((object) => `${object.kind}/${object.metadata?.name}`);
}

const pod = (name: string, container = 'name: web'): string => `apiVersion: v1
kind: Pod
metadata:
  name: ${name}
spec:
  containers:
    - ${container}
`;

describe('documents', () => {
  it('are cut at lines that begin with three hyphens', () => {
    expect(namesIn(`${pod('a')}---\n${pod('b')}--- # third\n${pod('c')}`, pod('d'))).toEqual(['Pod/a', 'Pod/b', 'Pod/c', 'Pod/d']);
  });

  it('may be empty or hold comments, and count', () => {
    const text = `# first\n---\n${pod('a')}---\n---\n# nothing\n---\n${pod('b', 'name: 7')}`;
    expect(errorsOf(text)).toMatchObject([{ document: 4, line: text.split('\n').findIndex((line) => line.includes('name: 7')) + 1 }]);
  });

  it('may be JSON, and have a byte order mark and Windows line ends', () => {
    const json = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'j', labels: null },
      spec: { containers: [{ name: 'web' }] },
    });
    expect(namesIn(json, `\ufeff${pod('w').replaceAll('\n', '\r\n')}`)).toEqual(['Pod/j', 'Pod/w']);
  });

  it('may have lost the line break before their marker, which is told', () => {
    const result = read(`${pod('a').trimEnd()}---\n${pod('b')}`);
    expect(result).toMatchObject({ ok: true, value: { problems: [{ severity: 'warning', file: 'file-1.yaml', line: 7 }] } });
    expect(namesIn(`${pod('a').trimEnd()}---\n${pod('b')}`)).toEqual(['Pod/a', 'Pod/b']);
  });

  it('of kinds that are not modelled are read too', () => {
    expect(namesIn('apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i\nspec: {}\n')).toEqual(['Ingress/i']);
  });
});

describe('lists', () => {
  const list = (kind: string, items: string): string => `apiVersion: v1\nkind: ${kind}\nitems:\n${items}`;

  it('stand for their items', () => {
    const items = [pod('a'), pod('b')].map((text) => text.replaceAll(/^/gm, '    ').replace('    ', '  - ').trimEnd()).join('\n');
    expect(namesIn(list('List', items))).toEqual(['Pod/a', 'Pod/b']);
  });

  it('of one kind give it to items without one', () => {
    expect(namesIn(list('PodList', '  - metadata: { name: a }\n    spec: { containers: [{ name: web }] }\n'))).toEqual(['Pod/a']);
  });

  it('give the place of what is wrong in an item', () => {
    const text = list(
      'List',
      '  - { apiVersion: v1, kind: Namespace, metadata: { name: a } }\n  - apiVersion: v1\n    kind: Namespace\n    metadata:\n      name: Upper\n',
    );
    expect(errorsOf(text)).toMatchObject([{ file: 'file-1.yaml', document: 1, line: 8, column: 13, field: 'metadata.name' }]);
  });

  it('that are empty hold nothing and are no error', () => expect(namesIn(list('List', '  []\n'))).toEqual([]));

  it('within lists within lists end somewhere', () => {
    let nested: unknown = { apiVersion: 'v1', kind: 'List', items: [] };
    for (let i = 0; i < 5; i++) nested = { apiVersion: 'v1', kind: 'List', items: [nested] };
    expect(errorsOf(JSON.stringify(nested))[0]?.message).toContain('lists are nested');
  });
});

describe('bad input', () => {
  const place = { file: 'file-1.yaml', document: 1 };
  const broken = pod('web', 'name: web');
  const cases: readonly (readonly [what: string, text: string, problem: Partial<Problem>, message: RegExp])[] = [
    ['a syntax error', `${pod('a')}---\nkind: [Pod\nmetadata: x\n`, { file: 'file-1.yaml', document: 2, line: 10 }, /./],
    [
      'a text where a number belongs',
      `${broken}      ports:\n        - containerPort: "abc"\n`,
      { ...place, line: 9, column: 26, field: 'spec.containers[0].ports[0].containerPort', object: 'Pod default/web' },
      /expected an integer from 1 to 65535, got the text "abc"/,
    ],
    [
      'a port that is too big',
      `${broken}      ports:\n        - containerPort: 70000\n`,
      { ...place, line: 9, column: 26, field: 'spec.containers[0].ports[0].containerPort' },
      /from 1 to 65535, got 70000/,
    ],
    ['a number in quotes', `${broken}      ports:\n        - containerPort: "80"\n`, { ...place, line: 9 }, /remove the quotes/],
    [
      'a missing field',
      'apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec: {}\n',
      { ...place, line: 5, field: 'spec.containers' },
      /is missing: expected a list/,
    ],
    ['a missing kind', 'apiVersion: v1\nmetadata: {}\n', { ...place, line: 1, field: 'kind' }, /is missing: expected the kind/],
    ['a missing apiVersion', 'kind: Pod\n', { ...place, line: 1, field: 'apiVersion' }, /is missing: expected an API version/],
    ['a list of objects', '- kind: Pod\n', { ...place, line: 1 }, /documents with --- between/],
    ['plain text', 'hello\n', { ...place, line: 1 }, /expected an object with apiVersion and kind/],
    [
      'an unquoted label',
      'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n    on: true\n',
      { ...place, line: 6, field: 'metadata.labels.on' },
      /put it in quotes \("true"\)/,
    ],
    ['a tab', 'apiVersion: v1\nkind: Pod\nmetadata:\n\tname: a\n', { ...place, line: 4 }, /indent with spaces/],
    ['a key that is there twice', 'apiVersion: v1\nkind: Pod\nkind: Node\n', { ...place, line: 3, column: 1 }, /"kind" is there twice/],
    ['a Helm template', 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n', { ...place, line: 4 }, /helm template/],
    [
      'a Helm template in quotes',
      `apiVersion: v1\nkind: Pod\nmetadata:\n  name: "{{ .Values.name }}"\nspec:\n  containers: [{ name: web }]\n`,
      { ...place, line: 4, field: 'metadata.name' },
      /helm template/,
    ],
    ['an unknown alias', 'apiVersion: v1\nkind: *none\n', { ...place, line: 2 }, /none/],
    ['a mapping for a key', 'apiVersion: v1\nkind: Pod\n? {a: b}\n: c\n', { ...place, line: 3 }, /a key must be plain text/],
    ['deep nesting', `apiVersion: v1\nkind: Pod\nspec: ${'['.repeat(5000)}\n`, { ...place, line: 3 }, /nested more than/],
    ['deep nesting in JSON', `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`, { ...place, line: 1 }, /nested more than/],
    ['a binary file', '\u007fELF\u0002\u0001\u0000', { file: 'file-1.yaml', line: 1, column: 1 }, /not a text file/],
    ['an empty file', '', { file: 'file-1.yaml' }, /nothing to load/],
    ['blank lines', '\n  \n\t\n', { file: 'file-1.yaml' }, /nothing to load/],
    ['comments only', '# one\n---\n# two\n', { file: 'file-1.yaml' }, /nothing to load/],
  ];
  it.each(cases)('%s has a place and a message', (_, text, problem, message) => {
    expect(errorsOf(text)[0]).toMatchObject({ severity: 'error', ...problem, message: expect.stringMatching(message) });
  });

  it('of one Helm chart is told once for each file', () => {
    const template = 'apiVersion: v1\nkind: Pod\nmetadata: {{ toYaml . }}\n';
    expect(errorsOf(`${template}---\n${template}---\n${template}`)).toHaveLength(1);
  });

  it('of no file at all', () =>
    expect(errorsOf()).toMatchObject([{ file: undefined, message: expect.stringContaining('nothing to load') }]));

  it('of more text than a browser should read is refused without reading it', () => {
    const start = performance.now();
    expect(errorsOf('kind: Pod\n', 'x'.repeat(TEXT_LENGTH_MAX + 1))).toMatchObject([
      { file: 'file-2.yaml', message: expect.stringContaining('too much') },
    ]);
    expect(performance.now() - start).toBeLessThan(500);
  });

  it('of aliases that ask for billions of values ends soon', () => {
    let text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\nl0: &l0 [x, x, x, x, x, x, x, x, x, x]\n';
    for (let i = 1; i < 12; i++) text += `l${i}: &l${i} [${Array.from({ length: 10 }, () => `*l${i - 1}`).join(', ')}]\n`;
    expect(errorsOf(text)).toMatchObject([{ ...place, message: expect.stringContaining('aliases repeat') }]);
  });

  it('of thousands of errors lists the first and the number of the others', () => {
    const errors = errorsOf(Array.from({ length: 200 }, (_, i) => pod(`P${i}`)).join('---\n'));
    expect(errors).toHaveLength(51);
    expect(errors.at(-1)?.message).toBe('and 150 more of this severity that are not listed');
  });
});

describe('keys with a meaning in JavaScript', () => {
  it('are only keys', () => {
    const text =
      'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels:\n    constructor: x\n  __proto__: { polluted: "yes" }\n__proto__: { polluted: "yes" }\n';
    const result = read(
      text,
      JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'b' } }).replace('{', '{"__proto__":{"polluted":"yes"},'),
    );
    expect(result.ok && result.value.objects).toHaveLength(2);
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
    for (const object of result.ok ? result.value.objects : []) {
      expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
      expect((object as { polluted?: string }).polluted).toBeUndefined();
    }
  });

  it('do not stand in for what an object must have', () => {
    expect(errorsOf('__proto__: { apiVersion: v1, kind: Namespace }\n')[0]?.message).toContain('is missing');
  });
});

it('merge keys and anchors are resolved', () => {
  const result = read(
    `apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels: &base { app: web, tier: front }\n  annotations:\n    <<: *base\n    tier: own\n`,
  );
  expect(result.ok && result.value.objects[0]?.metadata?.annotations).toEqual({ app: 'web', tier: 'own' });
});

it('fields without a value are as if they were not there', () => {
  expect(namesIn(`${pod('a')}      ports:\n  nodeName: ~\n  nodeSelector: null\n`)).toEqual(['Pod/a']);
});

it('never throws, whatever the text', () => {
  const pieces = fc.constantFrom(
    'apiVersion: v1\n',
    'kind: Pod\n',
    'kind: List\n',
    'items:\n',
    '---\n',
    '...\n',
    '- ',
    '  ',
    '\t',
    '{',
    '}',
    '[',
    ']',
    '&a ',
    '*a ',
    '<<: ',
    '? ',
    ': ',
    '!!binary ',
    '|\n',
    '>-\n',
    '"',
    "'",
    '#',
    '%YAML 1.2\n',
    'null',
    '\u0000',
    '\ufeff',
    '__proto__: ',
    'metadata: ',
    'name: a\n',
    '{{',
    '\n',
  );
  const text = fc.array(fc.oneof(pieces, fc.string({ maxLength: 8 }))).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(text, fc.string(), fc.string({ unit: 'binary' })), (t) => void read(t)),
    { numRuns: 1000 },
  );
});

it('never throws on JSON, whatever its shape', () => {
  const values = fc.oneof(fc.jsonValue(), fc.constantFrom({}, [], null, 'v1', -1));
  const objects = fc.record(
    {
      apiVersion: fc.oneof(fc.constant('v1'), values),
      kind: fc.oneof(fc.constantFrom('Pod', 'Node', 'Service', 'List', 'PodList'), values),
      metadata: values,
      spec: values,
      items: values,
      status: values,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(objects, (object) => void read(JSON.stringify(object))),
    { numRuns: 500 },
  );
});
