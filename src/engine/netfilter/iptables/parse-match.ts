import {
  ADDRESS_TYPES,
  CT_STATES,
  CT_STATUSES,
  DEFAULT_LIMIT_BURST,
  FULL_MASK,
  LIMIT_UNITS,
  normalLimit,
  TCP_FLAG_NAMES,
} from './match-text.ts';
import type { IptablesFamily, Match, Negatable, PortRange } from './model.ts';
import { ICMP_TYPES, ICMPV6_TYPES, protocolNumber } from './names.ts';
import { addressText } from './text.ts';
import type { Words } from './words.ts';
import { address, cidr, markAndMask, numberOption, port, portRange, Refusal, wholeNumber } from './words.ts';

/** A match while its options are being read. */
export interface MatchReader {
  /** Takes an option and its values; false when it is none of this match. */
  take(option: string, negated: boolean, words: Words): boolean;
  finish(): Match;
}

type Draft<T> = { -readonly [K in keyof T]: T[K] };
type MatchOf<T extends Match['type']> = Draft<Extract<Match, { type: T }>>;

/** A reader for `-m NAME`; undefined when that match is not modelled. */
export function matchReader(family: IptablesFamily, name: string): MatchReader | undefined {
  switch (name) {
    case 'comment':
      return new CommentReader();
    case 'tcp':
    case 'udp':
    case 'sctp':
      return new PortsReader(name);
    case 'icmp':
      return family === 'ip' ? new IcmpReader(family) : undefined;
    case 'icmp6':
    case 'icmpv6':
    case 'ipv6-icmp':
      return family === 'ip6' ? new IcmpReader(family) : undefined;
    case 'multiport':
      return new MultiportReader();
    case 'conntrack':
    case 'state':
      return new ConntrackReader(family, name);
    case 'mark':
    case 'connmark':
      return new MarkReader(name);
    case 'statistic':
      return new StatisticReader();
    case 'addrtype':
      return new AddrtypeReader();
    case 'recent':
      return new RecentReader(family);
    case 'physdev':
      return new PhysdevReader();
    case 'set':
      return new SetReader();
    case 'limit':
      return new LimitReader();
    case 'nfacct':
      return new NfacctReader();
    default:
      return undefined;
  }
}

function once(earlier: unknown, option: string): void {
  if (earlier !== undefined) throw new Refusal(`"${option}" can be used only once`);
}

function positive(negated: boolean, option: string): void {
  if (negated) throw new Refusal(`"${option}" cannot be negated`);
}

function required<T>(value: T | undefined, match: string, option: string): T {
  if (value === undefined) throw new Refusal(`-m ${match} needs "${option}"`);
  return value;
}

/** A list of words that is kept as bits, so that their order and repetition are lost. */
function wordList<T extends string>(text: string, order: readonly T[], what: string): readonly T[] {
  const given = text.split(',').map((word) => word.toUpperCase());
  for (const word of given) if (!(order as readonly string[]).includes(word)) throw new Refusal(`"${word}" is no ${what}`);
  return order.filter((word) => given.includes(word));
}

class CommentReader implements MatchReader {
  private text: string | undefined;

  take(option: string, negated: boolean, words: Words): boolean {
    if (option !== '--comment') return false;
    positive(negated, option);
    this.text = words.value(option);
    return true;
  }

  finish(): Match {
    return { type: 'comment', text: required(this.text, 'comment', '--comment') };
  }
}

class PortsReader implements MatchReader {
  private readonly match: MatchOf<'tcp' | 'udp' | 'sctp'>;

  constructor(type: 'tcp' | 'udp' | 'sctp') {
    this.match = { type, sourcePort: undefined, destinationPort: undefined, flags: undefined };
  }

  take(option: string, negated: boolean, words: Words): boolean {
    switch (option) {
      case '--sport':
      case '--source-port':
        once(this.match.sourcePort, option);
        this.match.sourcePort = this.range(negated, words.value(option));
        return true;
      case '--dport':
      case '--destination-port':
        once(this.match.destinationPort, option);
        this.match.destinationPort = this.range(negated, words.value(option));
        return true;
      case '--tcp-flags':
      case '--syn':
        return this.takeFlags(option, negated, words);
      default:
        return false;
    }
  }

