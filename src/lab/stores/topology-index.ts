import type { PodView, Topology } from '../../protocol/view.ts';

/** Look-ups in a topology, built once: a large cluster has 150,000 pods. */
export interface TopologyIndex {
  readonly podsByNode: ReadonlyMap<string, readonly PodView[]>;
  readonly podByNetns: ReadonlyMap<string, PodView>;
  nodeOfNetns(netns: string): string | undefined;
}

export function indexTopology(topology: Topology): TopologyIndex {
  const podsByNode = new Map<string, PodView[]>();
  const podByNetns = new Map<string, PodView>();
  for (const pod of topology.pods) {
    const list = podsByNode.get(pod.node);
    if (list) list.push(pod);
    else podsByNode.set(pod.node, [pod]);
    if (!pod.hostNetwork) podByNetns.set(pod.netns, pod);
  }
  return {
    podsByNode,
    podByNetns,
    nodeOfNetns: (netns) => (netns.startsWith('node/') ? netns.slice(5) : podByNetns.get(netns)?.node),
  };
}

/** What a reader calls a namespace: `client`, `worker-1`, `underlay`. */
export const shortName = (netns: string): string => netns.slice(netns.lastIndexOf('/') + 1);

/** `pod default/client`, `node worker-1`, `underlay`. */
export function namespaceTitle(netns: string): string {
  const [kind, ...rest] = netns.split('/');
  return kind === 'external' ? `outside: ${rest.join('/')}` : `${kind} ${rest.join('/')}`;
}

/** How a pod is named in an input. */
export const podRef = (pod: PodView): string => `pod/${pod.namespace}/${pod.name}`;
