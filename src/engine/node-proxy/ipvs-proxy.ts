import { assert } from '../../base/assert.ts';
import type { IpAddress } from '../../protocol/address.ts';
import type { DeviceView } from '../../protocol/view.ts';
import type { InetDevice } from '../ip/inet-device.ts';
import { macOf } from '../ip/netns.ts';
import { Ipvs } from '../ipvs/ipvs.ts';
import type { HealthCheck } from '../kube-proxy/health-check.ts';
import { ipvsConfig } from '../kube-proxy/ipvs/config.ts';
import { DUMMY_INTERFACE, IpvsProxier, type IpvsSync, type SetChange } from '../kube-proxy/ipvs/proxier.ts';
import type { ConnectionCount } from '../kube-proxy/ipvs/virtual-server-table.ts';
import type { ProxyChanges } from '../kube-proxy/model.ts';
import { hostPrefix } from '../kube-proxy/node-port-addresses.ts';
import { Dummy } from '../link/device.ts';
import type { Timer } from '../sim/simulation.ts';
import { deleteStale, must, type NodeProxy, type ProxyMachine, proxyConfig, proxyNode } from './node-proxy.ts';
import { ensureChains, KUBE_CHAINS } from './write-chains.ts';

const DUMMY_MAC_PREFIX = 0x5256;

/** kube-proxy in the mode ipvs: virtual servers in the kernel, their addresses on kube-ipvs0, and the rules and sets around them. */
export class IpvsProxy implements NodeProxy {
  private readonly machine: ProxyMachine;
  private readonly proxier: IpvsProxier;
  private readonly ipvs: Ipvs;
  private readonly dummy: InetDevice;
  private readonly countConnections: ConnectionCount;
  private sets: IpvsSync['ensuredSets'] = [];
  private termination: Timer | undefined = undefined;

  constructor(machine: ProxyMachine) {
    this.machine = machine;
    const { netns, plan, node } = machine;
    const settings = ipvsConfig(plan.proxy.ipvs);
    assert(settings.ok, 'settings of IPVS were checked when they were read');
    this.proxier = new IpvsProxier(proxyNode(node), { ...proxyConfig(machine, 'ipvs'), ipvs: settings.value });
    for (const { name, value } of this.proxier.sysctls) {
      must(netns.sysctls.set(name, value));
      netns.lab.recorder.fact('sysctlChanged', netns.id, undefined, { key: name, value });
    }
    const ipvs = netns.ipvs instanceof Ipvs ? netns.ipvs : new Ipvs(netns);
    this.ipvs = ipvs;
    this.dummy = netns.addDevice(new Dummy(netns, DUMMY_INTERFACE, macOf(DUMMY_MAC_PREFIX, node.ip)));
    this.countConnections = (server, address, port) => {
      const { active, inactive } = ipvs.connectionCounts(server, { address, port });
      return active + inactive;
    };
  }

  /** kube-ipvs0. */
  get device(): DeviceView {
    return this.dummy.view();
  }

  sync(changes: ProxyChanges): void {
    const { netns, rules } = this.machine;
    this.proxier.update(changes);
    const sync = this.proxier.sync(netns.lab.sim.nowNs, this.countConnections);
    ensureChains(rules, sync.ensuredChains, sync.jumpRules);
    const { sets } = rules.iptables;
    this.sets = sync.ensuredSets;
    for (const { name, type, options } of this.sets) if (!sets.get(name)) must(sets.create(name, type, options));
    this.addAddresses(sync.addedAddresses);
    must(this.ipvs.apply(sync.commands));
    for (const change of sync.setChanges) this.changeSet(change);
    for (const patch of sync.patches) must(rules.patch(patch));
    for (const address of sync.removedAddresses) netns.removeAddress(this.dummy, hostPrefix(address));
    deleteStale(netns, sync.conntrack);
    this.awaitTermination();
  }

  healthChecks(): readonly HealthCheck[] {
    return this.proxier.healthChecks();
  }

  /** Virtual servers and their connections, kube-ipvs0, the rules, and then the sets (pkg/proxy/ipvs/proxier.go, CleanupLeftovers). */
  cleanUp(): void {
    const { netns, rules } = this.machine;
    netns.lab.sim.cancel(this.termination);
    must(this.ipvs.apply(this.ipvs.servers().map((server) => ({ type: 'deleteServer', server }))));
    netns.removeDevice(this.dummy);
    must(rules.removeIptablesChains(KUBE_CHAINS));
    const { sets } = rules.iptables;
    for (const { name } of this.sets) must(sets.destroy(name));
  }

  private addAddresses(addresses: readonly IpAddress[]): void {
    for (const address of addresses) this.machine.netns.addAddress(this.dummy, hostPrefix(address));
  }

  private changeSet({ set, removed, added }: SetChange): void {
    const { sets } = this.machine.rules.iptables;
    for (const element of removed) must(sets.delete(set, element));
    for (const element of added) must(sets.add(set, element));
  }

  /** Real servers that take nothing new go when their last connection has ended; kube-proxy looks once a minute. */
  private awaitTermination(): void {
    const { sim } = this.machine.netns.lab;
    sim.cancel(this.termination);
    const atNs = this.proxier.nextTerminationCheckNs(sim.nowNs);
    this.termination =
      atNs === undefined ? undefined : sim.schedule(atNs - sim.nowNs, checkTermination, this as IpvsProxy, undefined, true);
  }

  removeTerminated(): void {
    must(this.ipvs.apply(this.proxier.checkTermination(this.countConnections)));
    this.awaitTermination();
  }
}

function checkTermination(proxy: IpvsProxy): void {
  proxy.removeTerminated();
}
