import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import commands from './fixtures/commands.json' with { type: 'json' };
import { parseTransactions } from './parse.ts';
import { printRuleset } from './print.ts';
import { NftRuleset } from './ruleset.ts';

/* Transactions given to `nft -f` in an empty network namespace: taken or refused as here, and with the same result. Needs root and nft 1.0.6. */

const folder = mkdtempSync(join(tmpdir(), 'nft-ruleset-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('transactions are taken or refused as by the kernel, and what is left is the same', { timeout: 60_000 }, () => {
  const before = commands.before.join('\n');
  writeFileSync(join(folder, 'before.nft'), before);
  for (const [i, { commands: text }] of commands.cases.entries()) writeFileSync(join(folder, `${i}.nft`), `${text}\n`);
  const script = `cd ${folder}; for i in $(seq 0 ${commands.cases.length - 1}); do
    nft flush ruleset; nft -f before.nft; nft -f $i.nft 2> /dev/null; echo $? > $i.code; nft list ruleset > $i.out; done`;
  execFileSync('unshare', ['-n', 'bash', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  for (const [i, { commands: text, error }] of commands.cases.entries()) {
    const ruleset = new NftRuleset();
    for (const part of [before, text]) {
      const parsed = parseTransactions(part, ruleset.tables(0));
      if (parsed.ok) ruleset.apply(parsed.value, 0);
    }
    expect(readFileSync(join(folder, `${i}.code`), 'utf8').trim() === '0', text).toBe(error === null);
    const listed = readFileSync(join(folder, `${i}.out`), 'utf8');
    expect(printRuleset(ruleset.tables(0)).split('\n'), text).toEqual(listed.split('\n'));
  }
});
