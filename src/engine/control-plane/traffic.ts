import type { Scenario } from '../k8s/scenario.ts';
import type { ServiceDraft } from './cluster-ips.ts';
import type { NodePlan, PodPlan, TrafficPlan } from './plan.ts';
import type { ProblemList } from './problem-list.ts';

/** Where traffic can start and end. */
interface Ends {
  readonly nodes: readonly NodePlan[];
  readonly pods: readonly PodPlan[];
  /** `namespace/name` */
  readonly podNames: ReadonlySet<string>;
  readonly services: readonly ServiceDraft[];
}

/** The traffic of a Scenario, without what starts or ends at a pod, node or Service that is not in the plan. */
export function planTraffic(
  scenario: Scenario | undefined,
  { nodes, pods, podNames, services }: Ends,
  problems: ProblemList,
): readonly TrafficPlan[] {
  const specs = scenario?.spec?.traffic ?? [];
  if (scenario === undefined || specs.length === 0) return [];
  const known: KnownNames = {
    pod: podNames,
    node: new Set(nodes.map((node) => node.name)),
    svc: new Set(services.map(({ service }) => `${service.metadata?.namespace}/${service.metadata?.name}`)),
  };
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
    const missing = missingEnd(from, known) ?? missingEnd(to, known);
    if (missing !== undefined) {
      problems.warning(
        scenario,
        [...path, missing === from ? 'from' : 'to'],
        `there is no ${describe(missing)} in this cluster, so this traffic is not sent${suggestion(missing, pods, known.svc)}`,
      );
      continue;
    }
    traffic.push({ from, to, protocol: protocol ?? (/^https?:\/\//.test(to) ? 'http' : 'tcp') });
  }
  return traffic;
}

interface KnownNames {
  readonly pod: ReadonlySet<string>;
  readonly node: ReadonlySet<string>;
  readonly svc: ReadonlySet<string>;
}

/** The reference itself when it names a pod, node or Service that is not there. */
function missingEnd(reference: string, known: KnownNames): string | undefined {
  const [kind, a, b, container] = withoutPort(reference).split('/');
  if (kind === 'pod' && b !== undefined) return known.pod.has(`${a}/${b}`) ? undefined : reference;
  if (kind === 'svc' && b !== undefined && container === undefined) return known.svc.has(`${a}/${b}`) ? undefined : reference;
  if (kind === 'node' && a !== undefined && b === undefined) return known.node.has(a) ? undefined : reference;
  return undefined;
}

const withoutPort = (reference: string): string => reference.replace(/:\d+$/, '');

const describe = (reference: string): string =>
  withoutPort(reference)
    .replace(/^svc\//, 'Service/')
    .replace('/', ' ');

/** Names of generated pods change with their template, and namespaces are forgotten: help to find what was meant. */
function suggestion(reference: string, pods: readonly PodPlan[], services: ReadonlySet<string>): string {
  const [kind, namespace, name] = withoutPort(reference).split('/');
  if (name === undefined) return '';
  if (kind === 'svc') {
    const near = [...services].find((service) => service.endsWith(`/${name}`));
    return near === undefined ? '' : `; did you mean svc/${near}?`;
  }
  if (kind !== 'pod') return '';
  const stem = name.split('-', 1)[0] as string;
  const near = pods.find((pod) => pod.namespace === namespace && pod.name.startsWith(stem));
  return near ? `; did you mean pod/${namespace}/${near.name}?` : '';
}
