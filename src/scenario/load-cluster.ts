import { err, ok, type Result } from '../base/result.ts';
import type { ClusterPlan } from '../engine/control-plane/plan.ts';
import { planCluster } from '../engine/control-plane/plan-cluster.ts';
import { ProblemList, problemWithoutPlace } from '../engine/control-plane/problem-list.ts';
import type { ApiObject } from '../engine/k8s/metadata.ts';
import type { SourceFile } from '../protocol/engine.ts';
import type { Problem } from '../protocol/view.ts';
import { checkObject, expectation } from './check-object.ts';
import { readManifests } from './read-manifests.ts';
import { DEPTH_MAX, dropNulls } from './yaml-tree.ts';

/** From the text of manifests to the plan of the cluster. Every problem has its file, document and line. */
export function loadCluster(files: readonly SourceFile[]): Result<ClusterPlan, Problem[]> {
  const manifests = readManifests(files);
  if (!manifests.ok) return manifests;
  return withProblems(manifests.value.problems, planCluster(manifests.value.objects, manifests.value.locate));
}

/** The same from objects that are data already; problems name the object only. Fields that are `null` are removed from them. */
export function loadObjects(objects: readonly unknown[]): Result<ClusterPlan, Problem[]> {
  const problems = new ProblemList(() => undefined);
  const checked: ApiObject[] = [];
  for (const [i, object] of objects.entries()) {
    if (
      typeof object !== 'object' ||
      object === null ||
      !('apiVersion' in object) ||
      !('kind' in object) ||
      typeof object.apiVersion !== 'string' ||
      typeof object.kind !== 'string'
    ) {
      problems.add(problemWithoutPlace('error', `object ${i + 1}: ${expectation('an object with apiVersion and kind', object)}`));
    } else if (!dropNulls(object))
      problems.add(problemWithoutPlace('error', `object ${i + 1}: is nested more than ${DEPTH_MAX} levels deep`));
    else if (checkObject(object as ApiObject, problems)) checked.push(object as ApiObject);
  }
  return problems.hasErrors ? err(problems.all()) : withProblems(problems.all(), planCluster(checked));
}

function withProblems(before: readonly Problem[], planned: Result<ClusterPlan, Problem[]>): Result<ClusterPlan, Problem[]> {
  if (before.length === 0) return planned;
  return planned.ok ? ok({ ...planned.value, problems: [...before, ...planned.value.problems] }) : err([...planned.error, ...before]);
}
