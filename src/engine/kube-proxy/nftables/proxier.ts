import type { Command, Transaction } from '../../netfilter/nftables/model.ts';
import { compareText } from '../compare-text.ts';
import { type ConntrackCleanup, conntrackCleanup } from '../conntrack-cleanup.ts';
import { type HealthCheck, healthChecks } from '../health-check.ts';
import type { ProxyChanges, ProxyConfig, ProxyNode } from '../model.ts';
import { type NodePortAddresses, nodePortAddresses } from '../node-port-addresses.ts';
import type { ServicePortInfo } from '../service-port.ts';
import { ProxyState } from '../state.ts';
import { type NoLocalEndpoints, trafficOf } from '../traffic.ts';
import { Elements, idOf } from './elements.ts';
import { familyWords, TABLE } from './parts.ts';
import { type ServiceObjects, serviceObjects, type WantedElement } from './service-commands.ts';
import { setupCommands } from './setup.ts';

/** How long a chain stays, empty, after nothing needs it: before 6.2 the kernel notices late that no map element refers to it. */
const STALE_CHAIN_NS = 1e9;

interface Compiled {
  readonly objects: ServiceObjects;
  readonly noLocalInternal: boolean;
  readonly noLocalExternal: boolean;
}

/** kube-proxy in nftables mode on one node, for one IP family (pkg/proxy/nftables/proxier.go). */
export class NftablesProxier {
  readonly #node: ProxyNode;
  readonly #config: ProxyConfig;
  readonly #state: ProxyState;
  readonly #nodePorts: NodePortAddresses;
  readonly #compiled = new Map<string, Compiled>();
  readonly #keysOf = new Map<string, ReadonlySet<string>>();
  readonly #elements = new Elements();
  /** Service chains on the machine that no service needs, and since which sync; one more sync without need makes them younger. */
  readonly #staleChains = new Map<string, number>();
  #noLocalInternal = 0;
  #noLocalExternal = 0;
  #conntrack: ConntrackCleanup | undefined;
  #needFullSync = true;
  #first = true;

  constructor(node: ProxyNode, config: ProxyConfig) {
    this.#node = node;
    this.#config = config;
    this.#state = new ProxyState(config.family);
    this.#nodePorts = nodePortAddresses(node, config);
  }

  /** Takes note of changes; the next sync applies them. */
  update(changes: ProxyChanges): void {
    this.#state.update(changes);
  }

  /** The next sync writes everything but elements that are there already. */
  forceFullSync(): void {
    this.#needFullSync = true;
  }

  /** The table is gone, with all that was in it: the next sync starts on an empty machine. */
  tableLost(): void {
    this.#needFullSync = true;
    this.#first = true;
    this.#elements.clear();
    this.#compiled.clear();
    this.#staleChains.clear();
    this.#noLocalInternal = 0;
    this.#noLocalExternal = 0;
  }

