import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatIp } from '../../protocol/address.ts';
import type { DescribedPacket, RulesTrace } from '../../protocol/engine.ts';
import type { LabEvent } from '../../protocol/event.ts';
import { traceRules } from './trace-rules.ts';

interface Recording {
  readonly spec: {
    readonly namespaces: Readonly<Record<string, Readonly<Record<'iptables' | 'nft' | 'ipset' | 'ipvs', readonly string[] | undefined>>>>;
  };
  readonly probes: readonly {
    readonly name: string;
    readonly hops?: readonly {
      readonly ns: string;
      readonly if: string;
      readonly dir: string;
      readonly pkt: string;
      readonly ttl?: number;
    }[];
    readonly netfilter?: readonly {
      readonly ns: string;
      readonly pkt: string;
      readonly path: readonly Readonly<Record<string, unknown>>[];
    }[];
  }[];
}

/** What a kernel did with the same rules. */
const recording = (name: string): Recording =>
  JSON.parse(readFileSync(join(import.meta.dirname, `../kernel-recordings/${name}.json`), 'utf8')) as Recording;

const IP_ROUTE = `default via 192.168.1.1 dev eth0
10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1
10.244.2.0/24 via 192.168.1.12 dev eth0
192.168.1.0/24 dev eth0 proto kernel scope link src 192.168.1.11`;

const ipAddr = (
  serviceAddresses: readonly string[],
): string => `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet6 ::1/128 scope host
       valid_lft forever preferred_lft forever
2: eth0@if7: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 52:54:c0:a8:01:0b brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 192.168.1.11/24 brd 192.168.1.255 scope global eth0
       valid_lft forever preferred_lft forever
3: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 0a:58:0a:f4:01:01 brd ff:ff:ff:ff:ff:ff
    inet 10.244.1.1/24 brd 10.244.1.255 scope global cni0
       valid_lft forever preferred_lft forever
4: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default
    link/ether 9a:4e:7d:0d:fb:1b brd ff:ff:ff:ff:ff:ff
${serviceAddresses.map((address) => `    inet ${address}/32 scope global kube-ipvs0\n       valid_lft forever preferred_lft forever`).join('\n')}`;

/** What the tools of node1 print, with the prompts that one copies along. */
function dumpsOf({ spec }: Recording): string {
  const { iptables, nft, ipset = [], ipvs = [] } = spec.namespaces.node1 as NonNullable<Recording['spec']['namespaces'][string]>;
  const own = ipset.flatMap((line) => /^add KUBE-IPVS-IPS (\S+)$/.exec(line)?.[1] ?? []);
  const printed: [string, readonly string[]][] = [
    ['iptables-save', iptables ?? []],
    ['nft list ruleset', nft ?? []],
    ['ipvsadm -Sn', ipvs],
    ['ipset save', ipset],
    ['ip addr', [ipAddr(own)]],
    ['ip route', [IP_ROUTE]],
  ];
  return printed.map(([command, lines]) => [`root@node1:~# ${command}`, ...lines].join('\n')).join('\n');
}

type Answer = Extract<RulesTrace, { readonly ok: true }>;

function walk(dumps: string, packet: DescribedPacket): Answer {
  const answer = traceRules({ dumps, packet });
  if (!answer.ok) throw new Error(JSON.stringify(answer.problems));
  return answer;
}

/** Every rule that matched, as the kernel's trace names it: `nat KUBE-SERVICES 4`. */
const rulesThatMatched = (events: readonly LabEvent[]): string[] =>
  events.flatMap((event) =>
    event.type === 'rule' && event.direction === 'request'
      ? [`${event.data.place.table} ${event.data.place.chain} ${event.data.place.rule}`]
      : [],
  );

const recordedRules = ({ probes }: Recording, probe: string, packets: readonly string[]): string[] =>
  (probes.find(({ name }) => name === probe)?.netfilter ?? [])
    .filter(({ ns, pkt }) => ns === 'node1' && packets.some((packet) => pkt.startsWith(packet)))
    .flatMap(({ path }) => path)
    .flatMap(({ table, chain, rule }) => (rule === undefined ? [] : [`${table} ${chain} ${rule}`]));

