import { execFileSync } from 'node:child_process';
import { describe, expect, it, vi } from 'vitest';
import type { IpAddress } from '../../../protocol/address.ts';
import { formatIp } from '../../../protocol/address.ts';
import type { RuleConntrack, RulePacket } from '../evaluation.ts';
import { IpSets } from '../ipset.ts';
import type { Rule, TableRules } from './model.ts';
import { conntrackOf, hostOf, newCost, packetOf } from './packet-fixtures.ts';
import { parseTables } from './parse.ts';
import { RANDOM_SETS, RandomRules } from './random-rules.ts';
import { saveTables } from './save.ts';
import { IptablesTables } from './table.ts';

/*
 * Sends packets through the OUTPUT chain of a real kernel, in a namespace of their own, and compares the counters of
 * every rule and of the policy with those counted here. The security table drops all of them afterwards, so that
 * nobody answers. Needs root, iptables, ipset and python3.
 */

vi.setConfig({ testTimeout: 60_000 });

/** These addresses are the namespace's own; every other one is behind eth0. */
const LOCAL = [1, 2, 3].map((host) => (0x0a600000 + host) as IpAddress);

/** Sends what stands on its input, one packet a line: its mark and its octets. */
const SENDER = `
import socket, sys
for line in sys.stdin:
    mark, octets = line.split()
    data = bytes.fromhex(octets)
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.setsockopt(socket.SOL_SOCKET, 36, int(mark))  # SO_MARK
    s.setsockopt(socket.SOL_IP, 22, 1)  # IP_NODEFRAG
    try:
        s.sendto(data, (socket.inet_ntoa(data[16:20]), 0))
    except PermissionError:
        pass  # dropped by a rule
    s.close()
`;

/** The counters of the filter table after the packets, line by line. */
function countedByKernel(rules: string, sets: IpSets, packets: readonly RulePacket[]): string[] {
  const script = [
    'set -e',
    ...sets
      .all()
      .flatMap(({ name, type, elements }) => [
        `ipset create ${name} ${type}`,
        ...[...elements].map(({ net }) => `ipset add ${name} ${formatIp(net?.address as IpAddress)}`),
      ]),
    'ip link set lo up',
    'ip link add eth0 type veth peer name peer0',
    'ip link set peer0 up',
    'ip link set eth0 up',
    ...LOCAL.map((address) => `ip addr add ${formatIp(address)}/32 dev lo`),
    'ip route add default dev eth0',
    `iptables-restore <<'END OF RULES'\n${rules}*security\n:OUTPUT DROP [0:0]\nCOMMIT\nEND OF RULES`,
    `python3 -c '${SENDER}' <<'END OF PACKETS'\n${packets.map((packet) => `${packet.mark} ${octetsOf(packet)}\n`).join('')}END OF PACKETS`,
    'iptables-save -c -t filter | grep -v "^#"',
  ];
  return execFileSync('unshare', ['-n', 'sh'], { input: `${script.join('\n')}\n`, encoding: 'utf8', maxBuffer: 2 ** 26 }).split('\n');
}

/** The IP packet, padded with zeros to its length. The kernel fills in the header's checksum. */
function octetsOf(packet: RulePacket): string {
  const data = new DataView(new ArrayBuffer(packet.length));
  data.setUint8(0, 0x45);
  data.setUint8(1, packet.tos);
  data.setUint16(2, packet.length);
  data.setUint16(4, 1);
  data.setUint16(6, packet.laterFragment ? 0x2010 : 0);
  data.setUint8(8, packet.ttl);
  data.setUint8(9, packet.protocol);
  data.setUint32(12, Number(packet.src));
  data.setUint32(16, Number(packet.dst));
  if (packet.icmpType !== undefined) {
    data.setUint8(20, packet.icmpType);
    data.setUint8(21, packet.icmpCode ?? 0);
    // The checksum of type, code and zeros (RFC 792): connection tracking looks at it.
    data.setUint16(22, ~(packet.icmpType * 256 + (packet.icmpCode ?? 0)) & 0xffff);
  } else if (packet.srcPort !== undefined && packet.dstPort !== undefined) {
    data.setUint16(20, packet.srcPort);
    data.setUint16(22, packet.dstPort);
    if (packet.protocol === 17) data.setUint16(24, packet.length - 20);
    if (packet.protocol === 6) {
      data.setUint8(32, 0x50);
      data.setUint8(33, packet.tcpFlags ?? 0);
    }
  }
  return Buffer.from(data.buffer).toString('hex');
}

const isLocal = (address: IpAddress): boolean => LOCAL.includes(address);

/** The same counters as this project counts them. */
function countedHere(rules: string, sets: IpSets, packets: readonly RulePacket[]): string[] {
  const tables = new IptablesTables('ip', sets);
  const parsed = parseTables(rules);
  if (!parsed.ok) expect.fail(parsed.error.map(({ line, message }) => `${line}: ${message}`).join());
  for (const table of parsed.value) expect(tables.load(table)).toEqual({ ok: true, value: undefined });
  const output = tables.baseChains().find(({ name, table }) => name === 'OUTPUT' && table === 'filter');
  const host = hostOf({
    nowNs: 1e15,
    addressType: (address, device) => (isLocal(address) && (device === undefined || device === 'lo') ? 'LOCAL' : 'UNICAST'),
    chance: (numerator) => numerator > 0,
  });
  for (const packet of packets) output?.evaluate(packet, host, newCost(), undefined);
  return saveTables(tables.allRules(), { counters: tables.counters, ruleCounters: true }).split('\n');
}

