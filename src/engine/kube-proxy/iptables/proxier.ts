import type { Rule, TablePatch } from '../../netfilter/iptables/model.ts';
import { isLoopback } from '../addresses.ts';
import { compareText } from '../compare-text.ts';
import { type ConntrackCleanup, conntrackCleanup } from '../conntrack-cleanup.ts';
import { type HealthCheck, healthChecks } from '../health-check.ts';
import type { ProxyChanges, ProxyConfig, ProxyNode } from '../model.ts';
import { type NodePortAddresses, nodePortAddresses } from '../node-port-addresses.ts';
import type { ServicePortInfo } from '../service-port.ts';
import { ProxyState } from '../state.ts';
import { type NoLocalEndpoints, trafficOf } from '../traffic.ts';
import {
  type ChainOfTable,
  ENSURED_CHAINS,
  EXTERNAL_SERVICES,
  FIREWALL,
  FORWARD,
  firewallRules,
  forwardRules,
  JUMP_RULES,
  type JumpRule,
  LOOPBACK_V4,
  MARK_MASQ,
  markMasqRules,
  NODE_PORTS,
  NODE_PORTS_COMMENT,
  POSTROUTING,
  PROXY_FIREWALL,
  postroutingRules,
  SERVICES,
} from './chains.ts';
import { GroupedRules } from './grouped-rules.ts';
import { host, jump, LOCAL_DESTINATION, outside, rule } from './rule.ts';
import { type ServiceRules, serviceRules } from './service-rules.ts';

/** largeClusterEndpointsThreshold in pkg/proxy/iptables/proxier.go. */
const LARGE_CLUSTER_ENDPOINTS = 1000;
/** KubeProxyConfiguration's default for iptables.syncPeriod. */
const SYNC_PERIOD_NS = 30e9;

/** What one sync does to the machine. */
export interface IptablesSync {
  /** A full sync writes every service's chains; a partial one those of Services that changed. */
  readonly full: boolean;
  /** To be created where missing, and not flushed. Full syncs only. */
  readonly ensuredChains: readonly ChainOfTable[];
  /** To be put at the front of their chains, one after the other, where missing. Full syncs only. */
  readonly jumpRules: readonly JumpRule[];
  /** What `iptables-restore --noflush` is given: filter, then nat. */
  readonly patches: readonly TablePatch[];
  /** Conntrack entries to delete afterwards; undefined when no UDP endpoint changed. */
  readonly conntrack: ConntrackCleanup | undefined;
  readonly noLocalEndpoints: NoLocalEndpoints;
}

interface Compiled {
  readonly rules: ServiceRules;
  readonly noLocalInternal: boolean;
  readonly noLocalExternal: boolean;
}

/** kube-proxy in iptables mode on one node, for one IP family (pkg/proxy/iptables/proxier.go). */
export class IptablesProxier {
  readonly #node: ProxyNode;
  readonly #config: ProxyConfig;
  readonly #state: ProxyState;
  readonly #nodePorts: NodePortAddresses;
  readonly #localhostNodePorts: boolean;
  readonly #compiled = new Map<string, Compiled>();
  readonly #keysOf = new Map<string, ReadonlySet<string>>();
  readonly #shared = sharedChains();
  /** Chains on the machine that no service needs any more. */
  readonly #staleChains = new Set<string>();
  readonly #always: AlwaysWritten;
  #noLocalInternal = 0;
  #noLocalExternal = 0;
  #needFullSync = true;
  #largeCluster = false;
  #lastCleanupNs = Number.NEGATIVE_INFINITY;

  constructor(node: ProxyNode, config: ProxyConfig) {
    this.#node = node;
    this.#config = config;
    this.#state = new ProxyState(config.family);
    this.#nodePorts = nodePortAddresses(node, config);
    this.#localhostNodePorts = config.localhostNodePorts && this.#nodePorts.containsIpv4Loopback;
    this.#always = alwaysWritten(config, this.#nodePorts, this.#localhostNodePorts);
  }

