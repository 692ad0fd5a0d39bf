import type { Cidr, IpAddress } from '../../protocol/address.ts';
import { namespaceOf } from '../k8s/metadata.ts';
import type { Service, ServicePort, ServiceSpec } from '../k8s/service.ts';
import { familyOf, type IpFamily, parseCidrSloppy, parseIpSloppy } from './addresses.ts';

/** sessionAffinityConfig.clientIP.timeoutSeconds when absent (pkg/apis/core/v1/defaults.go). */
const AFFINITY_TIMEOUT_SECONDS = 10_800;

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** One port of a Service as one proxier sees it (pkg/proxy/serviceport.go). */
export interface ServicePortInfo {
  /** Unique in a cluster: two ports of a Service may share a name if their protocols differ. */
  readonly key: string;
  /** `namespace/name` of the Service. */
  readonly service: string;
  readonly namespace: string;
  readonly serviceName: string;
  readonly portName: string;
  /** `namespace/name:port`, or `namespace/name` when the port has no name: what comments and hashes use. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly clusterIp: IpAddress;
  readonly port: number;
  /** 0 when there is none; so is `healthCheckNodePort`. */
  readonly nodePort: number;
  readonly externalIps: readonly IpAddress[];
  readonly loadBalancerVips: readonly IpAddress[];
  /** Empty: no restriction. */
  readonly sourceRanges: readonly Cidr[];
  readonly healthCheckNodePort: number;
  /** undefined without session affinity. */
  readonly affinitySeconds: number | undefined;
  readonly externalPolicyLocal: boolean;
  readonly internalPolicyLocal: boolean;
  /** Reachable by something else than the cluster IP. */
  readonly externallyAccessible: boolean;
  readonly usesClusterEndpoints: boolean;
  readonly usesLocalEndpoints: boolean;
}

export const servicePortKey = (service: string, portName: string, protocol: string): string => `${service}:${portName}/${protocol}`;

const NONE: readonly ServicePortInfo[] = [];

/** Services are read once for all proxiers that are told about the same object. */
const read = new WeakMap<Service, Partial<Record<IpFamily, readonly ServicePortInfo[]>>>();

/** The ports of a Service that a proxier of this family handles; none for headless and ExternalName Services. */
export function servicePorts(service: Service, family: IpFamily): readonly ServicePortInfo[] {
  let known = read.get(service);
  if (known === undefined) {
    known = {};
    read.set(service, known);
  }
  known[family] ??= readServicePorts(service, family);
  return known[family];
}

function readServicePorts(service: Service, family: IpFamily): readonly ServicePortInfo[] {
  const spec = service.spec;
  if (spec === undefined || spec.type === 'ExternalName' || !spec.clusterIP || spec.clusterIP === 'None') return NONE;
  const clusterIp = clusterIpOf(spec, family);
  if (clusterIp === undefined) return NONE;
  const shared = sharedByPorts(service, spec, family);
  const ports = new Map<string, ServicePortInfo>();
  for (const port of spec.ports ?? []) {
    const info = readPort(service, port, clusterIp, shared);
    ports.set(info.key, info);
  }
  return [...ports.values()];
}

/** pkg/proxy/util/utils.go, GetClusterIPByFamily. */
function clusterIpOf(spec: ServiceSpec, family: IpFamily): IpAddress | undefined {
  const families = spec.ipFamilies ?? [];
  const index = families.indexOf(family);
  const text = families.length === 0 ? spec.clusterIP : index < 0 ? undefined : (spec.clusterIPs ?? [spec.clusterIP])[index];
  const address = text === undefined ? undefined : parseIpSloppy(text);
  return address !== undefined && familyOf(address) === family ? address : undefined;
}

type SharedByPorts = Pick<
  ServicePortInfo,
  | 'externalIps'
  | 'loadBalancerVips'
  | 'sourceRanges'
  | 'healthCheckNodePort'
  | 'affinitySeconds'
  | 'externalPolicyLocal'
  | 'internalPolicyLocal'
>;

function sharedByPorts(service: Service, spec: ServiceSpec, family: IpFamily): SharedByPorts {
  const addresses = (texts: readonly string[]): IpAddress[] =>
    texts.map(parseIpSloppy).filter((address): address is IpAddress => address !== undefined && familyOf(address) === family);
  const isExternal =
    spec.type === 'LoadBalancer' ||
    spec.type === 'NodePort' ||
    ((spec.type ?? 'ClusterIP') === 'ClusterIP' && (spec.externalIPs?.length ?? 0) > 0);
  const externalPolicyLocal = isExternal && spec.externalTrafficPolicy === 'Local';
  const ranges = (spec.loadBalancerSourceRanges ?? [])
    .map((text) => parseCidrSloppy(text.trim()))
    .filter((range): range is Cidr => range !== undefined && familyOf(range.address) === family);
  return {
    externalIps: addresses(spec.externalIPs ?? []),
    loadBalancerVips: addresses(
      (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip, ipMode }) => (ip && (ipMode ?? 'VIP') === 'VIP' ? [ip] : [])),
    ),
    sourceRanges: ranges.some((range) => range.length === 0) ? [] : ranges,
    healthCheckNodePort: spec.type === 'LoadBalancer' && externalPolicyLocal ? (spec.healthCheckNodePort ?? 0) : 0,
    affinitySeconds:
      spec.sessionAffinity === 'ClientIP' ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_TIMEOUT_SECONDS) : undefined,
    externalPolicyLocal,
    internalPolicyLocal: spec.internalTrafficPolicy === 'Local',
  };
}

function readPort(service: Service, port: ServicePort, clusterIp: IpAddress, shared: SharedByPorts): ServicePortInfo {
  const namespace = namespaceOf(service);
  const serviceName = service.metadata?.name ?? '';
  const portName = port.name ?? '';
  const full = `${namespace}/${serviceName}`;
  const protocol = (port.protocol ?? 'TCP').toLowerCase() as Protocol;
  const nodePort = port.nodePort ?? 0;
  const externallyAccessible = nodePort !== 0 || shared.loadBalancerVips.length > 0 || shared.externalIps.length > 0;
  return {
    key: servicePortKey(full, portName, protocol),
    service: full,
    namespace,
    serviceName,
    portName,
    name: portName === '' ? full : `${full}:${portName}`,
    protocol,
    clusterIp,
    port: port.port,
    nodePort,
    ...shared,
    externallyAccessible,
    // Cluster endpoints are needed for external traffic even if its policy is Local: pods and the node are short-circuited to them.
    usesClusterEndpoints: !shared.internalPolicyLocal || externallyAccessible,
    usesLocalEndpoints: shared.internalPolicyLocal || (shared.externalPolicyLocal && externallyAccessible),
  };
}