function setsOf(random: RandomRules): IpSets {
  const sets = new IpSets();
  for (const name of RANDOM_SETS) {
    sets.create(name, 'hash:ip');
    for (let i = 0; i < 4; i++) sets.add(name, { net: { address: random.address(), length: 32 } });
  }
  return sets;
}

/** Without what depends on chance or on the clock, and without answers by REJECT, which would be counted too. */
function deterministic(rule: Rule, conntrack: boolean): Rule {
  const matches = rule.matches.filter((match) => {
    if (match.type === 'statistic' && match.mode === 'random') return match.numerator === 0 || match.numerator === 2 ** 31;
    if (match.type === 'limit') return match.unit === 'hour';
    if (match.type === 'conntrack') return conntrack && match.expiresSeconds === undefined;
    if (match.type === 'connmark') return conntrack;
    return true;
  });
  const { target } = rule;
  const other = target?.type.startsWith('CONNMARK') && !conntrack ? undefined : target;
  return { ...rule, matches, target: other?.type === 'REJECT' ? { type: 'DROP' } : other };
}

function randomTable(seed: number, conntrack: boolean): TableRules {
  const table = new RandomRules(seed, 'ip').table('filter', 5, 40);
  return {
    table: 'filter',
    chains: table.chains.map((chain) => ({ ...chain, rules: chain.rules.map((rule) => deterministic(rule, conntrack)) })),
  };
}

function outgoing(random: RandomRules, given: Partial<RulePacket>): RulePacket {
  const dst = given.dst ?? random.address();
  return packetOf({
    hook: 'OUTPUT',
    inDevice: undefined,
    src: random.address(),
    dst,
    outDevice: isLocal(dst) ? 'lo' : 'eth0',
    length: 60 + random.below(200),
    ttl: 60 + random.below(4),
    mark: [0, 1, 0x4000][random.below(3)] ?? 0,
    ...given,
  });
}

const UNPORTED = { srcPort: undefined, dstPort: undefined, tcpFlags: undefined } as const;

/** Of every kind that rules tell apart. */
function anyPacket(random: RandomRules): RulePacket {
  const ports = { srcPort: random.port(), dstPort: random.port() };
  switch (random.below(7)) {
    case 0:
      return outgoing(random, { protocol: 17, ...ports, tcpFlags: undefined });
    case 1:
      return outgoing(random, { protocol: 132, ...ports, tcpFlags: undefined });
    case 2:
      return outgoing(random, { ...UNPORTED, protocol: 1, icmpType: [8, 0, 3][random.below(3)], icmpCode: random.below(5) });
    case 3:
      return outgoing(random, { ...UNPORTED, protocol: 47 });
    case 4:
      return outgoing(random, { ...UNPORTED, protocol: [6, 17][random.below(2)] ?? 6, laterFragment: true });
    default:
      return outgoing(random, { protocol: 6, ...ports, tcpFlags: [0x02, 0x12, 0x10][random.below(3)] });
  }
}

/**
 * The first of its connection, as tracking takes it: dropped before it is confirmed, it stays the first. Or an answer
 * to nothing, which is invalid.
 */
function trackedPacket(random: RandomRules): RulePacket {
  if (random.below(4) === 0) return outgoing(random, { protocol: 6, tcpFlags: 0x12, srcPort: random.port(), dstPort: random.port() });
  const ports = { srcPort: random.port(), dstPort: random.port() };
  const udp = random.below(2) === 0;
  const packet = outgoing(random, { protocol: udp ? 17 : 6, ...ports, tcpFlags: udp ? undefined : 0x02 });
  const { src, dst, protocol } = packet;
  const conntrack: RuleConntrack = conntrackOf({
    original: { src, dst, protocol, ...ports },
    reply: { src: dst, dst: src, protocol, srcPort: ports.dstPort, dstPort: ports.srcPort },
  });
  return { ...packet, conntrack };
}

/** Only lists of addresses seen, asked and changed in every way. */
function recentTable(seed: number): TableRules {
  const random = new RandomRules(seed, 'ip');
  const rules = Array.from({ length: 30 }, (): Rule => {
    const network = { value: { address: random.address(), length: [28, 30, 32][random.below(3)] ?? 32 }, negated: false };
    return { source: random.below(2) === 0 ? network : undefined, matches: [random.recent()], target: undefined };
  });
  return { table: 'filter', chains: [{ name: 'OUTPUT', policy: 'ACCEPT', rules }] };
}

function compare(table: TableRules, seed: number, packetOfKind: (random: RandomRules) => RulePacket): void {
  const rules = saveTables([table]);
  const random = new RandomRules(seed, 'ip');
  const sets = setsOf(random);
  const packets = Array.from({ length: 60 }, () => packetOfKind(random));
  const kernel = countedByKernel(rules, sets, packets);
  expect(countedHere(rules, sets, packets)).toEqual(kernel);
  expect(kernel.filter((line) => line.startsWith('[') && !line.startsWith('[0:0]')).length).toBeGreaterThan(0);
}

const SEEDS = Array.from({ length: 12 }, (_, seed) => seed);

describe('counters of this kernel after packets', () => {
  it.each(SEEDS)('are those counted here, without connection tracking, seed %s', (seed) =>
    compare(randomTable(seed, false), seed, anyPacket),
  );
  it.each(SEEDS)('are those counted here, with connection tracking, seed %s', (seed) =>
    compare(randomTable(seed, true), seed, trackedPacket),
  );
  it.each(SEEDS)('are those counted here, of recent lists, seed %s', (seed) => compare(recentTable(seed), seed, anyPacket));
});
