import type { Result } from '../../base/result.ts';
import { err, ok } from '../../base/result.ts';
import type { Cidr, IpAddress } from '../../protocol/address.ts';
import { isIpv4, networkOf } from '../../protocol/address.ts';
import type { RulePacket } from './evaluation.ts';
import type { IpSetElement, IpSetOptions, IpSetType } from './ipset/model.ts';
import { IP_SET_DEFAULTS } from './ipset/model.ts';

/*
 * ipsets: what `-m set` and IPVS mode of kube-proxy look into (net/netfilter/ipset). In memory, without
 * timeouts, counters and the like of elements. `ipset-text.ts` reads and prints them.
 */

/** How many parts of a packet the elements of a type have, and which of them are networks. */
const TYPES: Readonly<
  Record<IpSetType, { readonly dimensions: number; readonly net: boolean; readonly second: 'ip' | 'net' | undefined }>
> = {
  'hash:ip': { dimensions: 1, net: false, second: undefined },
  'hash:net': { dimensions: 1, net: true, second: undefined },
  'hash:ip,port': { dimensions: 2, net: false, second: undefined },
  'hash:ip,port,ip': { dimensions: 3, net: false, second: 'ip' },
  'hash:ip,port,net': { dimensions: 3, net: false, second: 'net' },
  'hash:net,port': { dimensions: 2, net: true, second: undefined },
  'bitmap:port': { dimensions: 1, net: false, second: undefined },
  'list:set': { dimensions: 1, net: false, second: undefined },
};

export const isIpSetType = (text: string): text is IpSetType => Object.hasOwn(TYPES, text);

/** Which part of the packet each dimension takes. */
export type SetDirections = readonly ('src' | 'dst')[];

const TCP = 6;
const UDP = 17;
const SCTP = 132;
const UDPLITE = 136;
const ICMP = 1;
const ICMPV6 = 58;

export class IpSet {
  readonly name: string;
  readonly type: IpSetType;
  readonly options: IpSetOptions;
  /** Rules and lists that use it: while there are any, it cannot be destroyed. */
  references = 0;
  private readonly members = new Map<string, IpSetElement>();
  /** Lengths of the networks that elements have, longest first, with how many have each. */
  private readonly lengths = new Map<number, number>();
  private lengthOrder: number[] = [];

  constructor(name: string, type: IpSetType, options: IpSetOptions) {
    this.name = name;
    this.type = type;
    this.options = options;
  }

  get elements(): Iterable<IpSetElement> {
    return this.members.values();
  }

  get count(): number {
    return this.members.size;
  }

  /** An element that is there already is replaced only in its comment; false then. */
  add(element: IpSetElement): Result<boolean, string> {
    const normal = this.normal(element);
    const problem = this.elementProblem(normal);
    if (problem !== undefined) return err(problem);
    const key = this.key(normal);
    if (this.members.has(key)) {
      this.members.set(key, normal);
      return ok(false);
    }
    const max = this.type === 'list:set' ? this.options.size : this.type === 'bitmap:port' ? 65536 : this.options.maxElements;
    if (this.members.size >= max) return err(`the set ${this.name} is full, it cannot have more than ${max} elements`);
    this.members.set(key, normal);
    this.countLength(normal, 1);
    return ok(true);
  }

  /** False when there was no such element. */
  delete(element: IpSetElement): boolean {
    const normal = this.normal(element);
    if (!this.members.delete(this.key(normal))) return false;
    this.countLength(normal, -1);
    return true;
  }

  clear(): void {
    this.members.clear();
    this.lengths.clear();
    this.lengthOrder = [];
  }

