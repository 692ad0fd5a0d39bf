// Installs the npm packages when they are missing or not those of package-lock.json.
// Plain node: this runs before there is anything in node_modules.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's top folder. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Whether node_modules holds exactly what package-lock.json asks for: npm keeps its own record of what it
 * installed in node_modules/.package-lock.json. Optional packages may be absent (they are for other platforms).
 */
export function packagesAreInstalled() {
  try {
    const wanted = readPackages(join(root, 'package-lock.json'));
    const installed = readPackages(join(root, 'node_modules', '.package-lock.json'));
    return Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
      if (path === '') return true;
      const found = installed[path];
      return found ? found.version === version && found.integrity === integrity : optional === true;
    });
  } catch {
    return false;
  }
}

/** @returns {Record<string, { version: string, integrity?: string, optional?: boolean }>} */
function readPackages(/** @type {string} */ file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

/**
 * Runs `npm ci` if needed; its output goes to standard error, so that standard output stays the caller's.
 * Several processes may call this at once: one installs, the others wait. Ends the process when npm fails.
 */
export async function installPackages() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`Hoplab needs node 20.19 or newer; this is node ${process.versions.node}.`);
    process.exit(1);
  }
  if (packagesAreInstalled()) return;
  const release = await lock('install');
  try {
    if (packagesAreInstalled()) return;
    console.error('Installing npm packages (npm ci) ...');
    const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
      cwd: root,
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32',
    });
    if (npm.status !== 0) {
      console.error('npm ci failed; see above.');
      process.exitCode = 1;
      release();
      process.exit(1);
    }
  } finally {
    release();
  }
}

/**
 * A lock among the processes of this machine for this folder: a file that holds its owner's process id.
 * A lock whose owner is dead is taken over.
 * @returns {Promise<() => void>} releases the lock
 */
async function lock(/** @type {string} */ name) {
  const file = join(tmpdir(), `hoplab-${name}-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`);
  const mine = `${file}.${process.pid}`;
  writeFileSync(mine, String(process.pid));
  try {
    while (!take(mine, file)) {
      if (!ownerIsAlive(file)) rmSync(file, { force: true });
      else await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    rmSync(mine);
  }
  return () => rmSync(file, { force: true });
}

/** A hard link appears whole or not at all, so the lock never exists without its owner in it. */
function take(/** @type {string} */ mine, /** @type {string} */ file) {
  try {
    linkSync(mine, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function ownerIsAlive(/** @type {string} */ file) {
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
