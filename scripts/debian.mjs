// Installs packages of Debian or Ubuntu where that can be done: as root, by apt-get.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/**
 * @param {readonly string[]} packages
 * @returns {string | undefined} what apt-get said when it failed, '' where it cannot be used at all, undefined on success
 */
export function installDebianPackages(packages) {
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) return '';
  console.log(`Installing ${packages.join(', ')} (apt-get) ...`);
  const quiet = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, encoding: /** @type {const} */ ('utf8') };
  const update = spawnSync('apt-get', ['update'], quiet);
  const install = spawnSync('apt-get', ['install', '-y', '--no-install-recommends', ...packages], quiet);
  return install.status === 0 ? undefined : `${update.stdout}${update.stderr}${install.stdout}${install.stderr}`;
}
