import { assert } from '../../base/assert.ts';
import { type Cidr, type Ipv4, parseIpv4 } from '../../protocol/address.ts';
import type { ProxyCost } from '../../protocol/engine.ts';
import type { ProxyMode } from '../../protocol/event.ts';
import type { EndpointSlice } from '../k8s/endpoint-slice.ts';
import type { Service } from '../k8s/service.ts';
import { IptablesProxier } from '../kube-proxy/iptables/proxier.ts';
import { IpvsProxier } from '../kube-proxy/ipvs/proxier.ts';
import type { ProxyConfig, ProxyNode } from '../kube-proxy/model.ts';
import { NftablesProxier } from '../kube-proxy/nftables/proxier.ts';
import type { BaseChain, WalkCost } from '../netfilter/evaluation.ts';
import { IptablesTables } from '../netfilter/iptables/table.ts';
import { NftRuleset } from '../netfilter/nftables/ruleset.ts';
import { LoneHost, LonePacket } from './lone-packet.ts';

/** As in the measurements that one compares with: two endpoints each would only make more chains that a packet never enters. */
const ENDPOINTS = 2;
const NODE: ProxyNode = { name: 'node', addresses: [ip('192.168.1.11')], primaryAddress: ip('192.168.1.11'), zone: undefined };
const PODS: Cidr = { address: ip('10.244.0.0'), length: 16 };
const CONFIG: ProxyConfig = {
  family: 'IPv4',
  masqueradeAll: false,
  masqueradeMark: 0x4000,
  detectLocalCidr: PODS,
  nodePortAddresses: [],
  localhostNodePorts: true,
  conntrackTcpBeLiberal: false,
  nfacctCounters: [],
  randomFully: true,
  serviceCidrs: ['10.0.0.0/8'],
};

function ip(text: string): Ipv4 {
  const address = parseIpv4(text);
  assert(address !== undefined, 'an address');
  return address;
}

/**
 * What a connection of a pod to a ClusterIP costs on its node among so many Services: the rules and lookups that Linux
 * evaluates for the first packet and for a later one. The Service is the one in the middle of the rules, so that a
 * linear search takes as long as it does on average. `changeWrites`: what kube-proxy rewrites when one Service gets
 * one endpoint more.
 */
export function proxyCost(mode: ProxyMode, services: number): ProxyCost {
  const objects = Array.from({ length: services }, (_, i) => serviceOf(i));
  const slices = Array.from({ length: services }, (_, i) => sliceOf(i, ENDPOINTS));
  const middle = services >> 1;
  const changed = sliceOf(middle, ENDPOINTS + 1);
  const machine = MACHINES[mode](objects, slices, changed);
  return {
    mode,
    services,
    firstPacket: costOf(machine, clusterIp(middle), 'NEW'),
    laterPacket: costOf(machine, clusterIp(middle), 'ESTABLISHED'),
    changeWrites: machine.changeWrites,
  };
}

interface Machine {
  readonly chains: readonly BaseChain[];
  readonly changeWrites: number;
  /** Where IPVS takes the packet: at INPUT it is given to a real server, and goes on through OUTPUT. */
  readonly ipvs: boolean;
}

type Build = (services: readonly Service[], endpointSlices: readonly EndpointSlice[], changed: EndpointSlice) => Machine;

const MACHINES: Readonly<Record<ProxyMode, Build>> = { iptables, nftables, ipvs };

function iptables(services: readonly Service[], endpointSlices: readonly EndpointSlice[], changed: EndpointSlice): Machine {
  const proxier = new IptablesProxier(NODE, CONFIG);
  proxier.update({ services, endpointSlices });
  const sync = proxier.sync(0);
  const tables = new IptablesTables('ip');
  for (const { table, chain } of sync.ensuredChains) tables.patch({ table, chains: new Map([[chain, []]]), deleted: [] });
  for (const patch of sync.patches) tables.patch(patch);
  for (const { table, chain, rule } of sync.jumpRules) tables.insert(table, chain, 1, rule);
  proxier.update({ endpointSlices: [changed] });
  const written = proxier.sync(1).patches;
  const changeWrites = written.reduce((sum, { chains }) => sum + [...chains.values()].reduce((rules, chain) => rules + chain.length, 0), 0);
  return { chains: tables.baseChains(), changeWrites, ipvs: false };
}

