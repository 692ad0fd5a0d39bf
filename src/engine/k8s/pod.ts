import type { ApiObject, ObjectMeta } from './metadata.ts';

export interface Pod extends ApiObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Pod';
  readonly spec: PodSpec;
  readonly status?: PodStatus | undefined;
}

export interface PodTemplateSpec {
  readonly metadata?: ObjectMeta | undefined;
  readonly spec: PodSpec;
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[] | undefined;
  readonly nodeName?: string | undefined;
  readonly nodeSelector?: Readonly<Record<string, string>> | undefined;
  readonly affinity?: { readonly nodeAffinity?: NodeAffinity | undefined } | undefined;
  readonly tolerations?: readonly Toleration[] | undefined;
  readonly hostNetwork?: boolean | undefined;
}

export interface Container {
  readonly name: string;
  readonly image?: string | undefined;
  readonly command?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  readonly ports?: readonly ContainerPort[] | undefined;
  /** Only of init containers: `Always` makes a sidecar that keeps running (Kubernetes 1.29). */
  readonly restartPolicy?: string | undefined;
}

export interface ContainerPort {
  readonly name?: string | undefined;
  /** 1..65535. */
  readonly containerPort: number;
  readonly hostPort?: number | undefined;
  readonly hostIP?: string | undefined;
  /** Absent means TCP. */
  readonly protocol?: TransportProtocol | undefined;
}

export type TransportProtocol = 'TCP' | 'UDP' | 'SCTP';

export interface NodeAffinity {
  readonly requiredDuringSchedulingIgnoredDuringExecution?: { readonly nodeSelectorTerms: readonly NodeSelectorTerm[] } | undefined;
}

/** All expressions and fields of a term must hold; one term of several is enough. An empty term matches nothing. */
export interface NodeSelectorTerm {
  readonly matchExpressions?: readonly NodeSelectorRequirement[] | undefined;
  /** `metadata.name` is the only field that the API knows. */
  readonly matchFields?: readonly NodeSelectorRequirement[] | undefined;
}

export interface NodeSelectorRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';
  readonly values?: readonly string[] | undefined;
}

export interface Toleration {
  readonly key?: string | undefined;
  readonly operator?: 'Exists' | 'Equal' | undefined;
  readonly value?: string | undefined;
  readonly effect?: '' | 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute' | undefined;
}

export interface PodStatus {
  readonly phase?: string | undefined;
  readonly podIP?: string | undefined;
  readonly podIPs?: readonly { readonly ip: string }[] | undefined;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[] | undefined;
}
