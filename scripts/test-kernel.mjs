// npm run test:kernel [-- --seeds A-B | --ipvs]: builds scenarios out of network namespaces on this machine, sends the
// same probes there and in the engine, and compares every frame at every device; scenarios of IPVS mode in a virtual
// machine. Needs Linux and root.

import { compareWithKernels } from './kernel-comparison.mjs';
import { ensureKernelTools } from './kernel-tools.mjs';
import { installPackages } from './packages.mjs';
import { ensureVirtualMachine } from './virtual-machine.mjs';

/** Which random scenarios belong to the whole run. */
const ALL_SEEDS = /** @type {[number, number]} */ ([1, 200]);

const args = process.argv.slice(2);
const onlyIpvs = args.length === 1 && args[0] === '--ipvs';
const range = args.length === 2 && args[0] === '--seeds' ? /^(\d+)-(\d+)$/.exec(args[1] ?? '') : undefined;
if (args.length > 0 && !onlyIpvs && (!range || Number(range[1]) > Number(range[2]))) {
  console.error('usage: npm run test:kernel [-- --seeds A-B | --ipvs]   A and B: whole numbers, A not after B');
  process.exit(2);
}
await installPackages();
const missing = ensureKernelTools() ?? (range ? undefined : ensureVirtualMachine());
if (missing !== undefined) {
  console.error(missing);
  console.log('0 passed, 1 failed');
  process.exit(1);
}
const here = range
  ? { fixed: false, seeds: /** @type {[number, number]} */ ([Number(range[1]), Number(range[2])]) }
  : { fixed: true, seeds: ALL_SEEDS };
const { passed, failed } = await compareWithKernels(onlyIpvs ? undefined : here, !range, console.log);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
