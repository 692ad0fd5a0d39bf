import type { IpAddress } from '../../../protocol/address.ts';
import { formatIp } from '../../../protocol/address.ts';
import type { IpvsCommand, VirtualServer } from '../../ipvs/model.ts';
import type { IpSetElement } from '../../netfilter/ipset/model.ts';
import type { Rule, TablePatch } from '../../netfilter/iptables/model.ts';
import { familyOf } from '../addresses.ts';
import { compareText } from '../compare-text.ts';
import { type ConntrackCleanup, conntrackCleanup } from '../conntrack-cleanup.ts';
import { type HealthCheck, healthChecks } from '../health-check.ts';
import type { ChainOfTable, JumpRule } from '../iptables/chains.ts';
import type { IpvsConfig, ProxyChanges, ProxyConfig, ProxyNode } from '../model.ts';
import { hostPrefix } from '../node-port-addresses.ts';
import { ProxyState } from '../state.ts';
import type { NoLocalEndpoints } from '../traffic.ts';
import { closedToNodeRule, ENSURED_CHAINS, ipvsPatches, JUMP_RULES } from './chains.ts';
import { CountedSet } from './counted-set.ts';
import { elementText, type ProxySet, proxySets, type SetName } from './ip-sets.ts';
import { nodePortServerAddresses, usableNodeAddresses } from './node-addresses.ts';
import { type PartsContext, type ServiceParts, serviceParts } from './service-parts.ts';
import { type ConnectionCount, VirtualServerTable } from './virtual-server-table.ts';

/** The dummy interface with the addresses of all services: so that packets to them are for this machine, where IPVS takes them. It stays down. */
export const DUMMY_INTERFACE = 'kube-ipvs0';

/** rsCheckDeleteInterval of pkg/proxy/ipvs/graceful_termination.go. */
const TERMINATION_CHECK_NS = 60e9;

const DEFAULTS: IpvsConfig = { scheduler: 'rr', strictArp: false, excludeCidrs: [], timeouts: { tcp: 0, tcpFin: 0, udp: 0 } };

/** What one sync does to the machine, in this order. */
export interface IpvsSync {
  /** To be created where missing, and not flushed. */
  readonly ensuredChains: readonly ChainOfTable[];
  /** To be put at the front of their chains, one after the other, where missing. */
  readonly jumpRules: readonly JumpRule[];
  /** To be created where missing. */
  readonly ensuredSets: readonly ProxySet[];
  /** Addresses for kube-ipvs0, with the full prefix length. */
  readonly addedAddresses: readonly IpAddress[];
  readonly commands: readonly IpvsCommand[];
  readonly setChanges: readonly SetChange[];
  /** What `iptables-restore --noflush` is given: nat, then filter. */
  readonly patches: readonly TablePatch[];
  /** Addresses that kube-ipvs0 has no longer. */
  readonly removedAddresses: readonly IpAddress[];
  /** Conntrack entries to delete afterwards; undefined when no UDP endpoint changed. */
  readonly conntrack: ConntrackCleanup | undefined;
  /** Services, not service ports as in the other modes. */
  readonly noLocalEndpoints: NoLocalEndpoints;
}

export interface SetChange {
  /** As the kernel knows it. */
  readonly set: string;
  readonly removed: readonly IpSetElement[];
  readonly added: readonly IpSetElement[];
}

/** What an earlier kube-proxy, or somebody else, has left on the machine. */
export interface FoundMachine {
  readonly virtualServers: readonly VirtualServer[];
  /** Of kube-ipvs0. */
  readonly addresses: readonly IpAddress[];
  /** By name, those of kube-proxy only. */
  readonly sets: ReadonlyMap<string, readonly IpSetElement[]>;
}

export interface Sysctl {
  readonly name: string;
  readonly value: string;
}

const NO_PARTS: ServiceParts = {
  servers: [],
  addresses: [],
  entries: [],
  closedToNode: [],
  noLocalInternal: false,
  noLocalExternal: false,
};

