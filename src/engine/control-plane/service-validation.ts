import { type Ipv6, isIpv4, parseCidr, parseIp } from '../../protocol/address.ts';
import { isDnsLabel, isDnsName, isQualifiedName, problemOfLabels } from '../k8s/labels.ts';
import { valueAt } from '../k8s/metadata.ts';
import type { Service, ServicePort } from '../k8s/service.ts';
import { clip, type FieldPath, type ProblemList } from './problem-list.ts';
import { isExternallyAccessible, isHeadless, needsHealthCheck, typeOf } from './service-defaults.ts';

/**
 * Reports what the API server would refuse in one Service by itself (ValidateService in
 * pkg/apis/core/validation/validation.go). `service` has its defaults; `source` is what was written, where
 * problems point to. That addresses and node ports are free is found out when they are allocated.
 */
export function checkService(service: Service, source: Service, problems: ProblemList): void {
  new ServiceCheck(service, source, problems).run();
}

/** The kubelet's own port (pkg/cluster/ports), which no load balancer may open. */
const KUBELET_PORT = 10_250;
/** What spec.loadBalancerSourceRanges was before it was a field. */
const SOURCE_RANGES_ANNOTATION = 'service.beta.kubernetes.io/load-balancer-source-ranges';

const quoted = (text: string): string => JSON.stringify(clip(text, 60));

class ServiceCheck {
  private readonly service: Service;
  private readonly source: Service;
  private readonly problems: ProblemList;

  constructor(service: Service, source: Service, problems: ProblemList) {
    this.service = service;
    this.source = source;
    this.problems = problems;
  }

  run(): void {
    this.type();
    this.ports();
    this.selector();
    this.externalIps();
    this.loadBalancer();
    this.ingress();
    this.policies();
  }

  private error(path: FieldPath, message: string): void {
    this.problems.error(this.source, ['spec', ...path], message);
  }

  private type(): void {
    const { service } = this;
    const spec = service.spec ?? {};
    const type = typeOf(service);
    if (type === 'ExternalName') this.externalName();
    else if ((spec.ports ?? []).length === 0 && !isHeadless(service)) {
      this.error(['ports'], `is missing: only a headless Service (clusterIP: None) or one of type ExternalName may be without ports`);
    }
    if (isHeadless(service) && (type === 'NodePort' || type === 'LoadBalancer')) {
      this.error(
        ['clusterIP'],
        `a Service of type ${type} cannot be headless: remove "None" to have an address assigned, or remove the type`,
      );
    }
  }

  private externalName(): void {
    const { externalName, clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy } = this.service.spec ?? {};
    const name = (externalName ?? '').replace(/\.$/, '');
    if (name === '') this.error(['externalName'], 'is missing: a Service of type ExternalName needs the DNS name that it stands for');
    else if (!isDnsName(name)) {
      this.error(['externalName'], `expected a DNS name of lower-case letters, digits, "-" and ".", got ${quoted(name)}`);
    } else if (parseIp(name) !== undefined) {
      this.problems.info(
        this.source,
        ['spec', 'externalName'],
        `${name} looks like an address, but DNS gives it out as a name, which nobody can resolve: use a Service without selector and an EndpointSlice instead`,
      );
    }
    if (clusterIP || (clusterIPs ?? []).length > 0)
      this.error(
        [clusterIP ? 'clusterIP' : 'clusterIPs'],
        'a Service of type ExternalName is only a DNS name and has no address: remove it, or the type',
      );
    for (const [field, given] of [
      ['ipFamilies', (ipFamilies ?? []).length > 0],
      ['ipFamilyPolicy', ipFamilyPolicy !== undefined],
    ] as const)
      if (given) this.error([field], 'a Service of type ExternalName is only a DNS name and has no addresses of any family: remove it');
  }

