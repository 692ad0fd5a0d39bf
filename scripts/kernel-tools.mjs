// The tools that the kernel tests ask a real Linux with, and whether this machine lets them.

import { spawnSync } from 'node:child_process';
import { installDebianPackages } from './debian.mjs';

/** Program, and the Debian package that brings it. */
const TOOLS = {
  ip: 'iproute2',
  'iptables-restore': 'iptables',
  nft: 'nftables',
  unshare: 'util-linux',
  conntrack: 'conntrack',
  python3: 'python3',
};

const works = (/** @type {string} */ command) => spawnSync('sh', ['-c', command], { encoding: 'utf8' }).status === 0;
const missingTools = () => Object.entries(TOOLS).filter(([tool]) => !works(`PATH="$PATH:/usr/sbin:/sbin" command -v ${tool}`));

/**
 * Makes sure that rulesets can be loaded into this machine's kernel; on Debian as root it installs what is missing.
 * @returns {string | undefined} why not and what to do, or undefined when all is well
 */
export function ensureKernelTools() {
  if (process.platform !== 'linux') return 'No Linux kernel to ask: run this on Linux, as root.';
  if (missingTools().length > 0) {
    const said = installDebianPackages([...new Set(missingTools().map(([, name]) => name))]);
    if (said) console.error(said);
  }
  const missing = missingTools();
  if (missing.length > 0)
    return `Missing: ${missing.map(([tool]) => tool).join(', ')}. On Debian and Ubuntu: apt-get install ${missing.map(([, name]) => name).join(' ')}.`;
  // In a namespace of its own, so that nothing of this machine is touched.
  const load = 'echo "add table ip hoplab" | nft -f - && printf "*nat\\nCOMMIT\\n" | iptables-restore';
  if (!works(`PATH="$PATH:/usr/sbin:/sbin" unshare -n sh -c '${load}'`))
    return 'This machine does not allow network namespaces with netfilter rules: run as root, in a container with --privileged.';
  return undefined;
}
