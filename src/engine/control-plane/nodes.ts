import { formatCidr, type Ipv4, parseCidr } from '../../protocol/address.ts';
import type { ClusterConfiguration } from '../k8s/configuration.ts';
import { valueAt } from '../k8s/metadata.ts';
import { CONTROL_PLANE_LABEL, MASTER_LABEL, type Node, type Taint } from '../k8s/node.ts';
import type { Scenario } from '../k8s/scenario.ts';
import {
  type Cidr4,
  cidr4,
  commonPrefix,
  containsCidr,
  firstOf,
  lastOf,
  overlaps,
  PrefixPool,
  readAddress,
  readCidr,
} from './address-range.ts';
import type { NodePlan, UnderlayPlan } from './plan.ts';
import type { FieldPath, ProblemList } from './problem-list.ts';
import { notIpv4, planUnderlay, type UnderlayMember } from './underlay.ts';

/** A node with what the scheduler must know about it. */
export interface SchedulableNode {
  readonly plan: NodePlan;
  readonly podCidr: Cidr4;
  readonly taints: readonly Taint[];
  readonly unschedulable: boolean;
  /** How many pods its kubelet admits. */
  readonly podsMax: number;
}

export interface ClusterNetwork {
  readonly podCidr: Cidr4;
  readonly serviceCidr: Cidr4;
  readonly dnsDomain: string;
  readonly underlay: UnderlayPlan;
  /** Control planes first, then by name. */
  readonly nodes: readonly SchedulableNode[];
}

/** kubeadm's and flannel's usual pod network. */
const DEFAULT_POD_SUBNET = cidr4(0x0af40000, 16); // 10.244.0.0/16
/** kubeadm's default (DefaultServicesSubnet). */
const DEFAULT_SERVICE_SUBNET = cidr4(0x0a600000, 12); // 10.96.0.0/12
const DEFAULT_DNS_DOMAIN = 'cluster.local';
/** kube-controller-manager, --node-cidr-mask-size-ipv4. */
const NODE_MASK_LENGTH = 24;
/** Room for a gateway and five pods; what is narrower is no use. */
const NODE_MASK_LENGTH_MAX = 29;
/** The default pod network grows around 10.244.0.0/16 to at most 10.128.0.0/9, which stays clear of the Services' network. */
const DEFAULT_POD_SUBNET_LENGTH_MIN = 9;
/** kubelet, --max-pods. */
const PODS_MAX = 110;

const CONTROL_PLANE_TAINT: Taint = { key: CONTROL_PLANE_LABEL, effect: 'NoSchedule' };

/** A node on its way: what its document says, and what is still to be found. */
interface NodeDraft extends UnderlayMember {
  readonly object: Node | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly givenPodCidr: Cidr4 | undefined;
  readonly podCidrPath: FieldPath;
}