  /** kube-proxy sets net.ipv4.conf.all.route_localnet, so that node ports on 127.0.0.1 can be routed to endpoints. */
  get routeLocalnet(): boolean {
    return this.#localhostNodePorts && this.#config.family === 'IPv4';
  }

  /** Takes note of changes; the next sync applies them. */
  update(changes: ProxyChanges): void {
    this.#state.update(changes);
  }

  /** The next sync writes everything: after a sync that failed, and when the canary chain is gone. */
  forceFullSync(): void {
    this.#needFullSync = true;
  }

  healthChecks(): readonly HealthCheck[] {
    return healthChecks(this.#state, this.#node);
  }

  /** What has to be written now. The caller applies it at once. */
  sync(nowNs: number): IptablesSync {
    const full = this.#needFullSync;
    this.#needFullSync = false;
    const updated = this.#state.apply();
    this.#largeCluster = this.#state.endpointCount > LARGE_CLUSTER_ENDPOINTS;

    for (const service of updated.services) this.#removeGone(service);
    const ports = (full ? [...this.#state.services.keys()] : [...updated.services])
      .flatMap((service) => this.#state.portsOf(service))
      .sort((a, b) => compareText(a.key, b.key));
    if (full) for (const chain of SHARED_CHAINS) this.#shared[chain].clear();
    const ownChains = new Map<string, readonly Rule[]>();
    for (const port of ports) {
      const rules = this.#compile(port);
      for (const chain of SHARED_CHAINS) {
        if (full) this.#shared[chain].append(port.key, rules[chain]);
        else this.#shared[chain].set(port.key, rules[chain]);
      }
      for (const [chain, own] of rules.chains) ownChains.set(chain, own);
    }

    // iptables-save takes seconds where there are many rules, so large clusters look for stale chains now and then only.
    const deleted: string[] = [];
    if (!this.#largeCluster || nowNs - this.#lastCleanupNs > (this.#config.syncPeriodNs ?? SYNC_PERIOD_NS)) {
      deleted.push(...[...this.#staleChains].sort());
      for (const chain of deleted) ownChains.set(chain, []);
      this.#staleChains.clear();
      this.#lastCleanupNs = nowNs;
    }
    return {
      full,
      ensuredChains: full ? ENSURED_CHAINS : [],
      jumpRules: full ? JUMP_RULES : [],
      patches: this.#patches(ownChains, deleted),
      conntrack: updated.udpEndpointsChanged ? conntrackCleanup(this.#state) : undefined,
      noLocalEndpoints: { internal: this.#noLocalInternal, external: this.#noLocalExternal },
    };
  }

  /** Forgets the ports that a Service no longer has. */
  #removeGone(service: string): void {
    const now = new Set(this.#state.portsOf(service).map((port) => port.key));
    for (const key of this.#keysOf.get(service) ?? []) {
      if (now.has(key)) continue;
      this.#forget(this.#compiled.get(key));
      this.#compiled.delete(key);
      for (const chain of SHARED_CHAINS) this.#shared[chain].set(key, []);
    }
    if (now.size === 0) this.#keysOf.delete(service);
    else this.#keysOf.set(service, now);
  }

  #forget(before: Compiled | undefined): void {
    if (before === undefined) return;
    if (before.noLocalInternal) this.#noLocalInternal--;
    if (before.noLocalExternal) this.#noLocalExternal--;
    for (const chain of before.rules.chains.keys()) this.#staleChains.add(chain);
  }

  #compile(port: ServicePortInfo): ServiceRules {
    this.#forget(this.#compiled.get(port.key));
    const traffic = trafficOf(port, this.#state.endpointsOf(port), this.#node);
    const rules = serviceRules(port, traffic, {
      node: this.#node,
      config: this.#config,
      localhostNodePorts: this.#localhostNodePorts,
      largeCluster: this.#largeCluster,
    });
    for (const chain of rules.chains.keys()) this.#staleChains.delete(chain);
    const noLocalInternal = traffic.hasAny && !traffic.hasInternal;
    const noLocalExternal = traffic.hasAny && !traffic.hasExternal;
    if (noLocalInternal) this.#noLocalInternal++;
    if (noLocalExternal) this.#noLocalExternal++;
    this.#compiled.set(port.key, { rules, noLocalInternal, noLocalExternal });
    return rules;
  }

  #patches(ownChains: ReadonlyMap<string, readonly Rule[]>, deleted: readonly string[]): readonly TablePatch[] {
    const shared = this.#shared;
    const filter = new Map<string, readonly Rule[]>([
      [SERVICES, shared.filterServices.list([])],
      [EXTERNAL_SERVICES, shared.filterExternalServices.list([])],
      [FORWARD, this.#always.forward],
      [NODE_PORTS, shared.filterNodePorts.list([])],
      [PROXY_FIREWALL, shared.filterProxyFirewall.list([])],
    ]);
    if (this.routeLocalnet) filter.set(FIREWALL, firewallRules);
    const nat = new Map<string, readonly Rule[]>([
      [SERVICES, shared.natServices.list(this.#always.toNodePorts)],
      [NODE_PORTS, shared.natNodePorts.list([])],
      [POSTROUTING, this.#always.postrouting],
      [MARK_MASQ, this.#always.markMasq],
    ]);
    for (const [chain, rules] of ownChains) nat.set(chain, rules);
    return [
      { table: 'filter', chains: filter, deleted: [] },
      { table: 'nat', chains: nat, deleted },
    ];
  }
}

/** The chains that services share, of which `ServiceRules` has every service's part. */
const SHARED_CHAINS = [
  'natServices',
  'natNodePorts',
  'filterServices',
  'filterExternalServices',
  'filterNodePorts',
  'filterProxyFirewall',
] as const;

const sharedChains = (): Readonly<Record<(typeof SHARED_CHAINS)[number], GroupedRules>> => ({
  natServices: new GroupedRules(),
  natNodePorts: new GroupedRules(),
  filterServices: new GroupedRules(),
  filterExternalServices: new GroupedRules(),
  filterNodePorts: new GroupedRules(),
  filterProxyFirewall: new GroupedRules(),
});

/** Rules that depend on the settings alone. */
interface AlwaysWritten {
  readonly forward: readonly Rule[];
  readonly postrouting: readonly Rule[];
  readonly markMasq: readonly Rule[];
  /** The last of nat KUBE-SERVICES. */
  readonly toNodePorts: readonly Rule[];
}

function alwaysWritten(config: ProxyConfig, nodePorts: NodePortAddresses, localhostNodePorts: boolean): AlwaysWritten {
  return {
    forward: forwardRules(config),
    postrouting: postroutingRules(config),
    markMasq: markMasqRules(config),
    toNodePorts: nodePortJumps(config, nodePorts, localhostNodePorts),
  };
}

function nodePortJumps(config: ProxyConfig, nodePorts: NodePortAddresses, localhostNodePorts: boolean): readonly Rule[] {
  const target = jump(NODE_PORTS);
  if (nodePorts.matchAll) {
    // For IPv6 they never work on localhost: it has no route_localnet.
    const loopback = config.family === 'IPv6' ? outside({ address: 1n as never, length: 128 }) : outside(LOOPBACK_V4);
    const destination = config.family === 'IPv4' && localhostNodePorts ? undefined : loopback;
    return [rule([NODE_PORTS_COMMENT, LOCAL_DESTINATION], target, { destination })];
  }
  const works = config.family === 'IPv4' && localhostNodePorts;
  return nodePorts.addresses
    .filter((address) => works || !isLoopback(address))
    .map((address) => rule([NODE_PORTS_COMMENT], target, { destination: host(address) }));
}
