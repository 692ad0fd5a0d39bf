import { cidrContains, type IpAddress } from '../../../protocol/address.ts';
import type { VirtualServer } from '../../ipvs/model.ts';
import type { Endpoints } from '../endpoints.ts';
import type { IpvsConfig, ProxyNode } from '../model.ts';
import type { Protocol, ServicePortInfo } from '../service-port.ts';
import { categorizeEndpoints, type UsableEndpoints } from '../topology.ts';
import { ipPortEntry, ipPortNetEntry, loopEntry, portEntry, type SetEntry, type SetName } from './ip-sets.ts';
import { serverText, type WantedServer } from './virtual-server-table.ts';

/** What one service port is made of on one node. */
export interface ServiceParts {
  readonly servers: readonly WantedServer[];
  /** Addresses that kube-ipvs0 has for it. */
  readonly addresses: readonly IpAddress[];
  readonly entries: readonly SetEntry[];
  /** Load balancer addresses that the node itself may not use, as its address is in none of the source ranges. */
  readonly closedToNode: readonly ClosedAddress[];
  readonly noLocalInternal: boolean;
  readonly noLocalExternal: boolean;
}

export interface ClosedAddress {
  readonly address: IpAddress;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface PartsContext {
  readonly node: ProxyNode;
  readonly ipvs: Pick<IpvsConfig, 'scheduler'>;
  /** All addresses of the node, of which kube-ipvs0 gets none. */
  readonly nodeAddresses: ReadonlySet<IpAddress>;
  readonly nodePortAddresses: readonly IpAddress[];
}

const NODE_PORT_SETS: Readonly<Record<Protocol, { readonly all: SetName; readonly local: SetName }>> = {
  tcp: { all: 'KUBE-NODE-PORT-TCP', local: 'KUBE-NODE-PORT-LOCAL-TCP' },
  udp: { all: 'KUBE-NODE-PORT-UDP', local: 'KUBE-NODE-PORT-LOCAL-UDP' },
  sctp: { all: 'KUBE-NODE-PORT-SCTP-HASH', local: 'KUBE-NODE-PORT-LOCAL-SCTP-HASH' },
};

/** The body of the loop over services in syncProxyRules (pkg/proxy/ipvs/proxier.go). */
export function serviceParts(port: ServicePortInfo, endpoints: Endpoints, context: PartsContext): ServiceParts {
  const parts = new Parts(port, categorizeEndpoints(endpoints, port, context.node), context);
  parts.hairpin(endpoints);
  parts.clusterIp();
  for (const address of port.externalIps) parts.externalIp(address);
  for (const address of port.loadBalancerVips) parts.loadBalancer(address);
  // A node without addresses for node ports has no health check either: kube-proxy goes on with the next service.
  if (port.nodePort !== 0 && context.nodePortAddresses.length === 0) return parts;
  if (port.nodePort !== 0) parts.nodePort();
  if (port.healthCheckNodePort !== 0) parts.entries.push(portEntry('KUBE-HEALTH-CHECK-NODE-PORT', port.healthCheckNodePort));
  return parts;
}

class Parts implements ServiceParts {
  readonly servers: WantedServer[] = [];
  readonly addresses: IpAddress[] = [];
  readonly entries: SetEntry[] = [];
  readonly closedToNode: ClosedAddress[] = [];
  noLocalInternal = false;
  noLocalExternal = false;
  readonly #port: ServicePortInfo;
  readonly #usable: UsableEndpoints;
  readonly #context: PartsContext;

  constructor(port: ServicePortInfo, usable: UsableEndpoints, context: PartsContext) {
    this.#port = port;
    this.#usable = usable;
    this.#context = context;
  }

