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
