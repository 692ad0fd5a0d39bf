import { formatCidr, formatIpv4, type Ipv4 } from '../../protocol/address.ts';
import type { ApiObject } from '../k8s/metadata.ts';
import type { Scenario } from '../k8s/scenario.ts';
import {
  type Cidr4,
  cidr4,
  commonPrefix,
  containsAddress,
  firstOf,
  lastOf,
  overlaps,
  readAddress,
  readCidr,
  sizeOf,
} from './address-range.ts';
import type { UnderlayPlan } from './plan.ts';
import type { FieldPath, ProblemList } from './problem-list.ts';

/** A node as far as the underlay is concerned. `object` is undefined for the nodes of the default cluster. */
export interface UnderlayMember {
  readonly name: string;
  readonly controlPlane: boolean;
  readonly object: ApiObject | undefined;
  readonly given: Ipv4 | undefined;
  readonly givenPath: FieldPath;
}

/**
 * Networks for nodes whose addresses nobody gives: the first that touches neither pods nor Services,
 * and each may grow to its limit when there are many nodes.
 */
const DEFAULT_NETWORKS = [
  { start: 0xc0a80100, lengthMin: 16 }, // 192.168.1.0/24 in 192.168.0.0/16
  { start: 0xac140100, lengthMin: 12 }, // 172.20.1.0/24 in 172.16.0.0/12
  { start: 0x0a000100, lengthMin: 11 }, // 10.0.1.0/24 in 10.0.0.0/11
] as const;

/** Host parts at which addresses of nodes begin, as in most installation guides; lower ones are for routers and the like. */
const CONTROL_PLANE_FIRST = 10;
const WORKER_FIRST = 11;

/** A prefix shorter than this would take in most of the address space: the nodes are not in one network then. */
const INFERRED_LENGTH_MIN = 8;

/**
 * Networks for documentation (RFC 5737) stand for the Internet side: the first that is free is the outside
 * client's, 203.0.113.0/24 as a rule, the next one the load balancers', 198.51.100.0/24.
 */
const OUTSIDE_NETWORKS = [0xcb007100, 0xc6336400, 0xc0000200] as const;

/**
 * Finds the network that the nodes' eth0 are in, its router, and an address for every node.
 * undefined when that is impossible; `problems` then says why.
 */
export function planUnderlay(
  members: readonly UnderlayMember[],
  scenario: Scenario | undefined,
  elsewhere: readonly Cidr4[],
  problems: ProblemList,
): { readonly plan: UnderlayPlan; readonly addresses: readonly Ipv4[] } | undefined {
  const spec = scenario?.spec?.underlay;
  const router = readRouter(scenario, problems);
  const cidr =
    spec?.cidr === undefined
      ? inferCidr(members, router, elsewhere, problems)
      : explicitCidr(scenario as Scenario, members, router, problems);
  if (!cidr || !givenAreUnique(members, router, problems)) return undefined;
  const addresses = assignAddresses(members, cidr, router);
  if (!addresses) {
    const blame = scenario ?? members[0]?.object;
    if (blame)
      problems.error(
        blame,
        ['spec', 'underlay', 'cidr'],
        `${formatCidr(cidr)} has no room for ${members.length} nodes and their router: choose a shorter prefix`,
      );
    return undefined;
  }
  const outside = outsideNetwork([...elsewhere, cidr]);
  const loadBalancers = outsideNetwork([...elsewhere, cidr, outside]);
  return {
    plan: {
      cidr,
      router: addresses.router,
      outsideCidr: outside,
      outsideRouter: (outside.address + 1) as Ipv4,
      outsideClient: (outside.address + 10) as Ipv4,
      loadBalancerCidr: loadBalancers,

      podRoutes: spec?.podRoutes ?? false,
    },
    addresses: addresses.nodes,
  };
}

function readRouter(scenario: Scenario | undefined, problems: ProblemList): Ipv4 | undefined {
  const text = scenario?.spec?.underlay?.router;
  if (scenario === undefined || text === undefined) return undefined;
  const read = readAddress(text);
  if (read.kind === 'ipv4') return read.value;
  problems.error(scenario, ['spec', 'underlay', 'router'], notIpv4(read.kind, 'an IPv4 address such as 192.168.1.1', text));
  return undefined;
}

export function notIpv4(kind: 'ipv6' | 'invalid', expected: string, text: string): string {
  return kind === 'ipv6'
    ? `IPv6 is not modelled yet: expected ${expected}, got ${JSON.stringify(text)}`
    : `expected ${expected}, got ${JSON.stringify(text.slice(0, 60))}`;
}

function explicitCidr(
  scenario: Scenario,
  members: readonly UnderlayMember[],
  router: Ipv4 | undefined,
  problems: ProblemList,
): Cidr4 | undefined {
  const path = ['spec', 'underlay', 'cidr'];
  const text = scenario.spec?.underlay?.cidr as string;
  const read = readCidr(text);
  if (read.kind !== 'ipv4') {
    problems.error(scenario, path, notIpv4(read.kind, 'an IPv4 network such as 192.168.1.0/24', text));
    return undefined;
  }
  const cidr = read.value;
  if (cidr.length > 30 || cidr.length < INFERRED_LENGTH_MIN) {
    problems.error(scenario, path, `expected a network between /${INFERRED_LENGTH_MIN} and /30, got /${cidr.length}`);
    return undefined;
  }
  if (router !== undefined && !isHost(cidr, router)) {
    problems.error(
      scenario,
      ['spec', 'underlay', 'router'],
      `${formatIpv4(router)} is not a host address in ${formatCidr(cidr)}: nodes could not reach it`,
    );
    return undefined;
  }
  let allInside = true;
  for (const { object, given, givenPath } of members) {
    if (object === undefined || given === undefined || isHost(cidr, given)) continue;
    problems.error(
      object,
      givenPath,
      `${formatIpv4(given)} is not a host address in the underlay ${formatCidr(cidr)} of the Scenario: change one of them`,
    );
    allInside = false;
  }
  return allInside ? cidr : undefined;
}

