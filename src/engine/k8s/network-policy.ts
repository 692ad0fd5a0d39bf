import type { ApiObject, LabelSelector } from './metadata.ts';
import type { TransportProtocol } from './pod.ts';

/** Kept with the scenario; nothing enforces it yet. */
export interface NetworkPolicy extends ApiObject {
  readonly apiVersion: 'networking.k8s.io/v1';
  readonly kind: 'NetworkPolicy';
  readonly spec?:
    | {
        readonly podSelector?: LabelSelector | undefined;
        readonly policyTypes?: readonly ('Ingress' | 'Egress')[] | undefined;
        readonly ingress?: readonly { readonly from?: readonly NetworkPolicyPeer[] | undefined; readonly ports?: readonly NetworkPolicyPort[] | undefined }[] | undefined;
        readonly egress?: readonly { readonly to?: readonly NetworkPolicyPeer[] | undefined; readonly ports?: readonly NetworkPolicyPort[] | undefined }[] | undefined;
      }
    | undefined;
}

export interface NetworkPolicyPeer {
  readonly podSelector?: LabelSelector | undefined;
  readonly namespaceSelector?: LabelSelector | undefined;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] | undefined } | undefined;
}

export interface NetworkPolicyPort {
  readonly protocol?: TransportProtocol | undefined;
  readonly port?: number | string | undefined;
  readonly endPort?: number | undefined;
}
