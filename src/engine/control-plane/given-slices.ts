import { isIpv4, parseIp } from '../../protocol/address.ts';
import { type Endpoint, type EndpointPort, type EndpointSlice, SERVICE_NAME_LABEL } from '../k8s/endpoint-slice.ts';
import type { EndpointAddress, Endpoints } from '../k8s/endpoints.ts';
import { namespaceOf, valueAt } from '../k8s/metadata.ts';
import { MANAGED_BY_LABEL } from './derived-slices.ts';
import type { GeneratedNames } from './pod-names.ts';
import { clip, type ProblemList } from './problem-list.ts';
import { problemOfAddress } from './service-validation.ts';

/** The mirroring controller's own name (pkg/controller/endpointslicemirroring). */
export const MIRRORING_CONTROLLER = 'endpointslicemirroring-controller.k8s.io';
const SKIP_MIRROR_LABEL = 'endpointslice.kubernetes.io/skip-mirror';

/** A slice of the manifests, and the object that it was written as. */
export interface GivenSlice {
  readonly source: EndpointSlice;
  readonly slice: EndpointSlice;
}

/** With what the API server fills in and refuses (pkg/apis/discovery), and with names for those that leave theirs to it. */
export function storeSlices(sources: readonly EndpointSlice[], names: GeneratedNames, problems: ProblemList): readonly GivenSlice[] {
  for (const source of sources) if (source.metadata?.name !== undefined) names.reserve(namespaceOf(source), source.metadata.name);
  return sources.map((source, i) => {
    checkSlice(source, problems);
    const namespace = namespaceOf(source);
    const base = source.metadata?.generateName ?? 'endpointslice-';
    const name = source.metadata?.name ?? names.generate(namespace, base, `EndpointSlice/${namespace}/${base}`, i);
    const slice = { ...source, metadata: { ...source.metadata, name, namespace }, ports: withPortDefaults(source.ports ?? []) };
    return { source, slice };
  });
}

/** The Service that a slice belongs to. */
export const serviceNameOf = (slice: EndpointSlice): string | undefined => valueAt(slice.metadata?.labels, SERVICE_NAME_LABEL);

export const managerOf = (slice: EndpointSlice): string | undefined => valueAt(slice.metadata?.labels, MANAGED_BY_LABEL);

function checkSlice(slice: EndpointSlice, problems: ProblemList): void {
  for (const [i, { addresses }] of (slice.endpoints ?? []).entries()) {
    for (const [j, text] of addresses.entries()) {
      const problem = slice.addressType === 'FQDN' ? undefined : problemOfEndpoint(text, slice.addressType);
      if (problem) problems.error(slice, ['endpoints', i, 'addresses', j], problem);
    }
  }
  const names = new Set<string>();
  for (const [i, { name = '' }] of (slice.ports ?? []).entries()) {
    if (names.has(name)) problems.error(slice, ['ports', i, 'name'], `two ports are called ${JSON.stringify(clip(name, 60))}: rename one`);
    names.add(name);
  }
  if (slice.addressType === 'FQDN') problems.info(slice, ['addressType'], 'kube-proxy does not use slices of names: nothing is sent there');
  if (serviceNameOf(slice) === undefined)
    problems.info(slice, ['metadata', 'labels'], `has no label ${SERVICE_NAME_LABEL}: it belongs to no Service, so nothing is sent there`);
}

function problemOfEndpoint(text: string, family: 'IPv4' | 'IPv6'): string | undefined {
  const ip = parseIp(text);
  if (ip !== undefined && isIpv4(ip) !== (family === 'IPv4'))
    return `expected an address of addressType ${family}, got ${JSON.stringify(clip(text, 60))}`;
  return problemOfAddress(text);
}

const withPortDefaults = (ports: readonly EndpointPort[]): readonly EndpointPort[] =>
  ports.map((port) => ({ ...port, name: port.name ?? '', protocol: port.protocol ?? 'TCP' }));

/** Reports what the API server would refuse in Endpoints (ValidateEndpoints in pkg/apis/core/validation). */
export function checkEndpoints(endpoints: Endpoints, problems: ProblemList): void {
  for (const [i, subset] of (endpoints.subsets ?? []).entries()) {
    for (const field of ['addresses', 'notReadyAddresses'] as const) {
      for (const [j, { ip }] of (subset[field] ?? []).entries()) {
        const problem = problemOfAddress(ip);
        if (problem) problems.error(endpoints, ['subsets', i, field, j, 'ip'], problem);
      }
    }
    for (const [j, port] of (subset.ports ?? []).entries())
      if (port.port === undefined)
        problems.error(endpoints, ['subsets', i, 'ports', j, 'port'], 'is missing: expected an integer from 1 to 65535');
  }
}

/** EndpointSlices of IPv4 that mirror old Endpoints, one for each subset; none for those that ask not to be mirrored. */
export function mirrorEndpoints(endpoints: Endpoints, names: GeneratedNames): readonly EndpointSlice[] {
  if (valueAt(endpoints.metadata?.labels, SKIP_MIRROR_LABEL) === 'true') return [];
  const name = endpoints.metadata?.name ?? '';
  const namespace = namespaceOf(endpoints);
  const slices: EndpointSlice[] = [];
  for (const { addresses = [], notReadyAddresses = [], ports = [] } of endpoints.subsets ?? []) {
    const all = [...addresses.map((address) => mirrored(address, true)), ...notReadyAddresses.map((address) => mirrored(address, false))];
    const found = all.filter((endpoint) => endpoint !== undefined);
    if (found.length === 0) continue;
    slices.push({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: names.generate(namespace, `${name}-`, `Endpoints/${namespace}/${name}`, slices.length),
        namespace,
        labels: { ...endpoints.metadata?.labels, [SERVICE_NAME_LABEL]: name, [MANAGED_BY_LABEL]: MIRRORING_CONTROLLER },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Endpoints', name, controller: true }],
      },
      addressType: 'IPv4',
      endpoints: found,
      ports: withPortDefaults(ports),
    });
  }
  return slices;
}

function mirrored({ ip, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint | undefined {
  const address = parseIp(ip);
  if (address === undefined || !isIpv4(address)) return undefined;
  return {
    addresses: [ip],
    conditions: { ready },
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(targetRef === undefined ? {} : { targetRef }),
  };
}
