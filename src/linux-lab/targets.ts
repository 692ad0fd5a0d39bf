import { formatIp } from '../protocol/address.ts';
import type { Topology } from '../protocol/view.ts';

/** `NAME ADDRESS PORT`: what `probe` knows besides plain addresses. The port is what a name without one means. */
export function targetsOf(topology: Topology): string[] {
  const lines: string[] = [];
  const add = (name: string, address: string, port: number | undefined): void => void lines.push(`${name} ${address} ${port ?? 0}`);
  for (const pod of topology.pods) {
    const listens = pod.containers.flatMap((container) => container.listens);
    add(`pod/${pod.namespace}/${pod.name}`, formatIp(pod.ip), listens.find(({ protocol }) => protocol === 'tcp')?.port ?? listens[0]?.port);
  }
  for (const node of topology.nodes) add(`node/${node.name}`, formatIp(node.ip), undefined);
  for (const external of topology.externals)
    if (external.role === 'client' && external.ip !== undefined) add('external', formatIp(external.ip), 80);
  for (const service of topology.services) {
    if (service.clusterIp === undefined || service.headless) continue;
    const tcp = service.ports.find(({ protocol }) => protocol === 'TCP') ?? service.ports[0];
    add(`svc/${service.namespace}/${service.name}`, service.clusterIp, tcp?.port);
    for (const { name, port } of service.ports)
      if (name !== undefined) add(`svc/${service.namespace}/${service.name}:${name}`, service.clusterIp, port);
  }
  return lines;
}

/** `REF NAMESPACE`: where a probe can start; a pod on its node's network starts in the node. */
export function sourcesOf(topology: Topology): string[] {
  return [
    ...topology.nodes.map(({ name, netns }) => `node/${name} ${netns}`),
    ...topology.pods.map(({ namespace, name, netns }) => `pod/${namespace}/${name} ${netns}`),
    ...topology.externals.filter(({ role }) => role === 'client').map(({ netns }) => `external ${netns}`),
  ];
}
