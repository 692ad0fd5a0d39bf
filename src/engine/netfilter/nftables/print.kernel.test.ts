import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import kubeProxy from './fixtures/kube-proxy-rulesets.json' with { type: 'json' };
import forms from './fixtures/rule-forms.json' with { type: 'json' };
import { loadable } from './kube-proxy-fixture.ts';
import { parseTransactions } from './parse.ts';
import { printRuleset } from './print.ts';
import { RandomRuleset } from './random-ruleset.ts';
import { NftRuleset } from './ruleset.ts';

/*
 * Rulesets loaded with `nft -f` into an empty network namespace, and what `nft list ruleset` prints
 * compared line by line with what this model prints after loading the same. Needs root and nft 1.0.6.
 */

const folder = mkdtempSync(join(tmpdir(), 'nft-print-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What the kernel's tool lists after each text, each in an emptied namespace; an error instead where it refuses. */
function listedByKernel(texts: readonly string[]): readonly string[] {
  for (const [i, text] of texts.entries()) writeFileSync(join(folder, `${i}.nft`), text);
  const script = `for i in $(seq 0 ${texts.length - 1}); do
    nft -f ${folder}/$i.nft > ${folder}/$i.out 2>&1 && nft list ruleset > ${folder}/$i.out; nft flush ruleset; done`;
  execFileSync('unshare', ['-n', 'bash', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  return texts.map((_, i) => readFileSync(join(folder, `${i}.out`), 'utf8'));
}

function listedHere(text: string): string {
  const parsed = parseTransactions(text);
  if (!parsed.ok) return parsed.error.map(({ line, message }) => `line ${line}: ${message}`).join('\n');
  const loaded = new NftRuleset();
  const result = loaded.apply(parsed.value, 0);
  return result.ok ? printRuleset(loaded.tables(0)) : result.error.message;
}

/** What is left of a timeout depends on when one asks. */
const withoutExpiry = (listing: string): string[] => listing.replaceAll(/ expires \w+/g, '').split('\n');

function agree(texts: readonly string[]): void {
  const kernel = listedByKernel(texts);
  for (const [i, text] of texts.entries()) expect(withoutExpiry(listedHere(text)), text).toEqual(withoutExpiry(kernel[i] ?? ''));
}

const fixture = (name: string): string => readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8');

describe('nft list ruleset', () => {
  test('every statement and expression, rule by rule', () => {
    const texts = (['ip', 'ip6', 'inet'] as const).map((family) => {
      const chains = forms.rules.filter((form) => form.family === family).map(({ written }, i) => ` chain c${i} {\n  ${written}\n }`);
      return `table ${family} t {\n${forms.objects[family].join('\n')}\n${chains.join('\n')}\n}\n`;
    });
    agree(texts);
  });

  test('every kind of set and map, and every property of a table', () => {
    agree([fixture('sets.nft'), fixture('tables.nft')]);
  });

  test('tables of kube-proxy', () => {
    agree([...kubeProxy.map(({ ruleset: lines }) => loadable(lines)), fixture('kube-proxy-hand-written.nft')]);
  });

  test('base chains of every type, hook and priority', () => {
    const priorities = [-400, -310, -300, -299, -200, -160, -150, -140, -139, -110, -100, -90, -10, 0, 10, 11, 50, 60, 90, 100, 110, 300];
    const chains = ['prerouting', 'input', 'forward', 'output', 'postrouting'].flatMap((hook) =>
      priorities.flatMap((priority, i) => [
        ` chain f-${hook}${i} { type filter hook ${hook} priority ${priority}; policy ${i % 2 ? 'drop' : 'accept'}; }`,
        ...(hook === 'forward' || priority <= -200 ? [] : [` chain n-${hook}${i} { type nat hook ${hook} priority ${priority}; }`]),
        ...(hook === 'output' ? [` chain r-${hook}${i} { type route hook ${hook} priority ${priority}; }`] : []),
      ]),
    );
    agree(
      ['ip', 'ip6', 'inet'].map(
        (family) => `table ${family} t {\n${chains.filter((c) => family !== 'inet' || !c.includes('type route')).join('\n')}\n}\n`,
      ),
    );
  });

  test('rulesets made at random', { timeout: 60_000 }, () => {
    agree(Array.from({ length: 100 }, (_, seed) => printRuleset([new RandomRuleset(seed).table()])));
  });
});
