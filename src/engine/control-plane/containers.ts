import { type ApiObject, valueAt } from '../k8s/metadata.ts';
import type { Container, PodSpec } from '../k8s/pod.ts';
import { LISTEN_ANNOTATION, parseListenAnnotation } from './listen-annotation.ts';
import type { ContainerPlan, ListenPlan } from './plan.ts';
import type { FieldPath, ProblemList } from './problem-list.ts';
import { usualListens } from './well-known-images.ts';

/**
 * Which containers of a pod keep running, and where each listens: as the annotation says, else at its
 * declared ports, else where its image usually does. Equal pods share one list, which keeps 150,000 of
 * them small. A declared port is documentation to Kubernetes; here it is all there is to know.
 */
export class ContainerPlanner {
  private readonly lists = new Map<string, readonly ContainerPlan[]>();
  private readonly problems: ProblemList;

  constructor(problems: ProblemList) {
    this.problems = problems;
  }

  /** `path` leads from `object` to what holds `metadata` and `spec`: empty for a Pod, `spec.template` for a workload. */
  plan(
    object: ApiObject,
    path: FieldPath,
    annotations: Readonly<Record<string, string>> | undefined,
    spec: PodSpec,
  ): readonly ContainerPlan[] {
    const annotation = valueAt(annotations, LISTEN_ANNOTATION);
    const key = keyOf(spec, annotation);
    let list = this.lists.get(key);
    if (!list) {
      list = this.build(object, path, annotation, spec);
      this.lists.set(key, list);
    }
    return list;
  }

  private build(object: ApiObject, path: FieldPath, annotation: string | undefined, spec: PodSpec): readonly ContainerPlan[] {
    const running: { readonly container: Container; readonly at: FieldPath; readonly sidecar: boolean }[] = [];
    for (const [i, container] of (spec.initContainers ?? []).entries()) {
      if (container.restartPolicy === 'Always') running.push({ container, at: [...path, 'spec', 'initContainers', i], sidecar: true });
    }
    for (const [i, container] of spec.containers.entries())
      running.push({ container, at: [...path, 'spec', 'containers', i], sidecar: false });
    this.checkNames(object, running);

    let annotated: ReadonlyMap<string, readonly ListenPlan[]> = new Map();
    if (annotation !== undefined) {
      const names = running.map(({ container }) => container.name);
      const parsed = parseListenAnnotation(annotation, names);
      if (parsed.ok) annotated = parsed.value;
      else this.problems.error(object, [...path, 'metadata', 'annotations', LISTEN_ANNOTATION], parsed.error);
    }
    return running.map(({ container, at, sidecar }) => ({
      name: container.name,
      image: container.image ?? '',
      sidecar,
      ports: (container.ports ?? []).map((port) => ({ name: port.name, port: port.containerPort, protocol: port.protocol ?? 'TCP' })),
      listens: this.listensOf(object, container, at, spec, annotated.get(container.name)),
    }));
  }

  private checkNames(object: ApiObject, running: readonly { readonly container: Container; readonly at: FieldPath }[]): void {
    const seen = new Set<string>();
    for (const { container, at } of running) {
      if (seen.has(container.name))
        this.problems.error(object, [...at, 'name'], `two containers of one pod are called "${container.name}": rename one`);
      seen.add(container.name);
    }
  }

  private listensOf(
    object: ApiObject,
    container: Container,
    at: FieldPath,
    spec: PodSpec,
    annotated: readonly ListenPlan[] | undefined,
  ): readonly ListenPlan[] {
    const declared: ListenPlan[] = [];
    for (const [i, port] of (container.ports ?? []).entries()) {
      const portPath = [...at, 'ports', i];
      if (port.hostPort && !spec.hostNetwork)
        this.problems.info(
          object,
          [...portPath, 'hostPort'],
          'host ports are not modelled yet: the node does not forward this port to the pod',
        );
      const protocol = port.protocol ?? 'TCP';
      if (protocol === 'SCTP') {
        this.problems.info(object, [...portPath, 'protocol'], 'SCTP is not modelled yet: nothing listens on this port');
        continue;
      }
      const listen: ListenPlan = {
        protocol: protocol === 'UDP' ? 'udp' : 'tcp',
        port: port.containerPort,
        address: undefined,
        name: port.name,
      };
      if (!declared.some((other) => sameSocket(other, listen))) declared.push(listen);
    }
    if (annotated)
      return annotated.map((listen) => ({
        ...listen,
        name: declared.find((d) => d.protocol === listen.protocol && d.port === listen.port)?.name,
      }));
    if ((container.ports ?? []).length > 0) return declared;
    return usualListens(container).map((listen) => ({ ...listen, address: undefined, name: undefined }));
  }
}

const sameSocket = (a: ListenPlan, b: ListenPlan): boolean => a.protocol === b.protocol && a.port === b.port;

/** Everything that `build` reads. */
function keyOf(spec: PodSpec, annotation: string | undefined): string {
  let key = annotation === undefined ? '' : `@${JSON.stringify(annotation)}`;
  if (spec.hostNetwork) key += 'H';
  for (const container of spec.initContainers ?? []) if (container.restartPolicy === 'Always') key += `I${containerKey(container)}`;
  for (const container of spec.containers) key += `C${containerKey(container)}`;
  return key;
}

function containerKey(container: Container): string {
  let key = `${JSON.stringify(container.name)}${JSON.stringify(container.image ?? '')}`;
  for (const port of container.ports ?? [])
    key += `:${port.containerPort}/${port.protocol ?? ''}/${port.name ?? ''}/${port.hostPort ?? ''}`;
  if ((container.ports ?? []).length === 0 && (container.command || container.args))
    key += JSON.stringify([container.command, container.args]);
  return key;
}