/** Neither the network's own address nor its broadcast address. */
const isHost = (cidr: Cidr4, ip: number): boolean => ip > firstOf(cidr) && ip < lastOf(cidr);

function inferCidr(
  members: readonly UnderlayMember[],
  router: Ipv4 | undefined,
  elsewhere: readonly Cidr4[],
  problems: ProblemList,
): Cidr4 | undefined {
  let lowest = router ?? Number.POSITIVE_INFINITY;
  let highest = router ?? Number.NEGATIVE_INFINITY;
  let lowestMember: UnderlayMember | undefined;
  let highestMember: UnderlayMember | undefined;
  for (const member of members) {
    if (member.given === undefined) continue;
    if (member.given < lowest) {
      lowest = member.given;
      lowestMember = member;
    }
    if (member.given > highest) {
      highest = member.given;
      highestMember = member;
    }
  }
  if (lowest === Number.POSITIVE_INFINITY) return defaultNetwork(members.length, elsewhere);
  for (let length = commonPrefix(lowest, highest, 24).length; length >= INFERRED_LENGTH_MIN; length--) {
    const cidr = cidr4(lowest, length);
    if (isHost(cidr, lowest) && isHost(cidr, highest) && assignAddresses(members, cidr, router)) return cidr;
  }
  const blame = highestMember?.object ? highestMember : lowestMember;
  if (blame?.object) {
    problems.error(
      blame.object,
      blame.givenPath,
      `no network from /${INFERRED_LENGTH_MIN} to /24 holds both ${formatIpv4(lowest as Ipv4)} and ${formatIpv4(highest as Ipv4)}: the lab has one network between nodes, so give them addresses closer to each other`,
    );
  }
  return undefined;
}

function defaultNetwork(nodes: number, elsewhere: readonly Cidr4[]): Cidr4 | undefined {
  for (const { start, lengthMin } of DEFAULT_NETWORKS) {
    for (let length = 24; length >= lengthMin; length--) {
      const cidr = cidr4(start, length);
      if (elsewhere.some((other) => overlaps(other, cidr))) break;
      if (sizeOf(length) - CONTROL_PLANE_FIRST - 1 >= nodes) return cidr;
    }
  }
  return cidr4(DEFAULT_NETWORKS[0].start, 24);
}

function givenAreUnique(members: readonly UnderlayMember[], router: Ipv4 | undefined, problems: ProblemList): boolean {
  const holders = new Map<Ipv4, string>();
  if (router !== undefined) holders.set(router, 'the router');
  let unique = true;
  for (const { name, object, given, givenPath } of members) {
    if (given === undefined || object === undefined) continue;
    const holder = holders.get(given);
    if (holder !== undefined) {
      problems.error(object, givenPath, `${formatIpv4(given)} is already the address of ${holder}: every node needs its own`);
      unique = false;
    }
    holders.set(given, `node ${name}`);
  }
  return unique;
}

/** Addresses in the order of `members`; control planes choose first. undefined when there is no room. */
function assignAddresses(
  members: readonly UnderlayMember[],
  cidr: Cidr4,
  explicitRouter: Ipv4 | undefined,
): { readonly router: Ipv4; readonly nodes: readonly Ipv4[] } | undefined {
  const taken = new Set<number>();
  for (const { given } of members) if (given !== undefined) taken.add(given);
  let router = explicitRouter;
  for (let ip = firstOf(cidr) + 1; router === undefined && ip < lastOf(cidr); ip++) if (!taken.has(ip)) router = ip as Ipv4;
  if (router === undefined) return undefined;
  taken.add(router);
  const nodes = members.map((member) => member.given);
  for (const [controlPlane, firstHost] of [
    [true, CONTROL_PLANE_FIRST],
    [false, WORKER_FIRST],
  ] as const) {
    const free = freeHosts(cidr, firstHost, taken);
    for (const [i, member] of members.entries()) {
      if (member.controlPlane !== controlPlane || nodes[i] !== undefined) continue;
      const next = free.next();
      if (next.done) return undefined;
      nodes[i] = next.value;
      taken.add(next.value);
    }
  }
  return { router, nodes: nodes as Ipv4[] };
}

/** Free host addresses from a host part on, then those below it. */
function* freeHosts(cidr: Cidr4, firstHost: number, taken: ReadonlySet<number>): Generator<Ipv4, void> {
  for (let ip = firstOf(cidr) + firstHost; ip < lastOf(cidr); ip++) if (!taken.has(ip)) yield ip as Ipv4;
  for (let ip = firstOf(cidr) + 1; ip < Math.min(firstOf(cidr) + firstHost, lastOf(cidr)); ip++) if (!taken.has(ip)) yield ip as Ipv4;
}

function outsideNetwork(others: readonly Cidr4[]): Cidr4 {
  const candidates = OUTSIDE_NETWORKS.map((start) => cidr4(start, 24));
  return (
    candidates.find((candidate) => !others.some((other) => overlaps(other, candidate) || containsAddress(other, candidate.address))) ??
    (candidates[0] as Cidr4)
  );
}
