import type { ClusterConfiguration, KubeProxyConfiguration } from './configuration.ts';
import type { EndpointSlice } from './endpoint-slice.ts';
import type { Endpoints } from './endpoints.ts';
import { type ApiObject, namespaceOf } from './metadata.ts';
import type { Node } from './node.ts';
import type { Pod } from './pod.ts';
import type { Scenario } from './scenario.ts';
import type { Service } from './service.ts';
import type { DaemonSet, Deployment, Job, ReplicaSet, StatefulSet } from './workload.ts';

export interface Namespace extends ApiObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Namespace';
}

/** Every kind that takes part in the simulation. Any other object is kept and listed as not modelled. */
export interface ModelledKinds {
  Node: Node;
  Namespace: Namespace;
  Pod: Pod;
  Deployment: Deployment;
  ReplicaSet: ReplicaSet;
  StatefulSet: StatefulSet;
  DaemonSet: DaemonSet;
  Job: Job;
  Service: Service;
  EndpointSlice: EndpointSlice;
  Endpoints: Endpoints;
  ClusterConfiguration: ClusterConfiguration;
  KubeProxyConfiguration: KubeProxyConfiguration;
  Scenario: Scenario;
}

export type ModelledKind = keyof ModelledKinds;

/** The versions of each modelled kind; others (removed ones, or a kind of the same name in another group) are not modelled. */
const API_VERSIONS: Readonly<Record<ModelledKind, readonly string[]>> = {
  Node: ['v1'],
  Namespace: ['v1'],
  Pod: ['v1'],
  Deployment: ['apps/v1'],
  ReplicaSet: ['apps/v1'],
  StatefulSet: ['apps/v1'],
  DaemonSet: ['apps/v1'],
  Job: ['batch/v1'],
  Service: ['v1'],
  EndpointSlice: ['discovery.k8s.io/v1'],
  Endpoints: ['v1'],
  ClusterConfiguration: ['kubeadm.k8s.io/v1beta3', 'kubeadm.k8s.io/v1beta4'],
  KubeProxyConfiguration: ['kubeproxy.config.k8s.io/v1alpha1'],
  Scenario: ['hoplab.dev/v1'],
};

export function modelledKind(apiVersion: string, kind: string): ModelledKind | undefined {
  if (!Object.hasOwn(API_VERSIONS, kind)) return undefined;
  return API_VERSIONS[kind as ModelledKind].includes(apiVersion) ? (kind as ModelledKind) : undefined;
}

/** The versions in which a kind of this name is modelled; undefined when the lab knows no such kind. */
export function modelledVersions(kind: string): readonly string[] | undefined {
  return Object.hasOwn(API_VERSIONS, kind) ? API_VERSIONS[kind as ModelledKind] : undefined;
}

/** True for the kind in a version that is modelled. That the fields have the right types was checked at the door. */
export function isKind<K extends ModelledKind>(object: ApiObject, kind: K): object is ModelledKinds[K] {
  return object.kind === kind && modelledKind(object.apiVersion, object.kind) !== undefined;
}

/** Kinds without a namespace, of those that appear in manifests of networks; of an unknown kind the object itself tells. */
const CLUSTER_SCOPED: ReadonlySet<string> = new Set([
  'Node',
  'Namespace',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'IngressClass',
  'StorageClass',
  'PriorityClass',
  'PersistentVolume',
  'RuntimeClass',
  'ValidatingWebhookConfiguration',
  'MutatingWebhookConfiguration',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'APIService',
  'CSIDriver',
  'CSINode',
  'GatewayClass',
  'IPAddress',
  'ServiceCIDR',
  'ComponentStatus',
  'ClusterConfiguration',
  'InitConfiguration',
  'JoinConfiguration',
  'KubeProxyConfiguration',
  'KubeletConfiguration',
  'Scenario',
  'PodSecurityPolicy',
  'FlowSchema',
  'PriorityLevelConfiguration',
  'CertificateSigningRequest',
  'VolumeAttachment',
]);

/** Kinds of the core API and its own groups that live in a namespace, `default` when none is named. */
const NAMESPACED: ReadonlySet<string> = new Set([
  'Pod',
  'Deployment',
  'ReplicaSet',
  'StatefulSet',
  'DaemonSet',
  'Job',
  'CronJob',
  'Service',
  'Endpoints',
  'EndpointSlice',
  'NetworkPolicy',
  'Ingress',
  'ConfigMap',
  'Secret',
  'ServiceAccount',
  'Role',
  'RoleBinding',
  'PersistentVolumeClaim',
  'ReplicationController',
  'HorizontalPodAutoscaler',
  'PodDisruptionBudget',
  'ResourceQuota',
  'LimitRange',
  'Lease',
  'Event',
  'PodTemplate',
  'ControllerRevision',
]);

/** The namespace an object lives in; undefined for kinds that have none. */
export function namespaceOfAny(object: ApiObject): string | undefined {
  if (CLUSTER_SCOPED.has(object.kind)) return undefined;
  return NAMESPACED.has(object.kind) ? namespaceOf(object) : object.metadata?.namespace;
}

/** How messages name an object: `Pod default/web`, `Node worker-1`. */
export function objectName(object: ApiObject): string {
  const namespace = namespaceOfAny(object);
  const meta = object.metadata;
  const name = meta?.name ?? (meta?.generateName === undefined ? undefined : `${meta.generateName}…`);
  if (name === undefined) return object.kind;
  return namespace === undefined ? `${object.kind} ${name}` : `${object.kind} ${namespace}/${name}`;
}
