import { describe, expect, test } from 'vitest';
import { REASONS } from './reasons.ts';

describe.each(Object.entries(REASONS))('reason %s', (_name, reason) => {
  test('the title continues "Dropped: " without a full stop', () => {
    expect(reason.title).not.toBe('');
    expect(reason.title).not.toMatch(/\.$/);
  });

  test('the condition, what the sender learns and what to do next are whole', () => {
    expect(reason.condition).toMatch(/\.$/);
    expect(reason.sender).toMatch(/\.$/);
    expect(reason.next.length).toBeGreaterThan(10);
  });
});

test('no two reasons read alike', () => {
  const titles = Object.values(REASONS).map((reason) => reason.title);
  expect(new Set(titles).size).toBe(titles.length);
});