  private ports(): void {
    const ports = this.service.spec?.ports ?? [];
    const names = new Set<string>();
    const numbers = new Set<string>();
    const nodePorts = new Set<string>();
    for (const [i, port] of ports.entries()) {
      this.portName(port, i, ports.length > 1, names);
      const number = `${port.port}/${port.protocol}`;
      if (numbers.has(number))
        this.error(['ports', i, 'port'], `${number} is there twice: every port of a Service needs its own number and protocol`);
      numbers.add(number);
      this.nodePort(port, i, nodePorts);
      if (typeof port.targetPort === 'string') this.targetPortName(port.targetPort, i);
      if (port.port === KUBELET_PORT && typeOf(this.service) === 'LoadBalancer')
        this.error(['ports', i, 'port'], `${KUBELET_PORT} is the kubelet's own port, which no load balancer may open: choose another`);
    }
  }

  private portName(port: ServicePort, i: number, required: boolean, names: Set<string>): void {
    if (!port.name) {
      if (required) this.error(['ports', i, 'name'], 'is missing: with more than one port, each needs a name');
      return;
    }
    if (!isDnsLabel(port.name))
      this.error(['ports', i, 'name'], `expected a name of at most 63 lower-case letters, digits and "-", got ${quoted(port.name)}`);
    if (names.has(port.name)) this.error(['ports', i, 'name'], `two ports are called ${quoted(port.name)}: rename one`);
    names.add(port.name);
  }

  private nodePort(port: ServicePort, i: number, nodePorts: Set<string>): void {
    if (!port.nodePort) return;
    if (typeOf(this.service) === 'ClusterIP') {
      this.error(['ports', i, 'nodePort'], 'a Service of type ClusterIP has no node ports: remove it, or set the type to NodePort');
      return;
    }
    const key = `${port.nodePort}/${port.protocol}`;
    if (nodePorts.has(key)) this.error(['ports', i, 'nodePort'], `${key} is there twice: every port needs its own node port`);
    nodePorts.add(key);
  }

