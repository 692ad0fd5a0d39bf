import type { HealthCheck } from '../kube-proxy/health-check.ts';
import { IptablesProxier } from '../kube-proxy/iptables/proxier.ts';
import type { ProxyChanges } from '../kube-proxy/model.ts';
import { deleteStale, must, type NodeProxy, type ProxyMachine, proxyConfig, proxyNode } from './node-proxy.ts';
import { ensureChains, KUBE_CHAINS } from './write-chains.ts';

/** kube-proxy in the mode iptables. */
export class IptablesProxy implements NodeProxy {
  private readonly machine: ProxyMachine;
  private readonly proxier: IptablesProxier;

  constructor(machine: ProxyMachine) {
    this.machine = machine;
    this.proxier = new IptablesProxier(proxyNode(machine.node), proxyConfig(machine, 'iptables'));
    if (this.proxier.routeLocalnet) must(machine.netns.sysctls.set('net.ipv4.conf.all.route_localnet', '1'));
  }

  sync(changes: ProxyChanges): void {
    const { netns, rules } = this.machine;
    this.proxier.update(changes);
    const { ensuredChains, jumpRules, patches, conntrack } = this.proxier.sync(netns.lab.sim.nowNs);
    ensureChains(rules, ensuredChains, jumpRules);
    for (const patch of patches) must(rules.patch(patch));
    deleteStale(netns, conntrack);
  }

  healthChecks(): readonly HealthCheck[] {
    return this.proxier.healthChecks();
  }

  cleanUp(): void {
    must(this.machine.rules.removeIptablesChains(KUBE_CHAINS));
  }
}
