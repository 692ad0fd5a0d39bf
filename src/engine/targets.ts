import { err, ok, type Result } from '../base/result.ts';
import { type Ipv4, parseIpv4, parseIpv6 } from '../protocol/address.ts';
import type { ProbeProtocol } from '../protocol/event.ts';
import type { ServiceView } from '../protocol/view.ts';
import type { ClusterNetwork } from './cluster-network.ts';
import { CLIENT } from './cluster-network.ts';

/** Where a probe goes, once a target's text is understood. */
export interface Target {
  readonly address: Ipv4;
  readonly port: number | undefined;
  readonly host: string;
  readonly path: string;
  /** Set when the text itself says it: a URL. */
  readonly protocol: ProbeProtocol | undefined;
}

/** The namespace that a REF means: `pod/NS/NAME[/CONTAINER]`, `node/NAME` or `external`. Containers of a pod share one. */
export function resolveRef(network: ClusterNetwork, ref: string): Result<string, string> {
  if (ref === 'external' || ref === CLIENT) return ok(CLIENT);
  const [kind, a, b, c, extra] = ref.split('/');
  if (kind === 'node' && a && b === undefined)
    return network.node(a)
      ? ok(`node/${a}`)
      : err(`there is no node ${JSON.stringify(a)}; nodes: ${some(network.plan.nodes.map((n) => n.name))}`);
  if (kind === 'pod' && a && b && extra === undefined) {
    const id = `pod/${a}/${b}`;
    const pod = network.pod(id);
    if (!pod)
      return err(
        `there is no pod ${JSON.stringify(b)} in namespace ${JSON.stringify(a)}; pods: ${some(network.plan.pods.filter((p) => p.namespace === a).map((p) => p.name))}`,
      );
    if (c !== undefined && !pod.containers.some((x) => x.name === c))
      return err(`pod ${a}/${b} has no container ${JSON.stringify(c)}; containers: ${some(pod.containers.map((x) => x.name))}`);
    return ok(pod.hostNetwork ? `node/${pod.node}` : id);
  }
  return err(`${JSON.stringify(ref)} is not understood; write pod/NAMESPACE/NAME, node/NAME or external`);
}

/** The address, port and path that a target means: `host:port`, an address, a URL, or a REF or `svc/NS/NAME` with an optional port. */
export function resolveTarget(network: ClusterNetwork, text: string, protocol: ProbeProtocol): Result<Target, string> {
  const v6 = ipv6In(text);
  if (v6 !== undefined) return err(`${v6} is an IPv6 address, which is not modelled yet`);
  const url = /^(https?):\/\/([^/:]+)(?::(\d+))?(\/.*)?$/.exec(text);
  if (url) {
    const host = url[2] as string;
    const address = addressOf(network, host);
    if (!address.ok) return address;
    const port = portOf(url[3] ?? (url[1] === 'https' ? '443' : '80'));
    return port.ok ? ok({ address: address.value, port: port.value, host, path: url[4] ?? '/', protocol: 'http' }) : port;
  }
  const colon = text.lastIndexOf(':');
  const host = colon > 0 ? text.slice(0, colon) : text;
  const portText = colon > 0 ? text.slice(colon + 1) : undefined;
  const service = host.startsWith('svc/') ? serviceOf(network, host) : undefined;
  if (service && !service.ok) return service;
  const address = service ? serviceAddress(service.value) : addressOf(network, host);
  if (!address.ok) return address;
  const named = service && portText !== undefined ? service.value.ports.find((p) => p.name === portText)?.port : undefined;
  const port = portText === undefined ? undefined : named === undefined ? portOf(portText) : ok(named);
  if (port && !port.ok) return port;
  const chosen = port?.value ?? (service ? servicePort(service.value, protocol) : defaultPort(network, host, address.value, protocol));
  if (chosen === undefined && protocol !== 'icmp') return err(`${JSON.stringify(text)} needs a port, as in ${host}:80`);
  return ok({ address: address.value, port: chosen, host, path: '/', protocol: undefined });
}