  private range(negated: boolean, text: string): Negatable<PortRange> {
    const value = portRange(text);
    // iptables v1.8.9 drops such a condition when it prints, so that what it says is not what it does.
    if (negated && value.first === 0 && value.last === 65535 && this.match.type !== 'sctp')
      throw new Refusal('none of all ports: this never matches');
    return { value, negated };
  }

  private takeFlags(option: string, negated: boolean, words: Words): boolean {
    if (this.match.type !== 'tcp') return false;
    once(this.match.flags, option);
    const mask = option === '--syn' ? 0x17 : tcpFlags(words.value(option));
    const set = option === '--syn' ? 0x02 : tcpFlags(words.value(option));
    if (negated && mask === 0 && set === 0) throw new Refusal('none of no flags: this never matches');
    this.match.flags = { value: { mask, set }, negated };
    return true;
  }

  finish(): Match {
    const { match } = this;
    // All ports, and no flags of none, are no condition.
    if (match.type !== 'sctp') {
      if (match.sourcePort?.value.first === 0 && match.sourcePort.value.last === 65535) match.sourcePort = undefined;
      if (match.destinationPort?.value.first === 0 && match.destinationPort.value.last === 65535) match.destinationPort = undefined;
      if (match.flags?.value.mask === 0 && match.flags.value.set === 0) match.flags = undefined;
    }
    const bare = match.sourcePort === undefined && match.destinationPort === undefined && match.flags === undefined;
    return bare ? BARE[match.type] : match;
  }
}

/** One object for all the many rules that say `-m tcp` without more. */
const BARE: Readonly<Record<'tcp' | 'udp' | 'sctp', Match>> = { tcp: { type: 'tcp' }, udp: { type: 'udp' }, sctp: { type: 'sctp' } };

function tcpFlags(text: string): number {
  let bits = 0;
  for (const word of text.split(',')) {
    const name = word.toUpperCase();
    if (name === 'ALL') bits |= 0x3f;
    else if (name !== 'NONE') {
      const flag = TCP_FLAG_NAMES.find(([known]) => known === name);
      if (flag === undefined) throw new Refusal(`"${word}" is no TCP flag`);
      bits |= flag[1];
    }
  }
  return bits;
}

class IcmpReader implements MatchReader {
  private readonly family: IptablesFamily;
  private icmpType: MatchOf<'icmp'>['icmpType'] | undefined;

  constructor(family: IptablesFamily) {
    this.family = family;
  }

  take(option: string, negated: boolean, words: Words): boolean {
    if (option !== (this.family === 'ip' ? '--icmp-type' : '--icmpv6-type')) return false;
    once(this.icmpType, option);
    this.icmpType = { value: this.named(words.value(option)), negated };
    return true;
  }

  private named(text: string): MatchOf<'icmp'>['icmpType']['value'] {
    const names = this.family === 'ip' ? ICMP_TYPES : ICMPV6_TYPES;
    const wanted = text.toLowerCase();
    for (const [name, { type, code }] of names) if (name.toLowerCase() === wanted) return { icmpType: type, code };
    const [type = '', code] = text.split('/');
    const icmpType = wholeNumber(type, 255);
    const codeNumber = code === undefined ? undefined : wholeNumber(code, 255);
    if (icmpType === undefined || (code !== undefined && codeNumber === undefined)) throw new Refusal(`"${text}" is no type of ICMP`);
    return { icmpType, code: codeNumber };
  }

  finish(): Match {
    return { type: 'icmp', icmpType: required(this.icmpType, 'icmp', this.family === 'ip' ? '--icmp-type' : '--icmpv6-type') };
  }
}

class MultiportReader implements MatchReader {
  private match: MatchOf<'multiport'> | undefined;

