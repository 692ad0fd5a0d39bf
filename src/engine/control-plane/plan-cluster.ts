import { err, ok, type Result } from '../../base/result.ts';
import { formatCidr, formatIpv4, type Ipv4 } from '../../protocol/address.ts';
import type { Problem } from '../../protocol/view.ts';
import type { ApiObject } from '../k8s/metadata.ts';
import { type Cidr4, containsAddress, readAddress } from './address-range.ts';
import { ContainerPlanner } from './containers.ts';
import { planEndpointSlices } from './endpoint-slices.ts';
import { HostLocalPool } from './host-local.ts';
import { planNodes, type SchedulableNode } from './nodes.ts';
import { indexObjects } from './object-index.ts';
import type { ClusterPlan, PodPlan } from './plan.ts';
import { clip, type FieldPath, type Locate, ProblemList } from './problem-list.ts';
import { planProxy } from './proxy-settings.ts';
import { Scheduler } from './scheduler.ts';
import { serviceView } from './service-view.ts';
import { storeServices } from './services.ts';
import { planTraffic } from './traffic.ts';
import { notIpv4 } from './underlay.ts';
import { draftPods, type PodDraft } from './workloads.ts';

/**
 * Decides what a cluster with these objects looks like once all is running: nodes and their networks,
 * pods with names, nodes and addresses. The objects must have the field types of `k8s/`, as the readers
 * in `scenario/` check. Depends on the objects and their order only. `locate` says where an object was
 * written, for the problems.
 */
export function planCluster(objects: readonly ApiObject[], locate: Locate = () => undefined): Result<ClusterPlan, Problem[]> {
  const problems = new ProblemList(locate);
  const index = indexObjects(objects, problems);
  const network = planNodes(index.nodes, index.configuration, index.scenario, problems);
  if (!network || problems.hasErrors) return err(problems.all());

  const scheduler = new Scheduler(network.nodes);
  const drafts = draftPods(index.podSources, scheduler, new ContainerPlanner(problems), problems);
  const placed = placePods(drafts, network.nodes, scheduler, problems);
  const pods = addressPods(drafts, placed, network.nodes, problems);
  const nodes = network.nodes.map((node) => node.plan);
  const services = storeServices(index.services, network.serviceCidr, network.underlay.loadBalancerCidr as Cidr4, problems);
  const slices = planEndpointSlices({ services, slices: index.endpointSlices, endpoints: index.endpoints, pods, nodes }, problems);
  const proxy = planProxy(index.proxyConfiguration, index.scenario, network.podCidr, problems);
  const podNames = new Set(pods.map((pod) => `${pod.namespace}/${pod.name}`));
  const traffic = planTraffic(index.scenario, { nodes, pods, podNames, services }, problems);
  if (problems.hasErrors) return err(problems.all());

  const scenario = index.scenario;
  return ok({
    title: scenario?.spec?.title ?? scenario?.metadata?.name ?? 'Untitled cluster',
    seed: scenario?.spec?.seed ?? 1,
    cni: scenario?.spec?.cni ?? 'bridge',
    podCidr: network.podCidr,
    serviceCidr: network.serviceCidr,
    dnsDomain: network.dnsDomain,
    underlay: network.underlay,
    nodes,
    pods,
    services: services.map(({ service }, i) => serviceView(service, slices.ofServices[i] ?? [], (key) => podNames.has(key))),
    serviceObjects: services.map(({ service }) => service),
    endpointSlices: [...slices.ofServices.flat(), ...slices.others],
    proxy,
    traffic,
    notModelled: index.notModelled,
    problems: problems.all(),
  });
}

/** A pod's node and the address that its manifest gives it. `node` is undefined for pods that stay Pending, or whose place is an error. */
interface Placement {
  readonly node: number | undefined;
  readonly ip: Ipv4 | undefined;
}

/** What a manifest says about a pod's place. */
type Binding = { readonly kind: 'bound'; readonly node: number } | { readonly kind: 'free' } | { readonly kind: 'wrong' };

/** Pods that are bound already first, so that those to be scheduled see how full the nodes are. */
function placePods(
  drafts: readonly PodDraft[],
  nodes: readonly SchedulableNode[],
  scheduler: Scheduler,
  problems: ProblemList,
): readonly Placement[] {
  const binder = new Binder(nodes, scheduler, problems);
  const free: number[] = [];
  const placements = drafts.map((draft, i): Placement => {
    const given = draft.pod ? givenAddress(draft, problems) : undefined;
    const binding = binder.bindingOf(draft, given);
    if (binding.kind === 'free') free.push(i);
    if (binding.kind !== 'bound') return { node: undefined, ip: undefined };
    scheduler.bind(binding.node, draft.spec);
    return { node: binding.node, ip: given?.ip };
  });
  const pending = new PendingPods(problems);
  for (const i of free) {
    const draft = drafts[i] as PodDraft;
    const result = scheduler.schedule(draft.spec);
    if ('node' in result) placements[i] = { node: result.node, ip: undefined };
    else pending.add(draft, result.reason);
  }
  pending.report();
  return placements;
}

