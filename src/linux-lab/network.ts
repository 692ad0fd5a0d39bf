import { formatCidr, formatIp, formatMac, isIpv4 } from '../protocol/address.ts';
import type { RouteView } from '../protocol/event.ts';
import type { DeviceView, NetnsView } from '../protocol/view.ts';
import { linuxDeviceName } from './device-names.ts';

/** Commands for `ip -batch` in one namespace, in the order in which they must run. */
export interface NamespaceCommands {
  readonly namespace: string;
  /** Devices without a cable: bridges, and kube-ipvs0. */
  readonly single: readonly string[];
  /** Addresses, masters and links set up; after all cables are in place. */
  readonly devices: readonly string[];
  readonly routes: readonly string[];
  readonly sysctls: readonly string[];
}

/** A veth pair: two ends in two namespaces. On a real cluster between nodes this is a network card and its cable. */
export interface Cable {
  readonly a: CableEnd;
  readonly b: CableEnd;
}

interface CableEnd {
  readonly namespace: string;
  readonly device: string;
  readonly mac: string;
  readonly mtu: number;
}

/** Every cable once, in the order of the namespaces. */
export function cablesOf(namespaces: readonly NetnsView[]): Cable[] {
  const byId = new Map(namespaces.map((view) => [view.id, view]));
  const cables: Cable[] = [];
  const done = new Set<string>();
  for (const view of namespaces) {
    for (const device of view.devices) {
      const { peer } = device;
      const other = peer && byId.get(peer.netns)?.devices.find(({ name }) => name === peer.device);
      if (!peer || !other || done.has(`${view.id} ${device.name}`)) continue;
      done.add(`${peer.netns} ${peer.device}`);
      cables.push({ a: end(view.id, device), b: end(peer.netns, other) });
    }
  }
  return cables;
}

const end = (namespace: string, device: DeviceView): CableEnd => ({
  namespace,
  device: linuxDeviceName(device.name),
  mac: formatMac(device.mac),
  mtu: device.mtu,
});

/** The commands that make one namespace what it is in the lab. */
export function commandsOf(view: NetnsView): NamespaceCommands {
  return {
    namespace: view.id,
    single: view.devices.flatMap(singleCommand),
    devices: ['link set dev lo up', ...view.devices.filter(({ name }) => name !== 'lo').flatMap(deviceCommands)],
    routes: view.routes.filter(written).map(routeCommand),
    sysctls: sysctlsOf(view),
  };
}

function singleCommand({ name, mac, kind }: DeviceView): string[] {
  const device = `link add ${linuxDeviceName(name)} address ${formatMac(mac)} type`;
  if (kind === 'bridge') return [`${device} bridge forward_delay 0 stp_state 0 mcast_snooping 0`];
  return kind === 'dummy' ? [`${device} dummy`] : [];
}

function deviceCommands(device: DeviceView): string[] {
  const name = linuxDeviceName(device.name);
  const commands: string[] = [];
  if (device.mtu !== 1500) commands.push(`link set dev ${name} mtu ${device.mtu}`);
  if (device.master !== undefined) {
    commands.push(`link set dev ${name} master ${linuxDeviceName(device.master)}`);
    if (device.hairpin) commands.push(`link set dev ${name} type bridge_slave hairpin on`);
  }
  for (const cidr of device.addresses) {
    const broadcast = isIpv4(cidr.address) && cidr.length < 31 ? ' broadcast +' : '';
    commands.push(`addr add ${formatCidr(cidr)}${broadcast} dev ${name}`);
  }
  if (device.up) commands.push(`link set dev ${name} up`);
  return commands;
}

/** Routes of table `local`, and those that come with an address, are the kernel's own. */
const written = ({ table, protocol }: RouteView): boolean => table === 'main' && protocol !== 'kernel';

function routeCommand(route: RouteView): string {
  const prefix = route.destination.length === 0 ? 'default' : formatCidr(route.destination);
  const type = route.type === 'unicast' ? '' : `${route.type} `;
  const via = route.via === undefined ? '' : ` via ${formatIp(route.via)}`;
  const device = route.device === undefined ? '' : ` dev ${linuxDeviceName(route.device)}`;
  return `route add ${type}${prefix}${via}${device}`;
}

/** Set in every namespace, since the machine's own defaults may differ; sorted as the lab lists them. */
function sysctlsOf(view: NetnsView): string[] {
  const perDevice = new Map(view.devices.map(({ name }) => [name, linuxDeviceName(name)]));
  return Object.entries(view.sysctls)
    .filter(([key]) => !UNSETTABLE.test(key))
    .map(([key, value]) => {
      const named = /^(net\.ipv4\.conf)\.([^.]+)\.(.*)$/.exec(key);
      const device = named && perDevice.get(named[2] as string);
      return `${device ? `${named[1]}.${device}.${named[3]}` : key}=${value}`;
    });
}

/** Cannot be written inside a namespace (nf_conntrack_max), or set on each device below (neigh.default). */
const UNSETTABLE = /^net\.netfilter\.nf_conntrack_max$|^net\.ipv4\.neigh\.default\.(?!base_reachable|mcast|ucast|retrans|delay)/;