  take(option: string, negated: boolean, words: Words): boolean {
    const which = /^--(sport|source-port|dport|destination-port|port)s?$/.exec(option)?.[1];
    if (which === undefined) return false;
    if (this.match !== undefined) throw new Refusal('-m multiport takes only one list of ports');
    const value = words
      .value(option)
      .split(',')
      .map((part): PortRange => {
        const ends = part.split(':').map(port);
        const first = ends[0] as number;
        const last = ends[1] ?? first;
        if (ends.length > 2 || (ends.length === 2 && first >= last)) throw new Refusal(`"${part}" is no range of ports`);
        return { first, last };
      });
    const ports = { value, negated };
    this.match = { type: 'multiport', which: which === 'port' ? 'ports' : which.startsWith('s') ? 'sports' : 'dports', ports };
    return true;
  }

  finish(): Match {
    return required(this.match, 'multiport', '--dports');
  }
}

class ConntrackReader implements MatchReader {
  private readonly family: IptablesFamily;
  private readonly match: MatchOf<'conntrack'>;

  constructor(family: IptablesFamily, module: 'conntrack' | 'state') {
    this.family = family;
    this.match = { type: 'conntrack', module };
  }

  take(option: string, negated: boolean, words: Words): boolean {
    const { match } = this;
    if (match.module === 'state') {
      if (option !== '--state') return false;
      once(match.state, option);
      match.state = { value: wordList(words.value(option), CT_STATES.slice(0, 5), 'state of -m state'), negated };
      return true;
    }
    switch (option) {
      case '--ctstate':
        once(match.state, option);
        match.state = { value: wordList(words.value(option), CT_STATES, 'state of a connection'), negated };
        return true;
      case '--ctstatus': {
        once(match.status, option);
        const given = wordList(words.value(option), ['NONE', ...CT_STATUSES] as const, 'status of a connection');
        match.status = { value: given.length > 1 ? given.filter((word) => word !== 'NONE') : given, negated };
        return true;
      }
      case '--ctdir': {
        once(match.direction, option);
        positive(negated, option);
        match.direction = wordList(words.value(option), ['ORIGINAL', 'REPLY'] as const, 'direction')[0];
        return true;
      }
      case '--ctproto': {
        once(match.protocol, option);
        const text = words.value(option);
        const value = protocolNumber(text);
        if (value === undefined) throw new Refusal(`"${text}" is no protocol`);
        match.protocol = { value, negated };
        return true;
      }
      case '--ctexpire': {
        once(match.expiresSeconds, option);
        const [first = '', last] = words.value(option).split(':');
        const from = first === '' ? 0 : numberOption(option, first, 0, 0xffffffff);
        const to = last === undefined ? from : last === '' ? 0xffffffff : numberOption(option, last, 0, 0xffffffff);
        match.expiresSeconds = { value: { first: from, last: to }, negated };
        return true;
      }
      default:
        return this.takeTuple(option, negated, words);
    }
  }

  private takeTuple(option: string, negated: boolean, words: Words): boolean {
    const addressField = ADDRESS_FIELDS[option];
    const portField = PORT_FIELDS[option];
    if (addressField !== undefined) {
      once(this.match[addressField], option);
      this.match[addressField] = { value: cidr(this.family, words.value(option)), negated };
      return true;
    }
    if (portField !== undefined) {
      once(this.match[portField], option);
      this.match[portField] = { value: portRange(words.value(option)), negated };
      return true;
    }
    return false;
  }

  finish(): Match {
    if (Object.keys(this.match).length === 2) throw new Refusal(`-m ${this.match.module} needs at least one option`);
    return this.match;
  }
}

const ADDRESS_FIELDS: Readonly<Record<string, 'originalSource' | 'originalDestination' | 'replySource' | 'replyDestination' | undefined>> =
  {
    '--ctorigsrc': 'originalSource',
    '--ctorigdst': 'originalDestination',
    '--ctreplsrc': 'replySource',
    '--ctrepldst': 'replyDestination',
  };
const PORT_FIELDS: Readonly<Record<string, 'originalSourcePort' | 'originalDestinationPort' | undefined>> = {
  '--ctorigsrcport': 'originalSourcePort',
  '--ctorigdstport': 'originalDestinationPort',
};

class MarkReader implements MatchReader {
  private readonly type: 'mark' | 'connmark';
  private mark: MatchOf<'mark' | 'connmark'>['mark'] | undefined;

  constructor(type: 'mark' | 'connmark') {
    this.type = type;
  }