interface GivenAddress {
  readonly ip: Ipv4;
  readonly path: FieldPath;
}

/** status.podIP, or of two families the IPv4 one. */
function givenAddress({ pod }: PodDraft, problems: ProblemList): GivenAddress | undefined {
  const status = pod?.status;
  if (pod === undefined || status === undefined || (status.podIP === undefined && status.podIPs === undefined)) return undefined;
  const candidates: { readonly text: string; readonly path: FieldPath }[] = [];
  if (status.podIP) candidates.push({ text: status.podIP, path: ['status', 'podIP'] });
  for (const [i, { ip }] of (status.podIPs ?? []).entries()) candidates.push({ text: ip, path: ['status', 'podIPs', i, 'ip'] });
  for (const { text, path } of candidates) {
    const read = readAddress(text);
    if (read.kind === 'ipv4') return { ip: read.value, path };
    if (read.kind === 'invalid') {
      problems.error(pod, path, notIpv4('invalid', 'an IPv4 address such as 10.244.1.7', text));
      return undefined;
    }
  }
  const v6 = candidates[0];
  if (v6) problems.error(pod, v6.path, `${notIpv4('ipv6', 'an IPv4 address', v6.text)}. Remove it to have one assigned`);
  return undefined;
}

/** Where manifests bind pods: by the DaemonSet's node, by name, or by an address that only one node can have given. */
class Binder {
  private readonly scheduler: Scheduler;
  private readonly problems: ProblemList;
  private readonly nodeOfAddress: NodeOfAddress;
  /** Templates whose node was found missing: their pods need no further word. */
  private readonly reported = new Set<ApiObject>();

  constructor(nodes: readonly SchedulableNode[], scheduler: Scheduler, problems: ProblemList) {
    this.scheduler = scheduler;
    this.problems = problems;
    this.nodeOfAddress = new NodeOfAddress(nodes);
  }

  bindingOf(draft: PodDraft, given: GivenAddress | undefined): Binding {
    if (draft.node !== undefined) return { kind: 'bound', node: draft.node };
    if (draft.spec.nodeName) return this.byName(draft, draft.spec.nodeName);
    return given && draft.pod ? this.byAddress(draft, given) : { kind: 'free' };
  }

  private byName(draft: PodDraft, nodeName: string): Binding {
    const node = this.scheduler.indexOf(nodeName);
    if (node !== undefined) return { kind: 'bound', node };
    if (!this.reported.has(draft.source)) {
      this.reported.add(draft.source);
      const message = `there is no node ${JSON.stringify(clip(nodeName, 80))}: add its Node, or choose one of ${this.scheduler.someNames()}`;
      this.problems.error(draft.source, [...draft.specPath, 'nodeName'], message);
    }
    return { kind: 'wrong' };
  }

  private byAddress(draft: PodDraft, given: GivenAddress): Binding {
    const { hostNetwork } = draft.spec;
    const node = hostNetwork ? this.nodeOfAddress.byNodeIp(given.ip) : this.nodeOfAddress.byPodIp(given.ip);
    if (node !== undefined) return { kind: 'bound', node };
    const what = hostNetwork ? 'is no address of a node' : "is in no node's podCIDR";
    this.problems.error(draft.source, given.path, `${formatIpv4(given.ip)} ${what}: change it, or remove it to have one assigned`);
    return { kind: 'wrong' };
  }
}

/** Finds nodes by addresses, also among thousands. */
class NodeOfAddress {
  private readonly nodeIps: ReadonlyMap<Ipv4, number>;
  /** By start; podCIDRs do not overlap. */
  private readonly sorted: readonly { readonly node: SchedulableNode; readonly index: number }[];

  constructor(nodes: readonly SchedulableNode[]) {
    this.nodeIps = new Map(nodes.map((node, i) => [node.plan.ip, i]));
    this.sorted = nodes.map((node, index) => ({ node, index })).sort((a, b) => a.node.podCidr.address - b.node.podCidr.address);
  }

  byNodeIp(ip: Ipv4): number | undefined {
    return this.nodeIps.get(ip);
  }

  byPodIp(ip: Ipv4): number | undefined {
    let low = 0;
    let high = this.sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.sorted[middle]?.node.podCidr.address as Ipv4) <= ip) low = middle + 1;
      else high = middle;
    }
    const found = this.sorted[low - 1];
    return found && containsAddress(found.node.podCidr, ip) ? found.index : undefined;
  }
}

