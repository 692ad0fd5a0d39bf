import { assert } from '../../base/assert.ts';
import { type Cidr, type Ipv4, parseIpv4 } from '../../protocol/address.ts';
import type { ProxyCost } from '../../protocol/engine.ts';
import type { ProxyMode } from '../../protocol/event.ts';
import type { EndpointSlice } from '../k8s/endpoint-slice.ts';
import type { Service } from '../k8s/service.ts';
import { IptablesProxier, type IptablesSync } from '../kube-proxy/iptables/proxier.ts';
import { IpvsProxier } from '../kube-proxy/ipvs/proxier.ts';
import type { ProxyChanges, ProxyConfig, ProxyNode } from '../kube-proxy/model.ts';
import { NftablesProxier } from '../kube-proxy/nftables/proxier.ts';
import type { BaseChain, WalkCost } from '../netfilter/evaluation.ts';
import type { TablePatch } from '../netfilter/iptables/model.ts';
import { IptablesTables } from '../netfilter/iptables/table.ts';
import { NftRuleset } from '../netfilter/nftables/ruleset.ts';
import { LoneHost, LonePacket } from './lone-packet.ts';

/** Of the Service that is asked; of the others more than one would only make chains that no packet here enters. */
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

/** A node's rules, written as kube-proxy writes them. */
interface Machine {
  /** Where IPVS takes the packet: at INPUT it is given to a real server, and goes on through OUTPUT. */
  readonly ipvs: boolean;
  /** Writes what follows from changes; how many rules, elements and commands that were. */
  apply(changes: ProxyChanges): number;
  chains(): readonly BaseChain[];
}

const MACHINES: Readonly<Record<ProxyMode, () => Machine>> = { iptables, nftables, ipvs };

/** Up to so many Services a machine is kept for the next question, which may be about more of them. */
const KEPT_MAX = 10_000;
let kept: { readonly mode: ProxyMode; readonly machine: Machine; readonly services: number } | undefined;

/**
 * What a connection of a pod to a ClusterIP costs on its node among so many Services: the rules and lookups that Linux
 * evaluates for the first packet and for a later one. The Service is the one in the middle of the rules, so that a
 * linear search takes as long as it does on average. `changeWrites`: what kube-proxy rewrites when one Service gets
 * one endpoint more. Asked for one mode with ever more Services, it goes on from what it has.
 */
export function proxyCost(mode: ProxyMode, services: number): ProxyCost {
  const known = kept?.mode === mode && kept.services <= services ? kept : undefined;
  kept = undefined;
  const machine = known?.machine ?? MACHINES[mode]();
  const first = known?.services ?? 0;
  const added = Array.from({ length: services - first }, (_, i) => first + i);
  machine.apply({ services: added.map(serviceOf), endpointSlices: added.map((i) => sliceOf(i, 1)) });
  const middle = services >> 1;
  machine.apply({ endpointSlices: [sliceOf(middle, ENDPOINTS)] });
  const firstPacket = costOf(machine, clusterIp(middle), 'NEW');
  const laterPacket = costOf(machine, clusterIp(middle), 'ESTABLISHED');
  const changeWrites = machine.apply({ endpointSlices: [sliceOf(middle, ENDPOINTS + 1)] });
  if (services <= KEPT_MAX) kept = { mode, machine, services };
  return { mode, services, firstPacket, laterPacket, changeWrites };
}

const rulesIn = (patches: readonly TablePatch[]): number =>
  patches.reduce((sum, { chains }) => sum + [...chains.values()].reduce((rules, chain) => rules + chain.length, 0), 0);

function writeTables(
  tables: IptablesTables,
  { ensuredChains, jumpRules, patches }: Pick<IptablesSync, 'ensuredChains' | 'jumpRules' | 'patches'>,
  first: boolean,
): void {
  if (first) for (const { table, chain } of ensuredChains) tables.patch({ table, chains: new Map([[chain, []]]), deleted: [] });
  for (const patch of patches) tables.patch(patch);
  if (first) for (const { table, chain, rule } of jumpRules) tables.insert(table, chain, 1, rule);
}

function iptables(): Machine {
  const proxier = new IptablesProxier(NODE, CONFIG);
  const tables = new IptablesTables('ip');
  let syncs = 0;
  return {
    ipvs: false,
    apply(changes) {
      proxier.update(changes);
      const sync = proxier.sync(syncs);
      writeTables(tables, sync, syncs++ === 0);
      return rulesIn(sync.patches);
    },
    chains: () => tables.baseChains(),
  };
}

function nftables(): Machine {
  const proxier = new NftablesProxier(NODE, CONFIG);
  const ruleset = new NftRuleset();
  let syncs = 0;
  return {
    ipvs: false,
    apply(changes) {
      proxier.update(changes);
      const transactions = proxier.sync(syncs++);
      ruleset.apply(transactions, 0);
      return transactions.reduce((sum, { commands }) => sum + commands.length, 0);
    },
    chains: () => ruleset.baseChains(),
  };
}

function ipvs(): Machine {
  const proxier = new IpvsProxier(NODE, CONFIG);
  const tables = new IptablesTables('ip');
  let syncs = 0;
  return {
    ipvs: true,
    apply(changes) {
      proxier.update(changes);
      const sync = proxier.sync(syncs, () => 0);
      if (syncs === 0) for (const { name, type, options } of sync.ensuredSets) tables.sets.create(name, type, options);
      let elements = 0;
      for (const { set, removed, added } of sync.setChanges) {
        for (const element of removed) tables.sets.delete(set, element);
        for (const element of added) tables.sets.add(set, element);
        elements += removed.length + added.length;
      }
      writeTables(tables, sync, syncs++ === 0);
      return sync.commands.length + elements + rulesIn(sync.patches);
    },
    chains: () => tables.baseChains(),
  };
}

/**
 * Way of a packet: PREROUTING, FORWARD and POSTROUTING, but with IPVS INPUT, OUTPUT and POSTROUTING. A packet of a
 * known connection asks no chain of type nat, and what IPVS sends on asks none at OUTPUT (ip_vs_nat_xmit: it is routed already).
 */
function costOf({ chains, ipvs }: Machine, service: Ipv4, state: 'NEW' | 'ESTABLISHED'): WalkCost {
  const base = chains();
  const packet = new LonePacket({ source: ip('10.244.1.2'), destination: service, protocol: 'TCP', port: 80 });
  const host = new LoneHost(new Set(ipvs ? [...NODE.addresses, service] : NODE.addresses), { chance: () => true, pick: () => 0 });
  const cost: WalkCost = { rules: 0, lookups: 0 };
  packet.conntrack = { ...packet.conntrack, state };
  const hooks = ipvs ? (['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING'] as const) : (['PREROUTING', 'FORWARD', 'POSTROUTING'] as const);
  for (const hook of hooks) {
    const asked = base.filter((chain) => chain.hook === hook && !(chain.type === 'nat' && (state === 'ESTABLISHED' || hook === 'OUTPUT')));
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
