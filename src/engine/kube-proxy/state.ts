import type { EndpointSlice } from '../k8s/endpoint-slice.ts';
import { namespaceOf } from '../k8s/metadata.ts';
import type { Service } from '../k8s/service.ts';
import { deepEqual } from './deep-equal.ts';
import { type Endpoints, type EndpointsByPort, mergeSlices, serviceOfSlice } from './endpoints.ts';
import type { ProxyChanges, ProxyConfig } from './model.ts';
import { type ServicePortInfo, servicePorts } from './service-port.ts';

const NO_PORTS: readonly ServicePortInfo[] = [];
const NO_ENDPOINTS: Endpoints = [];

/** What the latest sync has to rewrite. */
export interface UpdatedServices {
  /** `namespace/name` of Services that changed, or whose EndpointSlices did. */
  readonly services: ReadonlySet<string>;
  /** Endpoints of a UDP port changed: conntrack entries may be stale (UpdateEndpointsMapResult.ConntrackCleanupRequired). */
  readonly udpEndpointsChanged: boolean;
}

/**
 * The Services and EndpointSlices that a proxier knows. Changes are gathered until the next sync applies
 * them at once (pkg/proxy/servicechangetracker.go, endpointschangetracker.go, endpointslicecache.go).
 */
export class ProxyState {
  readonly #family: ProxyConfig['family'];
  /** As of the latest `apply`. */
  readonly #ports = new Map<string, readonly ServicePortInfo[]>();
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #endpoints = new Map<string, EndpointsByPort>();
  /** `namespace/name` of a slice to that of its Service. */
  readonly #serviceOfSlice = new Map<string, string>();
  readonly #endpointCounts = new Map<string, number>();
  #endpointCount = 0;
  readonly #pendingServices = new Map<string, Service | undefined>();
  readonly #pendingSlices = new Map<string, EndpointSlice | undefined>();

  constructor(family: ProxyConfig['family']) {
    this.#family = family;
  }

  /** Service ports by `namespace/name` of their Service. */
  get services(): ReadonlyMap<string, readonly ServicePortInfo[]> {
    return this.#ports;
  }

  /** Endpoints of all service ports together, usable or not: how large the cluster is. */
  get endpointCount(): number {
    return this.#endpointCount;
  }

  portsOf(service: string): readonly ServicePortInfo[] {
    return this.#ports.get(service) ?? NO_PORTS;
  }

  /** Sorted as text by `ip:port`. */
  endpointsOf(port: ServicePortInfo): Endpoints {
    return this.#endpoints.get(port.service)?.get(port.key) ?? NO_ENDPOINTS;
  }

  /** The endpoints of all ports of a Service, also of ports that the Service itself does not have. */
  endpointsOfService(service: string): Iterable<Endpoints> {
    return this.#endpoints.get(service)?.values() ?? [];
  }

  update(changes: ProxyChanges): void {
    for (const service of changes.services ?? []) this.#pendingServices.set(nameOf(service), service);
    for (const name of changes.removedServices ?? []) this.#pendingServices.set(name, undefined);
    for (const slice of changes.endpointSlices ?? []) {
      if (slice.addressType === this.#family) this.#pendingSlices.set(nameOf(slice), slice);
    }
    for (const name of changes.removedEndpointSlices ?? []) this.#pendingSlices.set(name, undefined);
  }

  /** Takes over everything told since the last time. What is told again unchanged is no change. */
  apply(): UpdatedServices {
    const services = new Set<string>();
    const withSlices = this.#applySlices();
    for (const [name, service] of this.#pendingServices) {
      const before = this.#ports.get(name) ?? NO_PORTS;
      const after = service === undefined ? NO_PORTS : servicePorts(service, this.#family);
      if (deepEqual(before, after)) continue;
      if (after.length === 0) this.#ports.delete(name);
      else this.#ports.set(name, after);
      services.add(name);
    }
    this.#pendingServices.clear();

    let udpEndpointsChanged = false;
    const hasUdp = (endpoints: EndpointsByPort | undefined): boolean => [...(endpoints?.keys() ?? [])].some((key) => key.endsWith('/udp'));
    for (const name of withSlices) {
      const slices = this.#slices.get(name);
      const before = this.#endpoints.get(name);
      if (slices === undefined) this.#endpoints.delete(name);
      else this.#endpoints.set(name, mergeSlices(inOrderOfName(slices)));
      udpEndpointsChanged ||= hasUdp(before) || hasUdp(this.#endpoints.get(name));
      services.add(name);
    }
    for (const name of services) this.#count(name);
    return { services, udpEndpointsChanged };
  }

  /** Returns the Services whose slices changed. */
  #applySlices(): Set<string> {
    const changed = new Set<string>();
    for (const [name, slice] of this.#pendingSlices) {
      const before = this.#serviceOfSlice.get(name);
      const after = slice === undefined ? undefined : serviceOfSlice(slice);
      if (before !== undefined && before === after && deepEqual(this.#slices.get(before)?.get(name), slice)) continue;
      if (before !== undefined) {
        const others = this.#slices.get(before);
        others?.delete(name);
        if (others?.size === 0) this.#slices.delete(before);
        this.#serviceOfSlice.delete(name);
        changed.add(before);
      }
      if (after !== undefined && slice !== undefined) {
        const others = this.#slices.get(after) ?? new Map<string, EndpointSlice>();
        this.#slices.set(after, others.set(name, slice));
        this.#serviceOfSlice.set(name, after);
        changed.add(after);
      }
    }
    this.#pendingSlices.clear();
    return changed;
  }

  #count(service: string): void {
    let count = 0;
    for (const port of this.portsOf(service)) count += this.endpointsOf(port).length;
    this.#endpointCount += count - (this.#endpointCounts.get(service) ?? 0);
    if (count === 0) this.#endpointCounts.delete(service);
    else this.#endpointCounts.set(service, count);
  }
}

const nameOf = (object: Service | EndpointSlice): string => `${namespaceOf(object)}/${object.metadata?.name ?? ''}`;

function inOrderOfName(slices: Map<string, EndpointSlice>): Iterable<EndpointSlice> {
  if (slices.size === 1) return slices.values();
  return [...slices].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, slice]) => slice);
}
