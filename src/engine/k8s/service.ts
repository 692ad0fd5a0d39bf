import type { ApiObject } from './metadata.ts';
import type { TransportProtocol } from './pod.ts';

export interface Service extends ApiObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Service';
  readonly spec?:
    | {
        readonly type?: string | undefined;
        /** An address, or `None` for a headless Service. */
        readonly clusterIP?: string | undefined;
        readonly clusterIPs?: readonly string[] | undefined;
        readonly externalName?: string | undefined;
        readonly selector?: Readonly<Record<string, string>> | undefined;
        readonly ports?: readonly ServicePort[] | undefined;
      }
    | undefined;
}

export interface ServicePort {
  readonly name?: string | undefined;
  readonly port: number;
  /** A number, or the name of a container's port; absent means the same as `port`. */
  readonly targetPort?: number | string | undefined;
  readonly nodePort?: number | undefined;
  readonly protocol?: TransportProtocol | undefined;
}

export interface EndpointSlice extends ApiObject {
  readonly apiVersion: 'discovery.k8s.io/v1';
  readonly kind: 'EndpointSlice';
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints?:
    | readonly {
        readonly addresses: readonly string[];
        readonly conditions?:
          | { readonly ready?: boolean | undefined; readonly serving?: boolean | undefined; readonly terminating?: boolean | undefined }
          | undefined;
        readonly nodeName?: string | undefined;
        readonly zone?: string | undefined;
        readonly targetRef?: { readonly kind?: string | undefined; readonly namespace?: string | undefined; readonly name?: string | undefined } | undefined;
      }[]
    | undefined;
  readonly ports?:
    | readonly { readonly name?: string | undefined; readonly port?: number | undefined; readonly protocol?: TransportProtocol | undefined }[]
    | undefined;
}