/** kube-proxy in IPVS mode on one node, for one IP family (pkg/proxy/ipvs/proxier.go). */
export class IpvsProxier {
  readonly #config: ProxyConfig;
  readonly #ipvs: IpvsConfig;
  readonly #node: ProxyNode;
  readonly #context: PartsContext;
  readonly #state: ProxyState;
  readonly #table: VirtualServerTable;
  readonly #sets: ReadonlyMap<SetName, ProxySet>;
  readonly #ensuredSets: readonly ProxySet[];
  readonly #entries: ReadonlyMap<SetName, CountedSet<IpSetElement>>;
  readonly #addresses = new CountedSet<IpAddress>();
  /** By Service, then by the key of its port. */
  readonly #parts = new Map<string, ReadonlyMap<string, ServiceParts>>();
  /** Rules of KUBE-IPVS-OUT-FILTER, by Service. */
  readonly #closedToNode = new Map<string, readonly Rule[]>();
  readonly #noLocalInternal = new Set<string>();
  readonly #noLocalExternal = new Set<string>();
  #patches: readonly TablePatch[] | undefined;
  #startNs: number | undefined;

  constructor(node: ProxyNode, config: ProxyConfig, found?: FoundMachine) {
    this.#node = node;
    this.#config = config;
    this.#ipvs = config.ipvs ?? DEFAULTS;
    this.#context = {
      node,
      ipvs: this.#ipvs,
      nodeAddresses: new Set(usableNodeAddresses(node.addresses, config.family, [])),
      nodePortAddresses: nodePortServerAddresses(node, config),
    };
    this.#state = new ProxyState(config.family);
    this.#table = new VirtualServerTable(config.family, this.#ipvs.excludeCidrs);
    this.#sets = proxySets(config.family);
    this.#ensuredSets = [...this.#sets.values()];
    this.#entries = new Map([...this.#sets.keys()].map((name) => [name, new CountedSet<IpSetElement>()]));
    if (found !== undefined) this.#find(found);
  }

  /**
   * What kube-proxy sets when it starts. It leaves net.ipv4.vs.conn_reuse_mode alone since Linux 5.9, where 1 no
   * longer delays connections from a port that was used before (kubernetes issue 93297).
   */
  get sysctls(): readonly Sysctl[] {
    const always = ['vs.conntrack', 'vs.expire_nodest_conn', 'vs.expire_quiescent_template', 'ip_forward'];
    return [
      ...always.map((name) => ({ name: `net.ipv4.${name}`, value: '1' })),
      ...(this.#ipvs.strictArp
        ? [
            { name: 'net.ipv4.conf.all.arp_ignore', value: '1' },
            { name: 'net.ipv4.conf.all.arp_announce', value: '2' },
          ]
        : []),
    ];
  }

  /** Takes note of changes; the next sync applies them. */
  update(changes: ProxyChanges): void {
    this.#state.update(changes);
  }

  healthChecks(): readonly HealthCheck[] {
    return healthChecks(this.#state, this.#node);
  }

  /** What has to be written now. The caller applies it at once. */
  sync(nowNs: number, connections: ConnectionCount): IpvsSync {
    const first = this.#startNs === undefined;
    this.#startNs ??= nowNs;
    const updated = this.#state.apply();
    for (const service of [...updated.services].sort(compareText)) this.#compile(service);
    const { removed, added } = this.#addresses.takeChanges();
    return {
      ensuredChains: ENSURED_CHAINS,
      jumpRules: JUMP_RULES,
      ensuredSets: this.#ensuredSets,
      addedAddresses: added,
      commands: [...(first ? this.#timeouts() : []), ...this.#table.takeCommands(connections)],
      setChanges: this.#setChanges(),
      patches: this.#currentPatches(),
      removedAddresses: removed,
      conntrack: updated.udpEndpointsChanged ? conntrackCleanup(this.#state) : undefined,
      noLocalEndpoints: { internal: this.#noLocalInternal.size, external: this.#noLocalExternal.size },
    };
  }

  /** When to ask again for real servers whose connections have ended; undefined while none is waiting. */
  nextTerminationCheckNs(nowNs: number): number | undefined {
    if (!this.#table.hasTerminating || this.#startNs === undefined) return undefined;
    const since = nowNs - this.#startNs;
    return this.#startNs + (Math.floor(since / TERMINATION_CHECK_NS) + 1) * TERMINATION_CHECK_NS;
  }

  /** Removes the real servers that were waiting for their connections to end. */
  checkTermination(connections: ConnectionCount): readonly IpvsCommand[] {
    return this.#table.removeTerminated(connections);
  }

  /** As the kernel has them after the latest sync. */
  get virtualServers(): readonly VirtualServer[] {
    return this.#table.list();
  }

  /** Those of kube-ipvs0. */
  get addresses(): readonly string[] {
    return [...this.#addresses.keys()];
  }

  /** The entries of each set, in kube-proxy's words. */
  get setEntries(): ReadonlyMap<SetName, readonly string[]> {
    return new Map([...this.#entries].map(([name, entries]) => [name, [...entries.keys()]]));
  }

  #find({ virtualServers, addresses, sets }: FoundMachine): void {
    for (const server of virtualServers) this.#table.found(server);
    for (const address of addresses) if (familyOf(address) === this.#config.family) this.#addresses.found(formatIp(address), address);
    for (const [name, { name: known, type }] of this.#sets) {
      for (const element of sets.get(known) ?? []) this.#entries.get(name)?.found(elementText(type, element), element);
    }
  }

  /** `ipvsadm --set`, if any of them is given. */
  #timeouts(): readonly IpvsCommand[] {
    const { timeouts } = this.#ipvs;
    return timeouts.tcp > 0 || timeouts.tcpFin > 0 || timeouts.udp > 0 ? [{ type: 'setTimeouts', timeouts }] : [];
  }

  /** Works out a Service anew and puts it in the place of what it was. */
  #compile(service: string): void {
    const before = this.#parts.get(service) ?? new Map<string, ServiceParts>();
    const now = new Map<string, ServiceParts>();
    for (const port of this.#state.portsOf(service)) now.set(port.key, serviceParts(port, this.#state.endpointsOf(port), this.#context));
    if (now.size === 0) this.#parts.delete(service);
    else this.#parts.set(service, now);

    // New ones are added before old ones are taken away, so that what both have does not change.
    for (const [key, parts] of now) this.#add(key, before.get(key) ?? NO_PARTS, parts);
    for (const [key, parts] of before) {
      this.#take(parts);
      if (!now.has(key)) this.#table.claim(key, parts.servers, []);
    }
    this.#summarize(service, [...now.values()]);
  }

  #add(key: string, before: ServiceParts, now: ServiceParts): void {
    this.#table.claim(key, before.servers, now.servers);
    for (const { set, text, element } of now.entries) this.#entries.get(set)?.add(text, element);
    for (const address of now.addresses) {
      const text = formatIp(address);
      this.#addresses.add(text, address);
      this.#entries.get('KUBE-IPVS-IPS')?.add(text, { net: hostPrefix(address) });
    }
  }

  #take(parts: ServiceParts): void {
    for (const { set, text } of parts.entries) this.#entries.get(set)?.remove(text);
    for (const address of parts.addresses) {
      const text = formatIp(address);
      this.#addresses.remove(text);
      this.#entries.get('KUBE-IPVS-IPS')?.remove(text);
    }
  }

  #summarize(service: string, ports: readonly ServiceParts[]): void {
    mark(
      this.#noLocalInternal,
      service,
      ports.some((parts) => parts.noLocalInternal),
    );
    mark(
      this.#noLocalExternal,
      service,
      ports.some((parts) => parts.noLocalExternal),
    );
    const closed = ports.flatMap((parts) => parts.closedToNode);
    if (closed.length === 0 && !this.#closedToNode.delete(service)) return;
    if (closed.length > 0) this.#closedToNode.set(service, closed.map(closedToNodeRule));
    this.#patches = undefined;
  }

  #setChanges(): readonly SetChange[] {
    const changes: SetChange[] = [];
    for (const [name, entries] of this.#entries) {
      if (!entries.changed) continue;
      changes.push({ set: this.#sets.get(name)?.name ?? name, ...entries.takeChanges() });
      // Whether a set is empty decides about rules.
      this.#patches = undefined;
    }
    return changes;
  }

  #currentPatches(): readonly TablePatch[] {
    this.#patches ??= ipvsPatches(this.#config, {
      sets: this.#sets,
      isEmpty: (set) => this.#entries.get(set)?.size === 0,
      closedToNode: [...this.#closedToNode].sort(([a], [b]) => compareText(a, b)).flatMap(([, rules]) => rules),
    });
    return this.#patches;
  }
}

function mark(services: Set<string>, service: string, marked: boolean): void {
  if (marked) services.add(service);
  else services.delete(service);
}
