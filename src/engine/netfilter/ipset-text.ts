import type { Result } from '../../base/result.ts';
import { err, ok } from '../../base/result.ts';
import type { Cidr, IpAddress } from '../../protocol/address.ts';
import { isIpv4, networkOf, parseIp } from '../../protocol/address.ts';
import type { IpSetElement, IpSetOptions } from './ipset/model.ts';
import { IP_SET_DEFAULTS } from './ipset/model.ts';
import type { IpSet, IpSets } from './ipset.ts';
import { isIpSetType } from './ipset.ts';
import { ICMP_TYPES, ICMPV6_TYPES, protocolName, protocolNumber, SERVICE_PORTS } from './iptables/names.ts';
import { shortCidrText } from './iptables/text.ts';

/*
 * What `ipset save` prints and `ipset restore` reads, of ipset v7.17. The real one lists elements in the order
 * of a hash with a random seed; here they are in the order in which they were added.
 */

/** The text of `ipset save`. */
export function saveSets(sets: IpSets): string {
  const lines: string[] = [];
  for (const set of sets.all()) {
    lines.push(createText(set));
    for (const element of inOrder(set)) lines.push(addText(set, element));
  }
  return lines.map((line) => `${line}\n`).join('');
}

function createText(set: IpSet): string {
  return `create ${set.name} ${set.type} ${headerText(set)}`;
}

/** The options of a set, as `ipset save` and `ipset list` write them. */
export function headerText({ type, options }: IpSet): string {
  const comment = options.comments ? ' comment' : '';
  if (type === 'bitmap:port') return `range ${options.range.first}-${options.range.last}${comment}`;
  if (type === 'list:set') return `size ${options.size}${comment}`;
  const netmask = options.netmask === undefined ? '' : ` netmask ${options.netmask}`;
  const seed = `0x${options.initval.toString(16).padStart(8, '0')}`;
  return (
    `family ${options.family} hashsize ${options.hashSize} maxelem ${options.maxElements}` +
    `${netmask}${comment} bucketsize ${options.bucketSize} initval ${seed}`
  );
}

/** The elements of a set in the order in which they are printed: a bitmap has one of its own. */
export function inOrder(set: IpSet): Iterable<IpSetElement> {
  return set.type === 'bitmap:port' ? [...set.elements].sort((a, b) => (a.port ?? 0) - (b.port ?? 0)) : set.elements;
}

const addText = (set: IpSet, element: IpSetElement): string => `add ${set.name} ${memberText(set, element)}`;

/** An element with what belongs to it: `10.0.0.0/8 nomatch`. */
export function memberText(set: IpSet, element: IpSetElement): string {
  const comment = element.comment === undefined ? '' : ` comment "${element.comment}"`;
  return `${elementText(set, element)}${element.nomatch ? ' nomatch' : ''}${comment}`;
}

/** An element as the tool writes it: `10.96.0.10,tcp:80`. */
function elementText({ type }: IpSet, element: IpSetElement): string {
  if (type === 'list:set') return element.set ?? '';
  if (type === 'bitmap:port') return String(element.port);
  const parts: string[] = [];
  // hash:ip with a netmask keeps networks, and prints their addresses.
  if (element.net !== undefined) parts.push(type === 'hash:ip' ? shortCidrText(whole(element.net.address)) : shortCidrText(element.net));
  if (element.port !== undefined) parts.push(portText(element.protocol ?? 6, element.port));
  if (element.second !== undefined) parts.push(shortCidrText(element.second));
  return parts.join(',');
}

const whole = (address: IpAddress): Cidr => ({ address, length: isIpv4(address) ? 32 : 128 });

function portText(protocol: number, port: number): string {
  const names = protocol === 1 ? ICMP_TYPES : protocol === 58 ? ICMPV6_TYPES : undefined;
  if (names === undefined) return `${protocolName(protocol)}:${port}`;
  const [type, code] = [Math.floor(port / 256), port % 256];
  const codeless = protocol === 1 ? CODELESS_TYPES : CODELESS_TYPES_V6;
  for (const [name, known] of names) {
    if (known.type === type && (known.code === code || (known.code === undefined && code === 0 && codeless.includes(type))))
      return `${protocolName(protocol)}:${name}`;
  }
  return `${protocolName(protocol)}:${type}/${code}`;
}

