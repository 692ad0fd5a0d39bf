import { valueAt } from '../k8s/metadata.ts';
import type { Taint } from '../k8s/node.ts';
import type { NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Toleration } from '../k8s/pod.ts';
import type { SchedulableNode } from './nodes.ts';

/**
 * What kube-scheduler's filters say about a pod and a node (pkg/scheduler/framework/plugins), in the
 * order in which it asks them: unschedulable, taints, node affinity, host ports, room. Requests for
 * CPU and memory are left out, the lab's nodes have enough. Among the nodes that pass, the one with the
 * fewest pods wins, and of equals the first, where the real one scores and draws lots.
 */
export class Scheduler {
  private readonly nodes: readonly SchedulableNode[];
  private readonly podCounts: Uint32Array;
  private readonly hostPorts = new Map<number, Set<string>>();
  private readonly indexByName: ReadonlyMap<string, number>;
  private readonly nodesByLabel = new Map<string, Map<string, number[]>>();
  private readonly classes = new Map<string, NodeClass>();

  constructor(nodes: readonly SchedulableNode[]) {
    this.nodes = nodes;
    this.podCounts = new Uint32Array(nodes.length);
    this.indexByName = new Map(nodes.map((node, i) => [node.plan.name, i]));
  }

  indexOf(nodeName: string): number | undefined {
    return this.indexByName.get(nodeName);
  }

  nameOf(node: number): string {
    return (this.nodes[node] as SchedulableNode).plan.name;
  }

  /** A few names, for messages. */
  someNames(): string {
    const names = this.nodes.slice(0, 5).map((node) => node.plan.name);
    return names.join(', ') + (this.nodes.length > names.length ? ', …' : '');
  }

  /** Counts a pod on a node that it is bound to already. */
  bind(node: number, spec: PodSpec): void {
    this.podCounts[node] = (this.podCounts[node] as number) + 1;
    const ports = hostPortsOf(spec);
    if (ports.length === 0) return;
    let used = this.hostPorts.get(node);
    if (!used) {
      used = new Set();
      this.hostPorts.set(node, used);
    }
    for (const port of ports) used.add(port);
  }

  /** Finds a node and counts the pod there; otherwise the sentence that the event FailedScheduling has. */
  schedule(spec: PodSpec): { readonly node: number } | { readonly reason: string } {
    const nodeClass = this.classOf(spec, spec.tolerations ?? []);
    const ports = hostPortsOf(spec);
    const node = ports.length === 0 ? this.emptiest(nodeClass) : this.emptiestWithPorts(nodeClass, ports);
    if (node === undefined) return { reason: this.reasonOf(nodeClass, ports) };
    this.bind(node, spec);
    return { node };
  }

  /** The nodes that a DaemonSet's pods run on, in node order. */
  nodesForDaemon(spec: PodSpec): readonly number[] {
    const tolerations = [...(spec.tolerations ?? []), ...DAEMON_TOLERATIONS];
    if (spec.hostNetwork) tolerations.push({ key: 'node.kubernetes.io/network-unavailable', operator: 'Exists', effect: 'NoSchedule' });
    return this.classOf(spec, tolerations).eligible;
  }

  /** Nodes are judged once for all pods that ask for the same. */
  private classOf(spec: PodSpec, tolerations: readonly Toleration[]): NodeClass {
    const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
    const key = spec.nodeSelector || terms || tolerations.length > 0 ? JSON.stringify([spec.nodeSelector, terms, tolerations]) : '';
    let found = this.classes.get(key);
    if (!found) {
      found = this.judge(spec.nodeSelector, terms, tolerations);
      this.classes.set(key, found);
    }
    return found;
  }

  private judge(
    selector: PodSpec['nodeSelector'],
    terms: readonly NodeSelectorTerm[] | undefined,
    tolerations: readonly Toleration[],
  ): NodeClass {
    const refusalOf = (node: number): string | undefined => refusal(this.nodes[node] as SchedulableNode, selector, terms, tolerations);
    const eligible = this.candidates(selector).filter((node) => refusalOf(node) === undefined);
    return { eligible, refusalOf, heap: undefined };
  }

