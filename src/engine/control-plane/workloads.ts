import { isKind } from '../k8s/kinds.ts';
import { type ApiObject, controllerOf, namespaceOf, valueAt } from '../k8s/metadata.ts';
import type { Pod, PodSpec, PodTemplateSpec } from '../k8s/pod.ts';
import type { DaemonSet, Deployment, Job, ReplicaSet, StatefulSet, Workload } from '../k8s/workload.ts';
import type { ContainerPlanner } from './containers.ts';
import type { ContainerPlan } from './plan.ts';
import { fnv32a, GeneratedNames, podTemplateHash } from './pod-names.ts';
import type { FieldPath, ProblemList } from './problem-list.ts';
import { isTerminating, type Readiness, readinessOf } from './readiness.ts';
import type { Scheduler } from './scheduler.ts';

/** A pod before it has a node and an address. */
export interface PodDraft {
  /** The Pod, or the workload that asks for it, and the way from there to its `spec`: where problems point to. */
  readonly source: ApiObject;
  readonly specPath: FieldPath;
  /** The Pod object itself, where there is one. */
  readonly pod: Pod | undefined;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly containers: readonly ContainerPlan[];
  readonly readiness: Readiness;
  /** `Deployment/web`: the outermost owner. */
  readonly owner: string | undefined;
  readonly spec: PodSpec;
  /** Index of the node, where a DaemonSet put it. */
  readonly node: number | undefined;
}

const HASH_LABEL = 'pod-template-hash';
const NO_LABELS: Readonly<Record<string, string>> = {};

/**
 * What the controllers of workloads do at once: every pod that is there or asked for, in the order of
 * the objects. Pods that are there and owned, as `kubectl get all -o yaml` prints them, count towards
 * their owner's replicas, so nothing is made twice.
 */
export function draftPods(
  sources: readonly (Pod | Workload)[],
  scheduler: Scheduler,
  containers: ContainerPlanner,
  problems: ProblemList,
): readonly PodDraft[] {
  return new PodDrafts(sources, scheduler, containers, problems).drafts;
}

class PodDrafts {
  readonly drafts: PodDraft[] = [];
  private readonly scheduler: Scheduler;
  private readonly containers: ContainerPlanner;
  private readonly problems: ProblemList;
  private readonly names = new GeneratedNames();
  private readonly workloads = new Map<string, Workload>();
  private readonly owned = new Map<Workload, OwnedPods>();
  private readonly replicaSetsOf = new Map<Deployment, ReplicaSet[]>();
  /** Occurrences of each `generateName`, which has no name to tell pods apart by. */
  private readonly generated = new Map<string, number>();

  constructor(sources: readonly (Pod | Workload)[], scheduler: Scheduler, containers: ContainerPlanner, problems: ProblemList) {
    this.scheduler = scheduler;
    this.containers = containers;
    this.problems = problems;
    for (const source of sources)
      if (!isKind(source, 'Pod')) this.workloads.set(keyOf(source.kind, namespaceOf(source), source.metadata?.name ?? ''), source);
    for (const source of sources) {
      if (isKind(source, 'ReplicaSet')) this.linkReplicaSet(source);
      if (isKind(source, 'Pod')) this.linkPod(source);
    }
    for (const source of sources) {
      if (isKind(source, 'Pod')) this.existing(source);
      else if (isKind(source, 'Deployment')) this.deployment(source);
      else if (isKind(source, 'ReplicaSet')) this.replicaSet(source);
      else if (isKind(source, 'StatefulSet')) this.statefulSet(source);
      else if (isKind(source, 'DaemonSet')) this.daemonSet(source);
      else this.job(source);
    }
  }

  private linkReplicaSet(replicaSet: ReplicaSet): void {
    const owner = this.ownerOf(replicaSet);
    if (!owner || !isKind(owner, 'Deployment')) return;
    const list = this.replicaSetsOf.get(owner);
    if (list) list.push(replicaSet);
    else this.replicaSetsOf.set(owner, [replicaSet]);
  }

  private linkPod(pod: Pod): void {
    if (pod.metadata?.name !== undefined) this.names.reserve(namespaceOf(pod), pod.metadata.name);
    const owner = pod.metadata?.ownerReferences === undefined ? undefined : this.ownerOf(pod);
    if (!owner) return;
    let owned = this.owned.get(owner);
    if (!owned) {
      owned = { running: 0, succeeded: 0, nodes: new Set() };
      this.owned.set(owner, owned);
    }
    if (pod.status?.phase === 'Succeeded') owned.succeeded++;
    else if (pod.status?.phase !== 'Failed' && !isTerminating(pod)) owned.running++;
    if (pod.spec.nodeName !== undefined) owned.nodes.add(pod.spec.nodeName);
  }