  /** IANA_SVC_NAME, as names of container ports. */
  private targetPortName(name: string, i: number): void {
    if (name.length <= 15 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name) && /[a-z]/.test(name) && !name.includes('--')) return;
    const advice = /^\d+$/.test(name) ? ': remove the quotes to mean the number' : '';
    this.error(
      ['ports', i, 'targetPort'],
      `expected a port number, or the name of a container's port: at most 15 lower-case letters, digits and "-", with a letter; got ${quoted(name)}${advice}`,
    );
  }

  private selector(): void {
    const problem = problemOfLabels(this.service.spec?.selector ?? {});
    if (problem) this.error(['selector'], problem);
  }

  private externalIps(): void {
    for (const [i, text] of (this.service.spec?.externalIPs ?? []).entries()) {
      const problem = problemOfAddress(text);
      if (problem) this.error(['externalIPs', i], problem);
    }
  }

  private loadBalancer(): void {
    const spec = this.service.spec ?? {};
    const isLoadBalancer = typeOf(this.service) === 'LoadBalancer';
    for (const field of ['loadBalancerSourceRanges', 'allocateLoadBalancerNodePorts', 'loadBalancerClass'] as const) {
      const value = spec[field];
      if (isLoadBalancer || value === undefined || (Array.isArray(value) && value.length === 0)) continue;
      this.error([field], 'is only for Services of type LoadBalancer: remove it, or set the type');
    }
    if (isLoadBalancer && spec.loadBalancerClass !== undefined && !isQualifiedName(spec.loadBalancerClass))
      this.error(['loadBalancerClass'], `expected a name such as example.com/class, got ${quoted(spec.loadBalancerClass)}`);
    for (const [i, range] of (spec.loadBalancerSourceRanges ?? []).entries()) {
      const problem = problemOfRange(range);
      if (problem) this.error(['loadBalancerSourceRanges', i], problem);
    }
    this.sourceRangesAnnotation(isLoadBalancer);
  }

  /** It is read only where the field is empty, and by clouds alone: kube-proxy knows the field only. */
  private sourceRangesAnnotation(isLoadBalancer: boolean): void {
    const text = valueAt(this.service.metadata?.annotations, SOURCE_RANGES_ANNOTATION);
    if (text === undefined || (this.service.spec?.loadBalancerSourceRanges ?? []).length > 0) return;
    const path = ['metadata', 'annotations', SOURCE_RANGES_ANNOTATION];
    if (!isLoadBalancer) {
      this.problems.error(this.source, path, 'is only for Services of type LoadBalancer: remove it, or set the type');
      return;
    }
    const ranges = text.trim() === '' ? [] : text.split(',');
    const problem = ranges.map(problemOfRange).find((found) => found !== undefined);
    if (problem) this.problems.error(this.source, path, problem);
    else if (ranges.length > 0)
      this.problems.info(this.source, path, 'kube-proxy does not read it: use spec.loadBalancerSourceRanges, which nodes hold to as well');
  }

  /** ValidateLoadBalancerStatus. */
  private ingress(): void {
    const ingress = this.service.status?.loadBalancer?.ingress ?? [];
    const error = (i: number, field: string, message: string): void =>
      this.problems.error(this.source, ['status', 'loadBalancer', 'ingress', i, field], message);
    for (const [i, { ip, hostname, ipMode }] of ingress.entries()) {
      if (ip && parseIp(ip) === undefined) error(i, 'ip', `expected an address, got ${quoted(ip)}`);
      if (!ip && ipMode !== undefined)
        error(i, 'ipMode', 'says how an address is used, and there is none: give the ip as well, or remove it');
      if (hostname && parseIp(hostname) !== undefined)
        error(i, 'hostname', `expected a DNS name, got the address ${hostname}: write it as ip`);
      else if (hostname && !isDnsName(hostname))
        error(i, 'hostname', `expected a DNS name of lower-case letters, digits, "-" and ".", got ${quoted(hostname)}`);
    }
    if (ingress.length > 0 && typeOf(this.service) !== 'LoadBalancer')
      this.problems.warning(
        this.source,
        ['status', 'loadBalancer', 'ingress'],
        'is not used: only a Service of type LoadBalancer has addresses of a load balancer',
      );
  }

  private policies(): void {
    const { service } = this;
    const spec = service.spec ?? {};
    if (spec.externalTrafficPolicy !== undefined && !isExternallyAccessible(service)) {
      this.error(
        ['externalTrafficPolicy'],
        'is only for Services that clients outside can reach: type NodePort or LoadBalancer, or with externalIPs. Remove it, or use internalTrafficPolicy',
      );
    }
    if (spec.healthCheckNodePort && !needsHealthCheck(service))
      this.error(['healthCheckNodePort'], 'is only for type LoadBalancer with externalTrafficPolicy: Local: remove it');
  }
}

/** Why an address cannot be an external address or an endpoint (ValidateNonSpecialIP); undefined when it can. */
export function problemOfAddress(text: string): string | undefined {
  const ip = parseIp(text);
  if (ip === undefined) return `expected an address such as 198.51.100.32, got ${quoted(text)}`;
  const special = isIpv4(ip) ? specialOf(ip) : specialOf6(ip);
  return special === undefined ? undefined : `${text} is ${special}: nobody else could reach it there, so choose another address`;
}

function specialOf(ip: number): string | undefined {
  if (ip === 0) return 'the unspecified address';
  if (ip >>> 24 === 127) return 'a loopback address';
  if (ip >>> 16 === 0xa9fe) return 'a link-local address';
  return ip >>> 8 === 0xe00000 ? 'a link-local multicast address' : undefined;
}

function specialOf6(ip: Ipv6): string | undefined {
  if (ip === 0n) return 'the unspecified address';
  if (ip === 1n) return 'a loopback address';
  if (ip >> 118n === 0x3fan) return 'a link-local address';
  return ip >> 120n === 0xffn && ((ip >> 112n) & 0xfn) === 2n ? 'a link-local multicast address' : undefined;
}

/** Why a text is no source range; spaces around one are allowed, as in the annotation that the field once was. */
function problemOfRange(text: string): string | undefined {
  const range = text.trim();
  if (parseCidr(range) !== undefined) return undefined;
  return `expected a network such as 203.0.113.0/24, got ${quoted(text)}${parseIp(range) === undefined ? '' : ': for one address add /32'}`;
}
