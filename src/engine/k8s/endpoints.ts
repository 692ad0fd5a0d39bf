import type { EndpointPort } from './endpoint-slice.ts';
import type { ApiObject } from './metadata.ts';

/** The older form of what EndpointSlices hold; deprecated since Kubernetes 1.33. Has the name of its Service. */
export interface Endpoints extends ApiObject {
  readonly apiVersion: 'v1';
  readonly kind: 'Endpoints';
  readonly subsets?: readonly EndpointSubset[] | undefined;
}

/** Every address with every port. */
export interface EndpointSubset {
  readonly addresses?: readonly EndpointAddress[] | undefined;
  readonly notReadyAddresses?: readonly EndpointAddress[] | undefined;
  readonly ports?: readonly EndpointPort[] | undefined;
}

export interface EndpointAddress {
  readonly ip: string;
  readonly nodeName?: string | undefined;
  readonly targetRef?:
    | { readonly kind?: string | undefined; readonly namespace?: string | undefined; readonly name?: string | undefined }
    | undefined;
}
