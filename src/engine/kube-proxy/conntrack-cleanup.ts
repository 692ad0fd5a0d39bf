import type { IpAddress } from '../../protocol/address.ts';
import type { ConntrackTuple } from '../../protocol/event.ts';
import type { ServicePortInfo } from './service-port.ts';
import type { ProxyState } from './state.ts';

const IPPROTO_UDP = 17;

/**
 * Which conntrack entries to delete after a sync (pkg/proxy/conntrack/cleanup.go and filter.go). Only UDP
 * needs it: a client that goes on sending keeps an entry alive for ever, whether it leads to an
 * endpoint that is gone or, made before there were endpoints, nowhere.
 */
export interface ConntrackCleanup {
  /** True for an entry to a UDP service that does not lead to one of its serving endpoints. */
  isStale(original: ConntrackTuple, reply: ConntrackTuple): boolean;
}

/**
 * The clean-up for the state as it is now. Traffic policies, topology and termination play no part, so
 * that flows that exist go on as TCP's would; a service without serving endpoints keeps its entries.
 */
export function conntrackCleanup(state: ProxyState): ConntrackCleanup {
  // Worked out when the first entry is looked at: most syncs find none.
  let frontends: Frontends | undefined;
  const leadsElsewhere = (port: ServicePortInfo | undefined, reply: ConntrackTuple): boolean => {
    if (port === undefined) return false;
    const serving = state.endpointsOf(port).filter((endpoint) => endpoint.serving);
    return serving.length > 0 && !serving.some((endpoint) => endpoint.address === reply.src && endpoint.port === reply.srcPort);
  };
  return {
    isStale(original, reply) {
      if (original.protocol !== IPPROTO_UDP) return false;
      frontends ??= udpFrontends(state);
      return (
        leadsElsewhere(frontends.byAddress.get(original.dst)?.get(original.dstPort), reply) ||
        leadsElsewhere(frontends.byNodePort.get(original.dstPort), reply)
      );
    },
  };
}

interface Frontends {
  readonly byAddress: Map<IpAddress, Map<number, ServicePortInfo>>;
  /** Whatever the address. */
  readonly byNodePort: Map<number, ServicePortInfo>;
}

function udpFrontends(state: ProxyState): Frontends {
  const byAddress: Frontends['byAddress'] = new Map();
  const byNodePort: Frontends['byNodePort'] = new Map();
  for (const ports of state.services.values()) {
    for (const port of ports) {
      if (port.protocol !== 'udp') continue;
      for (const address of [port.clusterIp, ...port.loadBalancerVips, ...port.externalIps]) {
        const atAddress = byAddress.get(address) ?? new Map<number, ServicePortInfo>();
        byAddress.set(address, atAddress.set(port.port, port));
      }
      if (port.nodePort !== 0) byNodePort.set(port.nodePort, port);
    }
  }
  return { byAddress, byNodePort };
}
