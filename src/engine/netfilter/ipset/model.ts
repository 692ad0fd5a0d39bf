import type { Cidr } from '../../../protocol/address.ts';

/*
 * ipsets as data: what `ipset create` and `ipset add` are told. kube-proxy writes them, `ipset-text.ts` reads
 * and prints them, `ipset.ts` looks packets up in them.
 */

export type IpSetType =
  | 'hash:ip'
  | 'hash:net'
  | 'hash:ip,port'
  | 'hash:ip,port,ip'
  | 'hash:ip,port,net'
  | 'hash:net,port'
  | 'bitmap:port'
  | 'list:set';

export interface IpSetOptions {
  readonly family: 'inet' | 'inet6';
  /** Printed as given; the real one grows with the set. */
  readonly hashSize: number;
  readonly maxElements: number;
  readonly bucketSize: number;
  /** hash:ip: addresses are cut to this many bits. */
  readonly netmask: number | undefined;
  /** bitmap:port: first and last port. */
  readonly range: { readonly first: number; readonly last: number };
  /** list:set: how many sets. */
  readonly size: number;
  /** The seed of the hash, which `ipset save` prints; it has no effect here. */
  readonly initval: number;
  /** Elements may carry a comment. */
  readonly comments: boolean;
}

export const IP_SET_DEFAULTS: IpSetOptions = {
  family: 'inet',
  hashSize: 1024,
  maxElements: 65536,
  bucketSize: 12,
  netmask: undefined,
  range: { first: 0, last: 65535 },
  size: 8,
  initval: 0,
  comments: false,
};

/** One element. Which members it has depends on the type of the set. */
export interface IpSetElement {
  /** First address or network; of an address, the full length. */
  readonly net?: Cidr | undefined;
  readonly protocol?: number | undefined;
  /** A port; of ICMP, type * 256 + code. */
  readonly port?: number | undefined;
  /** Third part: an address or network. */
  readonly second?: Cidr | undefined;
  /** list:set: the name of a set. */
  readonly set?: string | undefined;
  /** An exception within a larger network: hash:net and the like. */
  readonly nomatch?: boolean | undefined;
  readonly comment?: string | undefined;
}
