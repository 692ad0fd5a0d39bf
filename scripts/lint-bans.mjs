// Proves that the linter's bans on clocks, timers and entropy fire in the engine: a glob that matches
// nothing would switch them off without a word. Runs biome with this project's configuration on a
// small folder of its own.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from './packages.mjs';

const BANNED = ['Math.random()', 'Date.now()', 'new Date()', 'performance.now()', 'setTimeout(String, 1)', 'setInterval(String, 1)'];
const BANNED_IN = ['base', 'protocol', 'explain', 'engine', 'engine/sim', 'engine/ip'];

const folder = mkdtempSync(join(tmpdir(), 'hoplab-bans-'));
try {
  for (const file of ['biome.json', 'scripts/no-math-random.grit']) cpSync(join(root, file), join(folder, file));
  /** @type {string[]} */
  const silent = [];
  BANNED.forEach((code, i) => {
    for (const place of BANNED_IN) put(`src/${place}/banned-${i}.ts`, code);
    put(`src/lab/allowed-${i}.ts`, code);
  });
  put('src/engine/allowed.ts', 'String(1)');

  const biome = spawnSync(join(root, 'node_modules/.bin/biome'), ['lint', '--reporter=json', '--max-diagnostics=none'], {
    cwd: folder,
    encoding: 'utf8',
  });
  /** @type {{ severity: string, location: { path: string } }[]} */
  const diagnostics = JSON.parse(biome.stdout).diagnostics;
  const refused = new Set(diagnostics.filter(({ severity }) => severity === 'error').map(({ location }) => location.path));
  BANNED.forEach((code, i) => {
    for (const place of BANNED_IN) if (!refused.has(`src/${place}/banned-${i}.ts`)) silent.push(`${code} passes in src/${place}`);
    if (refused.has(`src/lab/allowed-${i}.ts`)) silent.push(`${code} is refused in src/lab`);
  });
  if (refused.has('src/engine/allowed.ts')) silent.push('harmless code is refused in src/engine');

  for (const fault of silent) console.error(`lint ban: ${fault}`);
  process.exitCode = silent.length > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true });
}

function put(/** @type {string} */ path, /** @type {string} */ code) {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `export const value = ${code};\n`);
}
