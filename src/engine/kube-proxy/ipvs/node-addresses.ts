import { type IpAddress, isIpv4 } from '../../../protocol/address.ts';
import { familyOf, type IpFamily, isLoopback } from '../addresses.ts';
import type { ProxyConfig, ProxyNode } from '../model.ts';
import { nodePortAddresses } from '../node-port-addresses.ts';

/** fe80::/10 */
const isLinkLocal = (address: IpAddress): boolean => !isIpv4(address) && address >> 118n === 0x3fan;

/**
 * The addresses of a node that virtual servers for node ports can be made of (isValidForSet in
 * pkg/proxy/ipvs/netlink_linux.go): `bound` are those of kube-ipvs0, which services have.
 */
export function usableNodeAddresses(addresses: readonly IpAddress[], family: IpFamily, bound: readonly IpAddress[]): readonly IpAddress[] {
  return [...new Set(addresses)].filter(
    (address) => familyOf(address) === family && !isLoopback(address) && !isLinkLocal(address) && !bound.includes(address),
  );
}

/** Where node ports answer: a virtual server for each port at each of them. */
export function nodePortServerAddresses(node: ProxyNode, config: ProxyConfig): readonly IpAddress[] {
  const { matchAll, addresses } = nodePortAddresses(node, config);
  return matchAll ? usableNodeAddresses(node.addresses, config.family, []) : addresses.filter((address) => !isLoopback(address));
}
