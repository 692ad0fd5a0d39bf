import type { Input } from '../../protocol/engine.ts';
import type { PodView, ServiceView, Topology } from '../../protocol/view.ts';

type Send = Extract<Input, { type: 'send' }>;

const WEB_PORTS: ReadonlySet<number> = new Set([80, 8080, 8000, 3000, 5000]);

const refOf = (pod: PodView): string => `pod/${pod.namespace}/${pod.name}`;

/** The TCP port that a visitor would try first on this pod; undefined when it listens on none. */
function portOf(pod: PodView): number | undefined {
  const ports = pod.containers.flatMap((c) =>
    c.listens.filter((l) => l.protocol === 'tcp' && !l.address?.startsWith('127.')).map((l) => l.port),
  );
  return ports.find((p) => WEB_PORTS.has(p)) ?? ports[0];
}

function toPod(from: string, pod: PodView): Send {
  const port = portOf(pod);
  if (port === undefined) return { type: 'send', from, to: refOf(pod), protocol: 'icmp' };
  return { type: 'send', from, to: `${refOf(pod)}:${port}`, protocol: WEB_PORTS.has(port) ? 'http' : 'tcp' };
}

/** To the Service's first TCP port, else its first. */
function toService(from: string, service: ServiceView): Send {
  const port = service.ports.find((p) => p.protocol === 'TCP') ?? service.ports[0];
  const to = `svc/${service.namespace}/${service.name}${port ? `:${port.port}` : ''}`;
  if (port?.protocol === 'UDP') return { type: 'send', from, to, protocol: 'udp' };
  return { type: 'send', from, to, protocol: port && WEB_PORTS.has(port.port) ? 'http' : 'tcp' };
}

/** What dragging from one thing to another sends: a request where something listens, else a ping. */
export function sendBetween(topology: Topology, from: string, toNetns: string): Send {
  const service = topology.services.find((s) => `svc/${s.namespace}/${s.name}` === toNetns);
  if (service) return toService(from, service);
  const pod = topology.pods.find((p) => p.netns === toNetns && !p.hostNetwork);
  return pod ? toPod(from, pod) : { type: 'send', from, to: toNetns, protocol: 'icmp' };
}

/**
 * The first thing to send: what the scenario asks for, else from a client, or the first pod, to a pod
 * on another node that listens. Undefined for a cluster in which nobody could send to anybody.
 */
export function defaultSend(topology: Topology): Send | undefined {
  const asked = topology.traffic[0];
  if (asked) return { type: 'send', ...asked };
  const pods = topology.pods.filter((p) => !p.hostNetwork);
  const from = pods.find((p) => p.name.includes('client')) ?? pods[0];
  if (!from) {
    const [first, second] = topology.nodes;
    return first && second ? { type: 'send', from: first.netns, to: second.netns, protocol: 'icmp' } : undefined;
  }
  const preferred: ((p: PodView) => boolean)[] = [
    (p) => p.node !== from.node && WEB_PORTS.has(portOf(p) ?? 0),
    (p) => p.node !== from.node && portOf(p) !== undefined,
    (p) => portOf(p) !== undefined,
    (p) => p.node !== from.node,
    () => true,
  ];
  for (const fits of preferred) {
    const to = pods.find((p) => p !== from && fits(p));
    if (to) return toPod(refOf(from), to);
  }
  const node = topology.nodes.find((n) => n.name !== from.node) ?? topology.nodes[0];
  return node ? { type: 'send', from: refOf(from), to: node.netns, protocol: 'icmp' } : undefined;
}
