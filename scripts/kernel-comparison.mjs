// Scenarios built out of network namespaces, on this machine's kernel or in a virtual machine, and in the engine.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from './packages.mjs';
import { runInVirtualMachine } from './virtual-machine.mjs';

/** @typedef {{ passed: number, failed: number }} Counts */
/**
 * @typedef {object} Comparison
 * @property {(root: string, which: { fixed: boolean, seeds: [number, number] }, print: (text: string) => void) => Promise<Counts>} compareHere
 * @property {(root: string, run: typeof runInVirtualMachine, print: (text: string) => void) => Promise<Counts>} compareIpvs
 */

/**
 * @param {{ fixed: boolean, seeds: [number, number] } | undefined} here what to compare on this machine's kernel
 * @param {boolean} ipvs whether to compare the scenarios of IPVS mode in the virtual machine
 * @param {(text: string) => void} print
 * @returns {Promise<Counts>}
 */
export async function compareWithKernels(here, ipvs, print) {
  const { bundleForNode } = await import('./bundle.mjs');
  const folder = join(root, 'node_modules/.cache/hoplab');
  mkdirSync(folder, { recursive: true });
  const bundle = join(folder, `kernel-comparison-${process.pid}.mjs`);
  const total = { passed: 0, failed: 0 };
  const add = (/** @type {Counts} */ { passed, failed }, /** @type {number} */ start) => {
    total.passed += passed;
    total.failed += failed;
    print(`${passed} probes agree, ${failed} differ, in ${((Date.now() - start) / 1_000).toFixed(0)} s`);
  };
  try {
    await bundleForNode('src/kernel-comparison/main.ts', bundle);
    /** @type {Comparison} */
    const comparison = await import(pathToFileURL(bundle).href);
    let start = Date.now();
    if (here) add(await comparison.compareHere(root, here, print), start);
    start = Date.now();
    if (ipvs) add(await comparison.compareIpvs(root, runInVirtualMachine, print), start);
  } finally {
    rmSync(bundle, { force: true });
  }
  return total;
}
