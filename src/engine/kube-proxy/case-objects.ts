import { type Endpoint, type EndpointSlice, SERVICE_NAME_LABEL } from '../k8s/endpoint-slice.ts';
import type { ObjectMeta } from '../k8s/metadata.ts';
import type { Service, ServicePort, ServiceSpec } from '../k8s/service.ts';
import { familyOf, parseIpSloppy } from './addresses.ts';
import type { JsonReader } from './json-reader.ts';

/* Services and EndpointSlices out of JSON: the fields that kube-proxy reads are checked, all others are left out. */

const PORT_MAX = 65_535;

export interface CaseObjects {
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
}

export function readObjects(objects: JsonReader): CaseObjects {
  const services: Service[] = [];
  const endpointSlices: EndpointSlice[] = [];
  for (const object of objects.items()) {
    const kind = object.object().at('kind').text();
    if (kind === 'Service') services.push(readService(object));
    else if (kind === 'EndpointSlice') endpointSlices.push(readEndpointSlice(object));
  }
  return { services, endpointSlices };
}

function readMetadata(metadata: JsonReader): ObjectMeta {
  const labels = metadata.at('labels');
  const label = labels.optional((reader) => reader.at(SERVICE_NAME_LABEL))?.optional((reader) => reader.text());
  return {
    name: metadata.at('name').text(),
    namespace: metadata.at('namespace').optional((reader) => reader.text()),
    labels: label === undefined ? undefined : { [SERVICE_NAME_LABEL]: label },
  };
}

function readService(object: JsonReader): Service {
  const ingress = object.at('status').at('loadBalancer').at('ingress').items();
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: readMetadata(object.at('metadata')),
    spec: object.at('spec').optional(readSpec),
    status: {
      loadBalancer: {
        ingress: ingress.map((entry) => ({
          ip: entry.at('ip').optional((reader) => reader.text()),
          ipMode: entry.at('ipMode').optional((reader) => reader.text()),
        })),
      },
    },
  };
}

const text = (reader: JsonReader): string => reader.text();
const texts = (reader: JsonReader): string[] => reader.texts();
const port = (reader: JsonReader): number => reader.integer(1, PORT_MAX);
/** In Go's objects 0 means absent. */
const portOrZero = (reader: JsonReader): number => reader.integer(0, PORT_MAX);
const policy = (reader: JsonReader) => reader.oneOf('Cluster', 'Local');
const protocol = (reader: JsonReader) => reader.oneOf('TCP', 'UDP', 'SCTP');

function readSpec(spec: JsonReader): ServiceSpec {
  const timeoutSeconds = spec
    .at('sessionAffinityConfig')
    .at('clientIP')
    .at('timeoutSeconds')
    .optional((reader) => reader.integer(1, 86_400));
  return {
    type: spec.at('type').optional(text),
    clusterIP: spec.at('clusterIP').optional(text),
    clusterIPs: spec.at('clusterIPs').optional(texts),
    externalIPs: spec.at('externalIPs').optional(texts),
    ports: spec.at('ports').items().map(readPort),
    sessionAffinity: spec.at('sessionAffinity').optional(text),
    sessionAffinityConfig: { clientIP: { timeoutSeconds } },
    internalTrafficPolicy: spec.at('internalTrafficPolicy').optional(policy),
    externalTrafficPolicy: spec.at('externalTrafficPolicy').optional(policy),
    healthCheckNodePort: spec.at('healthCheckNodePort').optional(portOrZero),
    loadBalancerSourceRanges: spec.at('loadBalancerSourceRanges').optional(texts),
    ipFamilies: spec.at('ipFamilies').optional(texts),
  };
}

const readPort = (entry: JsonReader): ServicePort => ({
  name: entry.at('name').optional(text),
  port: port(entry.at('port')),
  nodePort: entry.at('nodePort').optional(portOrZero),
  protocol: entry.at('protocol').optional(protocol),
});

function readEndpointSlice(object: JsonReader): EndpointSlice {
  const addressType = object.at('addressType').oneOf('IPv4', 'IPv6', 'FQDN');
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: readMetadata(object.at('metadata')),
    addressType,
    endpoints: object
      .at('endpoints')
      .items()
      .map((endpoint) => readEndpoint(endpoint, addressType)),
    ports: object
      .at('ports')
      .items()
      .map((entry) => ({
        name: entry.at('name').optional(text),
        protocol: entry.at('protocol').optional(protocol),
        port: entry.at('port').optional(portOrZero),
      })),
  };
}

/** The API server sees to it that addresses are of the slice's addressType. */
function readAddress(reader: JsonReader, addressType: EndpointSlice['addressType']): string {
  const text = reader.text();
  const address = addressType === 'FQDN' ? undefined : parseIpSloppy(text);
  return addressType === 'FQDN' || (address !== undefined && familyOf(address) === addressType)
    ? text
    : reader.fail(`an address of the addressType ${addressType}`);
}

function readEndpoint(endpoint: JsonReader, addressType: EndpointSlice['addressType']): Endpoint {
  const conditions = endpoint.at('conditions');
  const flag = (name: string): boolean | undefined => conditions.at(name).optional((reader) => reader.boolean());
  const names = (reader: JsonReader): { name: string }[] => reader.items().map((entry) => ({ name: entry.at('name').text() }));
  return {
    addresses: endpoint
      .at('addresses')
      .items()
      .map((address) => readAddress(address, addressType)),
    conditions: { ready: flag('ready'), serving: flag('serving'), terminating: flag('terminating') },
    nodeName: endpoint.at('nodeName').optional(text),
    zone: endpoint.at('zone').optional(text),
    hints: {
      forZones: endpoint.at('hints').at('forZones').optional(names),
      forNodes: endpoint.at('hints').at('forNodes').optional(names),
    },
  };
}
