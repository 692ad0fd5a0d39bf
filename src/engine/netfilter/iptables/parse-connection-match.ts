import type { MatchOf, MatchReader } from './match-reader.ts';
import { once, positive, required, wordList } from './match-reader.ts';
import { CT_STATES, CT_STATUSES } from './match-text.ts';
import type { IptablesFamily, Match } from './model.ts';
import { protocolNumber } from './names.ts';
import type { Words } from './words.ts';
import { cidr, markAndMask, numberOption, portRange, Refusal } from './words.ts';

/* Matches on the connection and on marks: `-m conntrack`, `state`, `mark`, `connmark`. */

export class ConntrackReader implements MatchReader {
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

export class MarkReader implements MatchReader {
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
