import { type Endpoint, type Endpoints, unionOf } from './endpoints.ts';
import type { ProxyNode } from './model.ts';
import type { ServicePortInfo } from './service-port.ts';

/** Which endpoints of a service port one node uses (pkg/proxy/topology.go, CategorizeEndpoints). */
export interface UsableEndpoints {
  /** For Cluster traffic policy; empty if the port never uses that. */
  readonly cluster: Endpoints;
  /** For Local traffic policy; empty if the port never uses that. */
  readonly local: Endpoints;
  /** Both together. */
  readonly reachable: Endpoints;
  /** Whether any node has a usable endpoint: decides between DROP and REJECT. */
  readonly hasAny: boolean;
}

const NONE: Endpoints = [];
const NOTHING: UsableEndpoints = { cluster: NONE, local: NONE, reachable: NONE, hasAny: false };

const isReady = (endpoint: Endpoint): boolean => endpoint.ready;
const isServingTerminating = (endpoint: Endpoint): boolean => endpoint.serving && endpoint.terminating;

/** Keeps the list itself when all of it remains, so that what is worked out for a list can be shared. */
function select(endpoints: Endpoints, keep: (endpoint: Endpoint) => boolean): Endpoints {
  return endpoints.every(keep) ? endpoints : endpoints.filter(keep);
}

export function categorizeEndpoints(endpoints: Endpoints, port: ServicePortInfo, node: ProxyNode): UsableEndpoints {
  if (endpoints.length === 0) return NOTHING;
  let cluster = NONE;
  let hinted: ((endpoint: Endpoint) => boolean) | undefined;
  if (port.usesClusterEndpoints) {
    hinted = hintsForNode(endpoints, node);
    cluster = select(endpoints, hinted === undefined ? isReady : (endpoint) => endpoint.ready && (hinted?.(endpoint) ?? true));
    if (cluster.length === 0) cluster = select(endpoints, isServingTerminating);
  }
  if (!port.usesLocalEndpoints) return { cluster, local: NONE, reachable: cluster, hasAny: cluster.length > 0 };

  const here = node.name === '' ? NONE : select(endpoints, (endpoint) => endpoint.nodeName === node.name);
  const localReady = select(here, isReady);
  const local = localReady.length > 0 ? localReady : select(here, isServingTerminating);
  const hasAny = endpoints.some((endpoint) => endpoint.ready || isServingTerminating(endpoint));
  if (!port.usesClusterEndpoints) return { cluster, local, reachable: local, hasAny };
  // Without hints, and with local endpoints that are ready, the cluster list holds the local one.
  const contained = hinted === undefined && local === localReady;
  return { cluster, local, reachable: contained ? cluster : unionOf(cluster, local), hasAny };
}

/**
 * The filter that topology hints ask for; undefined when there is no topology. Hints count only if every
 * ready endpoint has them and one is meant for this node, or else for its zone (topologyModeFromHints).
 */
function hintsForNode(endpoints: Endpoints, node: ProxyNode): ((endpoint: Endpoint) => boolean) | undefined {
  const ready = endpoints.filter(isReady);
  const forNode = (endpoint: Endpoint): boolean => endpoint.nodeHints.includes(node.name);
  if (ready.every((endpoint) => endpoint.nodeHints.length > 0) && ready.some(forNode)) return forNode;
  const zone = node.zone ?? '';
  const forZone = (endpoint: Endpoint): boolean => endpoint.zoneHints.includes(zone);
  if (ready.every((endpoint) => endpoint.zoneHints.length > 0) && ready.some(forZone)) return forZone;
  return undefined;
}
