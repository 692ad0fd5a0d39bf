import { parseIp } from '../../protocol/address.ts';
import type { ServiceView } from '../../protocol/view.ts';
import { namespaceOf } from '../k8s/metadata.ts';
import type { Service } from '../k8s/service.ts';
import { clip, type ProblemList } from './problem-list.ts';

/** A Service as the API holds it. Nothing is assigned here that its document does not say. */
export function serviceView(service: Service, problems: ProblemList): ServiceView {
  const spec = service.spec ?? {};
  if (spec.clusterIP && spec.clusterIP !== 'None' && parseIp(spec.clusterIP) === undefined) {
    problems.error(
      service,
      ['spec', 'clusterIP'],
      `expected an address or None, got ${JSON.stringify(clip(spec.clusterIP, 60))}: remove it to have one assigned`,
    );
  }
  return {
    namespace: namespaceOf(service),
    name: service.metadata?.name ?? '',
    type: spec.type ?? 'ClusterIP',
    clusterIp: spec.clusterIP === '' ? undefined : spec.clusterIP,
    ports: (spec.ports ?? []).map((port) => ({
      name: port.name,
      protocol: port.protocol ?? 'TCP',
      port: port.port,
      targetPort: port.targetPort === undefined ? undefined : String(port.targetPort),
    })),
    selector: spec.selector,
  };
}