/** Types that have only the code 0, which is printed by the name of the type. */
const CODELESS_TYPES = [0, 4, 8, 9, 10, 13, 14, 17, 18];
const CODELESS_TYPES_V6 = [2, 128, 129, 133, 134, 135, 136, 137];

/** Reads lines of `ipset save` or `ipset restore` into the sets. All lines that are not understood are named; the others have been done. */
export function restoreSets(sets: IpSets, text: string): Result<undefined, readonly { readonly line: number; readonly message: string }[]> {
  const problems: { line: number; message: string }[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    const words = line.match(/"[^"]*"|\S+/g) ?? [];
    if (words.length === 0 || line.startsWith('#')) continue;
    const problem = command(sets, words);
    if (problem !== undefined) problems.push({ line: i + 1, message: problem });
  }
  return problems.length > 0 ? err(problems) : ok(undefined);
}

function command(sets: IpSets, written: readonly string[]): string | undefined {
  const exist = written.some((word) => word === '-exist' || word === '-!');
  const [verb = '', name = '', ...rest] = written.filter((word) => word !== '-exist' && word !== '-!');
  switch (verb) {
    case 'create':
    case '-N':
      return create(sets, name, rest, exist);
    case 'add':
    case '-A':
    case 'del':
    case '-D':
      return change(sets, verb === 'add' || verb === '-A' ? 'add' : 'delete', name, rest, exist);
    case 'flush':
    case '-F':
      return messageOf(sets.flush(name));
    case 'destroy':
    case '-X':
      return messageOf(sets.destroy(name));
    case 'COMMIT':
    case 'quit':
      return undefined;
    default:
      return `the command "${verb}" is not modelled`;
  }
}

const messageOf = (result: Result<unknown, string>): string | undefined => (result.ok ? undefined : result.error);

function create(sets: IpSets, name: string, [type = '', ...words]: readonly string[], exist: boolean): string | undefined {
  if (!isIpSetType(type)) return `the type "${type}" is not modelled`;
  const options = createOptions(words);
  if (!options.ok) return options.error;
  if (exist && sets.get(name)?.type === type) return undefined;
  return messageOf(sets.create(name, type, options.value));
}

function createOptions(words: readonly string[]): Result<IpSetOptions, string> {
  let options = IP_SET_DEFAULTS;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === 'comment') {
      options = { ...options, comments: true };
      continue;
    }
    const value = words[++i] ?? '';
    const option = createOption(word, value);
    if (option === undefined) return err(`the option "${word} ${value}" is not modelled`);
    options = { ...options, ...option };
  }
  return ok(options);
}

function createOption(word: string, value: string): Partial<IpSetOptions> | undefined {
  const number = /^(\d+|0x[0-9a-f]+)$/i.test(value) ? Number(value) : undefined;
  switch (word) {
    case 'family':
      return value === 'inet' || value === 'inet6' ? { family: value } : undefined;
    case 'range': {
      const m = /^(\d+)-(\d+)$/.exec(value);
      return m === null || Number(m[2]) > 65535 ? undefined : { range: { first: Number(m[1]), last: Number(m[2]) } };
    }
    case 'hashsize':
      // The kernel takes the next power of two, at least 64.
      return number === undefined ? undefined : { hashSize: Math.max(64, 2 ** Math.ceil(Math.log2(number))) };
    case 'maxelem':
      return number === undefined ? undefined : { maxElements: number };
    case 'bucketsize':
      return number === undefined ? undefined : { bucketSize: number };
    case 'netmask':
      return number === undefined ? undefined : { netmask: number };
    case 'size':
      return number === undefined ? undefined : { size: number };
    case 'initval':
      return number === undefined ? undefined : { initval: number };
    default:
      return undefined;
  }
}