  /** All nodes, or those with the rarest label of a selector, so that a pod pinned by hostname looks at one node. */
  private candidates(selector: PodSpec['nodeSelector']): readonly number[] {
    let best: readonly number[] | undefined;
    for (const [key, value] of Object.entries(selector ?? {})) {
      let byValue = this.nodesByLabel.get(key);
      if (!byValue) {
        byValue = new Map();
        for (const [i, node] of this.nodes.entries()) {
          const have = valueAt(node.plan.labels, key);
          if (have === undefined) continue;
          const list = byValue.get(have);
          if (list) list.push(i);
          else byValue.set(have, [i]);
        }
        this.nodesByLabel.set(key, byValue);
      }
      const list = byValue.get(value) ?? [];
      if (!best || list.length < best.length) best = list;
    }
    return best ?? this.nodes.map((_, i) => i);
  }

  private emptiest(nodeClass: NodeClass): number | undefined {
    nodeClass.heap ??= new NodeHeap(nodeClass.eligible, this.podCounts);
    return nodeClass.heap.takeEmptiest((node) => (this.podCounts[node] as number) < (this.nodes[node] as SchedulableNode).podsMax);
  }

  /** Pods with host ports are few, so each looks at every node. */
  private emptiestWithPorts(nodeClass: NodeClass, ports: readonly string[]): number | undefined {
    let best: number | undefined;
    for (const node of nodeClass.eligible) {
      if ((this.podCounts[node] as number) >= (this.nodes[node] as SchedulableNode).podsMax || this.portsTaken(node, ports)) continue;
      if (best === undefined || (this.podCounts[node] as number) < (this.podCounts[best] as number)) best = node;
    }
    return best;
  }

  private portsTaken(node: number, ports: readonly string[]): boolean {
    const used = this.hostPorts.get(node);
    return used !== undefined && ports.some((port) => used.has(port));
  }

  private reasonOf(nodeClass: NodeClass, ports: readonly string[]): string {
    const refused = new Map<string, number>();
    for (const [node] of this.nodes.entries()) {
      const full = this.portsTaken(node, ports) ? "node(s) didn't have free ports for the requested pod ports" : 'Too many pods';
      const reason = nodeClass.refusalOf(node) ?? full;
      refused.set(reason, (refused.get(reason) ?? 0) + 1);
    }
    const parts = [...refused].map(([reason, count]) => `${count} ${reason}`).sort();
    return `0/${this.nodes.length} nodes are available: ${parts.join(', ')}.`;
  }
}

interface NodeClass {
  readonly eligible: readonly number[];
  /** Why a node is not eligible. */
  readonly refusalOf: (node: number) => string | undefined;
  heap: NodeHeap | undefined;
}

