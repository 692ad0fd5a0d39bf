import type { Cidr } from '../../../protocol/address.ts';
import type { MatchReader } from './match-reader.ts';
import type { IptablesFamily, Match, Negatable, Rule, Target } from './model.ts';
import { protocolName, protocolNumber } from './names.ts';
import { matchReader } from './parse-match.ts';
import { targetReader } from './parse-target.ts';
import type { TargetReader } from './target-reader.ts';
import type { Words } from './words.ts';
import { network, numberOption, Refusal } from './words.ts';

/** A rule that was read: several where `-s` or `-d` had a list of addresses. */
export interface ReadRules {
  readonly rules: readonly Rule[];
  readonly counters: readonly [packets: number, bytes: number] | undefined;
}

/**
 * Reads the words of a rule after `-A CHAIN`, in whatever order they are (iptables/xshared.c, do_parse). An
 * option belongs to the match or target read last that knows it; a protocol's own match is loaded when an
 * option is first needed.
 */
export class RuleReader {
  private readonly family: IptablesFamily;
  private readonly words: Words;
  private protocol: Negatable<number> | undefined;
  private source: readonly Negatable<Cidr>[] | undefined;
  private destination: readonly Negatable<Cidr>[] | undefined;
  private inInterface: Negatable<string> | undefined;
  private outInterface: Negatable<string> | undefined;
  private fragment: boolean | undefined;
  private readonly matches: MatchReader[] = [];
  private implicit = false;
  private target: TargetReader | undefined;
  private targetName: string | undefined;
  private goto: string | undefined;
  private counters: readonly [number, number] | undefined;
  private otherFamily = false;

  constructor(family: IptablesFamily, words: Words) {
    this.family = family;
    this.words = words;
  }

  read(): ReadRules {
    for (let word = this.words.next(); word !== undefined; word = this.words.next()) {
      if (word !== '!') this.option(word, false);
      else {
        const negatedOption = this.words.next();
        if (negatedOption === undefined || negatedOption === '!') throw new Refusal('"!" must stand before one option');
        this.option(negatedOption, true);
      }
    }
    return { rules: this.otherFamily ? [] : this.finish(), counters: this.counters };
  }

  private option(word: string, negated: boolean): void {
    switch (word) {
      case '-p':
      case '--protocol':
      case '--proto':
        this.readProtocol(word, negated);
        return;
      case '-s':
      case '--source':
      case '--src':
        this.once(this.source, word);
        this.source = this.addresses(word, negated);
        return;
      case '-d':
      case '--destination':
      case '--dst':
        this.once(this.destination, word);
        this.destination = this.addresses(word, negated);
        return;
      case '-i':
      case '--in-interface':
        this.once(this.inInterface, word);
        this.inInterface = this.device(word, negated);
        return;
      case '-o':
      case '--out-interface':
        this.once(this.outInterface, word);
        this.outInterface = this.device(word, negated);
        return;
      case '-f':
      case '--fragment':
      case '--fragments':
        if (this.family === 'ip6') throw new Refusal('"-f" does not exist in IPv6');
        this.fragment = !negated;
        return;
      case '-m':
      case '--match':
        this.refuseNegated(word, negated);
        this.readMatch(this.words.value(word));
        return;
      case '-j':
      case '--jump':
      case '-g':
      case '--goto':
        this.refuseNegated(word, negated);
        this.readTarget(word, this.words.value(word));
        return;
      case '-c':
      case '--set-counters':
        this.refuseNegated(word, negated);
        this.counters = [
          numberOption(word, this.words.value(word), 0, Number.MAX_SAFE_INTEGER),
          numberOption(word, this.words.value(word), 0, Number.MAX_SAFE_INTEGER),
        ];
        return;
      case '-4':
      case '-6':
        if ((word === '-4') !== (this.family === 'ip')) this.otherFamily = true;
        return;
      default:
        this.extensionOption(word, negated);
    }
  }

  private once(earlier: unknown, word: string): void {
    if (earlier !== undefined) throw new Refusal(`"${word}" can be used only once`);
  }

