import type { ProxyMode } from '../protocol/event.ts';
import { flannelRules } from './cni/masquerade-rules.ts';
import type { ClusterPlan, NodePlan } from './control-plane/plan.ts';
import { NamespaceRules } from './ip/namespace-rules.ts';
import type { Netns } from './ip/netns.ts';
import type { ProxyChanges } from './kube-proxy/model.ts';
import { IptablesProxy } from './node-proxy/iptables-proxy.ts';
import { IpvsProxy } from './node-proxy/ipvs-proxy.ts';
import { NftablesProxy } from './node-proxy/nftables-proxy.ts';
import { must, type NodeProxy, type ProxyMachine } from './node-proxy/node-proxy.ts';

/**
 * The rules of one node: the network plugin's, and those of its kube-proxy. They are written when the
 * first packet or the first person needs them, since most nodes of a large cluster never see one.
 */
export class NodeRules {
  readonly rules: NamespaceRules;
  private readonly machine: ProxyMachine;
  private mode: ProxyMode;
  private proxy: NodeProxy | undefined = undefined;

  constructor(netns: Netns, plan: ClusterPlan, node: NodePlan, mode: ProxyMode) {
    this.mode = mode;
    this.rules = new NamespaceRules(netns);
    this.machine = { netns, rules: this.rules, plan, node };
    netns.rules = this.rules;
    netns.beforeFirstHook = () => this.write();
    // Addresses of kube-ipvs0 decide about routes, which a packet of the node's own needs before it meets a hook.
    netns.fib.beforeFirstLookup = () => {
      if (this.mode === 'ipvs') this.write();
    };
  }

  get written(): boolean {
    return this.proxy !== undefined;
  }

  /** Has the rules written, unless they are. */
  write(): void {
    if (this.proxy) return;
    const { netns, plan, node } = this.machine;
    netns.beforeFirstHook = undefined;
    netns.fib.beforeFirstLookup = undefined;
    this.startProxy();
    // kube-proxy runs on the host's network and comes first; which chain of the same priority is asked first depends on that.
    this.rules.changed();
    if (node.podCidr) must(this.rules.restoreMore(flannelRules(plan.podCidr, node.podCidr)));
    this.rules.changed();
    const device = this.ipvsDevice();
    if (device) netns.lab.recorder.fact('deviceChanged', netns.id, device.name, { view: device });
  }

  /** Another kube-proxy starts: it clears away what one of the other mode left. */
  switchTo(mode: ProxyMode): void {
    if (this.mode === mode) return;
    this.mode = mode;
    if (!this.proxy) return;
    const { netns } = this.machine;
    this.proxy.cleanUp();
    this.startProxy();
    this.rules.changed();
    netns.lab.recorder.fact('proxySynced', netns.id, undefined, { mode, tables: this.rules.tableViews(), ipvsDevice: this.ipvsDevice() });
  }

  /** Services or EndpointSlices have changed: kube-proxy hears of it and writes what follows. */
  update(changes: ProxyChanges): void {
    this.write();
    this.proxy?.sync(changes);
    this.rules.changed();
  }

  /** Whether the Service of a health check node port has a ready endpoint on this node. */
  hasLocalEndpoint(healthCheckNodePort: number): boolean {
    this.write();
    return this.proxy?.healthChecks().some(({ port, localEndpoints }) => port === healthCheckNodePort && localEndpoints > 0) ?? false;
  }

  private startProxy(): void {
    const { machine, mode } = this;
    const { plan } = machine;
    this.proxy =
      mode === 'iptables' ? new IptablesProxy(machine) : mode === 'nftables' ? new NftablesProxy(machine) : new IpvsProxy(machine);
    this.proxy.sync({ services: plan.serviceObjects, endpointSlices: plan.endpointSlices });
  }

  private ipvsDevice(): IpvsProxy['device'] | undefined {
    return this.proxy instanceof IpvsProxy ? this.proxy.device : undefined;
  }
}
