import { type Cidr, cidrContains, type IpAddress, isIpv4 } from '../../protocol/address.ts';
import { familyOf, LOOPBACK_ADDRESSES, parseCidrSloppy } from './addresses.ts';
import type { ProxyConfig, ProxyNode } from './model.ts';

/** On which addresses node ports answer (pkg/proxy/util/nodeport_addresses.go). */
export interface NodePortAddresses {
  /** On every local one. Otherwise only on `addresses`. */
  readonly matchAll: boolean;
  readonly addresses: readonly IpAddress[];
  /** A CIDR of the setting holds 127.0.0.0 or is within 127.0.0.0/8. */
  readonly containsIpv4Loopback: boolean;
}

/** Reads the setting for a node. CIDRs of the other family are ignored; `primary` alone means the node's own address. */
export function nodePortAddresses(node: ProxyNode, config: ProxyConfig): NodePortAddresses {
  const ofFamily = (address: IpAddress): boolean => familyOf(address) === config.family;
  const cidrs =
    config.nodePortAddresses.length === 1 && config.nodePortAddresses[0] === 'primary'
      ? [hostPrefix(node.primaryAddress)]
      : config.nodePortAddresses.map(parseCidrSloppy).filter((cidr): cidr is Cidr => cidr !== undefined && ofFamily(cidr.address));
  if (cidrs.length === 0 || cidrs.some((cidr) => cidr.length === 0)) {
    return { matchAll: true, addresses: [], containsIpv4Loopback: config.family === 'IPv4' };
  }
  const local = [...LOOPBACK_ADDRESSES, ...node.addresses];
  return {
    matchAll: false,
    addresses: [...new Set(cidrs.flatMap((cidr) => local.filter((address) => cidrContains(cidr, address))))],
    containsIpv4Loopback: cidrs.some(
      (cidr) => isIpv4(cidr.address) && (cidr.address >>> 24 === 127 || cidrContains(cidr, 0x7f000000 as IpAddress)),
    ),
  };
}

/** The prefix that holds one address alone. */
export const hostPrefix = (address: IpAddress): Cidr => ({ address, length: isIpv4(address) ? 32 : 128 });
