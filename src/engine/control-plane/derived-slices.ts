import { formatIp } from '../../protocol/address.ts';
import { type Endpoint, type EndpointPort, type EndpointSlice, SERVICE_NAME_LABEL } from '../k8s/endpoint-slice.ts';
import { valueAt } from '../k8s/metadata.ts';
import type { Service, ServicePort } from '../k8s/service.ts';
import type { ContainerPlan, NodePlan, PodPlan } from './plan.ts';
import type { GeneratedNames } from './pod-names.ts';
import { isHeadless } from './service-defaults.ts';

/** kube-controller-manager, --max-endpoints-per-slice. */
const ENDPOINTS_MAX = 100;

export const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by';
/** The EndpointSlice controller's own name (pkg/controller/endpointslice). */
export const SLICE_CONTROLLER = 'endpointslice-controller.k8s.io';
const HEADLESS_LABEL = 'service.kubernetes.io/headless';
const ZONE_LABEL = 'topology.kubernetes.io/zone';
const TOPOLOGY_ANNOTATIONS = ['service.kubernetes.io/topology-aware-hints', 'service.kubernetes.io/topology-mode'];

/** Whether hints would be shared out by the CPUs of each zone, which is not modelled: then trafficDistribution has no say either. */
export function asksForTopologyMode(service: Service): string | undefined {
  return TOPOLOGY_ANNOTATIONS.find((key) => /^[Aa]uto$/.test(valueAt(service.metadata?.annotations, key) ?? ''));
}

/**
 * What the EndpointSlice controller makes of a Service and the pods that it selects
 * (staging/src/k8s.io/endpointslice/reconciler.go): up to 100 endpoints a slice, and pods whose named ports have other
 * numbers in slices of their own. Without pods there is one slice with nothing in it.
 */
export class SliceController {
  private readonly zones = new Map<string, string>();
  private readonly names: GeneratedNames;
  /** An endpoint without hints is the same for every Service of its pod. */
  private readonly plain = new Map<PodPlan, Endpoint>();

  constructor(nodes: readonly NodePlan[], names: GeneratedNames) {
    this.names = names;
    for (const node of nodes) {
      const zone = valueAt(node.labels, ZONE_LABEL);
      if (zone) this.zones.set(node.name, zone);
    }
  }

  slicesOf(service: Service, pods: readonly PodPlan[]): readonly EndpointSlice[] {
    const groups = new Map<string, { readonly ports: readonly EndpointPort[]; readonly endpoints: Endpoint[] }>();
    let lastContainers: readonly ContainerPlan[] | undefined;
    let group: { readonly ports: readonly EndpointPort[]; readonly endpoints: Endpoint[] } | undefined;
    for (const pod of pods) {
      if (!group || pod.containers !== lastContainers) {
        lastContainers = pod.containers;
        const ports = endpointPorts(service, pod.containers);
        const key = ports.map((port) => `${port.name}:${port.protocol}:${port.port}`).join();
        group = groups.get(key);
        if (!group) {
          group = { ports, endpoints: [] };
          groups.set(key, group);
        }
      }
      group.endpoints.push(this.endpoint(service, pod));
    }
    if (groups.size === 0) return [this.slice(service, 0, [], [])];
    const slices: EndpointSlice[] = [];
    for (const { ports, endpoints } of groups.values()) {
      for (let at = 0; at < endpoints.length; at += ENDPOINTS_MAX)
        slices.push(this.slice(service, slices.length, ports, endpoints.slice(at, at + ENDPOINTS_MAX)));
    }
    return slices;
  }

  private slice(service: Service, ordinal: number, ports: readonly EndpointPort[], endpoints: readonly Endpoint[]): EndpointSlice {
    const name = service.metadata?.name ?? '';
    const namespace = service.metadata?.namespace as string;
    return {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: this.names.generate(namespace, `${name}-`, `EndpointSlice/${namespace}/${name}`, ordinal),
        namespace,
        labels: {
          ...service.metadata?.labels,
          ...(isHeadless(service) ? { [HEADLESS_LABEL]: '' } : {}),
          [SERVICE_NAME_LABEL]: name,
          [MANAGED_BY_LABEL]: SLICE_CONTROLLER,
        },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, controller: true }],
      },
      addressType: 'IPv4',
      endpoints,
      ports,
    };
  }

  /** podToEndpoint in utils.go; hints as in trafficdist/trafficdist.go. */
  private endpoint(service: Service, pod: PodPlan): Endpoint {
    let plain = this.plain.get(pod);
    if (!plain) {
      const zone = this.zones.get(pod.node);
      plain = {
        addresses: [formatIp(pod.ip)],
        conditions: conditionsOf(pod, false),
        nodeName: pod.node,
        ...(zone === undefined ? {} : { zone }),
        targetRef: { kind: 'Pod', namespace: pod.namespace, name: pod.name },
      };
      this.plain.set(pod, plain);
    }
    const { publishNotReadyAddresses = false, trafficDistribution } = service.spec ?? {};
    const conditions = publishNotReadyAddresses ? conditionsOf(pod, true) : plain.conditions;
    if (trafficDistribution === undefined || !conditions?.ready || asksForTopologyMode(service) !== undefined)
      return conditions === plain.conditions ? plain : { ...plain, conditions };
    const forZones = plain.zone === undefined ? undefined : [{ name: plain.zone }];
    const forNodes = trafficDistribution === 'PreferSameNode' ? [{ name: pod.node }] : undefined;
    if (!forZones && !forNodes) return { ...plain, conditions };
    return { ...plain, conditions, hints: { ...(forZones ? { forZones } : {}), ...(forNodes ? { forNodes } : {}) } };
  }
}

type Conditions = NonNullable<Endpoint['conditions']>;

/** One object for each combination: there may be 150,000 endpoints. */
const CONDITIONS: readonly Conditions[] = [0, 1, 2, 3, 4, 5, 6, 7].map((bits) => ({
  ready: (bits & 4) !== 0,
  serving: (bits & 2) !== 0,
  terminating: (bits & 1) !== 0,
}));

/** A terminating pod is not ready even if it still serves, unless the Service publishes all. */
function conditionsOf(pod: PodPlan, publishNotReady: boolean): Conditions {
  const ready = publishNotReady || (pod.ready && !pod.terminating);
  return CONDITIONS[(ready ? 4 : 0) | (pod.ready ? 2 : 0) | (pod.terminating ? 1 : 0)] as Conditions;
}

/** Ports that a pod has for a Service; one whose name no container knows is left out. */
function endpointPorts(service: Service, containers: readonly ContainerPlan[]): readonly EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const servicePort of service.spec?.ports ?? []) {
    const port = findPort(servicePort, containers);
    if (port !== undefined) ports.push({ name: servicePort.name ?? '', protocol: servicePort.protocol ?? 'TCP', port });
  }
  return ports;
}

/** The number that a targetPort means in a pod (FindPort in utils.go): names in containers go before those in sidecars. */
export function findPort(servicePort: ServicePort, containers: readonly ContainerPlan[]): number | undefined {
  const { targetPort, protocol = 'TCP' } = servicePort;
  if (typeof targetPort === 'number') return targetPort;
  for (const sidecar of [false, true]) {
    for (const container of containers) {
      if (container.sidecar !== sidecar) continue;
      const port = container.ports.find((candidate) => candidate.name === targetPort && candidate.protocol === protocol);
      if (port) return port.port;
    }
  }
  return undefined;
}
