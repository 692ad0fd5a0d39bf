import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseTables } from './parse.ts';
import { RandomRules } from './random-rules.ts';
import { saveTables } from './save.ts';

describe('parsing what was printed', () => {
  for (const family of ['ip', 'ip6'] as const) {
    it(`gives the same rules, ${family}`, () => {
      fc.assert(
        fc.property(fc.nat(), fc.constantFrom('filter', 'nat', 'mangle', 'raw', 'security'), (seed, name) => {
          const table = new RandomRules(seed, family).table(name, 4, 30);
          const parsed = parseTables(saveTables([table], { family }), family);
          if (!parsed.ok) expect.fail(parsed.error.map(({ line, message }) => `${line}: ${message}`).join('\n'));
          expect(parsed.value).toEqual([{ ...table, counters: new Map(), deleted: [] }]);
        }),
        { numRuns: 200, seed: 20251125 },
      );
    });
  }
});