  take(option: string, negated: boolean, words: Words): boolean {
    if (option !== '--mark') return false;
    once(this.mark, option);
    this.mark = { value: markAndMask(option, words.value(option)), negated };
    return true;
  }

  finish(): Match {
    return { type: this.type, mark: required(this.mark, this.type, '--mark') };
  }
}

class StatisticReader implements MatchReader {
  private mode: string | undefined;
  private probability: number | undefined;
  private every: number | undefined;
  private packet: number | undefined;
  private negated = false;

  take(option: string, negated: boolean, words: Words): boolean {
    switch (option) {
      case '--mode':
        once(this.mode, option);
        positive(negated, option);
        this.mode = words.value(option);
        return true;
      case '--probability': {
        once(this.probability, option);
        const text = words.value(option);
        const value = Number(text);
        if (!/^(\d+\.?\d*|\.\d+)(e-?\d+)?$/i.test(text) || value > 1)
          throw new Refusal(`"--probability" wants a number from 0 to 1, not "${text}"`);
        this.probability = value;
        this.negated = negated;
        return true;
      }
      case '--every':
        once(this.every, option);
        this.every = numberOption(option, words.value(option), 1, 0xffffffff);
        this.negated = negated;
        return true;
      case '--packet':
        once(this.packet, option);
        positive(negated, option);
        this.packet = numberOption(option, words.value(option), 0, 0xffffffff);
        return true;
      default:
        return false;
    }
  }

  finish(): Match {
    const { negated } = this;
    if (this.mode === 'random') {
      if (this.every !== undefined || this.packet !== undefined) throw new Refusal('"--every" and "--packet" go with --mode nth');
      const probability = required(this.probability, 'statistic --mode random', '--probability');
      // extensions/libxt_statistic.c: lround(0x80000000 * probability)
      return { type: 'statistic', mode: 'random', numerator: Math.round(probability * 2 ** 31), negated };
    }
    if (this.mode !== 'nth') throw new Refusal('-m statistic needs "--mode random" or "--mode nth"');
    if (this.probability !== undefined) throw new Refusal('"--probability" goes with --mode random');
    const every = required(this.every, 'statistic --mode nth', '--every');
    return { type: 'statistic', mode: 'nth', every, packet: required(this.packet, 'statistic --mode nth', '--packet'), negated };
  }
}

class AddrtypeReader implements MatchReader {
  private readonly match: MatchOf<'addrtype'> = { type: 'addrtype' };

  take(option: string, negated: boolean, words: Words): boolean {
    switch (option) {
      case '--src-type':
        once(this.match.source, option);
        this.match.source = { value: wordList(words.value(option), ADDRESS_TYPES, 'type of address'), negated };
        return true;
      case '--dst-type':
        once(this.match.destination, option);
        this.match.destination = { value: wordList(words.value(option), ADDRESS_TYPES, 'type of address'), negated };
        return true;
      case '--limit-iface-in':
      case '--limit-iface-out':
        positive(negated, option);
        once(this.match.limitTo, option);
        this.match.limitTo = option === '--limit-iface-in' ? 'in' : 'out';
        return true;
      default:
        return false;
    }
  }

  finish(): Match {
    if (this.match.source === undefined && this.match.destination === undefined)
      throw new Refusal('-m addrtype needs "--src-type" or "--dst-type"');
    return this.match;
  }
}

class RecentReader implements MatchReader {
  private readonly family: IptablesFamily;
  private readonly match: Draft<Omit<MatchOf<'recent'>, 'action'>> & { action: MatchOf<'recent'>['action'] | undefined } = {
    type: 'recent',
    name: 'DEFAULT',
    action: undefined,
    negated: false,
    side: 'rsource',
  };

  constructor(family: IptablesFamily) {
    this.family = family;
  }

