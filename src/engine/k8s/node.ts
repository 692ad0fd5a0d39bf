import type { ApiObject } from './metadata.ts';

export interface Node extends ApiObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Node';
  readonly spec?: NodeSpec | undefined;
  readonly status?: NodeStatus | undefined;
}

export interface NodeSpec {
  readonly podCIDR?: string | undefined;
  /** Dual stack: one of each family; the first is `podCIDR`. */
  readonly podCIDRs?: readonly string[] | undefined;
  readonly taints?: readonly Taint[] | undefined;
  /** Set by `kubectl cordon`. */
  readonly unschedulable?: boolean | undefined;
}

export interface Taint {
  readonly key: string;
  readonly value?: string | undefined;
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}

export interface NodeStatus {
  readonly addresses?: readonly { readonly type: string; readonly address: string }[] | undefined;
  readonly allocatable?: { readonly pods?: string | number | undefined } | undefined;
  readonly capacity?: { readonly pods?: string | number | undefined } | undefined;
}

export const CONTROL_PLANE_LABEL = 'node-role.kubernetes.io/control-plane';
/** Before Kubernetes 1.24. */
export const MASTER_LABEL = 'node-role.kubernetes.io/master';
