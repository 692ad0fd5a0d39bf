import type { Cidr, Ipv4, Mac } from '../../protocol/address.ts';
import { ANY_V4, isIpv4 } from '../../protocol/address.ts';
import type { InetDevice } from '../ip/inet-device.ts';
import { macOf, type Netns } from '../ip/netns.ts';
import { Bridge, type SleepingPorts } from '../link/bridge.ts';
import { LinkEnd } from '../link/device.ts';
import { VETH_DELAY_NS } from '../link/timing.ts';

/** The bridge plugin derives a pod's MAC from its address: 0a:58 and the four octets (containernetworking/plugins pkg/utils/hwaddr). */
const POD_MAC_PREFIX = 0x0a58;
/** The node's ends of the pairs; real ones are random. */
const HOST_END_MAC_PREFIX = 0xfe58;
const MTU = 1500;

export const BRIDGE_NAME = 'cni0';

/** The gateway of a node's pods: the first address of its podCIDR (plugins/ipam/host-local). */
export const gatewayOf = (podCidr: Cidr): Ipv4 => (((podCidr.address as Ipv4) + 1) >>> 0) as Ipv4;

/**
 * Makes the node's bridge, as the reference bridge plugin does for the first pod of a node, with
 * `isDefaultGateway` and `hairpinMode` (containernetworking/plugins v1.5, plugins/main/bridge).
 */
export function createBridge(node: Netns, podCidr: Cidr, sleeping: SleepingPorts | undefined): Bridge {
  const gateway = gatewayOf(podCidr);
  const bridge = new Bridge(node, BRIDGE_NAME, macOf(POD_MAC_PREFIX, gateway), MTU);
  bridge.sleeping = sleeping;
  node.addAddress(node.addBridge(bridge), { address: gateway, length: podCidr.length });
  return bridge;
}

/** CNI ADD: a veth pair between the pod and the bridge, the pod's address, and its default route by the bridge. Returns the node's end. */
export function addPod(node: Netns, bridge: Bridge, pod: Netns, podCidr: Cidr, address: Ipv4, hostVeth: string): InetDevice {
  const inside = new LinkEnd(pod, 'eth0', 'veth', macOf(POD_MAC_PREFIX, address), MTU, VETH_DELAY_NS);
  const outside = new LinkEnd(node, hostVeth, 'veth', macOf(HOST_END_MAC_PREFIX, address), MTU, VETH_DELAY_NS);
  LinkEnd.join(inside, outside);
  const hostEnd = node.addDevice(outside);
  bridge.addPort(outside, true);
  const eth0 = pod.addDevice(inside);
  pod.addAddress(eth0, { address, length: podCidr.length });
  pod.addRoute({ address: ANY_V4, length: 0 }, { via: gatewayOf(podCidr), device: eth0 });
  return hostEnd;
}

/** The pod address that a MAC of this plugin belongs to; undefined for other MACs. */
export function podAddressOfMac(mac: Mac): Ipv4 | undefined {
  return Math.floor(mac / 0x1_0000_0000) === POD_MAC_PREFIX ? ((mac % 0x1_0000_0000) as Ipv4) : undefined;
}

/** Name of the node's end of a pod's pair: `veth` and eight hexadecimal digits; real ones are random, these follow from the pod's name. */
export function hostVethName(namespace: string, name: string): string {
  let h = 0x811c9dc5;
  for (const c of `${namespace}/${name}`) h = Math.imul(h ^ (c.codePointAt(0) as number), 0x01000193);
  h ^= h >>> 15;
  return `veth${(Math.imul(h, 0x2c1b3c6d) >>> 0).toString(16).padStart(8, '0')}`;
}

export const isPodCidr = (cidr: Cidr | undefined): cidr is Cidr & { address: Ipv4 } => cidr !== undefined && isIpv4(cidr.address);
