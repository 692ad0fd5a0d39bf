import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { World } from '../engine/index.ts';
import { formatCidr, formatMac } from '../protocol/address.ts';
import type { ProxyMode } from '../protocol/event.ts';
import type { LinuxLabInput } from '../protocol/linux-lab.ts';
import { loadCluster } from '../scenario/load-cluster.ts';
import { linuxDeviceName } from './device-names.ts';
import { linuxLabScript, NAMESPACES_MAX } from './script.ts';

const MODES: readonly ProxyMode[] = ['iptables', 'nftables', 'ipvs'];
const CLUSTER_IP = readFileSync(join(import.meta.dirname, '../../public/scenarios/clusterip.yaml'), 'utf8');

function inputOf(text: string, mode: ProxyMode): LinuxLabInput {
  const plan = loadCluster([{ name: 'lab.yaml', text }]);
  if (!plan.ok) throw new Error(JSON.stringify(plan.error));
  const input = new World({ ...plan.value, proxy: { ...plan.value.proxy, mode } }).linuxLabInput(NAMESPACES_MAX);
  if (!input) throw new Error('too many namespaces');
  return input;
}

const bash = (script: string, ...args: string[]) => spawnSync('bash', args, { input: script, encoding: 'utf8' });

/** What stands between `COMMAND <<'END'` and `END`, one entry for each such document. */
const documents = (script: string, command: string): string[] =>
  script
    .split(`${command} <<'END'\n`)
    .slice(1)
    .map((rest) => rest.slice(0, rest.startsWith('END\n') ? 0 : rest.indexOf('\nEND')));

describe.each(MODES)('the script for Linux, kube-proxy in the mode %s', (mode) => {
  const input = inputOf(CLUSTER_IP, mode);
  const script = linuxLabScript(input);

  it('is bash', () => {
    expect(bash(script, '-n')).toMatchObject({ status: 0, stderr: '' });
  });

  it('is the same each time', () => {
    expect(linuxLabScript(inputOf(CLUSTER_IP, mode))).toBe(script);
  });

  it('makes every namespace once, and every pair of devices with its MACs', () => {
    const held = [...script.matchAll(/^ {2}hold '(.*)'$/gm)].map((match) => match[1]);
    expect(held).toEqual(input.namespaces.map(({ id }) => id));
    const cables = [
      ...script.matchAll(/^ {2}in_ns '\S+' ip link add (\S+) address (\S+) type veth peer name (\S+) address (\S+) netns /gm),
    ];
    const ends = cables.flatMap(([, a, aMac, b, bMac]) => [`${a} ${aMac}`, `${b} ${bMac}`]).sort();
    const wanted = input.namespaces
      .flatMap(({ devices }) => devices)
      .filter(({ peer }) => peer)
      .map(({ name, mac }) => `${linuxDeviceName(name)} ${formatMac(mac)}`);
    expect(ends).toEqual(wanted.sort());
  });

  it.each(['node/worker-1', 'pod/default/client', 'external/router'])('gives %s its addresses, routes and sysctls', (id) => {
    const view = input.namespaces.find((one) => one.id === id);
    const batches = documents(script, `  in_ns '${id}' ip -batch -`).join('\n').split('\n');
    for (const { name, addresses, up, master } of view?.devices ?? []) {
      if (name === 'lo') continue;
      for (const cidr of addresses)
        expect(
          batches.filter((line) => line.startsWith(`addr add ${formatCidr(cidr)} `) && line.endsWith(` dev ${linuxDeviceName(name)}`)),
        ).toHaveLength(1);
      expect(batches.includes(`link set dev ${linuxDeviceName(name)} up`)).toBe(up);
      if (master !== undefined) expect(batches).toContain(`link set dev ${linuxDeviceName(name)} master ${master}`);
    }
    const routes = (view?.routes ?? []).filter(({ table, protocol }) => table === 'main' && protocol !== 'kernel');
    expect(batches.filter((line) => line.startsWith('route add '))).toHaveLength(routes.length);
    const [sysctls = ''] = documents(script, `  settings '${id}'`);
    expect(sysctls.split('\n')).toContain(`net.ipv4.ip_forward=${view?.sysctls['net.ipv4.ip_forward']}`);
    expect(sysctls.split('\n')).toContain('net.ipv6.conf.all.disable_ipv6=1');
  });

  it('writes the rules of every node as the tools print them, and asks for those tools alone', () => {
    for (const [id, { iptables, nftables, sets, virtualServers, ipvsTimeouts }] of input.rules) {
      expect(documents(script, `  in_ns '${id}' iptables-restore`)).toEqual(iptables === '' ? [] : [iptables.trimEnd()]);
      expect(documents(script, `  in_ns '${id}' nft -f -`)).toEqual(nftables === '' ? [] : [nftables.trimEnd()]);
      expect(documents(script, `  in_ns '${id}' ipset restore`)).toEqual(sets === '' ? [] : [sets.trimEnd()]);
      expect(documents(script, `    '${id}') cat`)).toEqual(virtualServers === '' ? [] : [virtualServers.trimEnd()]);
      expect(script.includes(`in_ns '${id}' ipvsadm --set ${ipvsTimeouts}\n`)).toBe(virtualServers !== '');
    }
    const tools = /for tool in (.*); do command -v/.exec(script)?.[1]?.split(' ') ?? [];
    expect(tools.slice(0, 4)).toEqual(['ip', 'nsenter', 'unshare', 'python3']);
    expect(tools.includes('nft')).toBe(mode === 'nftables');
    expect(tools.includes('ipset') && tools.includes('ipvsadm')).toBe(mode === 'ipvs');
    expect(tools).toContain('iptables-restore');
  });

  it('starts what the pods serve, and knows every name', () => {
    const listeners = documents(script, '  cat').find((text) => text.includes('\t@\ttcp\t')) ?? '';
    expect(listeners.split('\n')).toContainEqual(expect.stringMatching(/^pod\/default\/web-1\t@\ttcp\t0\.0\.0\.0\t80\t200 OK\t/));
    const tables = documents(script, '  cat').join('\n').split('\n');
    expect(tables).toContain('svc/default/web 10.96.0.20 80');
    expect(tables).toContain('pod/default/client pod/default/client');
    expect(tables).toContain('external external/client');
  });

  it('without a command tells how to use it, and understands no other', () => {
    const shown = bash(script, '-s');
    expect(shown.status).toBe(2);
    for (const command of ['up', 'probe FROM TO', 'capture FROM TO', 'status', 'down']) expect(script).toContain(`#   $0 ${command}`);
    expect(bash(script, '-s', 'down').stderr).toContain('nothing to take down');
    expect(bash(script, '-s', 'status')).toMatchObject({ status: 1 });
  });
});

