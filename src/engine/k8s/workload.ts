import type { ApiObject, LabelSelector } from './metadata.ts';
import type { PodTemplateSpec } from './pod.ts';

export interface Deployment extends ApiObject {
  readonly apiVersion: 'apps/v1';
  readonly kind: 'Deployment';
  readonly spec: ReplicatedSpec;
}

export interface ReplicaSet extends ApiObject {
  readonly apiVersion: 'apps/v1';
  readonly kind: 'ReplicaSet';
  readonly spec: ReplicatedSpec;
}

export interface ReplicatedSpec {
  /** Absent means 1. */
  readonly replicas?: number | undefined;
  readonly selector?: LabelSelector | undefined;
  readonly template: PodTemplateSpec;
}

export interface StatefulSet extends ApiObject {
  readonly apiVersion: 'apps/v1';
  readonly kind: 'StatefulSet';
  readonly spec: ReplicatedSpec & {
    readonly serviceName?: string | undefined;
    readonly ordinals?: { readonly start?: number | undefined } | undefined;
  };
}

export interface DaemonSet extends ApiObject {
  readonly apiVersion: 'apps/v1';
  readonly kind: 'DaemonSet';
  readonly spec: { readonly selector?: LabelSelector | undefined; readonly template: PodTemplateSpec };
}

export interface Job extends ApiObject {
  readonly apiVersion: 'batch/v1';
  readonly kind: 'Job';
  readonly spec: {
    /** Absent means 1. */
    readonly parallelism?: number | undefined;
    /** Absent means: as many as run at once. */
    readonly completions?: number | undefined;
    readonly completionMode?: string | undefined;
    readonly suspend?: boolean | undefined;
    readonly template: PodTemplateSpec;
  };
  readonly status?:
    | {
        readonly succeeded?: number | undefined;
        readonly conditions?: readonly { readonly type: string; readonly status: string }[] | undefined;
      }
    | undefined;
}

export type Workload = Deployment | ReplicaSet | StatefulSet | DaemonSet | Job;