  /** Whether a packet's parts are in the set; `lists` are looked up through `sets`. The kadt functions of net/netfilter/ipset/*.c. */
  test(packet: RulePacket, directions: SetDirections, sets: IpSets): boolean {
    // ip_set_test: a rule with fewer directions than the set has dimensions matches nothing, one with more uses the first.
    if (directions.length < TYPES[this.type].dimensions) return false;
    if (this.type === 'list:set') return this.testLists(packet, directions, sets);
    const [first, second, third] = directions;
    if (this.type === 'bitmap:port') return this.testPort(packet, first);
    const address = first === 'src' ? packet.src : packet.dst;
    if (isIpv4(address) !== (this.options.family === 'inet')) return false;
    const port = this.type === 'hash:ip' || this.type === 'hash:net' ? 0 : portNumber(packet, second);
    if (port === undefined) return false;
    switch (this.type) {
      case 'hash:ip':
        return this.members.has(netKey(address, this.options.netmask ?? fullLength(address)));
      case 'hash:ip,port':
        return this.members.has(`${address}/${fullLength(address)},${packet.protocol}:${port}`);
      case 'hash:net':
        return this.testNets(address, '', '');
      case 'hash:net,port':
        return this.testNets(address, '', `,${packet.protocol}:${port}`);
      default: {
        const other = third === 'src' ? packet.src : packet.dst;
        const prefix = `${address}/${fullLength(address)},${packet.protocol}:${port},`;
        if (this.type === 'hash:ip,port,net') return this.testNets(other, prefix, '');
        return this.members.has(`${prefix}${other}/${fullLength(other)}`);
      }
    }
  }

  /** The longest network that contains the address decides (ip_set_hash_gen.h, mtype_test_cidrs). */
  private testNets(address: IpAddress, before: string, after: string): boolean {
    for (const length of this.lengthOrder) {
      const found = this.members.get(`${before}${netKey(address, length)}${after}`);
      if (found !== undefined) return found.nomatch !== true;
    }
    return false;
  }

  private testLists(packet: RulePacket, directions: SetDirections, sets: IpSets): boolean {
    for (const { set } of this.members.values()) {
      if (set !== undefined && sets.get(set)?.test(packet, directions, sets)) return true;
    }
    return false;
  }

  private testPort(packet: RulePacket, direction: 'src' | 'dst' | undefined): boolean {
    if (packet.protocol !== TCP && packet.protocol !== UDP) return false;
    const port = portNumber(packet, direction);
    return port !== undefined && this.members.has(String(port));
  }

  private normal(element: IpSetElement): IpSetElement {
    if (element.net === undefined) return element;
    const { netmask } = this.options;
    const cut = this.type === 'hash:ip' && netmask !== undefined ? { address: element.net.address, length: netmask } : element.net;
    const net = networkOf(cut);
    return element.second === undefined ? { ...element, net } : { ...element, net, second: networkOf(element.second) };
  }

  private key(element: IpSetElement): string {
    if (this.type === 'list:set') return element.set ?? '';
    if (this.type === 'bitmap:port') return String(element.port);
    let key = element.net === undefined ? '' : netKey(element.net.address, element.net.length);
    if (element.port !== undefined) key += `,${element.protocol}:${element.port}`;
    if (element.second !== undefined) key += `,${netKey(element.second.address, element.second.length)}`;
    return key;
  }

  private elementProblem(element: IpSetElement): string | undefined {
    const { net, second } = TYPES[this.type];
    const where = `an element of ${this.name}`;
    if (this.type === 'list:set') return element.set === undefined ? `${where} is the name of a set` : undefined;
    if (this.type === 'bitmap:port') {
      const { first, last } = this.options.range;
      return element.port === undefined || element.port < first || element.port > last
        ? `${where} is a port from ${first} to ${last}`
        : undefined;
    }
    const cut = this.type === 'hash:ip' && this.options.netmask !== undefined;
    return (
      this.partProblem(element.net, net || cut, where) ??
      (second === undefined ? undefined : this.partProblem(element.second, second === 'net', where)) ??
      (this.type.includes('port') && (element.port === undefined || element.protocol === undefined) ? `${where} needs a port` : undefined)
    );
  }

  private partProblem(part: Cidr | undefined, network: boolean, where: string): string | undefined {
    if (part === undefined) return `${where} needs an address`;
    if (isIpv4(part.address) !== (this.options.family === 'inet')) return `${where} is of the family ${this.options.family}`;
    if (!network && part.length !== fullLength(part.address)) return `${where} is an address, not a network`;
    return part.length === 0 ? 'a network of length 0 cannot be an element' : undefined;
  }