  /** The object of the load that controls another. Without its ReplicaSet, a pod is taken to its Deployment by the ReplicaSet's name. */
  private ownerOf(object: ApiObject): Workload | undefined {
    const reference = controllerOf(object);
    if (!reference) return undefined;
    const namespace = namespaceOf(object);
    const direct = this.workloads.get(keyOf(reference.kind, namespace, reference.name));
    if (direct || reference.kind !== 'ReplicaSet') return direct;
    const hash = valueAt(object.metadata?.labels, HASH_LABEL);
    const end =
      hash !== undefined && reference.name.endsWith(`-${hash}`) ? reference.name.length - hash.length - 1 : reference.name.lastIndexOf('-');
    return end > 0 ? this.workloads.get(keyOf('Deployment', namespace, reference.name.slice(0, end))) : undefined;
  }

  private outermostOwner(object: ApiObject): string | undefined {
    const reference = controllerOf(object);
    if (!reference) return undefined;
    const owner = this.ownerOf(object);
    if (!owner) return `${reference.kind}/${reference.name}`;
    return (isKind(owner, 'ReplicaSet') ? this.outermostOwner(owner) : undefined) ?? nameOf(owner);
  }

  private existing(pod: Pod): void {
    const phase = pod.status?.phase;
    const namespace = namespaceOf(pod);
    if (phase === 'Succeeded' || phase === 'Failed') {
      this.problems.info(pod, ['status', 'phase'], `has ended (${phase}): it has no network namespace any more and is left out`);
      return;
    }
    const meta = pod.metadata;
    const containers = this.containers.plan(pod, [], meta?.annotations, pod.spec);
    this.drafts.push({
      source: pod,
      specPath: ['spec'],
      pod,
      namespace,
      name: meta?.name ?? this.generate(pod, namespace, meta?.generateName ?? 'pod-'),
      labels: meta?.labels ?? NO_LABELS,
      containers,
      readiness: readinessOf(pod, [], meta, pod, containers, this.problems),
      owner: meta?.ownerReferences === undefined ? undefined : this.outermostOwner(pod),
      spec: pod.spec,
      node: undefined,
    });
  }

  private generate(object: Pod | Job, namespace: string, base: string): string {
    const key = `${namespace}/${base}`;
    const ordinal = this.generated.get(key) ?? 0;
    this.generated.set(key, ordinal + 1);
    return this.names.generate(namespace, base, `${object.kind}/${key}`, ordinal);
  }

  private deployment(deployment: Deployment): void {
    const replicaSets = this.replicaSetsOf.get(deployment) ?? [];
    // ReplicaSets that are in the load make their own pods; only what they leave open is made here.
    let covered = this.runningOf(deployment);
    for (const replicaSet of replicaSets) covered += Math.max(replicaSet.spec.replicas ?? 1, this.runningOf(replicaSet));
    const missing = (deployment.spec.replicas ?? 1) - covered;
    this.checkSelector(deployment);
    if (missing <= 0) {
      this.checkTemplate(deployment);
      return;
    }
    const hash = hashOfActive(replicaSets) ?? podTemplateHash(deployment.spec.template);
    this.fromTemplate(deployment, missing, `${deployment.metadata?.name}-${hash}-`, { [HASH_LABEL]: hash }, nameOf(deployment));
  }

  private replicaSet(replicaSet: ReplicaSet): void {
    const missing = (replicaSet.spec.replicas ?? 1) - this.runningOf(replicaSet);
    this.checkSelector(replicaSet);
    if (missing <= 0) {
      this.checkTemplate(replicaSet);
      return;
    }
    this.fromTemplate(replicaSet, missing, `${replicaSet.metadata?.name}-`, {}, this.outermostOwner(replicaSet) ?? nameOf(replicaSet));
  }

  private statefulSet(statefulSet: StatefulSet): void {
    const namespace = namespaceOf(statefulSet);
    const start = statefulSet.spec.ordinals?.start ?? 0;
    this.checkSelector(statefulSet);
    const make = this.maker(statefulSet, nameOf(statefulSet));
    const revision = podTemplateHash(statefulSet.spec.template);
    for (let ordinal = start; ordinal < start + (statefulSet.spec.replicas ?? 1); ordinal++) {
      const name = `${statefulSet.metadata?.name}-${ordinal}`;
      if (this.names.isTaken(namespace, name)) continue;
      this.names.reserve(namespace, name);
      make(name, {
        'apps.kubernetes.io/pod-index': String(ordinal),
        'controller-revision-hash': `${statefulSet.metadata?.name}-${revision}`,
        'statefulset.kubernetes.io/pod-name': name,
      });
    }
  }

  private daemonSet(daemonSet: DaemonSet): void {
    const namespace = namespaceOf(daemonSet);
    const ownedOn = this.owned.get(daemonSet)?.nodes;
    this.checkSelector(daemonSet);
    const make = this.maker(daemonSet, nameOf(daemonSet));
    const labels = { 'controller-revision-hash': podTemplateHash(daemonSet.spec.template) };
    const nodes = this.scheduler.nodesForDaemon(daemonSet.spec.template.spec);
    if (nodes.length === 0)
      this.problems.info(daemonSet, ['spec', 'template', 'spec'], 'no node is eligible (selector, affinity or taints): it has no pods');
    for (const node of nodes) {
      const nodeName = this.scheduler.nameOf(node);
      if (ownedOn?.has(nodeName)) continue;
      // The node's name, not its number, so that another node renames no pod.
      const name = this.names.generate(
        namespace,
        `${daemonSet.metadata?.name}-`,
        `DaemonSet/${namespace}/${daemonSet.metadata?.name}`,
        fnv32a(nodeName),
      );
      make(name, labels, node);
    }
  }