  /** Every local endpoint, whatever its state: an endpoint that connects to its own service and is given itself. */
  hairpin(endpoints: Endpoints): void {
    const { name } = this.#context.node;
    for (const { nodeName, address, port } of endpoints) {
      if (name !== '' && nodeName === name) this.entries.push(loopEntry('KUBE-LOOP-BACK', address, this.#port.protocol, port));
    }
  }

  clusterIp(): void {
    const { clusterIp, port, internalPolicyLocal } = this.#port;
    this.#ipPort('KUBE-CLUSTER-IP', clusterIp);
    this.#server(clusterIp, port, internalPolicyLocal);
    this.addresses.push(clusterIp);
  }

  externalIp(address: IpAddress): void {
    const { port, externalPolicyLocal } = this.#port;
    this.#ipPort(externalPolicyLocal ? 'KUBE-EXTERNAL-IP-LOCAL' : 'KUBE-EXTERNAL-IP', address);
    this.#server(address, port, externalPolicyLocal);
    this.#bind(address);
  }

  loadBalancer(address: IpAddress): void {
    const { port, externalPolicyLocal, sourceRanges } = this.#port;
    this.#ipPort('KUBE-LOAD-BALANCER', address);
    if (externalPolicyLocal) this.#ipPort('KUBE-LOAD-BALANCER-LOCAL', address);
    if (sourceRanges.length > 0) this.#sourceRanges(address);
    this.#server(address, port, externalPolicyLocal);
    this.#bind(address);
  }

  nodePort(): void {
    const { nodePort, protocol, externalPolicyLocal } = this.#port;
    const { nodePortAddresses } = this.#context;
    const { all, local } = NODE_PORT_SETS[protocol];
    for (const set of externalPolicyLocal ? [all, local] : [all]) {
      // bitmap:port knows no SCTP (net/netfilter/ipset/ip_set_getport.c).
      if (protocol !== 'sctp') this.entries.push(portEntry(set, nodePort));
      else for (const address of nodePortAddresses) this.entries.push(ipPortEntry(set, address, protocol, nodePort));
    }
    for (const address of nodePortAddresses) this.#server(address, nodePort, externalPolicyLocal);
  }

  #sourceRanges(address: IpAddress): void {
    const { port, protocol, sourceRanges } = this.#port;
    this.#ipPort('KUBE-LOAD-BALANCER-FW', address);
    for (const range of sourceRanges) this.entries.push(ipPortNetEntry('KUBE-LOAD-BALANCER-SOURCE-CIDR', address, protocol, port, range));
    // What the node itself sends to the address also comes from it, since kube-ipvs0 has the address.
    if (sourceRanges.some((range) => cidrContains(range, this.#context.node.primaryAddress)))
      this.entries.push(loopEntry('KUBE-LOAD-BALANCER-SOURCE-IP', address, protocol, port));
    else this.closedToNode.push({ address, protocol, port });
  }

  #ipPort(set: SetName, address: IpAddress): void {
    this.entries.push(ipPortEntry(set, address, this.#port.protocol, this.#port.port));
  }

  /** An address that another interface has is not added to kube-ipvs0. */
  #bind(address: IpAddress): void {
    if (!this.#context.nodeAddresses.has(address)) this.addresses.push(address);
  }

  #server(address: IpAddress, port: number, onlyLocal: boolean): void {
    const { protocol, affinitySeconds } = this.#port;
    const { scheduler } = this.#context.ipvs;
    this.servers.push({
      key: serverText(address, port, protocol),
      settings: {
        protocol,
        address,
        port,
        scheduler,
        schedulerFlags: scheduler === 'mh' ? MH_PORT : NO_FLAGS,
        persistenceSeconds: affinitySeconds,
        onePacket: false,
      },
      destinations: this.#destinations(onlyLocal),
    });
  }

  /** Local policy without a local endpoint falls back on those of the whole cluster: pods of this node can use them (kubernetes pull request 97081). */
  #destinations(onlyLocal: boolean): Endpoints {
    const { cluster, local, hasAny } = this.#usable;
    if (!onlyLocal) return cluster;
    if (local.length > 0) return local;
    if (hasAny && this.#port.internalPolicyLocal) this.noLocalInternal = true;
    if (hasAny && this.#port.externalPolicyLocal) this.noLocalExternal = true;
    return cluster;
  }
}

const NO_FLAGS: VirtualServer['schedulerFlags'] = [];
/** FlagSourceHash of pkg/proxy/ipvs/util/ipvs.go: the source port counts as well. */
const MH_PORT: VirtualServer['schedulerFlags'] = [2];
