import type { ApiObject } from './metadata.ts';
import type { TransportProtocol } from './pod.ts';

/** discovery.k8s.io/v1. Belongs to the Service that its label `kubernetes.io/service-name` names. */
export interface EndpointSlice extends ApiObject {
  readonly kind: 'EndpointSlice';
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints?: readonly Endpoint[] | null | undefined;
  readonly ports?: readonly EndpointPort[] | null | undefined;
}

export const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';

export interface Endpoint {
  readonly addresses: readonly string[];
  /** Absent `ready` and `serving` mean true, absent `terminating` false. */
  readonly conditions?:
    | { readonly ready?: boolean | undefined; readonly serving?: boolean | undefined; readonly terminating?: boolean | undefined }
    | undefined;
  readonly nodeName?: string | undefined;
  readonly zone?: string | undefined;
  readonly hints?:
    | {
        readonly forZones?: readonly { readonly name: string }[] | undefined;
        readonly forNodes?: readonly { readonly name: string }[] | undefined;
      }
    | undefined;
  readonly targetRef?:
    | { readonly kind?: string | undefined; readonly namespace?: string | undefined; readonly name?: string | undefined }
    | undefined;
}

export interface EndpointPort {
  readonly name?: string | undefined;
  readonly protocol?: TransportProtocol | undefined;
  readonly port?: number | undefined;
}