  private countLength(element: IpSetElement, change: 1 | -1): void {
    const { net, second } = TYPES[this.type];
    const length = second === 'net' ? element.second?.length : net ? element.net?.length : undefined;
    if (length === undefined) return;
    const count = (this.lengths.get(length) ?? 0) + change;
    if (count === 0) this.lengths.delete(length);
    else this.lengths.set(length, count);
    this.lengthOrder = [...this.lengths.keys()].sort((a, b) => b - a);
  }
}

const fullLength = (address: IpAddress): number => (isIpv4(address) ? 32 : 128);

const netKey = (address: IpAddress, length: number): string => `${networkOf({ address, length }).address}/${length}`;

/** ip_set_get_ip4_port of net/netfilter/ipset/ip_set_getport.c: undefined where the packet has no port to look at. */
function portNumber(packet: RulePacket, direction: 'src' | 'dst' | undefined): number | undefined {
  switch (packet.protocol) {
    case TCP:
    case UDP:
    case SCTP:
    case UDPLITE:
      return direction === 'src' ? packet.srcPort : packet.dstPort;
    case ICMP:
    case ICMPV6:
      return packet.icmpType === undefined ? undefined : packet.icmpType * 256 + (packet.icmpCode ?? 0);
    default:
      return 0;
  }
}

/** The ipsets of one network namespace. */
export class IpSets {
  private readonly sets = new Map<string, IpSet>();

  get(name: string): IpSet | undefined {
    return this.sets.get(name);
  }

  /** In the order of creation, lists of sets last, as `ipset save` prints them so that it can be read back. */
  all(): readonly IpSet[] {
    const sets = [...this.sets.values()];
    return [...sets.filter(({ type }) => type !== 'list:set'), ...sets.filter(({ type }) => type === 'list:set')];
  }

  create(name: string, type: IpSetType, options: IpSetOptions = IP_SET_DEFAULTS): Result<IpSet, string> {
    if (name === '' || name.length > 31) return err(`the name of a set has 1 to 31 characters: "${name}"`);
    if (this.sets.has(name)) return err(`the set ${name} exists already`);
    const set = new IpSet(name, type, options);
    this.sets.set(name, set);
    return ok(set);
  }

  /** Adds an element; true when it is new. */
  add(name: string, element: IpSetElement): Result<boolean, string> {
    const set = this.sets.get(name);
    if (set === undefined) return err(`there is no set ${name}`);
    if (set.type === 'list:set') {
      const member = this.sets.get(element.set ?? '');
      if (member === undefined) return err(`there is no set ${element.set}`);
      if (member.type === 'list:set') return err(`the list ${member.name} cannot be in a list`);
      const added = set.add(element);
      if (added.ok && added.value) member.references++;
      return added;
    }
    return set.add(element);
  }

  /** Deletes an element; true when there was one. */
  delete(name: string, element: IpSetElement): Result<boolean, string> {
    const set = this.sets.get(name);
    if (set === undefined) return err(`there is no set ${name}`);
    const deleted = set.delete(element);
    if (deleted && set.type === 'list:set') this.release(element.set ?? '');
    return ok(deleted);
  }

  flush(name: string): Result<undefined, string> {
    const set = this.sets.get(name);
    if (set === undefined) return err(`there is no set ${name}`);
    for (const { set: member } of set.elements) if (member !== undefined) this.release(member);
    set.clear();
    return ok(undefined);
  }

  destroy(name: string): Result<undefined, string> {
    const set = this.sets.get(name);
    if (set === undefined) return err(`there is no set ${name}`);
    if (set.references > 0) return err(`the set ${name} is in use and cannot be destroyed`);
    this.flush(name);
    this.sets.delete(name);
    return ok(undefined);
  }

  /** A rule that looks into the set was added; false when there is no such set. */
  retain(name: string): boolean {
    const set = this.sets.get(name);
    if (set !== undefined) set.references++;
    return set !== undefined;
  }

  release(name: string): void {
    const set = this.sets.get(name);
    if (set !== undefined) set.references--;
  }

  /** Whether a packet is in the set; never in one that does not exist. */
  test(name: string, packet: RulePacket, directions: SetDirections): boolean {
    return this.sets.get(name)?.test(packet, directions, this) ?? false;
  }
}