  private refuseNegated(word: string, negated: boolean): void {
    if (negated) throw new Refusal(`"${word}" cannot be negated`);
  }

  private readProtocol(word: string, negated: boolean): void {
    this.once(this.protocol, word);
    const text = this.words.value(word);
    const value = protocolNumber(text);
    if (value === undefined) throw new Refusal(`the protocol "${text}" is unknown`);
    if (value === 0 && negated) throw new Refusal('none of all protocols: this never matches');
    if (value !== 0) this.protocol = negated ? { value, negated } : positiveProtocol(value);
  }

  private addresses(word: string, negated: boolean): readonly Negatable<Cidr>[] {
    const text = this.words.value(word);
    if (!text.includes(',')) return [{ value: network(this.family, text), negated }];
    if (negated) throw new Refusal(`"! ${word}" takes only one address`);
    return text.split(',').map((part) => ({ value: network(this.family, part), negated }));
  }

  private device(word: string, negated: boolean): Negatable<string> {
    return { value: this.words.value(word), negated };
  }

  private readMatch(name: string): void {
    const reader = matchReader(this.family, name);
    if (reader === undefined) throw new Refusal(`the match "-m ${name}" is not modelled`);
    this.matches.push(reader);
  }

  private readTarget(word: string, name: string): void {
    if (this.targetName !== undefined) throw new Refusal('a rule has only one target');
    this.targetName = name;
    if (word === '-g' || word === '--goto') {
      this.goto = name;
      return;
    }
    this.target = targetReader(this.family, name);
    if (this.target === undefined) throw new Refusal(`the target "-j ${name}" is not modelled`);
  }

  private extensionOption(written: string, negated: boolean): void {
    if (!written.startsWith('-')) throw new Refusal(`"${written}" is no option`);
    const word = this.words.split(written);
    if (this.target?.take(word, negated, this.words)) return;
    for (let i = this.matches.length - 1; i >= 0; i--) if (this.matches[i]?.take(word, negated, this.words)) return;
    if (this.protocol !== undefined && !this.implicit) {
      this.implicit = true;
      const reader = this.protocol.negated ? undefined : matchReader(this.family, protocolName(this.protocol.value));
      if (reader?.take(word, negated, this.words)) {
        this.matches.push(reader);
        return;
      }
    }
    throw new Refusal(`the option "${word}" is unknown here`);
  }

  private finish(): readonly Rule[] {
    const matches: Match[] = [];
    for (const reader of this.matches) matches.push(reader.finish());
    const target: Target | undefined = this.goto !== undefined ? { type: 'goto', chain: this.goto } : this.target?.finish();
    const rules: Rule[] = [];
    for (const source of this.source ?? ANYWHERE) {
      for (const destination of this.destination ?? ANYWHERE) {
        rules.push({
          protocol: this.protocol,
          source: restriction(source),
          destination: restriction(destination),
          inInterface: anyDevice(this.inInterface) ? undefined : this.inInterface,
          outInterface: anyDevice(this.outInterface) ? undefined : this.outInterface,
          fragment: this.fragment,
          matches,
          target,
        });
      }
    }
    return rules;
  }
}

const ANYWHERE: readonly undefined[] = [undefined];

const positiveProtocols = new Map<number, Negatable<number>>();

/** One object for all the many rules that say `-p tcp`. */
function positiveProtocol(value: number): Negatable<number> {
  const found = positiveProtocols.get(value) ?? { value, negated: false };
  positiveProtocols.set(value, found);
  return found;
}

/** Every address is no restriction; none of them would never match. */
function restriction(cidr: Negatable<Cidr> | undefined): Negatable<Cidr> | undefined {
  if (cidr === undefined || cidr.value.length > 0) return cidr;
  if (cidr.negated) throw new Refusal('none of all addresses: this never matches');
  return undefined;
}

/** `+` alone stands for every device. */
const anyDevice = (device: Negatable<string> | undefined): boolean => device?.value === '+' && !device.negated;