  healthChecks(): readonly HealthCheck[] {
    return healthChecks(this.#state, this.#node);
  }

  /** Conntrack entries to delete after the latest sync; undefined when no UDP endpoint changed. */
  get conntrack(): ConntrackCleanup | undefined {
    return this.#conntrack;
  }

  get noLocalEndpoints(): NoLocalEndpoints {
    return { internal: this.#noLocalInternal, external: this.#noLocalExternal };
  }

  /**
   * What has to be written now; the caller applies it at once, one transaction after the other. The last
   * one is the sync itself, and has no commands when nothing changed.
   */
  sync(nowNs: number): readonly Transaction[] {
    const updated = this.#state.apply();
    this.#conntrack = updated.udpEndpointsChanged ? conntrackCleanup(this.#state) : undefined;
    const full = this.#needFullSync;
    this.#needFullSync = false;
    const transactions: Transaction[] = [];
    const deletions = this.#deleteStaleChains(nowNs);
    if (deletions.length > 0) transactions.push(this.#transaction(deletions));

    const commands: Command[] = [];
    if (full) commands.push(...setupCommands(this.#config, this.#nodePorts, this.#first));
    this.#first = false;
    const unused = new Unused();
    for (const service of updated.services) this.#removeGone(service, unused);
    const services = full ? [...this.#state.services.keys()] : [...updated.services];
    for (const service of services.sort(compareText)) {
      for (const port of this.#state.portsOf(service)) this.#compile(port, unused, commands);
    }
    for (const chain of unused.chains) this.#staleChains.set(chain, nowNs);
    for (const chain of this.#staleChains.keys()) {
      commands.push({ type: 'flushChain', chain });
      this.#staleChains.set(chain, nowNs);
    }
    for (const name of unused.affinitySets) commands.push({ type: 'deleteSet', name });
    for (const [owner, wanted] of unused.elements) this.#elements.release(owner, wanted, commands);
    transactions.push(this.#transaction(commands));
    return transactions;
  }

  #transaction(commands: readonly Command[]): Transaction {
    return { family: familyWords(this.#config.family).family, table: TABLE, commands };
  }

  #deleteStaleChains(nowNs: number): Command[] {
    const commands: Command[] = [];
    for (const [chain, sinceNs] of this.#staleChains) {
      if (nowNs - sinceNs <= STALE_CHAIN_NS) continue;
      commands.push({ type: 'deleteChain', chain });
      this.#staleChains.delete(chain);
    }
    return commands;
  }

  /** Forgets the ports that a Service no longer has. */
  #removeGone(service: string, unused: Unused): void {
    const now = new Set(this.#state.portsOf(service).map((port) => port.key));
    for (const key of this.#keysOf.get(service) ?? []) {
      if (now.has(key)) continue;
      this.#forget(key, undefined, unused);
      this.#compiled.delete(key);
    }
    if (now.size === 0) this.#keysOf.delete(service);
    else this.#keysOf.set(service, now);
  }

  /** What a service port had and no longer has. */
  #forget(key: string, after: ServiceObjects | undefined, unused: Unused): void {
    const before = this.#compiled.get(key);
    if (before === undefined) return;
    if (before.noLocalInternal) this.#noLocalInternal--;
    if (before.noLocalExternal) this.#noLocalExternal--;
    const { chains, affinitySets, elements } = before.objects;
    const keptChains = new Set(after?.chains);
    const keptSets = new Set(after?.affinitySets);
    const keptElements = new Set(after?.elements.map(idOf));
    for (const chain of chains) if (!keptChains.has(chain)) unused.chains.push(chain);
    for (const set of affinitySets) if (!keptSets.has(set)) unused.affinitySets.push(set);
    for (const wanted of elements) if (!keptElements.has(idOf(wanted))) unused.elements.push([key, wanted]);
  }

  #compile(port: ServicePortInfo, unused: Unused, commands: Command[]): void {
    const traffic = trafficOf(port, this.#state.endpointsOf(port), this.#node);
    const objects = serviceObjects(port, traffic, this.#node, this.#config);
    this.#forget(port.key, objects, unused);
    for (const chain of objects.chains) {
      this.#staleChains.delete(chain);
      commands.push({ type: 'addChain', chain }, { type: 'flushChain', chain });
    }
    for (const wanted of objects.elements) this.#elements.ensure(port.key, wanted, commands);
    for (const command of objects.commands) commands.push(command);
    const noLocalInternal = traffic.hasAny && !traffic.hasInternal;
    const noLocalExternal = traffic.hasAny && !traffic.hasExternal;
    if (noLocalInternal) this.#noLocalInternal++;
    if (noLocalExternal) this.#noLocalExternal++;
    this.#compiled.set(port.key, { objects, noLocalInternal, noLocalExternal });
  }
}

/** What nothing needs any more after a sync. */
class Unused {
  readonly chains: string[] = [];
  readonly affinitySets: string[] = [];
  readonly elements: (readonly [owner: string, WantedElement])[] = [];
}
