import type { NetnsView, Topology } from './view.ts';

/** Everything that a script needs to know of a cluster. */
export interface LinuxLabInput {
  readonly topology: Topology;
  /** Every namespace, with its tables before anything was sent. */
  readonly namespaces: readonly NetnsView[];
  /** What `iptables-save` and `nft list ruleset` print in a namespace that has rules. */
  readonly rules: ReadonlyMap<string, { readonly iptables: string; readonly nftables: string }>;
  /** What TCP servers answer with that do not answer `200 OK`: `NAMESPACE PORT` to the status line. */
  readonly statuses: ReadonlyMap<string, string>;
  /** The address that a DNS server of the lab answers with. */
  readonly dnsAnswer: string;
}