/** Nodes, their addresses and the networks between them. undefined when the documents contradict each other. */
export function planNodes(
  objects: readonly Node[],
  configuration: ClusterConfiguration | undefined,
  scenario: Scenario | undefined,
  problems: ProblemList,
): ClusterNetwork | undefined {
  const podSubnet = readSubnet(configuration, 'podSubnet', problems);
  const explicitServiceSubnet = readSubnet(configuration, 'serviceSubnet', problems);
  const serviceCidr = explicitServiceSubnet ?? DEFAULT_SERVICE_SUBNET;
  if (configuration && podSubnet && explicitServiceSubnet && overlaps(podSubnet, explicitServiceSubnet)) {
    problems.error(
      configuration,
      ['networking', 'serviceSubnet'],
      `${formatCidr(explicitServiceSubnet)} overlaps the podSubnet ${formatCidr(podSubnet)}: an address would be ambiguous, so choose another`,
    );
  }
  const drafts = objects.length === 0 ? defaultNodes() : objects.map((object) => draftOf(object, problems));
  if (problems.hasErrors) return undefined;

  const given = drafts.flatMap((draft) => draft.givenPodCidr ?? []);
  const elsewhere = [podSubnet ?? DEFAULT_POD_SUBNET, ...(explicitServiceSubnet ? [explicitServiceSubnet] : []), ...given];
  const underlay = planUnderlay(drafts, scenario, elsewhere, problems);
  if (!underlay || !podCidrsAreApart(drafts, underlay.plan.cidr as Cidr4, problems)) return undefined;

  const pods = planPodCidrs(drafts, podSubnet, configuration, underlay.plan.cidr as Cidr4, problems);
  if (!pods) return undefined;
  const nodes = drafts.map((draft, i): SchedulableNode => {
    const podCidr = pods.ofNodes[i] as Cidr4;
    return {
      plan: { name: draft.name, ip: underlay.addresses[i] as Ipv4, podCidr, controlPlane: draft.controlPlane, labels: draft.labels },
      podCidr,
      taints: draft.taints,
      unschedulable: draft.object?.spec?.unschedulable ?? false,
      podsMax: podsMaxOf(draft.object),
    };
  });
  nodes.sort((a, b) => Number(b.plan.controlPlane) - Number(a.plan.controlPlane) || (a.plan.name < b.plan.name ? -1 : 1));
  return {
    podCidr: pods.cluster,
    serviceCidr,
    dnsDomain: configuration?.networking?.dnsDomain ?? DEFAULT_DNS_DOMAIN,
    underlay: underlay.plan,
    nodes,
  };
}

/** Of a dual-stack list `10.244.0.0/16,fd00::/48` the IPv4 one. */
function readSubnet(
  configuration: ClusterConfiguration | undefined,
  field: 'podSubnet' | 'serviceSubnet',
  problems: ProblemList,
): Cidr4 | undefined {
  const text = configuration?.networking?.[field];
  if (configuration === undefined || text === undefined || text === '') return undefined;
  let v6 = false;
  for (const part of text.split(',')) {
    const read = readCidr(part);
    if (read.kind === 'ipv4') return read.value;
    if (read.kind === 'ipv6') v6 = true;
  }
  problems.error(configuration, ['networking', field], notIpv4(v6 ? 'ipv6' : 'invalid', 'an IPv4 network such as 10.244.0.0/16', text));
  return undefined;
}

