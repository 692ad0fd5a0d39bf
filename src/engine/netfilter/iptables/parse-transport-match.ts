import type { MatchOf, MatchReader } from './match-reader.ts';
import { once, required } from './match-reader.ts';
import { TCP_FLAG_NAMES } from './match-text.ts';
import type { IptablesFamily, Match, Negatable, PortRange } from './model.ts';
import { ICMP_TYPES, ICMPV6_TYPES } from './names.ts';
import type { Words } from './words.ts';
import { port, portRange, Refusal, wholeNumber } from './words.ts';

/* Matches on what comes after the IP header: `-m tcp`, `udp`, `sctp`, `icmp`, `icmp6`, `multiport`. */

export class PortsReader implements MatchReader {
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

export class IcmpReader implements MatchReader {
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

export class MultiportReader implements MatchReader {
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
