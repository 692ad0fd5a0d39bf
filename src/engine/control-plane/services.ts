import type { ServiceView } from '../../protocol/view.ts';
import { namespaceOf } from '../k8s/metadata.ts';
import type { Service } from '../k8s/service.ts';

/** A Service as the API holds it. Nothing is assigned here that its document does not say. */
export function serviceView(service: Service): ServiceView {
  const spec = service.spec ?? {};
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
