// npm test [-- STAGE ...]: installs what is missing, then checks everything. Every stage runs even when an
// earlier one failed; the last line counts. A skipped test and a suite without tests are failures.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ensureChromium } from './chromium.mjs';
import { compareWithKernels } from './kernel-comparison.mjs';
import { ensureKernelTools } from './kernel-tools.mjs';
import { installPackages, root } from './packages.mjs';
import { ensureVirtualMachine } from './virtual-machine.mjs';

/** @typedef {{ passed: number, failed: number, skipped: number }} Count */
/** @typedef {{ name: string, about: string, run: () => Promise<{ count: Count, output: string }> }} Stage */

/** Of this run alone: two may go on in one folder. */
const REPORTS = join(root, 'node_modules/.cache/hoplab', `reports-${process.pid}`);

const KERNEL_TESTS = '**/*.kernel.test.ts';
/** Of the random scenarios `npm run test:kernel` compares more. */
const SEEDS = /** @type {[number, number]} */ ([1, 40]);

/** @type {Stage[]} */
const STAGES = [
  {
    name: 'types',
    about: 'TypeScript, and the engine without DOM and node types',
    run: () => all(['tsc', '-p', 'tsconfig.json'], ['tsc', '-p', 'tsconfig.engine.json']),
  },
  {
    name: 'lint',
    about: 'lint and format, and that the engine’s bans fire',
    run: () =>
      all(
        ['biome', 'ci', '--error-on-warnings', '--max-diagnostics=50', process.stdout.isTTY ? '--colors=force' : '--colors=off'],
        ['node', 'scripts/lint-bans.mjs'],
      ),
  },
  { name: 'walls', about: 'who imports whom', run: () => all(['node', 'scripts/import-walls.mjs']) },
  { name: 'dead-code', about: 'unused files, exports and dependencies', run: () => all(['knip']) },
  { name: 'unit', about: 'unit tests', run: unitTests },
  { name: 'kernel', about: 'rules and packets against this machine’s Linux kernel', run: kernelTests },
  { name: 'comparison', about: 'clusters rebuilt on Linux, frame by frame; IPVS in a virtual machine', run: comparison },
  { name: 'browser', about: 'the built app in a real browser', run: browserTests },
];

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !STAGES.some((stage) => stage.name === name));
if (unknown.length > 0) {
  console.error(`no such stage: ${unknown.join(', ')}. There are:`);
  for (const { name, about } of STAGES) console.error(`  ${name.padEnd(10)} ${about}`);
  process.exit(2);
}

await installPackages();
process.chdir(root);
mkdirSync(REPORTS, { recursive: true });

/** @type {Count} */
const total = { passed: 0, failed: 0, skipped: 0 };
for (const { name, about, run } of STAGES) {
  if (chosen.length > 0 && !chosen.includes(name)) continue;
  const start = Date.now();
  const { count, output } = await run();
  const bad = count.failed > 0 || count.skipped > 0;
  console.log(`${bad ? 'FAIL' : 'ok  '} ${name.padEnd(11)} ${seconds(start).padStart(7)}  ${tally(count)}  (${about})`);
  if (bad) console.log(`\n${output.trim()}\n`);
  total.passed += count.passed;
  total.failed += count.failed;
  total.skipped += count.skipped;
}
rmSync(REPORTS, { recursive: true, force: true });
console.log(`\n${tally(total)}`);
process.exitCode = total.failed > 0 || total.skipped > 0 ? 1 : 0;