describe('texts of strangers in the script', () => {
  const HOSTILE = `$(touch /tmp/x); \`id\`\nEND\n'"\\ \u202e`;
  const input = inputOf(CLUSTER_IP, 'iptables');

  it('a title stays in one line of comment', () => {
    const { topology } = input;
    const script = linuxLabScript({ ...input, topology: { ...topology, title: HOSTILE } });
    expect(bash(script, '-n').status).toBe(0);
    expect(script.split('\n')[1]?.trimEnd()).toBe(`# $(touch /tmp/x); \`id\` END '"\\`);
  });

  it('names of namespaces are quoted wherever bash reads them', () => {
    const name = "pod/it's/$(false)";
    const namespaces = input.namespaces.map((view) => (view.id === 'pod/default/client' ? { ...view, id: name } : view));
    const script = linuxLabScript({ ...input, namespaces });
    expect(bash(script, '-n').status).toBe(0);
    const held = script.split('\n').find((line) => line.startsWith("  hold 'pod/it"));
    // bash itself reads the word as the name, and runs nothing.
    expect(bash(`hold() { printf %s "$1"; }\n${held}`, '-s').stdout).toBe(name);
  });

  it('names of processes cannot end the list of listeners', () => {
    const namespaces = input.namespaces.map((view) => ({
      ...view,
      sockets: view.sockets.map((socket) => ({ ...socket, process: HOSTILE })),
    }));
    const script = linuxLabScript({ ...input, namespaces });
    expect(bash(script, '-n').status).toBe(0);
    const listeners = documents(script, '  cat').find((text) => text.includes('\t@\ttcp\t')) ?? '';
    for (const line of listeners.split('\n')) expect(line.split('\t')).toHaveLength(7);
    expect(listeners).not.toContain('\u202e');
  });
});

describe('names of devices', () => {
  it('stay, where Linux takes them', () => {
    expect(['eth0', 'vethf8087b19', 'kube-ipvs0'].map(linuxDeviceName)).toEqual(['eth0', 'vethf8087b19', 'kube-ipvs0']);
  });

  it('are cut to what Linux takes, and still differ', () => {
    const long = ['ip-10-0-0-1.eu-central-1.compute.internal', 'ip-10-0-0-2.eu-central-1.compute.internal', 'a b', 'a/b'].map(
      linuxDeviceName,
    );
    for (const name of long) expect(name).toMatch(/^[A-Za-z0-9-]{1,15}$/);
    expect(new Set(long).size).toBe(4);
  });
});