function nftables(services: readonly Service[], endpointSlices: readonly EndpointSlice[], changed: EndpointSlice): Machine {
  const proxier = new NftablesProxier(NODE, CONFIG);
  proxier.update({ services, endpointSlices });
  const ruleset = new NftRuleset();
  ruleset.apply(proxier.sync(0), 0);
  proxier.update({ endpointSlices: [changed] });
  const changeWrites = proxier.sync(1).reduce((sum, { commands }) => sum + commands.length, 0);
  return { chains: ruleset.baseChains(), changeWrites, ipvs: false };
}

function ipvs(services: readonly Service[], endpointSlices: readonly EndpointSlice[], changed: EndpointSlice): Machine {
  const proxier = new IpvsProxier(NODE, CONFIG);
  proxier.update({ services, endpointSlices });
  const sync = proxier.sync(0, () => 0);
  const tables = new IptablesTables('ip');
  for (const { name, type, options } of sync.ensuredSets) tables.sets.create(name, type, options);
  for (const { set, added } of sync.setChanges) for (const element of added) tables.sets.add(set, element);
  for (const { table, chain } of sync.ensuredChains) tables.patch({ table, chains: new Map([[chain, []]]), deleted: [] });
  for (const { table, chain, rule } of sync.jumpRules) tables.insert(table, chain, 1, rule);
  for (const patch of sync.patches) tables.patch(patch);
  proxier.update({ endpointSlices: [changed] });
  const next = proxier.sync(1, () => 0);
  const written = next.patches.reduce((sum, { chains }) => sum + [...chains.values()].reduce((rules, chain) => rules + chain.length, 0), 0);
  const elements = next.setChanges.reduce((sum, { removed, added }) => sum + removed.length + added.length, 0);
  return { chains: tables.baseChains(), changeWrites: next.commands.length + elements + written, ipvs: true };
}

/**
 * Way of a packet: PREROUTING, FORWARD and POSTROUTING, but with IPVS INPUT, OUTPUT and POSTROUTING. A packet of a
 * known connection asks no chain of type nat, and what IPVS sends on asks none at OUTPUT (ip_vs_nat_xmit: it is routed already).
 */
function costOf({ chains, ipvs }: Machine, service: Ipv4, state: 'NEW' | 'ESTABLISHED'): WalkCost {
  const packet = new LonePacket({ source: ip('10.244.1.2'), destination: service, protocol: 'TCP', port: 80 });
  const host = new LoneHost(new Set(ipvs ? [...NODE.addresses, service] : NODE.addresses), { chance: () => true, pick: () => 0 });
  const cost: WalkCost = { rules: 0, lookups: 0 };
  packet.conntrack = { ...packet.conntrack, state };
  const hooks = ipvs ? (['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'] as const) : (['PREROUTING', 'FORWARD', 'POSTROUTING'] as const);
  for (const hook of hooks) {
    const asked = chains.filter(
      (chain) => chain.hook === hook && !(chain.type === 'nat' && (state === 'ESTABLISHED' || hook === 'OUTPUT')),
    );
    const own = ipvs && hook === 'INPUT' ? asked.filter(({ type }) => type !== 'nat') : asked;
    for (const chain of [...own].sort((a, b) => a.priority - b.priority)) {
      packet.hook = hook;
      packet.translate(chain.evaluate(packet, host, cost, undefined));
    }
    // The table of connections, and for a new one the hash of virtual servers; at OUTPUT it leaves alone what it has dealt with.
    if (ipvs && hook === 'INPUT') {
      cost.lookups += state === 'NEW' ? 3 : 2;
      packet.dst = ip('10.244.2.0');
    }
  }
  return cost;
}

/** So that they are sorted, as kube-proxy sorts them, by number. */
const nameOf = (i: number): string => `svc-${String(i).padStart(6, '0')}`;
const clusterIp = (i: number): Ipv4 => (ip('10.96.0.0') + 256 + i) as Ipv4;
const text = (address: number): string => [address >>> 24, (address >>> 16) & 255, (address >>> 8) & 255, address & 255].join('.');

function serviceOf(i: number): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: nameOf(i), namespace: 'default' },
    spec: { type: 'ClusterIP', clusterIP: text(clusterIp(i)), ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
  };
}

function sliceOf(i: number, endpoints: number): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${nameOf(i)}-a`, namespace: 'default', labels: { 'kubernetes.io/service-name': nameOf(i) } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    endpoints: Array.from({ length: endpoints }, (_, e) => ({
      addresses: [text(ip('10.244.2.0') + ((i * ENDPOINTS + e) % 60_000))],
      nodeName: 'other',
    })),
  };
}
