import { describe, expect, it } from 'vitest';
import { isDnsLabel, isDnsName, isQualifiedName, problemOfLabels } from './labels.ts';

describe('labels', () => {
  it('are what the API server takes', () => {
    expect(problemOfLabels({})).toBeUndefined();
    expect(problemOfLabels({ app: 'web', 'app.kubernetes.io/name': '', A_b: 'v1.2-x', a: 'x'.repeat(63) })).toBeUndefined();
    for (const key of ['', 'a b', '-a', 'a-', '/a', 'a/', 'A.example/x', 'a/b/c', 'x'.repeat(64)])
      expect(problemOfLabels({ [key]: 'x' }), key).toMatch(/is no name of a label/);
    for (const value of [' ', 'a b', '-a', 'a.', 'x'.repeat(64), 'ä']) expect(problemOfLabels({ app: value }), value).toMatch(/no value/);
  });

  it('have names with or without a DNS name before them', () => {
    expect(['app', 'example.com/app'].map(isQualifiedName)).toEqual([true, true]);
    expect(['example..com/app', 'Example/app', ''].map(isQualifiedName)).toEqual([false, false, false]);
  });
});

describe('DNS names', () => {
  it('are of lower-case labels', () => {
    expect(['a', 'a-b.c1'].map(isDnsName)).toEqual([true, true]);
    expect(['', 'a..b', 'a.', 'A', 'x'.repeat(254)].map(isDnsName)).toEqual([false, false, false, false, false]);
    expect(['a', 'a.b', '-a', 'x'.repeat(64)].map(isDnsLabel)).toEqual([true, false, false, false]);
  });
});