/** One warning for all pods of one workload that wait for the same reason. */
class PendingPods {
  private readonly groups = new Map<ApiObject, Map<string, PodDraft[]>>();
  private readonly problems: ProblemList;

  constructor(problems: ProblemList) {
    this.problems = problems;
  }

  add(draft: PodDraft, reason: string): void {
    let reasons = this.groups.get(draft.source);
    if (!reasons) {
      reasons = new Map();
      this.groups.set(draft.source, reasons);
    }
    const drafts = reasons.get(reason);
    if (drafts) drafts.push(draft);
    else reasons.set(reason, [draft]);
  }

  report(): void {
    for (const [source, reasons] of this.groups) {
      for (const [reason, drafts] of reasons) {
        const first = drafts[0] as PodDraft;
        const who = first.pod ? '' : drafts.length === 1 ? `pod ${first.name} ` : `${drafts.length} pods `;
        this.problems.warning(
          source,
          first.specPath,
          `${who}Pending: ${reason} Without a node there is no network namespace, so it is left out`.replace(
            'so it is',
            drafts.length === 1 ? 'so it is' : 'so they are',
          ),
        );
      }
    }
  }
}

/** kubelet and host-local: addresses that manifests give are kept, the others follow in order on each node. */
function addressPods(
  drafts: readonly PodDraft[],
  placements: readonly Placement[],
  nodes: readonly SchedulableNode[],
  problems: ProblemList,
): readonly PodPlan[] {
  const pools = nodes.map((node) => new HostLocalPool<PodDraft>(node.podCidr));
  for (const [i, draft] of drafts.entries()) {
    const { node, ip } = placements[i] as Placement;
    if (node === undefined || ip === undefined) continue;
    const planned = nodes[node] as SchedulableNode;
    if (!draft.spec.hostNetwork) reserve(draft, ip, pools[node] as HostLocalPool<PodDraft>, planned, problems);
    else if (ip !== planned.plan.ip) {
      const message = `${formatIpv4(ip)} is not used: with hostNetwork the pod has the address of its node ${planned.plan.name}, ${formatIpv4(planned.plan.ip)}`;
      problems.warning(draft.source, ['status', 'podIP'], message);
    }
  }
  const byNode: PodPlan[][] = nodes.map(() => []);
  const full = new Set<number>();
  for (const [i, draft] of drafts.entries()) {
    const placement = placements[i] as Placement;
    if (placement.node === undefined) continue;
    const node = nodes[placement.node] as SchedulableNode;
    const pool = pools[placement.node] as HostLocalPool<PodDraft>;
    const ip = draft.spec.hostNetwork ? node.plan.ip : (placement.ip ?? pool.allocate());
    if (ip === undefined) {
      if (full.has(placement.node)) continue;
      full.add(placement.node);
      problems.error(
        draft.source,
        draft.specPath,
        `no address is left for pod ${draft.namespace}/${draft.name} in ${formatCidr(node.podCidr)}, the podCIDR of node ${node.plan.name}, which has room for ${pool.size} pods: give the node a shorter prefix or fewer pods`,
      );
      continue;
    }
    byNode[placement.node]?.push(planOf(draft, node, ip as Ipv4));
  }
  for (const pods of byNode) pods.sort(byName);
  return byNode.flat();
}

function reserve(draft: PodDraft, ip: Ipv4, pool: HostLocalPool<PodDraft>, node: SchedulableNode, problems: ProblemList): void {
  const path = draft.pod?.status?.podIP ? ['status', 'podIP'] : ['status', 'podIPs'];
  const name = node.plan.name;
  if (!containsAddress(node.podCidr, ip)) {
    problems.error(
      draft.source,
      path,
      `${formatIpv4(ip)} is outside ${formatCidr(node.podCidr)}, the podCIDR of its node ${name}: change it, or remove it to have one assigned`,
    );
  } else if (!pool.isForPods(ip)) {
    const what = ip === pool.gateway ? 'the gateway (the bridge cni0)' : 'the network or broadcast address';
    problems.error(draft.source, path, `${formatIpv4(ip)} is ${what} of ${formatCidr(node.podCidr)} on node ${name}: a pod cannot have it`);
  } else {
    const holder = pool.reserve(ip, draft);
    if (holder)
      problems.error(
        draft.source,
        path,
        `${formatIpv4(ip)} is already the address of pod ${holder.namespace}/${holder.name}: give each its own`,
      );
  }
}

const planOf = (draft: PodDraft, node: SchedulableNode, ip: Ipv4): PodPlan => ({
  namespace: draft.namespace,
  name: draft.name,
  node: node.plan.name,
  ip,
  hostNetwork: draft.spec.hostNetwork ?? false,
  containers: draft.containers,
  owner: draft.owner,
  labels: draft.labels,
  ...draft.readiness,
});

function byName(a: PodPlan, b: PodPlan): number {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
