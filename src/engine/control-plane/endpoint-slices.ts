import { formatIp } from '../../protocol/address.ts';
import { type EndpointSlice, SERVICE_NAME_LABEL } from '../k8s/endpoint-slice.ts';
import type { Endpoints } from '../k8s/endpoints.ts';
import { namespaceOf } from '../k8s/metadata.ts';
import type { Service } from '../k8s/service.ts';
import type { ServiceDraft } from './cluster-ips.ts';
import { asksForTopologyMode, findPort, SLICE_CONTROLLER, SliceController } from './derived-slices.ts';
import {
  checkEndpoints,
  type GivenSlice,
  MIRRORING_CONTROLLER,
  managerOf,
  mirrorEndpoints,
  serviceNameOf,
  storeSlices,
} from './given-slices.ts';
import type { NodePlan, PodPlan } from './plan.ts';
import { GeneratedNames } from './pod-names.ts';
import { clip, type FieldPath, type ProblemList } from './problem-list.ts';
import { SelectorIndex } from './selector-index.ts';
import { hasSelector, isHeadless, typeOf } from './service-defaults.ts';
import { API_SERVER_PORT, isApiServer } from './services.ts';

/** What the manifests and the rest of the plan say about endpoints. */
export interface EndpointSources {
  readonly services: readonly ServiceDraft[];
  readonly slices: readonly EndpointSlice[];
  readonly endpoints: readonly Endpoints[];
  readonly pods: readonly PodPlan[];
  readonly nodes: readonly NodePlan[];
}

/**
 * Every Service's EndpointSlices, in the order of the Services, and last those of the manifests that belong to none.
 *
 * - With a selector that matches pods: derived from the pods. Given slices are kept besides when they are not the
 *   EndpointSlice controller's own, since it would leave those alone, too; its own are derived anew.
 * - With a selector that matches no pod, as in a part of a dump: the given slices, else the given Endpoints.
 * - Without a selector: the given slices, and slices that mirror the given Endpoints.
 * - `default/kubernetes`: the given ones, else the addresses of the control planes.
 * - ExternalName: none are derived.
 */
export function planEndpointSlices(
  sources: EndpointSources,
  problems: ProblemList,
): { readonly ofServices: readonly (readonly EndpointSlice[])[]; readonly others: readonly EndpointSlice[] } {
  const names = new GeneratedNames();
  const given = groupByService(storeSlices(sources.slices, names, problems));
  const endpoints = new Map<string, Endpoints>();
  for (const object of sources.endpoints) {
    checkEndpoints(object, problems);
    endpoints.set(`${namespaceOf(object)}/${object.metadata?.name}`, object);
  }
  const selected = podsOfServices(sources.services, sources.pods);
  const controller = new SliceController(sources.nodes, names);
  const ofServices = sources.services.map((draft, i) => {
    const key = keyOf(draft.service);
    const slices = slicesOf(draft, selected[i] as readonly PodPlan[], given.get(key) ?? [], endpoints.get(key));
    given.delete(key);
    endpoints.delete(key);
    return slices;
  });
  const others = [...given.values()].flat();
  for (const { source, slice } of others) {
    const name = serviceNameOf(slice);
    if (name !== undefined)
      problems.info(
        source,
        ['metadata', 'labels', SERVICE_NAME_LABEL],
        `there is no Service ${namespaceOf(slice)}/${name}: nothing is sent there`,
      );
  }
  for (const object of endpoints.values())
    problems.info(object, ['metadata', 'name'], 'there is no Service of this name: nothing is sent there');
  return { ofServices, others: others.map(({ slice }) => slice) };

  function slicesOf(
    { service, source }: ServiceDraft,
    pods: readonly PodPlan[],
    ownSlices: readonly GivenSlice[],
    ownEndpoints: Endpoints | undefined,
  ): readonly EndpointSlice[] {
    const stored = ownSlices.map(({ slice }) => slice);
    const mirror = (): readonly EndpointSlice[] =>
      ownEndpoints && !stored.some((slice) => managerOf(slice) === MIRRORING_CONTROLLER) ? mirrorEndpoints(ownEndpoints, names) : [];
    const type = typeOf(service);
    if (type === 'ExternalName') return stored;
    if (!hasSelector(service)) {
      const slices = [...stored, ...mirror()];
      if (isApiServer(service)) return slices.length > 0 ? slices : [apiServerSlice(sources.nodes)];
      if (slices.length === 0) note(source, ['spec'], `has no selector and no EndpointSlice, so it has no endpoints: ${without(service)}`);
      else noteGiven(service, source, slices);
      return slices;
    }
    noteTopologyMode(service, source);
    if (pods.length === 0) {
      const slices = stored.length > 0 ? stored : mirror();
      if (slices.length > 0) {
        note(source, ['spec', 'selector'], 'matches no pod here: the endpoints that the manifests give are kept');
        notePorts(service, source, slices);
        return slices;
      }
      note(
        source,
        ['spec', 'selector'],
        `matches no pod in namespace ${namespaceOf(service)}, so it has no endpoints: ${without(service)}`,
      );
      return controller.slicesOf(service, pods);
    }
    warnOfPorts(service, source, pods);
    const slices = [...controller.slicesOf(service, pods), ...stored.filter((slice) => managerOf(slice) !== SLICE_CONTROLLER)];
    noteReadiness(service, source, slices);
    return slices;
  }

  function note(source: Service, path: FieldPath, message: string): void {
    problems.info(source, path, message);
  }

  function noteGiven(service: Service, source: Service, slices: readonly EndpointSlice[]): void {
    noteReadiness(service, source, slices);
    notePorts(service, source, slices);
  }

  /** kube-proxy joins ports of Services and slices by name and protocol (pkg/proxy/endpointslicecache.go); one without a number counts as none. */
  function notePorts(service: Service, source: Service, slices: readonly EndpointSlice[]): void {
    if (isHeadless(service)) return;
    const used = slices.filter(({ addressType, endpoints: all }) => addressType === 'IPv4' && (all ?? []).length > 0);
    if (used.length === 0) return;
    const given = used.flatMap(({ ports }) => (ports ?? []).filter(({ port }) => port !== undefined).map(portText));
    for (const [i, port] of (service.spec?.ports ?? []).entries())
      if (!given.includes(portText(port)))
        note(
          source,
          ['spec', 'ports', i],
          `its EndpointSlices have no port of the same name and protocol, ${portText(port)}, so it has no endpoints: ${without(service)}${given.length === 0 ? '' : `. They have ${[...new Set(given)].slice(0, 8).join(', ')}`}`,
        );
  }

  function noteReadiness(service: Service, source: Service, slices: readonly EndpointSlice[]): void {
    const all = slices.flatMap((slice) => slice.endpoints ?? []);
    if (all.length === 0 || all.some(({ conditions }) => conditions?.ready ?? true)) return;
    const fallback = all.some(({ conditions }) => conditions?.serving && conditions.terminating);
    const what = fallback ? 'traffic goes to what is terminating but still serves' : without(service);
    note(source, ['spec'], `${all.length === 1 ? 'its only endpoint is not' : `none of its ${all.length} endpoints is`} ready: ${what}`);
  }

  function noteTopologyMode(service: Service, source: Service): void {
    const annotation = asksForTopologyMode(service);
    if (annotation === undefined) return;
    note(
      source,
      ['metadata', 'annotations', annotation],
      'hints by the size of zones are not modelled: traffic goes to all endpoints. Use spec.trafficDistribution instead',
    );
  }

  function warnOfPorts(service: Service, source: Service, pods: readonly PodPlan[]): void {
    for (const [i, port] of (service.spec?.ports ?? []).entries()) {
      if (typeof port.targetPort !== 'string') continue;
      const lacking = pods.filter((pod) => findPort(port, pod.containers) === undefined);
      if (lacking.length === 0) continue;
      const who =
        lacking.length === pods.length ? 'none of its pods has' : `${lacking.length} of its ${pods.length} pods have no container with`;
      const container = lacking.length === pods.length ? ' a container with' : '';
      problems.warning(
        source,
        ['spec', 'ports', i, 'targetPort'],
        `${who}${container} a ${port.protocol ?? 'TCP'} port of the name ${JSON.stringify(port.targetPort)}, so they are no endpoints of this port: name one in the pods' containers[].ports, or use its number${known(lacking, port.protocol ?? 'TCP')}`,
      );
    }
  }
}

