import type { Scenario } from '../k8s/scenario.ts';
import type { SchedulableNode } from './nodes.ts';
import type { PodPlan, TrafficPlan } from './plan.ts';
import type { ProblemList } from './problem-list.ts';

/** The traffic of a Scenario, without what starts or ends at a pod or node that is not in the plan. */
export function planTraffic(
  scenario: Scenario | undefined,
  nodes: readonly SchedulableNode[],
  pods: readonly PodPlan[],
  problems: ProblemList,
): readonly TrafficPlan[] {
  const specs = scenario?.spec?.traffic ?? [];
  if (scenario === undefined || specs.length === 0) return [];
  const podNames = new Set(pods.map((pod) => `${pod.namespace}/${pod.name}`));
  const nodeNames = new Set(nodes.map((node) => node.plan.name));
  const traffic: TrafficPlan[] = [];
  for (const [i, { from, to, protocol }] of specs.entries()) {
    const path = ['spec', 'traffic', i];
    if (!/^(pod\/[^/]+\/[^/]+(\/[^/]+)?|node\/[^/]+|external)$/.test(from)) {
      problems.error(
        scenario,
        [...path, 'from'],
        `expected "pod/NAMESPACE/NAME", "node/NAME" or "external", got ${JSON.stringify(from.slice(0, 80))}`,
      );
      continue;
    }
    const missing = missingEnd(from, podNames, nodeNames) ?? missingEnd(to, podNames, nodeNames);
    if (missing !== undefined) {
      problems.warning(
        scenario,
        [...path, missing === from ? 'from' : 'to'],
        `there is no ${describe(missing)} in this cluster, so this traffic is not sent${suggestion(missing, pods)}`,
      );
      continue;
    }
    traffic.push({ from, to, protocol: protocol ?? (/^https?:\/\//.test(to) ? 'http' : 'tcp') });
  }
  return traffic;
}

/** The reference itself when it names a pod or node that is not there. */
function missingEnd(reference: string, podNames: ReadonlySet<string>, nodeNames: ReadonlySet<string>): string | undefined {
  const parts = reference.replace(/:\d+$/, '').split('/');
  if (parts[0] === 'pod' && parts.length >= 3) return podNames.has(`${parts[1]}/${parts[2]}`) ? undefined : reference;
  if (parts[0] === 'node' && parts.length === 2) return nodeNames.has(parts[1] as string) ? undefined : reference;
  return undefined;
}

const describe = (reference: string): string => reference.replace(/:\d+$/, '').replace('/', ' ');

/** Names of generated pods change with their template: help to find the new one. */
function suggestion(reference: string, pods: readonly PodPlan[]): string {
  const [kind, namespace, name] = reference.replace(/:\d+$/, '').split('/');
  if (kind !== 'pod' || name === undefined) return '';
  const stem = name.split('-', 1)[0] as string;
  const near = pods.find((pod) => pod.namespace === namespace && pod.name.startsWith(stem));
  return near ? `; did you mean pod/${namespace}/${near.name}?` : '';
}