  private job(job: Job): void {
    const { parallelism = 1, completions, suspend } = job.spec;
    const ended = job.status?.conditions?.some((c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True') ?? false;
    if (ended || suspend) {
      this.problems.info(
        job,
        suspend ? ['spec', 'suspend'] : ['status', 'conditions'],
        suspend ? 'is suspended: it has no pods' : 'has ended: it has no pods any more',
      );
      this.checkTemplate(job);
      return;
    }
    const succeeded = Math.max(job.status?.succeeded ?? 0, this.owned.get(job)?.succeeded ?? 0);
    const wanted = completions === undefined ? parallelism : Math.min(parallelism, completions - succeeded);
    const missing = wanted - this.runningOf(job);
    if (missing <= 0) {
      this.checkTemplate(job);
      return;
    }
    const name = job.metadata?.name ?? this.generate(job, namespaceOf(job), job.metadata?.generateName ?? 'job-');
    this.fromTemplate(job, missing, `${name}-`, { 'batch.kubernetes.io/job-name': name, 'job-name': name }, `Job/${name}`);
  }

  private runningOf(workload: Workload): number {
    return this.owned.get(workload)?.running ?? 0;
  }

  private fromTemplate(workload: Workload, count: number, base: string, labels: Readonly<Record<string, string>>, owner: string): void {
    const namespace = namespaceOf(workload);
    const make = this.maker(workload, owner);
    const seed = `${workload.kind}/${namespace}/${base}`;
    // Replicas that are there already have used up the lower ordinals.
    const first = this.runningOf(workload);
    for (let i = 0; i < count; i++) make(this.names.generate(namespace, base, seed, first + i), labels);
  }

  /** Makes pods of one template; those with equal labels share one record of them. */
  private maker(workload: Workload, owner: string): (name: string, labels: Readonly<Record<string, string>>, node?: number) => void {
    const template: PodTemplateSpec = workload.spec.template;
    const containers = this.containers.plan(workload, TEMPLATE_PATH, template.metadata?.annotations, template.spec);
    const readiness = readinessOf(workload, TEMPLATE_PATH, template.metadata, undefined, containers, this.problems);
    const namespace = namespaceOf(workload);
    let extra: Readonly<Record<string, string>> | undefined;
    let merged: Readonly<Record<string, string>> = NO_LABELS;
    return (name, labels, node) => {
      if (labels !== extra) {
        extra = labels;
        merged = { ...template.metadata?.labels, ...labels };
      }
      this.drafts.push({
        source: workload,
        specPath: TEMPLATE_SPEC_PATH,
        pod: undefined,
        namespace,
        name,
        labels: merged,
        containers,
        readiness,
        owner,
        spec: template.spec,
        node,
      });
    };
  }

  /** The API server refuses a selector that the workload's own pods do not match. */
  private checkSelector(workload: Exclude<Workload, Job>): void {
    const labels = workload.spec.template.metadata?.labels;
    for (const [key, value] of Object.entries(workload.spec.selector?.matchLabels ?? {})) {
      if (valueAt(labels, key) === value) continue;
      this.problems.warning(
        workload,
        ['spec', 'selector', 'matchLabels', key],
        `the label ${key}: ${value} is not among spec.template.metadata.labels: the API server would refuse this ${workload.kind}`,
      );
    }
  }

  /** Says what is wrong with a template, also when no pod is made from it now. */
  private checkTemplate(workload: Workload): void {
    const template: PodTemplateSpec = workload.spec.template;
    this.containers.plan(workload, TEMPLATE_PATH, template.metadata?.annotations, template.spec);
  }
}

/** The hash of the ReplicaSet that a Deployment's new pods would join. */
function hashOfActive(replicaSets: readonly ReplicaSet[]): string | undefined {
  const active = replicaSets.findLast((replicaSet) => (replicaSet.spec.replicas ?? 1) > 0);
  return active && valueAt(active.metadata?.labels, HASH_LABEL);
}

interface OwnedPods {
  running: number;
  succeeded: number;
  readonly nodes: Set<string>;
}

const TEMPLATE_PATH: FieldPath = ['spec', 'template'];
const TEMPLATE_SPEC_PATH: FieldPath = ['spec', 'template', 'spec'];

const keyOf = (kind: string, namespace: string, name: string): string => `${kind} ${namespace}/${name}`;
const nameOf = (workload: Workload): string => `${workload.kind}/${workload.metadata?.name ?? workload.metadata?.generateName ?? ''}`;
