// npm start [-- --port N]: installs what is missing, builds if needed, serves the built app and prints its address.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.mjs';
import { installPackages, root } from './packages.mjs';

const BUILD_INPUTS = ['src', 'public', 'index.html', 'vite.config.ts', 'package-lock.json'];

const port = readPort(process.argv.slice(2));
await installPackages();
process.chdir(root);
const { build, preview } = await import('vite');

const built = newest(join(root, 'dist', 'index.html'));
if (BUILD_INPUTS.some((path) => newest(join(root, path)) > built)) {
  console.log('Building ...');
  await build({ logLevel: 'warn' });
}

const server = await preview({
  preview: { port: port ?? (await freePort()), strictPort: port !== undefined, host: 'localhost' },
  logLevel: 'warn',
});
const address = server.httpServer.address();
console.log(`\n  Hoplab is at http://localhost:${typeof address === 'object' && address ? address.port : port}/\n\n  Ctrl-C stops it.`);

/** The latest modification time under a path; 0 when there is none. @returns {number} */
function newest(/** @type {string} */ path) {
  const entry = statSync(path, { throwIfNoEntry: false });
  if (!entry) return 0;
  if (!entry.isDirectory()) return entry.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))));
}

function readPort(/** @type {string[]} */ args) {
  if (args.length === 0) return undefined;
  const value = args[0] === '--port' && args.length === 2 ? Number(args[1]) : Number.NaN;
  if (!Number.isInteger(value) || value < 1 || value > 65535) {
    console.error('usage: npm start [-- --port N]');
    process.exit(2);
  }
  return value;
}