function change(sets: IpSets, action: 'add' | 'delete', name: string, words: readonly string[], exist: boolean): string | undefined {
  const set = sets.get(name);
  if (set === undefined) return `there is no set ${name}`;
  const [text = '', ...options] = words;
  let nomatch = false;
  let comment: string | undefined;
  for (let i = 0; i < options.length; i++) {
    const option = options[i] as string;
    if (option === 'nomatch' && set.type.includes('net')) nomatch = true;
    else if (option === 'comment' && set.options.comments) comment = (options[++i] ?? '').replace(/^"(.*)"$/, '$1');
    else return `the option "${option}" is not modelled for this set`;
  }
  const elements = parseElements(set, text);
  if (!elements.ok) return elements.error;
  for (const element of elements.value) {
    const full = { ...element, ...(nomatch ? { nomatch } : {}), ...(comment === undefined ? {} : { comment }) };
    const done = action === 'add' ? sets.add(name, full) : sets.delete(name, full);
    if (!done.ok) return done.error;
    if (!done.value && !exist) return action === 'add' ? `${text} is in the set ${name} already` : `${text} is not in the set ${name}`;
  }
  return undefined;
}

/** Ranges and networks become many elements, but not more than this. */
const EXPANDED_MAX = 65536;

function parseElements(set: IpSet, text: string): Result<readonly IpSetElement[], string> {
  const bad = err(`"${text}" is no element of a set of the type ${set.type}`);
  if (set.type === 'list:set') return ok([{ set: text }]);
  if (set.type === 'bitmap:port') {
    const ports = parsePorts(text);
    return ports === undefined ? bad : ok(ports.map(({ port }) => ({ port })));
  }
  const parts = set.type.slice('hash:'.length).split(',');
  const words = text.split(',');
  if (words.length !== parts.length) return bad;
  let elements: IpSetElement[] = [{}];
  for (const [i, part] of parts.entries()) {
    const word = words[i] as string;
    const field = i === 0 ? 'net' : 'second';
    const values: readonly IpSetElement[] | undefined =
      part === 'port' ? parsePorts(word) : parseAddresses(word, part === 'net')?.map((net) => ({ [field]: net }));
    if (values === undefined || values.length * elements.length > EXPANDED_MAX) return bad;
    elements = elements.flatMap((element) => values.map((value) => ({ ...element, ...value })));
  }
  return ok(elements);
}

/** `80`, `tcp:80-82`, `icmp:echo-request`, `icmp:3/3`; without a protocol it is TCP. */
function parsePorts(text: string): { protocol: number; port: number }[] | undefined {
  const colon = text.indexOf(':');
  const protocol = colon < 0 ? 6 : protocolNumber(text.slice(0, colon));
  const rest = text.slice(colon + 1);
  if (protocol === undefined || protocol === 0) return undefined;
  if (protocol === 1 || protocol === 58) {
    const named = (protocol === 1 ? ICMP_TYPES : ICMPV6_TYPES).get(rest);
    const m = /^(\d{1,3})\/(\d{1,3})$/.exec(rest);
    if (named === undefined && m === null) return undefined;
    return [{ protocol, port: named === undefined ? Number(m?.[1]) * 256 + Number(m?.[2]) : named.type * 256 + (named.code ?? 0) }];
  }
  const ends = rest.split('-').map((word) => (/^\d+$/.test(word) ? Number(word) : SERVICE_PORTS.get(word)));
  const [first, last = first] = ends;
  if (first === undefined || last === undefined || ends.length > 2 || first > last || last > 65535) return undefined;
  return Array.from({ length: last - first + 1 }, (_, i) => ({ protocol, port: first + i }));
}

function parseAddresses(text: string, network: boolean): Cidr[] | undefined {
  const m = /^([^/-]+)(?:\/(\d{1,3})|-([^/-]+))?$/.exec(text);
  const address = parseIp(m?.[1] ?? '');
  if (m === null || address === undefined) return undefined;
  const full = isIpv4(address) ? 32 : 128;
  const length = m[2] === undefined ? full : Number(m[2]);
  if (length > full) return undefined;
  if (network) return m[3] === undefined ? [{ address, length }] : undefined;
  if (m[3] === undefined && length === full) return [{ address, length }];
  // Only of IPv4 does the tool take ranges of addresses.
  if (!isIpv4(address)) return undefined;
  const first = networkOf({ address, length }).address as number;
  const end = m[3] === undefined ? first + 2 ** (32 - length) - 1 : parseIp(m[3]);
  if (typeof end !== 'number' || end < first || end - first >= EXPANDED_MAX) return undefined;
  return Array.from({ length: end - first + 1 }, (_, i) => ({ address: (first + i) as IpAddress, length: 32 }));
}
