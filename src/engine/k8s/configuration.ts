import type { ApiObject } from './metadata.ts';

/** kubeadm's cluster settings; `kubeadm config print init-defaults` and the ConfigMap kubeadm-config hold one. */
export interface ClusterConfiguration extends ApiObject {
  readonly kind: 'ClusterConfiguration';
  readonly networking?:
    | {
        /** One CIDR, or two with a comma between them for dual stack. */
        readonly podSubnet?: string | undefined;
        readonly serviceSubnet?: string | undefined;
        readonly dnsDomain?: string | undefined;
      }
    | undefined;
}
