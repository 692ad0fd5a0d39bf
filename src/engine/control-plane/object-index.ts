import type { NotModelled } from '../../protocol/view.ts';
import type { ClusterConfiguration, KubeProxyConfiguration } from '../k8s/configuration.ts';
import type { EndpointSlice } from '../k8s/endpoint-slice.ts';
import type { Endpoints } from '../k8s/endpoints.ts';
import { isKind, modelledKind, modelledVersions, namespaceOfAny } from '../k8s/kinds.ts';
import type { ApiObject } from '../k8s/metadata.ts';
import type { Node } from '../k8s/node.ts';
import type { Pod } from '../k8s/pod.ts';
import type { Scenario } from '../k8s/scenario.ts';
import type { Service } from '../k8s/service.ts';
import type { Workload } from '../k8s/workload.ts';
import type { ProblemList } from './problem-list.ts';

/** The objects of a load, sorted by what reads them; of several with one identity only the last. */
export interface ObjectIndex {
  readonly nodes: readonly Node[];
  /** Pods and what makes pods, in the order given. */
  readonly podSources: readonly (Pod | Workload)[];
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly endpoints: readonly Endpoints[];
  readonly scenario: Scenario | undefined;
  readonly configuration: ClusterConfiguration | undefined;
  readonly proxyConfiguration: KubeProxyConfiguration | undefined;
  readonly notModelled: readonly NotModelled[];
}

export function indexObjects(objects: readonly ApiObject[], problems: ProblemList): ObjectIndex {
  const nodes: Node[] = [];
  const podSources: (Pod | Workload)[] = [];
  const services: Service[] = [];
  const endpointSlices: EndpointSlice[] = [];
  const endpoints: Endpoints[] = [];
  const notModelled: NotModelled[] = [];
  let scenario: Scenario | undefined;
  let configuration: ClusterConfiguration | undefined;
  let proxyConfiguration: KubeProxyConfiguration | undefined;

  for (const object of withoutRepeats(objects, problems)) {
    if (isKind(object, 'Node')) nodes.push(object);
    else if (isKind(object, 'Pod')) podSources.push(object);
    else if (isWorkload(object)) podSources.push(object);
    else if (isKind(object, 'Service')) services.push(object);
    else if (isKind(object, 'EndpointSlice')) endpointSlices.push(object);
    else if (isKind(object, 'Endpoints')) endpoints.push(object);
    else if (isKind(object, 'Scenario')) scenario = object;
    else if (isKind(object, 'ClusterConfiguration')) configuration = object;
    else if (isKind(object, 'KubeProxyConfiguration')) proxyConfiguration = object;
    else if (!isKind(object, 'Namespace')) {
      notModelled.push({
        kind: object.kind,
        namespace: namespaceOfAny(object),
        name: object.metadata?.name ?? object.metadata?.generateName ?? '',
      });
      noteVersion(object, problems);
    }
  }
  return { nodes, podSources, services, endpointSlices, endpoints, scenario, configuration, proxyConfiguration, notModelled };
}

function isWorkload(object: ApiObject): object is Workload {
  return (
    isKind(object, 'Deployment') ||
    isKind(object, 'ReplicaSet') ||
    isKind(object, 'StatefulSet') ||
    isKind(object, 'DaemonSet') ||
    isKind(object, 'Job')
  );
}

/** A known kind in a group that was its own once, or in a version not read, is most likely an old manifest. */
function noteVersion(object: ApiObject, problems: ProblemList): void {
  const versions = modelledVersions(object.kind);
  if (!versions) return;
  const group = groupOf(object.apiVersion);
  if (group !== groupOf(versions[0] as string) && !(group === 'extensions' || group === 'apps' || group === 'batch')) return;
  problems.warning(
    object,
    ['apiVersion'],
    `${object.kind} of ${object.apiVersion} is not modelled: expected apiVersion ${versions.join(' or ')}`,
  );
}

const groupOf = (apiVersion: string): string => (apiVersion.includes('/') ? (apiVersion.split('/', 1)[0] as string) : '');

/**
 * What `kubectl apply` would leave: of several objects with one identity the last, at the first one's
 * place. Pods and Nodes are not things one writes twice with different content, and the API refuses to
 * change a pod's node or containers, so two that differ are an error.
 */
function withoutRepeats(objects: readonly ApiObject[], problems: ProblemList): Iterable<ApiObject> {
  const byIdentity = new Map<string, ApiObject>();
  let unnamed = 0;
  for (const object of objects) {
    const name = object.metadata?.name;
    const singleton = name === undefined && isOneOfAKind(object);
    const identity =
      name === undefined && !singleton
        ? `#${unnamed++}`
        : `${groupOf(object.apiVersion)}/${object.kind}/${namespaceOfAny(object) ?? ''}/${isOneOfAKind(object) ? '' : name}`;
    const before = byIdentity.get(identity);
    if (before) reportRepeat(before, object, problems);
    byIdentity.set(identity, object);
  }
  return byIdentity.values();
}

/** A load has one of these, whatever its name. */
const isOneOfAKind = (object: ApiObject): boolean =>
  isKind(object, 'Scenario') || isKind(object, 'ClusterConfiguration') || isKind(object, 'KubeProxyConfiguration');

function reportRepeat(before: ApiObject, object: ApiObject, problems: ProblemList): void {
  const path = object.metadata?.name === undefined ? ['kind'] : ['metadata', 'name'];
  const first = problems.placeText(before, path);
  const strict = modelledKind(object.apiVersion, object.kind) === 'Pod' || modelledKind(object.apiVersion, object.kind) === 'Node';
  if (!strict) problems.warning(object, path, `is there already${first}: the last one wins, as with kubectl apply`);
  else if (sameContent(before, object))
    problems.warning(object, path, `is there twice with the same content${first === '' ? '' : `, first${first}`}: it is taken once`);
  else problems.error(object, path, `is there already with other content${first}: rename one of them or remove it`);
}

function sameContent(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false;
  const [keysA, keysB] = [Object.keys(a), Object.keys(b)];
  return (
    keysA.length === keysB.length &&
    keysA.every((key) => Object.hasOwn(b, key) && sameContent((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]))
  );
}
