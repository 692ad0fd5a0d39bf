import { formatIp } from '../../protocol/address.ts';
import type { ProbeProtocol } from '../../protocol/event.ts';
import type { PodView, Topology } from '../../protocol/view.ts';
import { podRef } from '../stores/topology-index.ts';

/** What a person asks to be sent. */
export interface Traffic {
  readonly from: string;
  readonly to: string;
  readonly protocol: ProbeProtocol;
}

const WEB_PORTS = new Set([80, 8080, 8000, 3000, 5000]);

/** The TCP port that a visitor would try first on this pod; undefined when it listens on none. */
export function portOf(pod: PodView): number | undefined {
  const ports = pod.containers.flatMap((c) =>
    c.listens.filter((l) => l.protocol === 'tcp' && l.address !== '127.0.0.1').map((l) => l.port),
  );
  return ports.find((p) => WEB_PORTS.has(p)) ?? ports[0];
}

/** What to send to a pod when nobody says: HTTP or TCP to the port that it serves, else a ping. */
export function trafficTo(from: string, pod: PodView): Traffic {
  const port = portOf(pod);
  if (port === undefined) return { from, to: pod.hostNetwork ? `node/${pod.node}` : podRef(pod), protocol: 'icmp' };
  return { from, to: `${podRef(pod)}:${port}`, protocol: WEB_PORTS.has(port) ? 'http' : 'tcp' };
}

/**
 * The first thing to send in a cluster of which nothing else is known: from a pod that serves nothing (or
 * the first one) to a pod on another node that listens. Undefined for a cluster without pods and nodes.
 */
export function defaultTraffic(topology: Topology): Traffic | undefined {
  const pods = topology.pods.filter((p) => !p.hostNetwork);
  const from = pods.find((p) => p.name.includes('client')) ?? pods.find((p) => portOf(p) === undefined) ?? pods[0];
  if (!from) {
    const [first, second] = topology.nodes;
    return first && second ? { from: `node/${first.name}`, to: formatIp(second.ip), protocol: 'icmp' } : undefined;
  }
  const others = pods.filter((p) => p !== from);
  const preferred = [
    (p: PodView) => p.node !== from.node && WEB_PORTS.has(portOf(p) ?? 0),
    (p: PodView) => p.node !== from.node && portOf(p) !== undefined,
    (p: PodView) => portOf(p) !== undefined,
    (p: PodView) => p.node !== from.node,
    () => true,
  ];
  for (const fits of preferred) {
    const to = others.find(fits);
    if (to) return trafficTo(podRef(from), to);
  }
  const node = topology.nodes.find((n) => n.name !== from.node) ?? topology.nodes[0];
  return node ? { from: podRef(from), to: formatIp(node.ip), protocol: 'icmp' } : undefined;
}
