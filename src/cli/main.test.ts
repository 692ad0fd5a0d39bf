import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';

const SCENARIO = join(import.meta.dirname, '../../public/scenarios/clusterip.yaml');
const CLIENT = ['--manifests', SCENARIO, '--from', 'pod/default/client', '--to', 'http://10.96.0.20/'];
const folder = mkdtempSync(join(tmpdir(), 'hoplab-cli-'));
const argv = process.argv;

afterEach(() => {
  process.argv = argv;
  process.exitCode = undefined;
  vi.restoreAllMocks();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The command line as a person runs it: what it prints, and how it ends. */
async function hoplab(...args: string[]): Promise<{ out: string; err: string; code: unknown }> {
  let out = '';
  let err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text);
    return true;
  });
  process.argv = ['node', 'hoplab', ...args];
  vi.resetModules();
  await import('./main.ts');
  const code = process.exitCode;
  process.exitCode = undefined;
  vi.restoreAllMocks();
  return { out, err, code };
}

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('hoplab linux-lab', () => {
  it('prints the script, and nothing else', async () => {
    const { out, err, code } = await hoplab('linux-lab', '--manifests', SCENARIO, '--mode', 'nftables');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^#!\/usr\/bin\/env bash\n/);
    expect(out).toContain("hold 'node/worker-2'");
    expect(out).toContain('kube-proxy in nftables mode');
  });

  it('refuses what is no manifest, with the file', async () => {
    expect(await hoplab('linux-lab', '--manifests', join(folder, 'none.yaml'))).toMatchObject({
      code: 2,
      out: '',
      err: `${join(folder, 'none.yaml')}: there is no such file or folder\n`,
    });
  });
});

describe('hoplab rules', () => {
  const rules = (...args: string[]) => hoplab('rules', '--manifests', SCENARIO, '--node', 'worker-1', ...args);

  it('as ipvsadm: the virtual servers of IPVS mode, as “ipvsadm -Sn” sorts them', async () => {
    const { out } = await rules('--mode', 'ipvs', '--as', 'ipvsadm');
    expect(out.trim().split('\n')).toEqual([
      '-A -t 10.96.0.1:443 -s rr',
      '-a -t 10.96.0.1:443 -r 192.168.1.10:6443 -m -w 1',
      '-A -t 10.96.0.20:80 -s rr',
      '-a -t 10.96.0.20:80 -r 10.244.2.2:80 -m -w 1',
      '-a -t 10.96.0.20:80 -r 10.244.2.3:80 -m -w 1',
    ]);
  });

  it('as ipset: the sets that kube-proxy’s rules look into', async () => {
    const lines = (await rules('--mode', 'ipvs', '--as', 'ipset')).out.split('\n');
    expect(lines.filter((line) => line.startsWith('create ')).length).toBeGreaterThan(10);
    expect(lines.filter((line) => line.startsWith('add '))).toEqual([
      'add KUBE-CLUSTER-IP 10.96.0.1,tcp:443',
      'add KUBE-CLUSTER-IP 10.96.0.20,tcp:80',
      'add KUBE-IPVS-IPS 10.96.0.1',
      'add KUBE-IPVS-IPS 10.96.0.20',
    ]);
  });

  it('as ipvsadm in another mode: there are none', async () => {
    expect(await rules('--mode', 'iptables', '--as', 'ipvsadm')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^\s*$/),
      err: 'note: in mode iptables nothing is there for ipvsadm to print\n',
    });
  });

  it('names what it takes when it is asked for something else', async () => {
    const { code, err } = await rules('--as', 'ufw');
    expect([code, err]).toEqual([2, expect.stringMatching(/iptables-save.*nft.*ipvsadm.*ipset/)]);
    expect((await hoplab('rules', '--manifests', SCENARIO, '--node', 'worker-9')).err).toContain(
      'nodes: control-plane, worker-1, worker-2',
    );
  });
});

