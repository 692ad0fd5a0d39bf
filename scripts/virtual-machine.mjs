// A small virtual machine with Debian's stock kernel, for what the kernel of this machine lacks (ip_vs). The processor
// is emulated in software, so it runs inside of other virtual machines, too. It sees this machine's files under the
// same paths; what it writes is thrown away, but for one folder. Needs Debian or a relative of it, and root.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { installDebianPackages } from './debian.mjs';
import { root } from './packages.mjs';

const CACHE = join(root, 'node_modules/.cache/hoplab/virtual-machine');
const VERSION = join(CACHE, 'version');
const LIMIT_S = 1_500;

/** Program, and the package that brings it: the emulator, and what is used inside. */
const TOOLS = {
  'qemu-system-x86_64': 'qemu-system-x86',
  busybox: 'busybox-static',
  modprobe: 'kmod',
  cpio: 'cpio',
  python3: 'python3',
  ip: 'iproute2',
  iptables: 'iptables',
  ipset: 'ipset',
  ipvsadm: 'ipvsadm',
  conntrack: 'conntrack',
};

/** Mounts this machine's files with a layer over them that takes what is written, and runs the job there. */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /lower /upper /new
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
options=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "$options,ro,cache=loose" files /lower
mount -t tmpfs tmpfs /upper
mkdir /upper/changes /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/changes,workdir=/upper/work overlay /new
for d in proc sys dev; do mount --move /$d /new/$d; done
mkdir -p /new/dev/pts
ln -s /proc/self/fd /new/dev/fd
mount -t devpts devpts /new/dev/pts
mount -t tmpfs tmpfs /new/run
mkdir /new/run/job
mount -t 9p -o "$options" job /new/run/job
read -r modules </new/run/job/modules
mkdir -p "/new/usr/lib/modules/$(uname -r)"
mount --bind "/new$modules" "/new/usr/lib/modules/$(uname -r)"
exec switch_root /new /bin/sh -c 'export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
ip link set lo up
sh /run/job/run.sh >/run/job/log 2>&1
echo $? >/run/job/status
sync
echo o >/proc/sysrq-trigger
while :; do sleep 1; done'
`;
/** Another init is another file, so that none that is out of date is used. */
const INITRAMFS = join(CACHE, `initramfs-${createHash('sha256').update(INIT).digest('hex').slice(0, 12)}`);

const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

/** @param {string} script @param {string} [cwd] */
function shell(script, cwd) {
  const { status, stdout, stderr } = spawnSync('sh', ['-ec', script], { cwd, env: { ...process.env, PATH }, encoding: 'utf8' });
  return { good: status === 0, out: stdout, said: stderr };
}

const missingTools = () => Object.entries(TOOLS).filter(([tool]) => !shell(`command -v ${tool}`).good);

/**
 * Installs what is missing and unpacks the kernel, once.
 * @returns {string | undefined} why not and what to do, or undefined when all is well
 */
export function ensureVirtualMachine() {
  if (missingTools().length > 0) {
    const said = installDebianPackages([...new Set(missingTools().map(([, name]) => name))]);
    if (said) console.error(said);
  }
  const missing = missingTools();
  if (missing.length > 0)
    return `Missing for the virtual machine: ${missing.map(([tool]) => tool).join(', ')}. On Debian and Ubuntu: apt-get install ${missing.map(([, name]) => name).join(' ')}.`;
  mkdirSync(CACHE, { recursive: true });
  if (!existsSync(VERSION)) {
    const unpacked = unpackKernel();
    if (unpacked !== undefined) return unpacked;
  }
  if (!existsSync(INITRAMFS)) {
    const made = makeInitramfs();
    if (made !== undefined) return made;
  }
  return undefined;
}

/** The package of the kernel is unpacked, not installed. */
function unpackKernel() {
  const newest = "apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/^ *Depends: //p' | head -1";
  let name = shell(newest).out.trim();
  if (name === '') {
    shell('apt-get update -q');
    name = shell(newest).out.trim();
  }
  if (!/^linux-image-[\w.+-]+$/.test(name)) return 'apt knows no package linux-image-amd64 for the virtual machine';
  const version = name.slice('linux-image-'.length);
  const done = shell(
    `chmod 755 . && apt-get -o APT::Sandbox::User=root download -q ${name} && dpkg-deb -x ${name}_*.deb kernel && rm ${name}_*.deb && depmod -b kernel ${version}`,
    CACHE,
  );
  if (!done.good) return `the kernel for the virtual machine could not be unpacked: ${done.said}`;
  writeFileSync(VERSION, version);
  return undefined;
}

function makeInitramfs() {
  const version = readFileSync(VERSION, 'utf8');
  const folder = join(CACHE, 'initramfs.d');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'modules'), { recursive: true });
  mkdirSync(join(folder, 'bin'));
  copyFileSync(shell('command -v busybox').out.trim(), join(folder, 'bin/busybox'));
  const needed = ['virtio_pci', '9pnet_virtio', '9p', 'overlay']
    .map((name) => `modprobe -d kernel -S ${version} --show-depends ${name}`)
    .join('; ');
  const files = new Set(
    shell(needed, CACHE)
      .out.split('\n')
      .flatMap((line) => (line.startsWith('insmod ') ? [line.slice('insmod '.length).trim()] : [])),
  );
  if (files.size === 0) return 'the kernel of the virtual machine has no modules to reach files with';
  for (const file of files) copyFileSync(resolve(CACHE, file), join(folder, 'modules', basename(file)));
  writeFileSync(join(folder, 'modules/order'), [...files].map((file) => `${basename(file)}\n`).join(''));
  writeFileSync(join(folder, 'init'), INIT, { mode: 0o755 });
  const packed = shell(
    `find . | cpio -o -H newc --quiet | gzip -1 >${JSON.stringify(`${INITRAMFS}.new`)} && mv ${JSON.stringify(`${INITRAMFS}.new`)} ${JSON.stringify(INITRAMFS)}`,
    folder,
  );
  rmSync(folder, { recursive: true, force: true });
  return packed.good ? undefined : `the initramfs could not be packed: ${packed.said}`;
}

/** @typedef {{ script: string, commands: readonly (readonly string[])[] }} Job */
/** @typedef {{ out: string, said: string, code: number }} Printed */

/** Inside single quotes of sh. */
const quote = (/** @type {string} */ text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** So many jobs at once: the machine has as many processors. */
const PROCESSORS = 2;

/**
 * Carries out jobs in the machine: each has a script, which is given `up`, the commands, and `down`.
 * @param {readonly Job[]} jobs
 * @returns {Promise<Printed[][]>}
 */
export async function runInVirtualMachine(jobs) {
  const folder = mkdtempSync(join(CACHE, 'job-'));
  try {
    for (const [i, { script, commands }] of jobs.entries()) {
      const own = join(folder, String(i));
      mkdirSync(own);
      writeFileSync(join(own, 'lab.sh'), script);
      const lines = [['up'], ...commands].map(
        (args, n) =>
          `bash lab.sh ${args.map(quote).join(' ')} >${n}.out 2>${n}.said; code=$?; echo $code >${n}.code; [ $code = 0 ] || [ ${n} != 0 ] || exit 1`,
      );
      writeFileSync(
        join(own, 'run.sh'),
        ['cd "$(dirname "$0")"', 'export TMPDIR=$(mktemp -d)', ...lines, 'bash lab.sh down', ''].join('\n'),
      );
    }
    writeFileSync(join(folder, 'run.sh'), `seq 0 ${jobs.length - 1} | xargs -P ${PROCESSORS} -I @ sh /run/job/@/run.sh\n`);
    const version = readFileSync(VERSION, 'utf8');
    writeFileSync(join(folder, 'modules'), `${join(CACHE, 'kernel/lib/modules', version)}\n`);
    const said = await boot(version, folder);
    if (!existsSync(join(folder, 'status'))) throw new Error(`the virtual machine ended before its work was done: ${said.slice(-2_000)}`);
    return jobs.map(({ commands }, i) => {
      const own = join(folder, String(i));
      const read = (/** @type {string} */ name) => (existsSync(join(own, name)) ? readFileSync(join(own, name), 'utf8') : '');
      if (read('0.code').trim() !== '0') return [{ out: '', said: read('0.said'), code: 1 }];
      return commands.flatMap((_, n) => {
        const code = read(`${n + 1}.code`).trim();
        return code === '' ? [] : [{ out: read(`${n + 1}.out`), said: read(`${n + 1}.said`), code: Number(code) }];
      });
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} version @param {string} folder @returns {Promise<string>} what its console said */
function boot(version, folder) {
  const shared = 'security_model=none,multidevs=remap';
  const args = [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-m', '1024', '-smp', String(PROCESSORS)],
    ...['-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio'],
    ...['-kernel', join(CACHE, `kernel/boot/vmlinuz-${version}`), '-initrd', INITRAMFS],
    ...['-append', 'console=ttyS0 quiet panic=-1'],
    ...['-virtfs', `local,path=/,mount_tag=files,readonly=on,${shared}`],
    ...['-virtfs', `local,path=${folder},mount_tag=job,${shared}`],
  ];
  return new Promise((resolve, reject) => {
    const machine = spawn('qemu-system-x86_64', args, { env: { ...process.env, PATH }, stdio: ['ignore', 'pipe', 'pipe'] });
    const limit = setTimeout(() => machine.kill('SIGKILL'), LIMIT_S * 1_000);
    let said = '';
    const listen = (/** @type {Buffer} */ chunk) => {
      said += chunk;
    };
    machine.stdout.on('data', listen);
    machine.stderr.on('data', listen);
    machine.on('error', reject);
    machine.on('close', () => {
      clearTimeout(limit);
      resolve(said);
    });
  });
}