/** The frame that leaves the node, as the kernel's recording tells it: `eth0 10.244.1.10:40001>10.244.2.13:8080 ttl 63`. */
function sent({ events }: Answer): string | undefined {
  const tx = events.findLast((event) => event.type === 'tx' && event.direction === 'request');
  const ip = tx?.frame?.payload;
  if (!tx || ip?.type !== 'ipv4') return undefined;
  const [from, to] =
    ip.payload.type === 'tcp' || ip.payload.type === 'udp' ? [`:${ip.payload.srcPort}`, `:${ip.payload.dstPort}`] : ['', ''];
  return `${tx.device} ${formatIp(ip.src)}${from}>${formatIp(ip.dst)}${to} ttl ${ip.ttl}`;
}

function recordedSending({ probes }: Recording, probe: string): string | undefined {
  const hop = probes
    .find(({ name }) => name === probe)
    ?.hops?.find((h) => h.ns === 'node1' && h.if === 'eth0' && h.dir === 'out' && /^(SYN|udp) /.test(h.pkt));
  return hop && `eth0 ${hop.pkt.replace(/^\S+ /, '')} ttl ${hop.ttl}`;
}

/** Without the port that masquerading drew. */
const withoutPort = (text: string | undefined): string | undefined =>
  text?.replace(/ \d+\.\d+\.\d+\.\d+:\d+>/, (address) => address.replace(/:\d+>/, '>'));

const POD: DescribedPacket = {
  protocol: 'tcp',
  source: '10.244.1.10',
  sourcePort: 40_001,
  destination: '10.96.0.10',
  destinationPort: 80,
  inDevice: 'cni0',
};

describe('a packet through the dumps of a real node, against what that kernel did', () => {
  it('a pod to a ClusterIP in IPVS mode: the same rules, the same server, the same TTL', () => {
    const recorded = recording('ipvs-clusterip');
    const answer = walk(dumpsOf(recorded), POD);
    expect(rulesThatMatched(answer.events)).toEqual(recordedRules(recorded, 'rr connection 1', ['SYN 10.244.1.10:40001>']));
    expect(sent(answer)).toBe(recordedSending(recorded, 'rr connection 1'));
    expect(answer.verdict).toBe('It leaves by eth0 for 10.244.2.13:8080, as 10.244.1.10:40001.');
    const hooks = answer.events.flatMap((event) => (event.type === 'hook' ? [event.data.hook] : []));
    expect(hooks).toEqual(['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING']);
    expect(answer.events.filter((event) => event.type === 'ipvs').map(({ data }) => [data.verdict, data.hook])).toEqual([
      ['toServer', 'INPUT'],
    ]);
  });

  it('a process of the node to a ClusterIP in IPVS mode: marked, taken at OUTPUT, masqueraded', () => {
    const recorded = recording('ipvs-node-process');
    const answer = walk(dumpsOf(recorded), { ...POD, source: '10.96.0.10', inDevice: undefined });
    const probe = 'node to ClusterIP, connection 1';
    expect(rulesThatMatched(answer.events)).toEqual(recordedRules(recorded, probe, ['SYN ']));
    expect(withoutPort(sent(answer))).toBe(withoutPort(recordedSending(recorded, probe)));
  });

  it('from outside to a node port in IPVS mode: masqueraded to the node’s address', () => {
    const recorded = recording('ipvs-nodeport');
    const packet: DescribedPacket = {
      ...POD,
      source: '203.0.113.10',
      destination: '192.168.1.11',
      destinationPort: 30_080,
      inDevice: 'eth0',
    };
    const answer = walk(dumpsOf(recorded), packet);
    const probe = 'Cluster, external client, endpoint on the other node';
    expect(rulesThatMatched(answer.events)).toEqual(recordedRules(recorded, probe, ['SYN ']));
    // The recorded one came over a router.
    expect(withoutPort(sent(answer))?.replace('ttl 63', 'ttl 62')).toBe(withoutPort(recordedSending(recorded, probe)));
    const udp = walk(dumpsOf(recorded), { ...packet, protocol: 'udp', destinationPort: 30_053 });
    expect(withoutPort(sent(udp))).toBe('eth0 192.168.1.11>10.244.2.12:5353 ttl 63');
  });

  it('a virtual server without real servers refuses with “port unreachable” from its own address', () => {
    const recorded = recording('ipvs-no-endpoints');
    const answer = walk(dumpsOf(recorded), { ...POD, destination: '10.96.0.11' });
    expect(answer.verdict).toBe('It is refused: the virtual server 10.96.0.11:80 has no real server that takes new connections.');
    expect(rulesThatMatched(answer.events)).toEqual(recordedRules(recorded, 'TCP from a pod', ['SYN ']));
    const error = answer.events.findLast((event) => event.type === 'tx' && event.direction === 'reply')?.frame?.payload;
    expect(error?.type === 'ipv4' && [formatIp(error.src), formatIp(error.dst), error.payload.type]).toEqual([
      '10.96.0.11',
      '10.244.1.10',
      'icmp',
    ]);
  });

  it('a ping and an unused port of a ClusterIP are rejected by KUBE-IPVS-FILTER', () => {
    const recorded = recording('ipvs-nodeport');
    const rejected = 'It is rejected by rule 6 of iptables filter KUBE-IPVS-FILTER.';
    const ping: DescribedPacket = { protocol: 'icmp', source: '10.244.1.10', destination: '10.96.0.10', inDevice: 'cni0' };
    expect(walk(dumpsOf(recorded), ping).verdict).toBe(rejected);
    const unused = walk(dumpsOf(recorded), { ...POD, destinationPort: 81 });
    expect(unused.verdict).toBe(rejected);
    expect(rulesThatMatched(unused.events)).toEqual(
      recordedRules(recorded, 'pod to a port of the ClusterIP that no service has', ['SYN ']),
    );
  });

  it('a pod to a ClusterIP in iptables mode: the rules that the kernel met, whichever endpoint the lot fell on', () => {
    const recorded = recording('clusterip-iptables');
    const answer = walk(dumpsOf(recorded), POD);
    const chosen = sent(answer)?.match(/>(\S+)/)?.[1];
    const walks = [1, 2, 3, 4].map((n) => recordedRules(recorded, `tcp to ClusterIP #${n}`, ['SYN ']));
    expect(['10.244.1.11:8080', '10.244.2.12:8080', '10.244.2.13:8080']).toContain(chosen);
    // Where a recording goes on after that, it is with the next packet of the same connection.
    const own = rulesThatMatched(answer.events);
    expect(own).toHaveLength(14);
    expect(walks.map((rules) => rules.slice(0, own.length))).toContainEqual(own);
    expect(answer.notes).toEqual([]);
  });

  it('nftables: a Service without endpoints, an unused port and an address that no Service has', () => {
    const dumps = dumpsOf(recording('clusterip-nftables'));
    expect(walk(dumps, { ...POD, destination: '10.96.0.20' }).verdict).toMatch(/^It is rejected by .*reject-chain/);
    expect(walk(dumps, { ...POD, destinationPort: 81 }).verdict).toMatch(/^It is rejected by .*cluster-ips-check/);
    expect(walk(dumps, { ...POD, destination: '10.96.0.99' }).verdict).toMatch(/^It is dropped by .*cluster-ips-check/);
  });

  it('the same question has the same answer', () => {
    const dumps = dumpsOf(recording('clusterip-iptables'));
    expect(walk(dumps, POD)).toEqual(walk(dumps, POD));
  });
});

