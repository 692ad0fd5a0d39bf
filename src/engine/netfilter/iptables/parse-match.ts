import type { Draft, MatchOf, MatchReader } from './match-reader.ts';
import { once, positive, required, wordList } from './match-reader.ts';
import { ADDRESS_TYPES, DEFAULT_LIMIT_BURST, FULL_MASK, LIMIT_UNITS, normalLimit } from './match-text.ts';
import type { IptablesFamily, Match } from './model.ts';
import { protocolNumber } from './names.ts';
import { ConntrackReader, MarkReader } from './parse-connection-match.ts';
import { IcmpReader, MultiportReader, PortsReader } from './parse-transport-match.ts';
import { addressText } from './text.ts';
import type { Words } from './words.ts';
import { address, network, numberOption, port, Refusal } from './words.ts';

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
    case 'ipvs':
      return new IpvsReader(family);
    default:
      return undefined;
  }
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

/** Of the options of extensions/libxt_ipvs.c those that tell of a virtual server. */
class IpvsReader implements MatchReader {
  private readonly family: IptablesFamily;
  private readonly match: MatchOf<'ipvs'> = { type: 'ipvs' };

  constructor(family: IptablesFamily) {
    this.family = family;
  }

  take(option: string, negated: boolean, words: Words): boolean {
    switch (option) {
      case '--vproto': {
        once(this.match.protocol, option);
        const text = words.value(option);
        const value = protocolNumber(text);
        if (value === undefined) throw new Refusal(`"${text}" is no protocol`);
        this.match.protocol = { value, negated };
        return true;
      }
      case '--vaddr':
        once(this.match.address, option);
        this.match.address = { value: network(this.family, words.value(option)), negated };
        return true;
      case '--vport':
        once(this.match.port, option);
        this.match.port = { value: port(words.value(option)), negated };
        return true;
      default:
        return false;
    }
  }

  finish(): Match {
    const { protocol, address, port } = this.match;
    if (protocol === undefined && address === undefined && port === undefined)
      throw new Refusal('-m ipvs needs "--vproto", "--vaddr" or "--vport"');
    return this.match;
  }
}
