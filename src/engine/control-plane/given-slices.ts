import { isIpv4, parseIp } from '../../protocol/address.ts';
import { type Endpoint, type EndpointPort, type EndpointSlice, SERVICE_NAME_LABEL } from '../k8s/endpoint-slice.ts';
import type { EndpointAddress, Endpoints } from '../k8s/endpoints.ts';
import { isDnsLabel, isDnsName, problemOfLabels } from '../k8s/labels.ts';
import { namespaceOf, valueAt } from '../k8s/metadata.ts';
import { MANAGED_BY_LABEL } from './derived-slices.ts';
import type { GeneratedNames } from './pod-names.ts';
import { clip, type FieldPath, type ProblemList } from './problem-list.ts';
import { problemOfAddress } from './service-validation.ts';

/** The mirroring controller's own name (pkg/controller/endpointslicemirroring). */
export const MIRRORING_CONTROLLER = 'endpointslicemirroring-controller.k8s.io';
const SKIP_MIRROR_LABEL = 'endpointslice.kubernetes.io/skip-mirror';

/** Of pkg/apis/discovery/validation. */
const ENDPOINTS_MAX = 1000;
const ADDRESSES_MAX = 100;
const HINTS_MAX = 8;

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

/** ValidateEndpointSlice in pkg/apis/discovery/validation. */
function checkSlice(slice: EndpointSlice, problems: ProblemList): void {
  const endpoints = slice.endpoints ?? [];
  if (endpoints.length > ENDPOINTS_MAX)
    problems.error(slice, ['endpoints'], `${endpoints.length} are too many for one slice: at most ${ENDPOINTS_MAX}, the others in another`);
  else for (const [i, endpoint] of endpoints.entries()) checkEndpoint(slice, endpoint, i, problems);
  const names = new Set<string>();
  for (const [i, { name = '' }] of (slice.ports ?? []).entries()) {
    if (name !== '' && !isDnsLabel(name)) problems.error(slice, ['ports', i, 'name'], expectedLabel(name));
    if (names.has(name)) problems.error(slice, ['ports', i, 'name'], `two ports are called ${JSON.stringify(clip(name, 60))}: rename one`);
    names.add(name);
  }
  if (slice.addressType === 'IPv6') problems.info(slice, ['addressType'], 'IPv6 is not modelled yet: nothing is sent there');
  if (slice.addressType === 'FQDN') problems.info(slice, ['addressType'], 'kube-proxy does not use slices of names: nothing is sent there');
  if (serviceNameOf(slice) === undefined)
    problems.info(slice, ['metadata', 'labels'], `has no label ${SERVICE_NAME_LABEL}: it belongs to no Service, so nothing is sent there`);
}

function checkEndpoint(slice: EndpointSlice, endpoint: Endpoint, i: number, problems: ProblemList): void {
  const { addresses, nodeName, hints } = endpoint;
  const error = (path: FieldPath, message: string): void => problems.error(slice, ['endpoints', i, ...path], message);
  if (addresses.length > ADDRESSES_MAX) error(['addresses'], `${addresses.length} are too many for one endpoint: at most ${ADDRESSES_MAX}`);
  for (const [j, text] of addresses.entries()) {
    const problem = problemOfEndpoint(text, slice.addressType);
    if (problem) error(['addresses', j], problem);
  }
  if (nodeName !== undefined && !isDnsName(nodeName)) error(['nodeName'], `expected the name of a node, got ${quoted(nodeName)}`);
  const zones = (hints?.forZones ?? []).map(({ name }) => name);
  if (zones.length > HINTS_MAX) error(['hints', 'forZones'], `${zones.length} are too many: at most ${HINTS_MAX}`);
  for (const [j, zone] of zones.entries()) {
    const problem = zones.indexOf(zone) < j ? `the zone ${quoted(zone)} is there twice: remove one` : problemOfLabels({ zone });
    if (problem) error(['hints', 'forZones', j, 'name'], problem);
  }
}

function problemOfEndpoint(text: string, family: EndpointSlice['addressType']): string | undefined {
  if (family === 'FQDN') {
    const name = text.replace(/\.$/, '');
    return isDnsName(name) && name.includes('.') ? undefined : `expected a DNS name of at least two parts, got ${quoted(text)}`;
  }
  const ip = parseIp(text);
  if (ip !== undefined && isIpv4(ip) !== (family === 'IPv4')) return `expected an address of addressType ${family}, got ${quoted(text)}`;
  return problemOfAddress(text);
}

const withPortDefaults = (ports: readonly EndpointPort[]): readonly EndpointPort[] =>
  ports.map((port) => ({ ...port, name: port.name ?? '', protocol: port.protocol ?? 'TCP' }));

/** Reports what the API server would refuse in Endpoints (ValidateEndpoints in pkg/apis/core/validation). */
export function checkEndpoints(endpoints: Endpoints, problems: ProblemList): void {
  for (const [i, subset] of (endpoints.subsets ?? []).entries()) {
    if ((subset.addresses ?? []).length + (subset.notReadyAddresses ?? []).length === 0)
      problems.error(endpoints, ['subsets', i], 'has no addresses: expected addresses or notReadyAddresses, or no subset at all');
    for (const field of ['addresses', 'notReadyAddresses'] as const) {
      for (const [j, { ip }] of (subset[field] ?? []).entries()) {
        const problem = problemOfAddress(ip);
        if (problem) problems.error(endpoints, ['subsets', i, field, j, 'ip'], problem);
      }
    }
    const ports = subset.ports ?? [];
    for (const [j, port] of ports.entries()) {
      if (!port.name && ports.length > 1)
        problems.error(endpoints, ['subsets', i, 'ports', j, 'name'], 'is missing: with more than one port, each needs a name');
      if (port.name && !isDnsLabel(port.name)) problems.error(endpoints, ['subsets', i, 'ports', j, 'name'], expectedLabel(port.name));
      if (port.port === undefined)
        problems.error(endpoints, ['subsets', i, 'ports', j, 'port'], 'is missing: expected an integer from 1 to 65535');
    }
  }
}

const quoted = (text: string): string => JSON.stringify(clip(text, 60));
const expectedLabel = (name: string): string => `expected a name of at most 63 lower-case letters, digits and "-", got ${quoted(name)}`;

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
