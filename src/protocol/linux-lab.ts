import type { NetnsView, Topology } from './view.ts';

/** Everything that a script needs to know of a cluster. */
export interface LinuxLabInput {
  readonly topology: Topology;
  /** Every namespace, with its tables before anything was sent. */
  readonly namespaces: readonly NetnsView[];
  /** By namespace; those of nodes. */
  readonly rules: ReadonlyMap<string, RulesInput>;
  /** What TCP servers answer with that do not answer `200 OK`: `NAMESPACE PORT` to the status line. */
  readonly statuses: ReadonlyMap<string, string>;
  /** The address that a DNS server of the lab answers with. */
  readonly dnsAnswer: string;
}

/** What the tools print in a namespace, and read again; empty where there is nothing. */
export interface RulesInput {
  /** `iptables-save` */
  readonly iptables: string;
  /** `nft list ruleset` */
  readonly nftables: string;
  /** `ipset save` */
  readonly sets: string;
  /** What `ipvsadm -R` reads, real servers in the order in which they were added. */
  readonly virtualServers: string;
  /** What `ipvsadm --set` is given, in seconds: tcp, tcpfin, udp; empty where there are no virtual servers. */
  readonly ipvsTimeouts: string;
}
