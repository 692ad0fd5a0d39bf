// npm run test:kernel [-- --seeds A-B]: builds scenarios out of network namespaces on this machine, sends the same
// probes there and in the engine, and compares every frame at every device. Needs Linux and root.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureKernelTools } from './kernel-tools.mjs';
import { installPackages, root } from './packages.mjs';

const args = process.argv.slice(2);
const range = args[0] === '--seeds' ? /^(\d+)-(\d+)$/.exec(args[1] ?? '') : undefined;
if (args.length > 0 && (!range || args.length > 2 || Number(range[1]) > Number(range[2]))) {
  console.error('usage: npm run test:kernel [-- --seeds A-B]   A and B: whole numbers, A not after B');
  process.exit(2);
}
await installPackages();
const missing = ensureKernelTools();
if (missing !== undefined) {
  console.error(missing);
  console.log('0 passed, 1 failed');
  process.exit(1);
}
const { bundleForNode } = await import('./bundle.mjs');
const folder = join(root, 'node_modules/.cache/hoplab');
mkdirSync(folder, { recursive: true });
const bundle = join(folder, `kernel-comparison-${process.pid}.mjs`);
try {
  await bundleForNode('src/kernel-comparison/main.ts', bundle);
  /** @type {{ compareWithKernel: (root: string, seeds: [number, number] | undefined, print: (text: string) => void) => Promise<{ passed: number, failed: number }> }} */
  const { compareWithKernel } = await import(pathToFileURL(bundle).href);
  const start = Date.now();
  const { passed, failed } = await compareWithKernel(root, range ? [Number(range[1]), Number(range[2])] : undefined, console.log);
  console.log(`${((Date.now() - start) / 1000).toFixed(0)} s`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
} finally {
  rmSync(bundle, { force: true });
}
