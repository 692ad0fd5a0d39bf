import { formatCidr, formatIp, type IpAddress, isIpv4 } from '../../protocol/address.ts';
import type { RealServer, VirtualServer } from '../ipvs/model.ts';
import { SCHEDULERS } from '../ipvs/model.ts';
import type { Match, Rule, TablePatch } from '../netfilter/iptables/model.ts';
import { familyOf, parseIpSloppy } from './addresses.ts';
import type { CaseInput } from './case-input.ts';
import { ruleText } from './iptables/restore-text.ts';
import { usableNodeAddresses } from './ipvs/node-addresses.ts';
import { DUMMY_INTERFACE, IpvsProxier, type IpvsSync } from './ipvs/proxier.ts';
import { serverText, VirtualServerTable } from './ipvs/virtual-server-table.ts';
import type { JsonReader } from './json-reader.ts';
import type { ProxyChanges } from './model.ts';
import type { NoLocalEndpoints } from './traffic.ts';

/** What only cases of the mode ipvs say. */
export interface IpvsCase {
  /** What is on the machine before kube-proxy starts. */
  readonly existing: readonly VirtualServer[];
  /** Of these the ones that are wanted, as `ip:port`, instead of what Services want. */
  readonly active: readonly string[] | undefined;
  /** Addresses by interface, instead of the node's. */
  readonly deviceAddresses: ReadonlyMap<string, readonly IpAddress[]> | undefined;
  /** What is asked for: keys of the answer, sets and chains; undefined asks for all. */
  readonly asked: Asked | undefined;
}

interface Asked {
  readonly keys: readonly string[];
  readonly sets: readonly string[];
  readonly chains: readonly string[];
  readonly metrics: readonly string[];
}

const address = (reader: JsonReader): IpAddress => parseIpSloppy(reader.text()) ?? reader.fail('an IP address');
const port = (reader: JsonReader): number => reader.integer(0, 65_535);

export function readIpvsCase(entry: JsonReader): IpvsCase {
  const settings = entry.at('settings');
  const devices = settings.at('deviceAddresses');
  return {
    existing: settings.at('existingVirtualServers').items().map(readServer),
    active: settings.at('activeVirtualServers').optional((reader) => reader.texts()),
    deviceAddresses: devices.optional(() => new Map(devices.keys().map((name) => [name, devices.at(name).items().map(address)]))),
    asked: entry.at('expect').optional((expect) => ({
      keys: expect.keys(),
      sets: expect.at('ipsets').keys(),
      chains: expect.at('iptables').keys(),
      metrics: expect.at('metrics').keys(),
    })),
  };
}

function readServer(server: JsonReader): VirtualServer {
  return {
    protocol: server.at('protocol').oneOf('TCP', 'UDP', 'SCTP').toLowerCase() as VirtualServer['protocol'],
    address: address(server.at('address')),
    port: port(server.at('port')),
    scheduler: server.at('scheduler').optional((reader) => reader.oneOf(...SCHEDULERS)) ?? 'rr',
    schedulerFlags: [],
    persistenceSeconds: server.at('flags').texts().includes('persistent') ? server.at('timeout').integer(0, 0xffffffff) : undefined,
    onePacket: false,
    realServers: server
      .at('realServers')
      .items()
      .map((real) => ({
        address: address(real.at('address')),
        port: port(real.at('port')),
        forwarding: 'masq' as const,
        weight: real.at('weight').optional((reader) => reader.integer(0, 65_535)) ?? 1,
      })),
  };
}

/** Nobody has connected to anything. */
const NO_CONNECTIONS = (): number => 0;

/** The answer to a case: what it asks for, in the form in which it says what is expected. */
export function answerIpvsCase(
  input: CaseInput,
  { existing, active, deviceAddresses, asked }: IpvsCase,
  steps: Iterable<{ readonly changes: ProxyChanges; readonly nowNs: number }>,
): Readonly<Record<string, unknown>> {
  const proxier = new IpvsProxier(input.node, input.config, { virtualServers: existing, addresses: [], sets: new Map() });
  let sync: IpvsSync | undefined;
  for (const { changes, nowNs } of steps) {
    proxier.update(changes);
    sync = proxier.sync(nowNs, NO_CONNECTIONS);
  }
  const patches = sync?.patches ?? [];
  const servers = active === undefined ? proxier.virtualServers : serversLeft(input, existing, active);
  const left = new Set(servers.map(keyText));
  const sets: ReadonlyMap<string, readonly string[]> = proxier.setEntries;
  const answers: Readonly<Record<string, () => unknown>> = {
    virtualServersComplete: () => true,
    virtualServerCount: () => servers.length,
    virtualServers: () => servers.map(serverAnswer),
    ipsets: () => Object.fromEntries(named(sets, asked?.sets, (name) => sets.get(name.replace('KUBE-6-', 'KUBE-')) ?? [])),
    iptables: () => {
      const chains = chainsOf(patches);
      return Object.fromEntries(named(chains, asked?.chains, (name) => (chains.get(name) ?? []).map(ruleAnswer)));
    },
    iptablesFirstRule: () => firstRule(patches),
    dummyAddresses: () => proxier.addresses,
    natChains: () => chainNames(patches, 'nat'),
    filterChains: () => chainNames(patches, 'filter'),
    nodeIPs: () => nodeAddresses(input, deviceAddresses).map(formatIp),
    metrics: () => metricsAnswer(sync?.noLocalEndpoints ?? { internal: 0, external: 0 }, asked?.metrics ?? []),
    remaining: () => existing.filter((server) => left.has(keyText(server))).map((server) => formatIp(server.address)),
    removed: () => existing.filter((server) => !left.has(keyText(server))).map((server) => formatIp(server.address)),
  };
  const keys = asked === undefined ? Object.keys(answers) : asked.keys;
  return Object.fromEntries(keys.flatMap((key) => (Object.hasOwn(answers, key) ? [[key, answers[key]?.()]] : [])));
}

