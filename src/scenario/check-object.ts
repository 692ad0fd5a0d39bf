import type { z } from 'zod';
import { clip, type FieldPath, type ProblemList } from '../engine/control-plane/problem-list.ts';
import { isKind, type ModelledKind, modelledKind } from '../engine/k8s/kinds.ts';
import { problemOfLabels } from '../engine/k8s/labels.ts';
import type { ApiObject } from '../engine/k8s/metadata.ts';
import { type Accepts, acceptsOf } from './accepts.ts';
import { ANY_OBJECT, SCENARIO_FIELDS, SCHEMAS } from './schema.ts';

/** Longest piece of the user's own text in a message. */
const QUOTE_MAX = 60;

const ACCEPTS = Object.fromEntries(
  [...Object.entries(SCHEMAS), ['other', ANY_OBJECT] as const].map(([kind, schema]) => [kind, acceptsOf(schema)]),
) as Readonly<Record<ModelledKind | 'other', Accepts>>;

const LABELS: readonly FieldPath[] = [
  ['metadata', 'labels'],
  ['spec', 'template', 'metadata', 'labels'],
];

/** Checks the types of the fields that are read, and reports each that is wrong. The object itself is not changed. */
export function checkObject(object: ApiObject, problems: ProblemList): boolean {
  const kind = modelledKind(object.apiVersion, object.kind) ?? 'other';
  if (!ACCEPTS[kind](object)) {
    const schema: z.ZodType = kind === 'other' ? ANY_OBJECT : SCHEMAS[kind];
    const parsed = schema.safeParse(object);
    if (!parsed.success) {
      for (const issue of parsed.error.issues) {
        const path = issue.path as (string | number)[];
        problems.error(object, path, expectation(issue.message, valueAt(object, path)));
      }
      return false;
    }
  }
  const right = kind === 'other' || checkLabels(object, problems);
  if (isKind(object, 'Scenario')) {
    for (const field of Object.keys(object.spec ?? {})) {
      if (!SCENARIO_FIELDS.has(field))
        problems.warning(object, ['spec', field], `is no field of a Scenario: expected one of ${[...SCENARIO_FIELDS].join(', ')}`);
    }
  }
  return right;
}

/** An object's own labels, and those of its pods where it has a template. */
function checkLabels(object: ApiObject, problems: ProblemList): boolean {
  let right = true;
  for (const path of LABELS) {
    const problem = problemOfLabels((valueAt(object, path) ?? {}) as Readonly<Record<string, string>>);
    if (!problem) continue;
    problems.error(object, path, problem);
    right = false;
  }
  return right;
}

function valueAt(object: unknown, path: FieldPath): unknown {
  let value = object;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Record<string | number, unknown>)[step];
  }
  return value;
}

/** `expected an integer from 1 to 65535, got 70000`, with what to do where that is known. */
export function expectation(expected: string, got: unknown): string {
  if (got === undefined || got === null) return `is missing: expected ${expected}`;
  return `expected ${expected}, got ${describe(got)}${advice(expected, got)}`;
}

function describe(value: unknown): string {
  if (typeof value === 'string') return `the text ${JSON.stringify(clip(value, QUOTE_MAX))}`;
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  return String(value);
}

function advice(expected: string, got: unknown): string {
  const textWanted = expected.startsWith('a string') || expected.startsWith('a name');
  if (textWanted && (typeof got === 'number' || typeof got === 'boolean')) return `: put it in quotes ("${got}")`;
  if (typeof got !== 'string') return '';
  if (got.includes('{{')) return ': this looks like a Helm template, so render it first with `helm template`';
  if (/^an integer/.test(expected) && /^\d+$/.test(got)) return ': remove the quotes';
  if (expected.startsWith('true or false') && /^(true|false)$/.test(got)) return ': remove the quotes';
  return '';
}
