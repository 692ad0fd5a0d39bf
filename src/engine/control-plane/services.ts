import { formatIpv4, type Ipv4 } from '../../protocol/address.ts';
import { namespaceOf } from '../k8s/metadata.ts';
import type { Service } from '../k8s/service.ts';
import { type Cidr4, firstOf } from './address-range.ts';
import { allocateClusterIps, type ServiceDraft } from './cluster-ips.ts';
import { assignLoadBalancerIps } from './load-balancer-ips.ts';
import { allocateNodePorts } from './node-ports.ts';
import type { ProblemList } from './problem-list.ts';
import { withServiceDefaults } from './service-defaults.ts';
import { checkService } from './service-validation.ts';

/** Port of the API server on control-plane nodes (kubeadm). */
export const API_SERVER_PORT = 6443;

/**
 * Services as the API server would hold them: with defaults, addresses and ports, `default/kubernetes` first
 * when the manifests do not bring it. What it would refuse is an error.
 */
export function storeServices(
  given: readonly Service[],
  serviceCidr: Cidr4,
  loadBalancerCidr: Cidr4,
  problems: ProblemList,
): readonly ServiceDraft[] {
  const sources = given.some(isApiServer) ? given : [apiServerService(serviceCidr), ...given];
  const drafts = sources.map((source): ServiceDraft => {
    const service = withServiceDefaults(source);
    checkService(service, source, problems);
    return { source, service };
  });
  const withIps = allocateClusterIps(drafts, serviceCidr, problems);
  return assignLoadBalancerIps(allocateNodePorts(withIps, problems), loadBalancerCidr, problems);
}

/** The Service through which pods reach the API server; its endpoints are the control planes' own doing. */
export const isApiServer = (service: Service): boolean => service.metadata?.name === 'kubernetes' && namespaceOf(service) === 'default';

/** As the API server makes it for itself (pkg/controlplane/controller/kubernetesservice). */
function apiServerService(serviceCidr: Cidr4): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kubernetes', namespace: 'default', labels: { component: 'apiserver', provider: 'kubernetes' } },
    spec: {
      clusterIP: formatIpv4((firstOf(serviceCidr) + 1) as Ipv4),
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: API_SERVER_PORT }],
    },
  };
}