/** Asked for by name, or all of them. */
const named = <T>(
  all: ReadonlyMap<string, unknown>,
  asked: readonly string[] | undefined,
  answer: (name: string) => T,
): readonly (readonly [string, T])[] =>
  (asked === undefined || asked.length === 0 ? [...all.keys()] : asked).map((name) => [name, answer(name)] as const);

const keyText = ({ address: at, port: number, protocol }: VirtualServer): string => serverText(at, number, protocol);

/** What is left when the servers named are those that Services want. */
function serversLeft(input: CaseInput, existing: readonly VirtualServer[], active: readonly string[]): readonly VirtualServer[] {
  const isActive = (key: string): boolean => active.includes(key) || active.includes(key.slice(0, key.lastIndexOf('/')));
  const table = new VirtualServerTable(input.config.family, input.config.ipvs?.excludeCidrs ?? []);
  for (const server of existing) if (!isActive(keyText(server))) table.found(server);
  table.takeCommands(NO_CONNECTIONS);
  const left = new Set(table.list().map(keyText));
  return existing.filter((server) => {
    const otherFamily = familyOf(server.address) !== input.config.family;
    return otherFamily || isActive(keyText(server)) || left.has(keyText(server));
  });
}

const serverAnswer = (server: VirtualServer): Readonly<Record<string, unknown>> => ({
  address: formatIp(server.address),
  port: server.port,
  protocol: server.protocol.toUpperCase(),
  scheduler: server.scheduler,
  ...(server.persistenceSeconds === undefined ? {} : { flags: ['persistent'], timeout: server.persistenceSeconds }),
  realServers: server.realServers.map((real: RealServer) => ({ address: formatIp(real.address), port: real.port, weight: real.weight })),
});

/** By name; of a name that nat and filter both have, the rules of nat come first. */
function chainsOf(patches: readonly TablePatch[]): ReadonlyMap<string, readonly Rule[]> {
  const chains = new Map<string, readonly Rule[]>();
  for (const patch of patches) for (const [name, rules] of patch.chains) chains.set(name, [...(chains.get(name) ?? []), ...rules]);
  return chains;
}

const chainNames = (patches: readonly TablePatch[], table: string): readonly string[] => [
  ...(patches.find((patch) => patch.table === table)?.chains.keys() ?? []),
];

function ruleAnswer(rule: Rule): Readonly<Record<string, string>> {
  const set = rule.matches.find((match) => match.type === 'set');
  // The words of matches besides the set, as far as they are about where a packet comes from or goes to.
  const others = rule.matches.filter(({ type }) => set !== undefined && (type === 'physdev' || type === 'addrtype'));
  const extra = rule.target?.type === 'MASQUERADE' && rule.target.nat.fullyRandom ? '--random-fully' : matchesText(others);
  return {
    jump: rule.target?.type === 'jump' ? rule.target.chain : (rule.target?.type ?? ''),
    ...(set === undefined ? {} : { matchSet: set.name }),
    ...(rule.source === undefined ? {} : { source: `${rule.source.negated ? '! ' : ''}${sourceText(rule.source.value)}` }),
    ...(extra === '' ? {} : { extra }),
  };
}

/** An address alone is written without a length, except that of loopback. */
const sourceText = (cidr: { readonly address: IpAddress; readonly length: number }): string =>
  isIpv4(cidr.address) && cidr.length === 32 ? formatIp(cidr.address) : formatCidr(cidr);

const matchesText = (matches: readonly Match[]): string => ruleText('', { matches, target: undefined }).slice('-A  '.length);

function firstRule(patches: readonly TablePatch[]): Readonly<Record<string, string>> | undefined {
  const [chain, rules] = [...(patches[0]?.chains ?? [])][0] ?? [];
  return chain === undefined || rules?.[0] === undefined ? undefined : { chain, ...ruleAnswer(rules[0]) };
}

function nodeAddresses(input: CaseInput, devices: IpvsCase['deviceAddresses']): readonly IpAddress[] {
  const { family } = input.config;
  if (devices === undefined) return usableNodeAddresses(input.node.addresses, family, []);
  return usableNodeAddresses([...devices.values()].flat(), family, devices.get(DUMMY_INTERFACE) ?? []);
}

/** Under the names that were asked for: each tells which of the two it means. */
function metricsAnswer({ internal, external }: NoLocalEndpoints, names: readonly string[]): Readonly<Record<string, number>> {
  const asked = names.length === 0 ? ['noLocalEndpointsInternal', 'noLocalEndpointsExternal'] : names;
  return Object.fromEntries(asked.map((name) => [name, /internal/i.test(name) ? internal : external]));
}
