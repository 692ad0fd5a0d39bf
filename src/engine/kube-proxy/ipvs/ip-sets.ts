import { type Cidr, formatCidr, formatIp, type IpAddress } from '../../../protocol/address.ts';
import { IP_SET_DEFAULTS, type IpSetElement, type IpSetOptions, type IpSetType } from '../../netfilter/ipset/model.ts';
import type { IpFamily } from '../addresses.ts';
import { hostPrefix } from '../node-port-addresses.ts';
import type { Protocol } from '../service-port.ts';

/** The sets that kube-proxy has, with what their rules say of them (pkg/proxy/ipvs/ipset.go; ipsetInfo in proxier.go). */
const SETS = [
  ['KUBE-LOOP-BACK', 'hash:ip,port,ip', 'Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose'],
  ['KUBE-CLUSTER-IP', 'hash:ip,port', 'Kubernetes service cluster ip + port for masquerade purpose'],
  ['KUBE-EXTERNAL-IP', 'hash:ip,port', 'Kubernetes service external ip + port for masquerade and filter purpose'],
  ['KUBE-EXTERNAL-IP-LOCAL', 'hash:ip,port', 'Kubernetes service external ip + port with externalTrafficPolicy=local'],
  ['KUBE-LOAD-BALANCER', 'hash:ip,port', 'Kubernetes service lb portal'],
  ['KUBE-LOAD-BALANCER-FW', 'hash:ip,port', 'Kubernetes service load balancer ip + port for load balancer with sourceRange'],
  ['KUBE-LOAD-BALANCER-LOCAL', 'hash:ip,port', 'Kubernetes service load balancer ip + port with externalTrafficPolicy=local'],
  ['KUBE-LOAD-BALANCER-SOURCE-IP', 'hash:ip,port,ip', 'Kubernetes service load balancer ip + port + source IP for packet filter purpose'],
  [
    'KUBE-LOAD-BALANCER-SOURCE-CIDR',
    'hash:ip,port,net',
    'Kubernetes service load balancer ip + port + source cidr for packet filter purpose',
  ],
  ['KUBE-NODE-PORT-TCP', 'bitmap:port', 'Kubernetes nodeport TCP port for masquerade purpose'],
  ['KUBE-NODE-PORT-LOCAL-TCP', 'bitmap:port', 'Kubernetes nodeport TCP port with externalTrafficPolicy=local'],
  ['KUBE-NODE-PORT-UDP', 'bitmap:port', 'Kubernetes nodeport UDP port for masquerade purpose'],
  ['KUBE-NODE-PORT-LOCAL-UDP', 'bitmap:port', 'Kubernetes nodeport UDP port with externalTrafficPolicy=local'],
  ['KUBE-NODE-PORT-SCTP-HASH', 'hash:ip,port', "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'"],
  [
    'KUBE-NODE-PORT-LOCAL-SCTP-HASH',
    'hash:ip,port',
    "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
  ],
  ['KUBE-HEALTH-CHECK-NODE-PORT', 'bitmap:port', 'Kubernetes health check node port'],
  ['KUBE-IPVS-IPS', 'hash:ip', 'Addresses on the ipvs interface'],
] as const satisfies readonly (readonly [string, IpSetType, string])[];

/** A set by its name in IPv4. */
export type SetName = (typeof SETS)[number][0];

export interface ProxySet {
  /** As the kernel knows it. */
  readonly name: string;
  readonly type: IpSetType;
  readonly options: IpSetOptions;
  /** In the rules' comments; the set itself has none. */
  readonly comment: string;
}

const NAME_MAX = 31;

/** The sets of one family, in the order of ipsetInfo. Those of IPv6 have names of their own, cut to what the kernel takes. */
export function proxySets(family: IpFamily): ReadonlyMap<SetName, ProxySet> {
  const options: IpSetOptions = { ...IP_SET_DEFAULTS, family: family === 'IPv6' ? 'inet6' : 'inet' };
  const nameOf = (name: SetName): string => (family === 'IPv6' ? name.replace('KUBE-', 'KUBE-6-').slice(0, NAME_MAX) : name);
  return new Map(SETS.map(([name, type, comment]) => [name, { name: nameOf(name), type, options, comment }]));
}

/** One entry of a set, with the text by which kube-proxy compares it with those that are there. */
export interface SetEntry {
  readonly set: SetName;
  readonly text: string;
  readonly element: IpSetElement;
}

const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };

const ipPortText = (address: IpAddress, protocol: Protocol, port: number): string => `${formatIp(address)},${protocol}:${port}`;

/** hash:ip,port */
export const ipPortEntry = (set: SetName, address: IpAddress, protocol: Protocol, port: number): SetEntry => ({
  set,
  text: ipPortText(address, protocol, port),
  element: { net: hostPrefix(address), protocol: PROTOCOL_NUMBERS[protocol], port },
});

/** hash:ip,port,ip with the same address twice: a packet that goes where it came from. */
export const loopEntry = (set: SetName, address: IpAddress, protocol: Protocol, port: number): SetEntry => {
  const net = hostPrefix(address);
  return {
    set,
    text: `${ipPortText(address, protocol, port)},${formatIp(address)}`,
    element: { net, protocol: PROTOCOL_NUMBERS[protocol], port, second: net },
  };
};

/** hash:ip,port,net */
export const ipPortNetEntry = (set: SetName, address: IpAddress, protocol: Protocol, port: number, source: Cidr): SetEntry => ({
  set,
  text: `${ipPortText(address, protocol, port)},${formatCidr(source)}`,
  element: { net: hostPrefix(address), protocol: PROTOCOL_NUMBERS[protocol], port, second: source },
});

/** bitmap:port */
export const portEntry = (set: SetName, port: number): SetEntry => ({ set, text: String(port), element: { port } });

/** The text of an element that is in a set already, in the words of `SetEntry`. */
export function elementText(type: IpSetType, { net, protocol, port, second }: IpSetElement): string {
  if (net === undefined) return String(port ?? '');
  const name = (Object.keys(PROTOCOL_NUMBERS) as Protocol[]).find((candidate) => PROTOCOL_NUMBERS[candidate] === protocol);
  const parts = [formatIp(net.address)];
  if (port !== undefined) parts.push(`${name ?? protocol}:${port}`);
  if (second !== undefined) parts.push(type === 'hash:ip,port,net' ? formatCidr(second) : formatIp(second.address));
  return parts.join(',');
}
