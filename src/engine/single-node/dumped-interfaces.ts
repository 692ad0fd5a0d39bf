import { type Cidr, type Ipv4, isIpv4, type Mac, parseCidr, parseIpv4 } from '../../protocol/address.ts';
import type { RouteType } from '../../protocol/event.ts';
import type { InetDevice } from '../ip/inet-device.ts';
import type { Netns } from '../ip/netns.ts';
import { Device, type DeviceOwner, Dummy } from '../link/device.ts';
import type { DumpLine, DumpProblem, Section } from './dump-sections.ts';

/** A device of a real node, of which only this end is known: what is sent out of it is gone. */
class LooseEnd extends Device {
  constructor(owner: DeviceOwner, name: string, mac: Mac, mtu: number) {
    super(owner, name, name.startsWith('cni') || name.startsWith('br') ? 'bridge' : 'physical', mac, mtu);
  }

  get carrier(): boolean {
    return true;
  }

  get peer(): undefined {
    return undefined;
  }

  protected transmit(): void {
    // The other end is not in the dump.
  }
}

/** `ip addr` does not tell a device's type; by their names those are known that only hold addresses. */
const DUMMY_NAME = /^(kube-ipvs|nodelocaldns|dummy)/;
const OWN_MAC = 0x02_00_00_00_00_00 as Mac;

function addDevice(netns: Netns, name: string, mtu: number): InetDevice {
  return netns.addDevice(DUMMY_NAME.test(name) ? new Dummy(netns, name, OWN_MAC) : new LooseEnd(netns, name, OWN_MAC, mtu));
}

/** The devices and IPv4 addresses of `ip addr`. */
export function readAddresses({ lines }: Section, netns: Netns): DumpProblem[] {
  const problems: DumpProblem[] = [];
  let device = netns.lo;
  for (const { number, text } of lines) {
    const head = /^\d+: ([^:@]+)(?:@[^:]+)?: <([^>]*)>(?:.* mtu (\d+))?/.exec(text);
    if (head) {
      const name = head[1] as string;
      const known = netns.device(name);
      device = known ?? addDevice(netns, name, Number(head[3] ?? 1500));
      if (!known) device.device.up = (head[2] as string).split(',').includes('UP');
      continue;
    }
    if (/^\d/.test(text)) problems.push({ line: number, message: 'expected a device as “ip addr” prints it, with its flags in <>' });
    const inet = /^\s+inet (\S+)/.exec(text);
    if (!inet) continue;
    const cidr = parseCidr(inet[1] as string) ?? hostCidr(inet[1] as string);
    if (!cidr || !isIpv4(cidr.address))
      problems.push({ line: number, message: `expected an address after inet, got ${JSON.stringify(inet[1]?.slice(0, 80))}` });
    else if (!isLoopback(cidr) && !device.addresses.some(({ address }) => address === cidr.address)) netns.addAddress(device, cidr);
  }
  return problems;
}

/** Every namespace has 127.0.0.1 from the beginning. */
const isLoopback = ({ address }: Cidr): boolean => address === 0x7f_00_00_01;

const hostCidr = (text: string): Cidr | undefined => {
  const address = parseIpv4(text);
  return address === undefined ? undefined : { address, length: 32 };
};

/** The routes of `ip route`. Those of the kernel come with the addresses, where these are known. */
export function readRoutes({ lines }: Section, netns: Netns, withAddresses: boolean, notes: string[]): DumpProblem[] {
  const problems: DumpProblem[] = [];
  const done = new Set<string>();
  const tables = new Set<string>();
  let assumed = 0;
  for (const line of lines) {
    const route = routeOf(line);
    if (typeof route === 'string') {
      problems.push({ line: line.number, message: route });
      continue;
    }
    if (route.type === 'local' || route.type === 'broadcast') continue;
    if (route.table !== undefined) {
      if (!tables.has(route.table))
        notes.push(`line ${line.number}: routes of table ${route.table} are left out, since policy rules are not modelled.`);
      tables.add(route.table);
      continue;
    }
    // Of two routes for one prefix the one with the lower metric comes first, and is the one that is used.
    const name = `${route.destination.address}/${route.destination.length}`;
    if (done.has(name)) continue;
    done.add(name);
    const device = route.device === undefined ? undefined : (netns.device(route.device) ?? addDevice(netns, route.device, 1500));
    if (route.byKernel && withAddresses) continue;
    if (route.byKernel && route.source !== undefined && device) {
      netns.addAddress(device, { address: route.source, length: route.destination.length });
      assumed++;
      continue;
    }
    netns.addRoute(route.destination, { via: route.via, device, type: route.type });
  }
  if (assumed > 0) notes.push(`${assumed} addresses are taken from “src” of “ip route”; what else is local, only “ip addr” tells.`);
  return problems;
}

interface DumpedRoute {
  readonly type: RouteType;
  readonly destination: Cidr;
  readonly device: string | undefined;
  readonly via: Ipv4 | undefined;
  readonly source: Ipv4 | undefined;
  readonly table: string | undefined;
  readonly byKernel: boolean;
}

function routeOf({ text }: DumpLine): DumpedRoute | string {
  const words = text.trim().split(/\s+/);
  const typed = /^(unicast|local|broadcast|blackhole|unreachable|prohibit|throw)$/.test(words[0] as string);
  const type = (typed ? words.shift() : 'unicast') as RouteType | 'throw';
  const prefix = words.shift() ?? '';
  const field = (name: string): string | undefined => {
    const at = words.indexOf(name);
    return at < 0 ? undefined : words[at + 1];
  };
  const destination = prefix === 'default' ? { address: 0 as Ipv4, length: 0 } : (parseCidr(prefix) ?? hostCidr(prefix));
  const device = field('dev');
  const via = field('via');
  const gateway = via === undefined ? undefined : parseIpv4(via);
  const known = destination && isIpv4(destination.address) && type !== 'throw' && (via === undefined || gateway !== undefined);
  if (!known) return `this route is not understood: ${text.trim().slice(0, 120)}`;
  if (type === 'unicast' && device === undefined)
    return `this route names no device: ${text.trim().slice(0, 120)}; one with several next hops is written as one of them, with via and dev`;
  const table = field('table');
  const source = parseIpv4(field('src') ?? '');
  const byKernel = field('proto') === 'kernel';
  return { type, destination, device, via: gateway, source, table: table === 'main' ? undefined : table, byKernel };
}
