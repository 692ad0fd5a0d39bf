// npm run bench [-- NAME ...]: bundles bench/*.ts, runs each in a process-wide node and prints what it measured.

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { installPackages, root } from './packages.mjs';

/** @typedef {{ label: string, value: number, unit: string, target?: number | string }} Row */

await installPackages();
const { bundleForNode } = await import('./bundle.mjs');

const folder = join(root, 'bench');
const chosen = process.argv.slice(2);
const files = existsSync(folder)
  ? readdirSync(folder)
      .filter((name) => name.endsWith('.ts') && (chosen.length === 0 || chosen.includes(basename(name, '.ts'))))
      .sort()
  : [];
if (files.length === 0) {
  console.error(chosen.length > 0 ? `no such benchmark: ${chosen.join(', ')}` : 'there are no benchmarks in bench/');
  process.exit(2);
}

const cores = cpus();
console.log(`${cores[0]?.model.trim() ?? 'unknown CPU'}, ${cores.length} cores, node ${process.versions.node}`);
const out = mkdtempSync(join(root, 'node_modules/.hoplab-bench-'));
try {
  for (const file of files) {
    const bundled = join(out, `${basename(file, '.ts')}.mjs`);
    await bundleForNode(join(folder, file), bundled);
    /** @type {{ default: () => Promise<{ name: string, rows: Row[] }> }} */
    const { default: run } = await import(pathToFileURL(bundled).href);
    const { name, rows } = await run();
    console.log(`\n${name}`);
    const width = Math.max(...rows.map(({ label }) => label.length));
    for (const { label, value, unit, target } of rows) {
      const goal = target === undefined ? '' : `  (target ${target}${typeof target === 'number' ? ` ${unit}` : ''})`;
      console.log(`  ${label.padEnd(width)}  ${format(value).padStart(14)} ${unit}${goal}`);
    }
  }
} finally {
  rmSync(out, { recursive: true });
}

/** Three significant digits for small values, whole numbers with separators for large ones. */
function format(/** @type {number} */ value) {
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
}