/** The Service that `svc/NS/NAME` names. */
function serviceOf(network: ClusterNetwork, host: string): Result<ServiceView, string> {
  const [, namespace, name, extra] = host.split('/');
  if (!namespace || !name || extra !== undefined) return err(`${JSON.stringify(host)} is not understood; write svc/NAMESPACE/NAME:PORT`);
  const service = network.service(namespace, name);
  if (service) return ok(service);
  const names = network.plan.services.filter((s) => s.namespace === namespace).map((s) => s.name);
  return err(`there is no Service ${JSON.stringify(name)} in namespace ${JSON.stringify(namespace)}; Services: ${some(names)}`);
}

/** A Service's address for clients in the cluster; without one there is nothing that a packet could be sent to. */
function serviceAddress(service: ServiceView): Result<Ipv4, string> {
  const name = `Service ${service.namespace}/${service.name}`;
  if (service.externalName !== undefined)
    return err(
      `${name} is of type ExternalName: it has no address, only the DNS name ${service.externalName}, and DNS is not modelled yet`,
    );
  if (service.headless)
    return err(
      `${name} is headless: it has no address of its own, DNS gives those of its pods; send to one of them, as pod/NAMESPACE/NAME:PORT`,
    );
  const address = service.clusterIp === undefined ? undefined : parseIpv4(service.clusterIp);
  return address === undefined ? err(`${name} has no IPv4 address`) : ok(address);
}

function servicePort(service: ServiceView, protocol: ProbeProtocol): number | undefined {
  const wanted = protocol === 'udp' ? 'UDP' : 'TCP';
  return service.ports.find((port) => port.protocol === wanted)?.port;
}

/** An address of IPv6 with or without brackets, a port, a URL around it. */
function ipv6In(text: string): string | undefined {
  const host = /^(?:https?:\/\/)?\[([^\]]*)\]/.exec(text)?.[1] ?? text;
  return parseIpv6(host) === undefined ? undefined : host;
}

function addressOf(network: ClusterNetwork, host: string): Result<Ipv4, string> {
  if (host === 'localhost') return ok(0x7f000001 as Ipv4);
  const literal = parseIpv4(host);
  if (literal !== undefined) return ok(literal);
  if (host === 'external' || host === CLIENT) return ok(network.plan.underlay.outsideClient);
  if (!host.includes('/'))
    return err(
      `${JSON.stringify(host)} is a name, and DNS is not modelled yet; write an address, pod/NAMESPACE/NAME, svc/NAMESPACE/NAME, node/NAME or external`,
    );
  const ref = resolveRef(network, host);
  if (!ref.ok) return ref;
  const pod = network.pod(host.split('/').slice(0, 3).join('/'));
  return ok(pod ? pod.ip : (network.node(host.slice(5))?.ip as Ipv4));
}

function portOf(text: string): Result<number, string> {
  const port = Number(text);
  return /^\d+$/.test(text) && port >= 1 && port <= 65_535 ? ok(port) : err(`expected a port from 1 to 65535, got ${JSON.stringify(text)}`);
}

/** The first port that the pod, or the container of it, serves with the protocol; for HTTP else 80. */
function defaultPort(network: ClusterNetwork, host: string, address: Ipv4, protocol: ProbeProtocol): number | undefined {
  const wanted = protocol === 'udp' ? 'udp' : 'tcp';
  const [kind, namespace, name, container] = host.split('/');
  const pod = kind === 'pod' ? network.pod(`pod/${namespace}/${name}`) : network.podAt(address);
  const listens = pod?.containers.filter((c) => container === undefined || c.name === container).flatMap((c) => c.listens);
  const own = listens?.find((l) => l.protocol === wanted)?.port;
  if (own !== undefined) return own;
  if (address === network.plan.underlay.outsideClient && protocol === 'udp') return 53;
  return protocol === 'http' || (address === network.plan.underlay.outsideClient && protocol === 'tcp') ? 80 : undefined;
}

const some = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : names.slice(0, 8).join(', ') + (names.length > 8 ? `, and ${names.length - 8} more` : '');
