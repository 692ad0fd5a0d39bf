import type { ServiceEndpointView, ServiceView, Topology } from '../../protocol/view.ts';

/** How an endpoint stands, as far as rules are concerned. */
export type EndpointState = 'ready' | 'terminating' | 'notReady';

export const serviceKey = ({ namespace, name }: ServiceView): string => `${namespace}/${name}`;

/** A reference that a probe can be sent to. */
export const serviceRef = (service: ServiceView, port?: number): string =>
  `svc/${serviceKey(service)}${port === undefined ? '' : `:${port}`}`;

export function endpointState({ ready, terminating }: ServiceEndpointView): EndpointState {
  if (terminating) return 'terminating';
  return ready ? 'ready' : 'notReady';
}

export function endpointStateText(endpoint: ServiceEndpointView): string {
  switch (endpointState(endpoint)) {
    case 'ready':
      return 'ready';
    case 'notReady':
      return 'not ready';
    case 'terminating':
      return endpoint.serving ? 'terminating, still serving' : 'terminating';
  }
}

/** Every address that the Service answers to, with what it is. */
export function addressesOf(service: ServiceView): readonly (readonly [what: string, address: string])[] {
  const { clusterIp, externalName, externalIps, loadBalancerIps } = service;
  return [
    ...(clusterIp === undefined ? [] : [['ClusterIP', clusterIp] as const]),
    ...externalIps.map((ip) => ['External IP', ip] as const),
    ...loadBalancerIps.map((ip) => ['Load balancer', ip] as const),
    ...(externalName === undefined ? [] : [['External name', externalName] as const]),
  ];
}

/** What goes wrong with the Service, and why: what the loader found, else what its endpoints tell. */
export function problemsOf(service: ServiceView, topology: Topology): readonly string[] {
  const object = `Service ${serviceKey(service)}`;
  const found = topology.problems.filter((p) => p.object === object).map((p) => sentenceOf(p.message));
  if (service.type === 'ExternalName' || found.length > 0) return found;
  const { endpoints, endpointCount, selector } = service;
  if (endpointCount === 0) {
    found.push(
      selector === undefined
        ? 'It has no selector and no EndpointSlice of its own: nobody serves it, and kube-proxy rejects what is sent to it.'
        : 'No pod matches its selector: kube-proxy rejects what is sent to it.',
    );
  } else if (!endpoints.some((e) => e.ready) && endpoints.length === endpointCount) {
    found.push(
      endpoints.some((e) => e.terminating && e.serving)
        ? 'No endpoint is ready: kube-proxy falls back to those that are terminating and still serve.'
        : 'No endpoint is ready: kube-proxy rejects what is sent to it.',
    );
  }
  if (service.type === 'LoadBalancer' && service.loadBalancerIps.length === 0)
    found.push('The cloud has given it no load balancer address yet.');
  return found;
}

const sentenceOf = (message: string): string => message.charAt(0).toUpperCase() + message.slice(1);

/** The Service that a target of a probe means: by reference, address or URL. */
export function serviceOfTarget(services: readonly ServiceView[], to: string): ServiceView | undefined {
  const ref = /^svc\/([^/]+\/[^:/]+)/.exec(to)?.[1];
  if (ref !== undefined) return services.find((s) => serviceKey(s) === ref);
  const host = /^(?:[a-z]+:\/\/)?([^:/]+)/.exec(to)?.[1];
  if (host === undefined) return undefined;
  return services.find((s) => addressesOf(s).some(([, address]) => address === host));
}

/** What can be typed into the send form for a Service: its name with each port, and its addresses. */
export function targetsOfService(service: ServiceView): readonly string[] {
  if (service.type === 'ExternalName') return [];
  const addresses = addressesOf(service).filter(([, address]) => address !== 'None');
  return service.ports.flatMap(({ port }) => [serviceRef(service, port), ...addresses.map(([, address]) => `${address}:${port}`)]);
}

/** The order in which Services are shown: what is looked at, what is watched, then those of people before those of the system. */
export function sortedServices(services: readonly ServiceView[], first: readonly (string | undefined)[]): readonly ServiceView[] {
  const rank = (service: ServiceView): number => {
    const at = first.indexOf(serviceKey(service));
    if (at >= 0) return at - first.length;
    return service.namespace === 'kube-system' ? 2 : serviceKey(service) === 'default/kubernetes' ? 1 : 0;
  };
  return [...services].sort((a, b) => rank(a) - rank(b) || (serviceKey(a) < serviceKey(b) ? -1 : 1));
}
