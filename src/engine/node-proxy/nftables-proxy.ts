import type { HealthCheck } from '../kube-proxy/health-check.ts';
import type { ProxyChanges } from '../kube-proxy/model.ts';
import { NftablesProxier } from '../kube-proxy/nftables/proxier.ts';
import { deleteStale, must, type NodeProxy, type ProxyMachine, proxyConfig, proxyNode } from './node-proxy.ts';

const TABLE = { family: 'ip', table: 'kube-proxy' } as const;

/** kube-proxy in the mode nftables. */
export class NftablesProxy implements NodeProxy {
  private readonly machine: ProxyMachine;
  private readonly proxier: NftablesProxier;

  constructor(machine: ProxyMachine) {
    this.machine = machine;
    this.proxier = new NftablesProxier(proxyNode(machine.node), proxyConfig(machine, 'nftables'));
  }

  sync(changes: ProxyChanges): void {
    const { netns, rules } = this.machine;
    this.proxier.update(changes);
    must(rules.transact(this.proxier.sync(netns.lab.sim.nowNs)));
    deleteStale(netns, this.proxier.conntrack);
  }

  healthChecks(): readonly HealthCheck[] {
    return this.proxier.healthChecks();
  }

  cleanUp(): void {
    must(this.machine.rules.transact([{ ...TABLE, commands: [{ type: 'deleteTable', ...TABLE }] }]));
  }
}