  take(option: string, negated: boolean, words: Words): boolean {
    const { match } = this;
    switch (option) {
      case '--set':
      case '--rcheck':
      case '--update':
      case '--remove':
        if (match.action !== undefined) throw new Refusal(`"${option}" cannot be used together with "--${match.action}"`);
        match.action = option.slice(2) as MatchOf<'recent'>['action'];
        match.negated = negated;
        return true;
      case '--name':
        match.name = words.value(option);
        break;
      case '--seconds':
        match.seconds = numberOption(option, words.value(option), 1, 0xffffffff);
        break;
      case '--hitcount': {
        const hits = numberOption(option, words.value(option), 0, 0xffffffff);
        if (hits > 0) match.hitCount = hits;
        break;
      }
      case '--reap':
      case '--rttl':
        match[option === '--reap' ? 'reap' : 'rttl'] = true;
        break;
      case '--rsource':
      case '--rdest':
        match.side = option === '--rsource' ? 'rsource' : 'rdest';
        break;
      case '--mask': {
        const mask = addressText(address(this.family, words.value(option)));
        if (mask !== FULL_MASK[this.family]) match.mask = mask;
        break;
      }
      default:
        return false;
    }
    positive(negated, option);
    return true;
  }

  finish(): Match {
    const action = required(this.match.action, 'recent', '--set, --rcheck, --update or --remove');
    return { ...this.match, action };
  }
}

class PhysdevReader implements MatchReader {
  private readonly match: MatchOf<'physdev'> = { type: 'physdev' };

  take(option: string, negated: boolean, words: Words): boolean {
    switch (option) {
      case '--physdev-in':
      case '--physdev-out': {
        const field = option === '--physdev-in' ? 'in' : 'out';
        once(this.match[field], option);
        this.match[field] = { value: words.value(option), negated };
        return true;
      }
      case '--physdev-is-in':
        this.match.isIn = { value: true, negated };
        return true;
      case '--physdev-is-out':
        this.match.isOut = { value: true, negated };
        return true;
      case '--physdev-is-bridged':
        this.match.isBridged = { value: true, negated };
        return true;
      default:
        return false;
    }
  }

  finish(): Match {
    if (Object.keys(this.match).length === 1) throw new Refusal('-m physdev needs at least one option');
    return this.match;
  }
}

class SetReader implements MatchReader {
  private match: MatchOf<'set'> | undefined;

  take(option: string, negated: boolean, words: Words): boolean {
    if (option !== '--match-set' && option !== '--set') return false;
    once(this.match, option);
    const name = words.value(option);
    const directions = words.value(option).split(',');
    for (const word of directions) if (word !== 'src' && word !== 'dst') throw new Refusal(`"${word}" is neither src nor dst`);
    this.match = { type: 'set', name, directions: directions as ('src' | 'dst')[], negated };
    return true;
  }

  finish(): Match {
    return required(this.match, 'set', '--match-set');
  }
}

class LimitReader implements MatchReader {
  private limit = { rate: 3, unit: 'hour' as const } as ReturnType<typeof normalLimit>;
  private burst = DEFAULT_LIMIT_BURST;

  take(option: string, negated: boolean, words: Words): boolean {
    if (option === '--limit-burst') {
      positive(negated, option);
      // 0 is kept as the default (extensions/libxt_limit.c).
      this.burst = numberOption(option, words.value(option), 0, 10_000) || DEFAULT_LIMIT_BURST;
      return true;
    }
    if (option !== '--limit') return false;
    positive(negated, option);
    const text = words.value(option);
    const m = /^(\d+)(?:\/([a-z]+))?$/i.exec(text);
    const word = (m?.[2] ?? 'second').toLowerCase();
    const unit = LIMIT_UNITS.find(([name]) => name.startsWith(word));
    const rate = Number(m?.[1]);
    if (m === null || unit === undefined || rate === 0) throw new Refusal(`"${text}" is no rate such as 5/second`);
    if (rate > unit[1]) throw new Refusal(`the rate "${text}" is too fast`);
    this.limit = normalLimit(rate, unit[0]);
    return true;
  }

  finish(): Match {
    return { type: 'limit', ...this.limit, burst: this.burst };
  }
}

class NfacctReader implements MatchReader {
  private name: string | undefined;

  take(option: string, negated: boolean, words: Words): boolean {
    if (option !== '--nfacct-name') return false;
    positive(negated, option);
    this.name = words.value(option);
    return true;
  }

  finish(): Match {
    return { type: 'nfacct', name: required(this.name, 'nfacct', '--nfacct-name') };
  }
}
