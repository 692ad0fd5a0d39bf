import { assert } from '../../base/assert.ts';
import type { Result } from '../../base/result.ts';
import type { Cidr, Ipv4 } from '../../protocol/address.ts';
import { formatCidr, isIpv4 } from '../../protocol/address.ts';
import type { ProxyMode } from '../../protocol/event.ts';
import { gatewayOf } from '../cni/bridge-plugin.ts';
import type { ClusterPlan, NodePlan } from '../control-plane/plan.ts';
import type { NamespaceRules } from '../ip/namespace-rules.ts';
import type { Netns } from '../ip/netns.ts';
import type { ConntrackCleanup } from '../kube-proxy/conntrack-cleanup.ts';
import type { HealthCheck } from '../kube-proxy/health-check.ts';
import type { ProxyChanges, ProxyConfig, ProxyNode } from '../kube-proxy/model.ts';

/** The machine that a kube-proxy writes to. */
export interface ProxyMachine {
  readonly netns: Netns;
  readonly rules: NamespaceRules;
  readonly plan: ClusterPlan;
  readonly node: NodePlan;
}

/** A kube-proxy that runs on a node: what its mode's proxier works out is written to the machine at once. */
export interface NodeProxy {
  /** Takes note of changes and writes what follows from them. */
  sync(changes: ProxyChanges): void;
  healthChecks(): readonly HealthCheck[];
  /** Clears away what it wrote, as the next kube-proxy does that starts in another mode (cmd/kube-proxy/app/server_linux.go, platformCleanup). */
  cleanUp(): void;
}

/** What kube-proxy writes is valid; a refusal is a bug of the lab. */
export function must<E>(result: Result<unknown, E>): void {
  assert(result.ok, result.ok ? '' : `what kube-proxy writes is valid: ${JSON.stringify(result.error)}`);
}

/** Deletes conntrack entries that lead nowhere any more. */
export function deleteStale(netns: Netns, stale: ConntrackCleanup | undefined): void {
  if (stale) netns.conntrack?.deleteWhere((entry) => stale.isStale(entry.original, entry.reply));
}

export function proxyNode(node: NodePlan): ProxyNode {
  const gateway = node.podCidr && isIpv4(node.podCidr.address) ? [gatewayOf(node.podCidr)] : [];
  return {
    name: node.name,
    addresses: [node.ip, ...gateway],
    primaryAddress: node.ip,
    zone: node.labels['topology.kubernetes.io/zone'],
  };
}

export function proxyConfig({ plan, node }: ProxyMachine, mode: ProxyMode): ProxyConfig {
  const { proxy } = plan;
  // IPVS mode takes these settings from the section of iptables, whose rules surround it.
  const { masqueradeAll, masqueradeMark } = proxy[mode === 'nftables' ? 'nftables' : 'iptables'];
  return {
    family: 'IPv4',
    masqueradeAll,
    masqueradeMark,
    detectLocalCidr: detectLocalCidr(plan, node),
    nodePortAddresses: nodePortAddresses(proxy.nodePortAddresses, node.ip, mode),
    localhostNodePorts: proxy.iptables.localhostNodePorts,
    conntrackTcpBeLiberal: proxy.conntrackTcpBeLiberal,
    // The machines of the lab have no nfnetlink_acct, so kube-proxy leaves these matches out.
    nfacctCounters: [],
    randomFully: true,
    serviceCidrs: [formatCidr(plan.serviceCidr)],
  };
}

function detectLocalCidr({ proxy }: ClusterPlan, node: NodePlan): Cidr | undefined {
  if (proxy.detectLocalMode === 'None') return undefined;
  return proxy.detectLocalMode === 'NodeCIDR' ? node.podCidr : proxy.clusterCidr;
}

function nodePortAddresses(given: readonly string[], ip: Ipv4, mode: ProxyMode): readonly string[] {
  const own = formatCidr({ address: ip, length: 32 });
  if (given.length === 0) return mode === 'nftables' ? [own] : [];
  return given.flatMap((cidr) => (cidr === 'primary' ? [own] : [cidr]));
}