describe('hoplab rules-trace', () => {
  const ADDRESSES =
    '2: eth0: <UP> mtu 1500\n    inet 192.168.1.11/24 scope global eth0\n3: cni0: <UP> mtu 1500\n    inet 10.244.1.1/24 scope global cni0\n';
  const KUBE_IPVS0 =
    '4: kube-ipvs0: <BROADCAST,NOARP> mtu 1500\n    inet 10.96.0.20/32 scope global kube-ipvs0\n    inet 10.96.0.1/32 scope global kube-ipvs0\n';
  const ROUTES = 'default via 192.168.1.1 dev eth0\n10.244.2.0/24 via 192.168.1.12 dev eth0\n';
  const packet = ['--from', '10.244.1.2', '--to', '10.96.0.20:80', '--in', 'cni0'];

  it('walks a packet through what this tool itself prints of a node in IPVS mode', async () => {
    const dumps: string[] = [];
    for (const as of ['iptables-save', 'ipset', 'ipvsadm'])
      dumps.push(file(as, (await hoplab('rules', '--manifests', SCENARIO, '--node', 'worker-1', '--mode', 'ipvs', '--as', as)).out));
    const { out, err, code } = await hoplab('rules-trace', '--dump', ...dumps, file('ip', `${ADDRESSES}${KUBE_IPVS0}${ROUTES}`), ...packet);
    expect(code).toBe(0);
    expect(out.trimEnd().split('\n').at(-1)).toMatch(/^It leaves by eth0 for 10\.244\.2\.[23]:80, as 10\.244\.1\.2:40000\.$/);
    expect(out).toContain('IPVS sends it on to');
    expect(err).toContain('note: net.ipv4.vs.conntrack = 1 is assumed');
    const json = JSON.parse((await hoplab('rules-trace', '--dump', ...dumps, join(folder, 'ip'), ...packet, '--json')).out) as {
      steps: { event: string }[];
    };
    expect(json.steps.filter(({ event }) => event === 'ipvs')).toHaveLength(1);
  });

  it('tells file, line and reason of what it cannot read', async () => {
    const dump = file('bad', `${ADDRESSES}${ROUTES}-A -t web:http -s rr\n`);
    const { err, code } = await hoplab('rules-trace', '--dump', dump, ...packet);
    expect([code, err]).toEqual([2, expect.stringMatching(/^rules-trace: .*bad: line 7: ipvsadm: illegal virtual server address/)]);
  });

  it('tells which of several files it is, and counts its lines', async () => {
    const dump = file('bad2', '\n-A -t web:http -s rr\n');
    for (const address of [ADDRESSES, ADDRESSES.trimEnd()]) {
      const { err } = await hoplab('rules-trace', '--dump', file('ok', address), dump, ...packet);
      expect(err).toMatch(/^rules-trace: .*\/bad2: line 2: ipvsadm: illegal virtual server address/);
    }
  });

  it.each(['10.0.0.2:', '10.0.0.2:1e2', '10.0.0.2:0x50', '10.0.0.2: 80', '10.0.0.2:0', '10.0.0.2:65536'])(
    'refuses to go to %s',
    async (to) => {
      const { err, code } = await hoplab('rules-trace', '--dump', file('ok', ADDRESSES), '--from', '10.0.0.1', '--to', to);
      expect([code, err]).toEqual([2, expect.stringContaining('--to: expected a port from 1 to 65535')]);
    },
  );

  it('quotes an address of IPv6 whole', async () => {
    const { err, code } = await hoplab('rules-trace', '--dump', file('ok', ADDRESSES), '--from', '10.0.0.1', '--to', 'fd00::1');
    expect([code, err]).toEqual([2, expect.stringContaining('expected an IPv4 address, got "fd00::1"')]);
  });

  it('asks for what is missing', async () => {
    expect((await hoplab('rules-trace', ...packet)).err).toContain('--dump is missing');
    expect((await hoplab('rules-trace', '--dump', file('ok', ADDRESSES), '--to', '10.0.0.1:80')).err).toContain('--from is missing');
    const nowhere = await hoplab('rules-trace', '--dump', file('ok', ADDRESSES), '--from', '10.0.0.1', '--to', '10.0.0.2:http');
    expect([nowhere.code, nowhere.err]).toEqual([2, expect.stringContaining('expected a port')]);
  });
});