function labelsOf(name: string, labels: Readonly<Record<string, string>> | undefined): Readonly<Record<string, string>> {
  return { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64', ...labels };
}

/** A control plane and two workers, for manifests that bring no Node documents. */
function defaultNodes(): NodeDraft[] {
  const node = (name: string, controlPlane: boolean): NodeDraft => ({
    name,
    controlPlane,
    object: undefined,
    given: undefined,
    givenPath: [],
    labels: labelsOf(name, controlPlane ? { [CONTROL_PLANE_LABEL]: '' } : undefined),
    taints: controlPlane ? [CONTROL_PLANE_TAINT] : [],
    givenPodCidr: undefined,
    podCidrPath: [],
  });
  return [node('control-plane', true), node('worker-1', false), node('worker-2', false)];
}

function draftOf(object: Node, problems: ProblemList): NodeDraft {
  const name = object.metadata?.name ?? '';
  const labels = labelsOf(name, object.metadata?.labels);
  const taints = object.spec?.taints ?? [];
  const address = readInternalIp(object, problems);
  const podCidr = readPodCidr(object, problems);
  return {
    name,
    object,
    controlPlane:
      valueAt(labels, CONTROL_PLANE_LABEL) !== undefined ||
      valueAt(labels, MASTER_LABEL) !== undefined ||
      taints.some((taint) => taint.key === CONTROL_PLANE_LABEL || taint.key === MASTER_LABEL),
    given: address.ip,
    givenPath: address.path,
    labels,
    taints,
    givenPodCidr: podCidr.cidr,
    podCidrPath: podCidr.path,
  };
}

function readInternalIp(object: Node, problems: ProblemList): { readonly ip: Ipv4 | undefined; readonly path: FieldPath } {
  let v6: { readonly text: string; readonly path: FieldPath } | undefined;
  for (const [i, entry] of (object.status?.addresses ?? []).entries()) {
    if (entry.type !== 'InternalIP') continue;
    const path = ['status', 'addresses', i, 'address'];
    const read = readAddress(entry.address);
    if (read.kind === 'ipv4') return { ip: read.value, path };
    if (read.kind === 'ipv6') v6 = { text: entry.address, path };
    else problems.error(object, path, notIpv4('invalid', 'an IPv4 address such as 192.168.1.11', entry.address));
  }
  if (v6)
    problems.error(
      object,
      v6.path,
      `${notIpv4('ipv6', 'an IPv4 address', v6.text)}. Add an InternalIP of IPv4, or remove this one to have one assigned`,
    );
  return { ip: undefined, path: [] };
}

function readPodCidr(object: Node, problems: ProblemList): { readonly cidr: Cidr4 | undefined; readonly path: FieldPath } {
  const { podCIDR, podCIDRs } = object.spec ?? {};
  const candidates: { readonly text: string; readonly path: FieldPath }[] = (podCIDRs ?? []).map((text, i) => ({
    text,
    path: ['spec', 'podCIDRs', i],
  }));
  if (podCIDR !== undefined && podCIDR !== '') candidates.unshift({ text: podCIDR, path: ['spec', 'podCIDR'] });
  let v6: (typeof candidates)[number] | undefined;
  for (const { text, path } of candidates) {
    const read = readCidr(text);
    if (read.kind === 'ipv6') v6 ??= { text, path };
    else if (read.kind === 'invalid') problems.error(object, path, notIpv4('invalid', 'an IPv4 network such as 10.244.1.0/24', text));
    else {
      if (read.value.length <= 30) {
        if (parseCidr(text.trim())?.address !== read.value.address) {
          problems.warning(
            object,
            path,
            `${text} has bits set after its /${read.value.length} prefix; it is read as ${formatCidr(read.value)}`,
          );
        }
        return { cidr: read.value, path };
      }
      problems.error(object, path, `a /${read.value.length} has no room for a gateway and a pod: choose /30 or shorter`);
    }
  }
  if (v6)
    problems.error(
      object,
      v6.path,
      `${notIpv4('ipv6', 'an IPv4 network', v6.text)}. Add one to spec.podCIDRs, or remove this one to have one assigned`,
    );
  return { cidr: undefined, path: [] };
}

function podCidrsAreApart(drafts: readonly NodeDraft[], underlay: Cidr4, problems: ProblemList): boolean {
  let apart = true;
  const given = drafts.flatMap((draft, order) => (draft.givenPodCidr ? [{ draft, cidr: draft.givenPodCidr, order }] : []));
  given.sort((a, b) => firstOf(a.cidr) - firstOf(b.cidr) || a.order - b.order);
  let widest: (typeof given)[number] | undefined;
  for (const entry of given) {
    if (widest && lastOf(widest.cidr) >= firstOf(entry.cidr)) {
      const [first, second] = widest.order < entry.order ? [widest, entry] : [entry, widest];
      report(
        second.draft,
        `${formatCidr(second.cidr)} overlaps ${formatCidr(first.cidr)} of node ${first.draft.name}: every node needs pod addresses of its own`,
      );
    }
    if (!widest || lastOf(entry.cidr) > lastOf(widest.cidr)) widest = entry;
    if (overlaps(entry.cidr, underlay)) {
      report(
        entry.draft,
        `${formatCidr(entry.cidr)} overlaps the network between the nodes, ${formatCidr(underlay)}: a route could not tell pods from nodes, so change one of them`,
      );
    }
  }
  return apart;

  function report(draft: NodeDraft, message: string): void {
    if (draft.object) problems.error(draft.object, draft.podCidrPath, message);
    apart = false;
  }
}

/** kube-controller-manager's node IPAM: the next free /24 of the pod network for each node that has no podCIDR. */
function planPodCidrs(
  drafts: readonly NodeDraft[],
  explicit: Cidr4 | undefined,
  configuration: ClusterConfiguration | undefined,
  underlay: Cidr4,
  problems: ProblemList,
): { readonly cluster: Cidr4; readonly ofNodes: readonly Cidr4[] } | undefined {
  const given = drafts.flatMap((draft) => draft.givenPodCidr ?? []);
  const taken = [...given, underlay];
  const missing = drafts.length - given.length;

  if (explicit) {
    // An explicit network is never left: where it has too few /24s, nodes get less each, as a smaller --node-cidr-mask-size would give.
    for (let length = Math.max(NODE_MASK_LENGTH, explicit.length); length <= NODE_MASK_LENGTH_MAX; length++) {
      const free = allocateAll(explicit, length, taken, missing);
      if (!free) continue;
      if (length > NODE_MASK_LENGTH && configuration && missing > 0) {
        problems.info(
          configuration,
          ['networking', 'podSubnet'],
          `${formatCidr(explicit)} has too few /24 networks for ${missing} nodes: each gets a /${length}`,
        );
      }
      return { cluster: explicit, ofNodes: merge(drafts, free) };
    }
    if (configuration)
      problems.error(
        configuration,
        ['networking', 'podSubnet'],
        `${formatCidr(explicit)} has no room for ${missing} nodes beside what is taken, not even with a /${NODE_MASK_LENGTH_MAX} for each: choose a shorter prefix`,
      );
    return undefined;
  }

  let cluster = clusterSubnetOf(given);
  for (;;) {
    const free = allocateAll(cluster, NODE_MASK_LENGTH, taken, missing);
    if (free) return { cluster, ofNodes: merge(drafts, free) };
    if (cluster.length <= DEFAULT_POD_SUBNET_LENGTH_MIN) break;
    cluster = cidr4(cluster.address, cluster.length - 1);
  }
  const blame = drafts.find((draft) => draft.givenPodCidr === undefined)?.object;
  if (blame)
    problems.error(
      blame,
      ['spec', 'podCIDR'],
      `no /24 is left for the pods of ${missing} nodes: give a ClusterConfiguration with a bigger networking.podSubnet`,
    );
  return undefined;
}

/** Without a ClusterConfiguration: 10.244.0.0/16, or the network that the nodes' own podCIDRs are in. */
function clusterSubnetOf(given: readonly Cidr4[]): Cidr4 {
  if (given.every((cidr) => containsCidr(DEFAULT_POD_SUBNET, cidr))) return DEFAULT_POD_SUBNET;
  const lowest = given.reduce((low, cidr) => Math.min(low, firstOf(cidr)), Number.POSITIVE_INFINITY);
  const highest = given.reduce((high, cidr) => Math.max(high, lastOf(cidr)), 0);
  return commonPrefix(lowest, highest, DEFAULT_POD_SUBNET.length);
}

function allocateAll(from: Cidr4, length: number, taken: readonly Cidr4[], count: number): readonly Cidr4[] | undefined {
  const pool = new PrefixPool(from, length, taken);
  const result: Cidr4[] = [];
  while (result.length < count) {
    const cidr = pool.allocate();
    if (!cidr) return undefined;
    result.push(cidr);
  }
  return result;
}

/** Control planes take the first networks, as they join first. */
function merge(drafts: readonly NodeDraft[], free: readonly Cidr4[]): readonly Cidr4[] {
  const result = drafts.map((draft) => draft.givenPodCidr);
  let next = 0;
  for (const controlPlane of [true, false]) {
    for (const [i, draft] of drafts.entries()) {
      if (draft.controlPlane === controlPlane && result[i] === undefined) result[i] = free[next++];
    }
  }
  return result as Cidr4[];
}

function podsMaxOf(object: Node | undefined): number {
  const text = object?.status?.allocatable?.pods ?? object?.status?.capacity?.pods;
  const pods = text === undefined ? Number.NaN : Number(text);
  return Number.isInteger(pods) && pods >= 0 ? pods : PODS_MAX;
}