/** What a client finds at a Service without endpoints. */
const without = (service: Service): string => (isHeadless(service) ? 'its name has no addresses' : 'connections to it are refused');

const portText = ({ name, protocol = 'TCP' }: { readonly name?: string | undefined; readonly protocol?: string | undefined }): string =>
  `${name ? JSON.stringify(clip(name, 60)) : 'without a name'} (${protocol})`;

function known(pods: readonly PodPlan[], protocol: string): string {
  const names = new Set(
    pods.flatMap((pod) => pod.containers.flatMap((c) => c.ports.flatMap((p) => (p.name && p.protocol === protocol ? [p.name] : [])))),
  );
  return names.size === 0 ? '' : `. They have ${[...names].slice(0, 8).join(', ')}`;
}

function podsOfServices(services: readonly ServiceDraft[], pods: readonly PodPlan[]): readonly (readonly PodPlan[])[] {
  const selected: PodPlan[][] = services.map(() => []);
  const index = new SelectorIndex(
    services.flatMap(({ service }, owner) =>
      hasSelector(service) && typeOf(service) !== 'ExternalName'
        ? [{ namespace: namespaceOf(service), selector: service.spec?.selector as Readonly<Record<string, string>>, owner }]
        : [],
    ),
  );
  for (const pod of pods) for (const owner of index.matching(pod.namespace, pod.labels)) selected[owner]?.push(pod);
  return selected;
}

function groupByService(slices: readonly GivenSlice[]): Map<string, GivenSlice[]> {
  const groups = new Map<string, GivenSlice[]>();
  for (const given of slices) {
    const key = `${namespaceOf(given.slice)}/${serviceNameOf(given.slice) ?? ''}`;
    const group = groups.get(key);
    if (group) group.push(given);
    else groups.set(key, [given]);
  }
  return groups;
}

const keyOf = (service: Service): string => `${namespaceOf(service)}/${service.metadata?.name ?? ''}`;

/** What the API servers write for themselves (pkg/controlplane/reconcilers/endpointsadapter.go). */
function apiServerSlice(nodes: readonly NodePlan[]): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { [SERVICE_NAME_LABEL]: 'kubernetes' } },
    addressType: 'IPv4',
    endpoints: nodes.filter((node) => node.controlPlane).map((node) => ({ addresses: [formatIp(node.ip)], conditions: { ready: true } })),
    ports: [{ name: 'https', protocol: 'TCP', port: API_SERVER_PORT }],
  };
}