describe('hoplab pcap', () => {
  /** Names of interfaces, and of each packet its interface, its time in nanoseconds and its comment (draft-ietf-opsawg-pcapng). */
  function read(path: string) {
    const bytes = readFileSync(path);
    const interfaces: string[] = [];
    const packets: { interface: number; timeNs: bigint; comment: string }[] = [];
    for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at + 4)) {
      const type = bytes.readUInt32LE(at);
      const length = bytes.readUInt32LE(at + 4);
      expect(bytes.readUInt32LE(at + length - 4)).toBe(length);
      const captured = bytes.readUInt32LE(at + 20);
      const options = type === 1 ? at + 16 : at + 28 + captured + ((4 - (captured % 4)) % 4);
      const option = (code: number): Buffer | undefined => {
        for (let o = options; bytes.readUInt16LE(o) !== 0; o += 4 + Math.ceil(bytes.readUInt16LE(o + 2) / 4) * 4)
          if (bytes.readUInt16LE(o) === code) return bytes.subarray(o + 4, o + 4 + bytes.readUInt16LE(o + 2));
        return undefined;
      };
      if (type === 1) {
        interfaces.push(String(option(2)));
        expect(option(9)?.[0]).toBe(9);
      }
      if (type === 6) {
        const timeNs = (BigInt(bytes.readUInt32LE(at + 12)) << 32n) | BigInt(bytes.readUInt32LE(at + 16));
        packets.push({ interface: bytes.readUInt32LE(at + 8), timeNs, comment: String(option(1)) });
      }
    }
    return { interfaces, packets };
  }

  it.each(['iptables', 'nftables', 'ipvs'])('several devices in one file, in the mode %s', async (mode) => {
    const at = ['pod/default/client:eth0', 'node/worker-1:cni0', 'node/worker-1:eth0', 'node/worker-2:eth0'];
    const path = join(folder, `${mode}.pcapng`);
    const { err, code } = await hoplab('pcap', ...CLIENT, '--mode', mode, '--at', ...at, '--out', path);
    const { interfaces, packets } = read(path);
    expect([code, interfaces]).toEqual([0, at]);
    expect(err).toMatch(new RegExp(`^${packets.length} packets written to `));
    expect(new Set(packets.map((packet) => packet.interface))).toEqual(new Set([0, 1, 2, 3]));
    expect(packets.map(({ timeNs }) => timeNs)).toEqual(packets.map(({ timeNs }) => timeNs).sort((a, b) => Number(a - b)));
    for (const { comment } of packets) expect(comment).toMatch(/ (arrives at|leaves by) \S+$/);
  });

  it('one device keeps its short name; --at may be given twice', async () => {
    const path = join(folder, 'one.pcapng');
    await hoplab('pcap', ...CLIENT, '--at', 'node/worker-1:cni0', '--out', path);
    expect(read(path).interfaces).toEqual(['cni0']);
    await hoplab('pcap', ...CLIENT, '--at', 'node/worker-1:cni0', '--at', 'node/worker-2:cni0', '--out', path);
    expect(read(path).interfaces).toEqual(['node/worker-1:cni0', 'node/worker-2:cni0']);
  });

  it('refuses a place that there is not, and a file that cannot be written', async () => {
    const { code, err } = await hoplab('pcap', ...CLIENT, '--at', 'node/worker-1:cni0', 'node/worker-1:eth7', '--out', join(folder, 'x'));
    expect([code, err]).toEqual([2, expect.stringContaining('there is no device "eth7" in node/worker-1; devices: lo, eth0, cni0')]);
    expect((await hoplab('pcap', ...CLIENT, '--at', 'cni0', '--out', join(folder, 'x'))).err).toContain('expected NAMESPACE:DEVICE');
    expect((await hoplab('pcap', ...CLIENT, '--at', 'node/worker-1:cni0', '--out', join(folder, 'no/such/folder'))).err).toMatch(
      /^pcap: --out: ENOENT/m,
    );
  });
});
