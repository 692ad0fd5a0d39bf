import { type ApiObject, type ObjectMeta, valueAt } from '../k8s/metadata.ts';
import type { Pod } from '../k8s/pod.ts';
import type { ContainerPlan } from './plan.ts';
import { clip, type FieldPath, type ProblemList } from './problem-list.ts';

/**
 * Annotations of a pod or pod template that put its pods into a state in which a cluster has them only for a
 * while, to see what Services do then:
 *
 *     hoplab.dev/ready: "false"          the containers run, but a readiness probe fails
 *     hoplab.dev/terminating: "true"     the pod was deleted and is still shutting down
 *
 * Without them a pod is what its own status and metadata.deletionTimestamp say, and else ready as soon as its
 * containers run: probes are not modelled. With `hoplab.dev/ready: "true"` it is ready whatever its status says.
 */
export const READY_ANNOTATION = 'hoplab.dev/ready';
export const TERMINATING_ANNOTATION = 'hoplab.dev/terminating';

export interface Readiness {
  /** The condition Ready; a terminating pod may have it, too. */
  readonly ready: boolean;
  readonly terminating: boolean;
}

const READY: Readiness = { ready: true, terminating: false };

/** `path` leads from `object` to what holds `meta`: empty for a Pod, `spec.template` for a workload. `pod` is undefined for a template. */
export function readinessOf(
  object: ApiObject,
  path: FieldPath,
  meta: ObjectMeta | undefined,
  pod: Pod | undefined,
  containers: readonly ContainerPlan[],
  problems: ProblemList,
): Readiness {
  const ready = annotated(READY_ANNOTATION) ?? (readyOf(pod) && !hasPortClash(containers));
  const terminating = isTerminating(pod) || (annotated(TERMINATING_ANNOTATION) ?? false);
  return ready && !terminating ? READY : { ready, terminating };

  function annotated(annotation: string): boolean | undefined {
    const value = meta?.annotations && valueAt(meta.annotations, annotation);
    if (value === undefined || value === 'true' || value === 'false') return value === undefined ? undefined : value === 'true';
    problems.error(
      object,
      [...path, 'metadata', 'annotations', annotation],
      `expected "true" or "false", got ${JSON.stringify(clip(value, 60))}`,
    );
    return undefined;
  }
}

/** Whether a pod is on its way out: it counts no longer towards its owner's replicas. */
export function isTerminating(pod: Pod | undefined): boolean {
  if (pod === undefined) return false;
  return pod.metadata?.deletionTimestamp !== undefined || valueAt(pod.metadata?.annotations, TERMINATING_ANNOTATION) === 'true';
}

const readyOf = (pod: Pod | undefined): boolean =>
  pod?.status?.conditions?.every((condition) => condition.type !== 'Ready' || condition.status === 'True') ?? true;

/** Of two containers that listen on one socket the second fails again and again, so the pod is never ready. */
function hasPortClash(containers: readonly ContainerPlan[]): boolean {
  if (containers.length < 2) return false;
  const sockets = containers.flatMap((container) => container.listens);
  return sockets.some((a, i) =>
    sockets.some(
      (b, j) =>
        j > i &&
        a.protocol === b.protocol &&
        a.port === b.port &&
        (a.address === undefined || b.address === undefined || a.address === b.address),
    ),
  );
}
