import type { Cidr, IpAddress } from '../../protocol/address.ts';
import type { IpvsTimeouts, SchedulerName } from '../ipvs/model.ts';
import type { EndpointSlice } from '../k8s/endpoint-slice.ts';
import type { Service } from '../k8s/service.ts';

/** What a kube-proxy knows about the machine it runs on. */
export interface ProxyNode {
  readonly name: string;
  /** Addresses that count as local, of both families; 127.0.0.1 and ::1 always do besides. */
  readonly addresses: readonly IpAddress[];
  /** The node's own address of the proxy's family. */
  readonly primaryAddress: IpAddress;
  /** Label topology.kubernetes.io/zone. */
  readonly zone: string | undefined;
}

/** Settings of one proxier, for one family (KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1). */
export interface ProxyConfig {
  readonly family: 'IPv4' | 'IPv6';
  readonly masqueradeAll: boolean;
  /** The mark that asks for masquerading: 0x4000 by default (iptables.masqueradeBit 14). */
  readonly masqueradeMark: number;
  /** What counts as traffic of local pods; undefined: no detector (detectLocalMode). */
  readonly detectLocalCidr: Cidr | undefined;
  /** CIDRs; empty means every local address. CIDRs of the other family are ignored. */
  readonly nodePortAddresses: readonly string[];
  /** iptables.localhostNodePorts; counts in iptables mode and IPv4 only. */
  readonly localhostNodePorts: boolean;
  /** The machine has net.netfilter.nf_conntrack_tcp_be_liberal set. */
  readonly conntrackTcpBeLiberal: boolean;
  /** nfacct counters that could be made: `ct_state_invalid_dropped_pkts`, `localhost_nps_accepted_pkts`. */
  readonly nfacctCounters: readonly string[];
  /** iptables has `MASQUERADE --random-fully`. */
  readonly randomFully: boolean;
  readonly serviceCidrs: readonly string[];
  /** iptables.syncPeriod: how long stale chains may stay in a large cluster. 30 s when absent. */
  readonly syncPeriodNs?: number | undefined;
  /** What the mode ipvs alone has; the defaults when absent. */
  readonly ipvs?: IpvsConfig | undefined;
}

/** KubeProxyConfiguration's section `ipvs`. */
export interface IpvsConfig {
  readonly scheduler: SchedulerName;
  /** Nodes answer ARP for addresses of the asking device only, so not for those of kube-ipvs0. */
  readonly strictArp: boolean;
  /** Virtual servers within are never removed, whoever made them. */
  readonly excludeCidrs: readonly string[];
  readonly timeouts: IpvsTimeouts;
}

/** What changed since the last time: objects as they are now, or names of those gone. */
export interface ProxyChanges {
  readonly services?: readonly Service[] | undefined;
  readonly endpointSlices?: readonly EndpointSlice[] | undefined;
  /** `namespace/name` */
  readonly removedServices?: readonly string[] | undefined;
  readonly removedEndpointSlices?: readonly string[] | undefined;
}
