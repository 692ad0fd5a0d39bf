// npm run -s hoplab -- ARGS: the command line. Bundles src/cli/main.ts when its sources have changed and runs it
// as the entry module, in the folder where the user stands. Standard output belongs to the command alone.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { installPackages, root } from './packages.mjs';

const CACHE = join(root, 'node_modules/.cache/hoplab');
const SOURCES = ['src', 'package-lock.json', 'tsconfig.json', 'scripts'];
const NOT_IN_THE_COMMAND = /\.test\.tsx?$|^lab$|^widgets$|^kernel-recordings$/;
const DAY_MS = 86_400_000;

// A reader that has seen enough, as in `hoplab ... | head`, is no error.
process.stdout.on('error', (error) => {
  if ('code' in error && error.code === 'EPIPE') process.exit(0);
  throw error;
});

const bundle = join(CACHE, `cli-${fingerprint()}.mjs`);
if (!existsSync(bundle)) await build();

// npm runs scripts in the project's folder and tells in INIT_CWD where the user stands.
if (process.env.INIT_CWD && process.env.npm_lifecycle_event === 'hoplab') process.chdir(process.env.INIT_CWD);
process.argv[1] = bundle;
await import(pathToFileURL(bundle).href);

/** Several processes may build at once: each writes a file of its own, and the rename is atomic. */
async function build() {
  await installPackages();
  const { bundleForNode } = await import('./bundle.mjs');
  mkdirSync(CACHE, { recursive: true });
  for (const name of readdirSync(CACHE)) {
    const old = join(CACHE, name);
    const entry = statSync(old, { throwIfNoEntry: false });
    if (name.startsWith('cli-') && entry && Date.now() - entry.mtimeMs > DAY_MS) rmSync(old, { force: true });
  }
  const unfinished = `${bundle}.${process.pid}`;
  await bundleForNode('src/cli/main.ts', unfinished);
  renameSync(unfinished, bundle);
}

/** Changes when a source of the command changes: path, size and modification time of each. */
function fingerprint() {
  const hash = createHash('sha256').update(process.version);
  const add = (/** @type {string} */ path) => {
    const entry = statSync(join(root, path));
    if (!entry.isDirectory()) {
      hash.update(`${path} ${entry.size} ${entry.mtimeMs}\n`);
      return;
    }
    for (const name of readdirSync(join(root, path)).sort()) if (!NOT_IN_THE_COMMAND.test(name)) add(`${path}/${name}`);
  };
  for (const path of SOURCES) add(path);
  return hash.digest('hex').slice(0, 16);
}
