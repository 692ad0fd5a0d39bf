import { formatIp, type IpAddress } from '../../protocol/address.ts';
import type { EndpointSlice } from '../k8s/endpoint-slice.ts';
import { SERVICE_NAME_LABEL } from '../k8s/endpoint-slice.ts';
import { namespaceOf, valueAt } from '../k8s/metadata.ts';
import type { Rule } from '../netfilter/iptables/model.ts';
import { joinHostPort, parseIpSloppy } from './addresses.ts';
import { servicePortKey } from './service-port.ts';

/** One address and port behind a service port (pkg/proxy/endpoint.go). */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
  /** `ip:port`: what it is known and sorted by. */
  readonly text: string;
  /** The empty text when the slice names no node: then it counts as remote everywhere. */
  readonly nodeName: string;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
  /** Its KUBE-SEP chain, worked out by the first proxier that needs it and the same for those of all nodes. */
  sep: EndpointChain | undefined;
}

export interface EndpointChain {
  readonly name: string;
  readonly rules: readonly Rule[];
  /** The rules depend on these as well. */
  readonly largeCluster: boolean;
  readonly affinity: boolean;
}

/** The endpoints of one service port, sorted as text by `ip:port`. */
export type Endpoints = readonly Endpoint[];
export type EndpointsByPort = ReadonlyMap<string, Endpoints>;

const NO_HINTS: readonly string[] = [];

/** `namespace/name` of the Service that a slice belongs to; undefined if its label names none. */
export function serviceOfSlice(slice: EndpointSlice): string | undefined {
  const name = valueAt(slice.metadata?.labels, SERVICE_NAME_LABEL);
  return name ? `${namespaceOf(slice)}/${name}` : undefined;
}

/** Slices are read once for all proxiers that are told about the same object. */
const read = new WeakMap<EndpointSlice, EndpointsByPort>();

/** A slice's endpoints by service port. The port is the slice's: targetPort of the Service plays no part. */
export function endpointsOfSlice(slice: EndpointSlice): EndpointsByPort {
  let known = read.get(slice);
  if (known === undefined) {
    known = readSlice(slice);
    read.set(slice, known);
  }
  return known;
}

function readSlice(slice: EndpointSlice): EndpointsByPort {
  const byPort = new Map<string, Endpoint[]>();
  const service = serviceOfSlice(slice);
  if (service === undefined || (slice.addressType !== 'IPv4' && slice.addressType !== 'IPv6')) return byPort;
  const addresses = (slice.endpoints ?? []).flatMap((endpoint) => {
    const address = endpoint.addresses[0] === undefined ? undefined : parseIpSloppy(endpoint.addresses[0]);
    return address === undefined ? [] : [{ endpoint, address, ip: formatIp(address) }];
  });
  for (const { name, port, protocol } of slice.ports ?? []) {
    // A port without a number means every port; kube-proxy has no rules for that.
    if (!port) continue;
    const key = servicePortKey(service, name ?? '', (protocol ?? 'TCP').toLowerCase());
    const endpoints = addresses.map(({ endpoint, address, ip }): Endpoint => {
      const { conditions, hints } = endpoint;
      return {
        address,
        port,
        text: joinHostPort(ip, port),
        nodeName: endpoint.nodeName ?? '',
        ready: conditions?.ready ?? true,
        serving: conditions?.serving ?? true,
        terminating: conditions?.terminating ?? false,
        zoneHints: hints?.forZones?.map((zone) => zone.name) ?? NO_HINTS,
        nodeHints: hints?.forNodes?.map((node) => node.name) ?? NO_HINTS,
        sep: undefined,
      };
    });
    byPort.set(key, [...(byPort.get(key) ?? []), ...endpoints]);
  }
  for (const [key, endpoints] of byPort) byPort.set(key, unique(endpoints));
  return byPort;
}

const byText = (a: Endpoint, b: Endpoint): number => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0);

/**
 * Endpoints of several places, once each and sorted. When the network reuses the address of a
 * terminating pod, the one that is not terminating counts (pkg/proxy/endpointslicecache.go, addEndpoints).
 */
function unique(endpoints: Endpoint[]): Endpoint[] {
  const byAddress = new Map<string, Endpoint>();
  for (const endpoint of endpoints) {
    if (!endpoint.terminating || !byAddress.has(endpoint.text)) byAddress.set(endpoint.text, endpoint);
  }
  return [...byAddress.values()].sort(byText);
}

/** The endpoints of all slices of a Service. A port that only one slice has keeps that slice's list, which may be shared. */
export function mergeSlices(slices: Iterable<EndpointSlice>): EndpointsByPort {
  const merged = new Map<string, Endpoints>();
  const several = new Set<string>();
  for (const slice of slices) {
    for (const [key, endpoints] of endpointsOfSlice(slice)) {
      const others = merged.get(key);
      if (others !== undefined) several.add(key);
      merged.set(key, others === undefined ? endpoints : [...others, ...endpoints]);
    }
  }
  for (const key of several) merged.set(key, unique([...(merged.get(key) as Endpoints)]));
  return merged;
}

/** Both lists, once each and sorted. */
export const unionOf = (a: Endpoints, b: Endpoints): Endpoints => [...new Set([...a, ...b])].sort(byText);