function tally(/** @type {Count} */ { passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

function seconds(/** @type {number} */ start) {
  return `${((Date.now() - start) / 1000).toFixed(1)} s`;
}

/** A stage of commands that counts as one: it passes when every one of them exits with 0. All of them run. */
async function all(/** @type {string[][]} */ ...commands) {
  let output = '';
  let good = true;
  for (const command of commands) {
    const result = await execute(command);
    good &&= result.code === 0;
    if (result.code !== 0) output += `$ ${command.join(' ')}\n${result.output}\n`;
  }
  return { count: { passed: good ? 1 : 0, failed: good ? 0 : 1, skipped: 0 }, output };
}

function unitTests() {
  return vitest('unit.json', ['--exclude', KERNEL_TESTS]);
}

/** Where the kernel cannot be asked, the suite counts as skipped, which is a failure in the end. */
async function kernelTests() {
  const missing = ensureKernelTools();
  if (missing !== undefined) return { count: { passed: 0, failed: 0, skipped: 1 }, output: missing };
  return await vitest('kernel.json', ['kernel.test', '--testTimeout=120000', '--fileParallelism=false']);
}

async function comparison() {
  const missing = ensureKernelTools() ?? ensureVirtualMachine();
  if (missing !== undefined) return { count: { passed: 0, failed: 0, skipped: 1 }, output: missing };
  let output = '';
  try {
    const { passed, failed } = await compareWithKernels({ fixed: true, seeds: SEEDS }, true, (text) => {
      output += `${text}\n`;
    });
    return { count: settle({ passed, failed, skipped: 0 }, 0), output };
  } catch (error) {
    return { count: broken(), output: `${output}${error instanceof Error ? error.stack : String(error)}` };
  }
}

async function vitest(/** @type {string} */ name, /** @type {string[]} */ args) {
  const report = freshReport(name);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const { code, output } = await execute([
    'node',
    '--import=./scripts/node-20.mjs',
    'node_modules/vitest/vitest.mjs',
    'run',
    '--dir=src',
    '--allowOnly=false',
    ...args,
    ...reporters,
  ]);
  /** @type {{ numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number, testResults: { status: string, assertionResults: unknown[] }[] } | undefined} */
  const json = readReport(report);
  if (!json) return { count: broken(), output };
  // A file that cannot be loaded has no tests to fail, so it counts as one.
  const brokenFiles = json.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  ).length;
  const count = {
    passed: json.numPassedTests,
    failed: json.numFailedTests + brokenFiles,
    skipped: json.numPendingTests + json.numTodoTests,
  };
  return { count: settle(count, code), output };
}

async function browserTests() {
  const missing = await ensureChromium();
  if (missing !== undefined) return { count: broken(), output: missing };
  const build = await execute(['vite', 'build', '--logLevel', 'warn']);
  if (build.code !== 0) return { count: broken(), output: build.output };
  const report = freshReport('browser.json');
  const { code, output } = await execute(['playwright', 'test', '--reporter=list,json'], { PLAYWRIGHT_JSON_OUTPUT_FILE: report });
  /** @type {{ stats: { expected: number, unexpected: number, flaky: number, skipped: number } } | undefined} */
  const json = readReport(report);
  if (!json) return { count: broken(), output };
  const { expected, unexpected, flaky, skipped } = json.stats;
  return { count: settle({ passed: expected, failed: unexpected + flaky, skipped }, code), output };
}

/** A suite that ran nothing, or whose runner complains although every test passed, has failed. */
function settle(/** @type {Count} */ count, /** @type {number} */ code) {
  const ranNothing = count.passed + count.failed === 0;
  const complains = code !== 0 && count.failed === 0;
  return ranNothing || complains ? { ...count, failed: count.failed + 1 } : count;
}

function broken() {
  return { passed: 0, failed: 1, skipped: 0 };
}

function freshReport(/** @type {string} */ name) {
  const file = join(REPORTS, name);
  rmSync(file, { force: true });
  return file;
}

function readReport(/** @type {string} */ file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/**
 * Runs a program of node_modules/.bin, or node itself.
 * @returns {Promise<{ code: number, output: string }>}
 */
function execute(/** @type {string[]} */ [program = '', ...args], /** @type {Record<string, string>} */ env = {}) {
  const colour = process.stdout.isTTY ? { FORCE_COLOR: '1' } : { NO_COLOR: '1' };
  const path = program === 'node' ? process.execPath : join(root, 'node_modules/.bin', program);
  return new Promise((resolve) => {
    const child = spawn(path, args, { cwd: root, env: { ...process.env, ...colour, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (error) => resolve({ code: 1, output: `${output}${error.message}\n` }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
