import { namespaceOf } from '../k8s/metadata.ts';
import type { Service, ServicePort } from '../k8s/service.ts';
import { BandedPool, lowerBandSize } from './banded-pool.ts';
import type { ServiceDraft } from './cluster-ips.ts';
import type { FieldPath, ProblemList } from './problem-list.ts';
import { needsHealthCheck, typeOf } from './service-defaults.ts';

/** kube-apiserver, --service-node-port-range. */
const NODE_PORT_FIRST = 30_000;
const NODE_PORT_LAST = 32_767;

interface Holder {
  readonly service: Service;
  readonly path: FieldPath;
}

/**
 * Node ports and health check node ports, from one range (txnAllocNodePorts in
 * pkg/registry/core/service/storage/alloc.go): first all that are asked for, then the others in order.
 */
export function allocateNodePorts(drafts: readonly ServiceDraft[], problems: ProblemList): readonly ServiceDraft[] {
  return new NodePorts(problems).allocate(drafts);
}

class NodePorts {
  private readonly pool = new BandedPool<Holder>(
    NODE_PORT_FIRST,
    NODE_PORT_LAST,
    lowerBandSize(NODE_PORT_LAST - NODE_PORT_FIRST + 1, 32, 128),
  );
  private readonly problems: ProblemList;
  private full = false;

  constructor(problems: ProblemList) {
    this.problems = problems;
  }

  allocate(drafts: readonly ServiceDraft[]): readonly ServiceDraft[] {
    for (const draft of drafts) if (hasNodePorts(draft.service)) this.reserveAll(draft);
    return drafts.map((draft) => (hasNodePorts(draft.service) ? this.complete(draft) : draft));
  }

  private reserveAll({ source, service }: ServiceDraft): void {
    // Ports of one number, such as DNS over UDP and TCP, share a node port.
    const byPort = new Map<number, number>();
    for (const [i, { port, nodePort }] of (service.spec?.ports ?? []).entries()) {
      if (!nodePort || byPort.get(port) === nodePort) continue;
      if (!byPort.has(port)) byPort.set(port, nodePort);
      this.reserve(nodePort, source, ['spec', 'ports', i, 'nodePort']);
    }
    const health = service.spec?.healthCheckNodePort;
    if (health && needsHealthCheck(service)) this.reserve(health, source, ['spec', 'healthCheckNodePort']);
  }

  private reserve(number: number, service: Service, path: FieldPath): void {
    if (!this.pool.contains(number)) {
      this.problems.error(
        service,
        path,
        `${number} is no node port, which are ${NODE_PORT_FIRST} to ${NODE_PORT_LAST}: choose one of these, or remove it to have one assigned`,
      );
      return;
    }
    const holder = this.pool.reserve(number, { service, path });
    if (!holder) return;
    const name = `${namespaceOf(holder.service)}/${holder.service.metadata?.name}`;
    this.problems.error(
      service,
      path,
      `${number} is already a node port of Service ${name}${this.problems.placeText(holder.service, holder.path)}: choose another, or remove it to have one assigned`,
    );
  }

  private complete(draft: ServiceDraft): ServiceDraft {
    const { service, source } = draft;
    const spec = service.spec ?? {};
    const ports = spec.ports ?? [];
    const wanted = typeOf(service) !== 'LoadBalancer' || spec.allocateLoadBalancerNodePorts !== false;
    const byPort = new Map<number, number>();
    for (const { port, nodePort } of ports) if (nodePort && !byPort.has(port)) byPort.set(port, nodePort);
    const completed = ports.map((port, i): ServicePort => {
      if (port.nodePort || !wanted) return port;
      const nodePort = byPort.get(port.port) ?? this.next(source, ['spec', 'ports', i, 'nodePort']);
      if (nodePort === undefined) return port;
      byPort.set(port.port, nodePort);
      return { ...port, nodePort };
    });
    const health = needsHealthCheck(service) ? spec.healthCheckNodePort || this.next(source, ['spec', 'healthCheckNodePort']) : undefined;
    return { source, service: { ...service, spec: { ...spec, ports: completed, ...(health ? { healthCheckNodePort: health } : {}) } } };
  }

  private next(service: Service, path: FieldPath): number | undefined {
    const number = this.pool.allocate({ service, path });
    if (number === undefined && !this.full) {
      this.full = true;
      this.problems.error(
        service,
        path,
        `all ${NODE_PORT_LAST - NODE_PORT_FIRST + 1} node ports are taken: use fewer Services of type NodePort and LoadBalancer, or allocateLoadBalancerNodePorts: false`,
      );
    }
    return number;
  }
}

const hasNodePorts = (service: Service): boolean => typeOf(service) === 'NodePort' || typeOf(service) === 'LoadBalancer';
