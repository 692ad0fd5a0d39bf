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

/** What kube-proxy starts with; kubeadm keeps it as `config.conf` in the ConfigMap kube-system/kube-proxy. */
export interface KubeProxyConfiguration extends ApiObject {
  readonly kind: 'KubeProxyConfiguration';
  /** Empty means `iptables`, on Linux. */
  readonly mode?: '' | 'iptables' | 'nftables' | 'ipvs' | undefined;
  /** One CIDR, or two with a comma between them for dual stack. */
  readonly clusterCIDR?: string | undefined;
  readonly detectLocalMode?: '' | 'ClusterCIDR' | 'NodeCIDR' | 'BridgeInterface' | 'InterfaceNamePrefix' | undefined;
  /** CIDRs, or `primary` alone. */
  readonly nodePortAddresses?: readonly string[] | undefined;
  readonly iptables?: (MasqueradeSettings & { readonly localhostNodePorts?: boolean | undefined }) | undefined;
  readonly nftables?: MasqueradeSettings | undefined;
  readonly ipvs?:
    | {
        readonly scheduler?: string | undefined;
        readonly strictARP?: boolean | undefined;
        readonly excludeCIDRs?: readonly string[] | undefined;
        /** Durations as Go writes them, such as `15m0s`; zero leaves the kernel's. */
        readonly tcpTimeout?: string | undefined;
        readonly tcpFinTimeout?: string | undefined;
        readonly udpTimeout?: string | undefined;
      }
    | undefined;
  readonly conntrack?: { readonly tcpBeLiberal?: boolean | undefined } | undefined;
}

export interface MasqueradeSettings {
  readonly masqueradeAll?: boolean | undefined;
  /** Bit of the mark that asks for masquerading, 0 to 31. */
  readonly masqueradeBit?: number | undefined;
}