describe('a packet that is not described well', () => {
  const dumps = dumpsOf(recording('ipvs-clusterip'));
  const problem = (change: Partial<DescribedPacket>): string => {
    const answer = traceRules({ dumps, packet: { ...POD, ...change } });
    return answer.ok ? 'walked' : answer.problems.map(({ message }) => message).join();
  };

  it('is refused with what was expected', () => {
    expect(problem({ source: '10.244.1' })).toBe('source: expected an IPv4 address, got "10.244.1"');
    expect(problem({ destination: 'web.default' })).toBe('destination: expected an IPv4 address, got "web.default"');
    expect(problem({ destinationPort: undefined })).toBe('tcp needs a destination port');
    expect(problem({ destinationPort: 65_536 })).toBe('expected a port from 0 to 65535, got 65536');
    expect(problem({ destinationPort: Number.NaN })).toBe('expected a port from 0 to 65535, got NaN');
    expect(problem({ inDevice: 'eth1' })).toBe('there is no device "eth1"; devices: lo, eth0, cni0, kube-ipvs0');
  });

  it('goes nowhere without a route, and the answer says what to paste', () => {
    const lonely = dumps.slice(0, dumps.indexOf('root@node1:~# ip route'));
    const answer = traceRules({ dumps: lonely, packet: { ...POD, destination: '203.0.113.9', inDevice: undefined } });
    expect(answer).toEqual({
      ok: false,
      problems: [{ line: undefined, message: 'the node has no route to 203.0.113.9: paste its “ip route”' }],
    });
  });
});