/** What the DaemonSet controller adds to its pods (pkg/controller/daemon/util, AddOrUpdateDaemonPodTolerations). */
const DAEMON_TOLERATIONS: readonly Toleration[] = [
  { key: 'node.kubernetes.io/not-ready', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/unreachable', operator: 'Exists', effect: 'NoExecute' },
  { key: 'node.kubernetes.io/disk-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/memory-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/pid-pressure', operator: 'Exists', effect: 'NoSchedule' },
  { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' },
];

const UNSCHEDULABLE_TAINT: Taint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' };

/** Why a node cannot take a pod, in the scheduler's words; undefined when it can. */
function refusal(
  node: SchedulableNode,
  selector: PodSpec['nodeSelector'],
  terms: readonly NodeSelectorTerm[] | undefined,
  tolerations: readonly Toleration[],
): string | undefined {
  if (node.unschedulable && !tolerations.some((toleration) => tolerates(toleration, UNSCHEDULABLE_TAINT)))
    return 'node(s) were unschedulable';
  const taint = node.taints.find((t) => t.effect !== 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, t)));
  if (taint) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`;
  const labels = node.plan.labels;
  const selected = Object.entries(selector ?? {}).every(([key, value]) => valueAt(labels, key) === value);
  const fits = terms === undefined || terms.some((term) => termMatches(term, node));
  return selected && fits ? undefined : "node(s) didn't match Pod's node affinity/selector";
}

/** An empty key with Exists tolerates everything; an empty effect every effect (corev1.Toleration.ToleratesTaint). */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (toleration.key && toleration.key !== taint.key) return false;
  if (toleration.operator === 'Exists') return true;
  return !!toleration.key && (toleration.value ?? '') === (taint.value ?? '');
}

function termMatches(term: NodeSelectorTerm, node: SchedulableNode): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length === 0 && fields.length === 0) return false;
  return (
    expressions.every((requirement) => requirementMatches(requirement, valueAt(node.plan.labels, requirement.key))) &&
    fields.every((requirement) => requirementMatches(requirement, requirement.key === 'metadata.name' ? node.plan.name : undefined))
  );
}

/** k8s.io/apimachinery/pkg/labels, Requirement.Matches: NotIn also holds for a label that is not there; Gt and Lt compare integers. */
export function requirementMatches({ operator, values = [] }: NodeSelectorRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      const [have, want] = [integerOf(value), integerOf(values[0])];
      if (have === undefined || want === undefined) return false;
      return operator === 'Gt' ? have > want : have < want;
    }
  }
}

const integerOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^[+-]?\d+$/.test(text) ? Number(text) : undefined;

/** `TCP/8080`: with hostNetwork every declared port is a port of the node. Host addresses are not told apart. */
function hostPortsOf(spec: PodSpec): readonly string[] {
  let ports: string[] | undefined;
  for (const container of spec.containers) {
    for (const port of container.ports ?? []) {
      const number = spec.hostNetwork ? port.containerPort : port.hostPort;
      if (number === undefined || number === 0) continue;
      ports ??= [];
      ports.push(`${port.protocol ?? 'TCP'}/${number}`);
    }
  }
  return ports ?? NO_PORTS;
}

const NO_PORTS: readonly string[] = [];

/**
 * Nodes of a class by number of pods. Counts only rise, and other classes raise them too, so an entry
 * that is out of date is put back where it belongs when it comes to the top.
 */
class NodeHeap {
  private readonly nodes: number[];
  private readonly keys: number[];
  private readonly counts: Uint32Array;

  constructor(eligible: readonly number[], counts: Uint32Array) {
    this.counts = counts;
    this.nodes = [...eligible].sort((a, b) => (counts[a] as number) - (counts[b] as number) || a - b);
    this.keys = this.nodes.map((node) => counts[node] as number);
  }

  /** The caller must count a pod on the node that it gets. Nodes without room leave the heap for good. */
  takeEmptiest(hasRoom: (node: number) => boolean): number | undefined {
    while (this.nodes.length > 0) {
      const node = this.nodes[0] as number;
      const count = this.counts[node] as number;
      if (!hasRoom(node)) this.removeTop();
      else if (count === this.keys[0]) return node;
      else {
        this.keys[0] = count;
        this.sinkTop();
      }
    }
    return undefined;
  }

  private removeTop(): void {
    const node = this.nodes.pop() as number;
    const key = this.keys.pop() as number;
    if (this.nodes.length === 0) return;
    this.nodes[0] = node;
    this.keys[0] = key;
    this.sinkTop();
  }

  private sinkTop(): void {
    let i = 0;
    for (;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < this.nodes.length && this.isBefore(child, least)) least = child;
      if (least === i) return;
      [this.nodes[i], this.nodes[least]] = [this.nodes[least] as number, this.nodes[i] as number];
      [this.keys[i], this.keys[least]] = [this.keys[least] as number, this.keys[i] as number];
      i = least;
    }
  }

  private isBefore(a: number, b: number): boolean {
    const [ka, kb] = [this.keys[a] as number, this.keys[b] as number];
    return ka < kb || (ka === kb && (this.nodes[a] as number) < (this.nodes[b] as number));
  }
}
