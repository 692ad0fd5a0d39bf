import type { RejectType } from '../evaluation.ts';
import type { IptablesFamily, Target } from './model.ts';
import { LOG_LEVELS } from './names.ts';
import { NatReader } from './parse-nat-target.ts';
import { LOG_OPTIONS } from './save.ts';
import type { TargetReader } from './target-reader.ts';
import { refuseNegated } from './target-reader.ts';
import type { Words } from './words.ts';
import { markAndMask, numberOption, Refusal, wholeNumber } from './words.ts';

/** A reader for `-j NAME`, which is a jump when it is no target that iptables knows; undefined for one that is not modelled. */
export function targetReader(family: IptablesFamily, name: string): TargetReader | undefined {
  switch (name) {
    case 'ACCEPT':
    case 'DROP':
    case 'RETURN':
    case 'NOTRACK':
    case 'TRACE':
      return PLAIN[name];
    case 'REJECT':
      return new RejectReader(family);
    case 'MARK':
    case 'CONNMARK':
      return new MarkReader(name);
    case 'DNAT':
    case 'SNAT':
    case 'MASQUERADE':
    case 'REDIRECT':
      return new NatReader(family, name);
    case 'LOG':
      return new LogReader();
    case 'CT':
      return new CtReader();
    default:
      return NOT_MODELLED.has(name) ? undefined : new PlainReader({ type: 'jump', chain: name });
  }
}

/** Targets of iptables (its extensions/) that must not be taken for chains. */
const NOT_MODELLED = new Set(
  (
    'AUDIT CHECKSUM CLASSIFY CLUSTERIP CONNSECMARK DNPT DSCP ECN HL HMARK IDLETIMER LED MIRROR NETMAP NFLOG NFQUEUE QUEUE ' +
    'RATEEST SAME SECMARK SET SNPT SYNPROXY TCPMSS TCPOPTSTRIP TEE TOS TPROXY TTL ULOG'
  ).split(' '),
);

class PlainReader implements TargetReader {
  private readonly target: Target;

  constructor(target: Target) {
    this.target = target;
  }

  take(): boolean {
    return false;
  }

  finish(): Target {
    return this.target;
  }
}

const PLAIN = {
  ACCEPT: new PlainReader({ type: 'ACCEPT' }),
  DROP: new PlainReader({ type: 'DROP' }),
  RETURN: new PlainReader({ type: 'RETURN' }),
  NOTRACK: new PlainReader({ type: 'NOTRACK' }),
  TRACE: new PlainReader({ type: 'TRACE' }),
};

/** Names and aliases of extensions/libipt_REJECT.c and libip6t_REJECT.c; the beginning of a name is enough. */
const REJECT_NAMES: Readonly<Record<IptablesFamily, readonly (readonly [name: string, alias: string, with_: RejectType])[]>> = {
  ip: [
    ['icmp-net-unreachable', 'net-unreach', 'icmp-net-unreachable'],
    ['icmp-host-unreachable', 'host-unreach', 'icmp-host-unreachable'],
    ['icmp-proto-unreachable', 'proto-unreach', 'icmp-proto-unreachable'],
    ['icmp-port-unreachable', 'port-unreach', 'icmp-port-unreachable'],
    ['icmp-net-prohibited', 'net-prohib', 'icmp-net-prohibited'],
    ['icmp-host-prohibited', 'host-prohib', 'icmp-host-prohibited'],
    ['tcp-reset', 'tcp-rst', 'tcp-reset'],
    ['icmp-admin-prohibited', 'admin-prohib', 'icmp-admin-prohibited'],
  ],
  ip6: [
    ['icmp6-no-route', 'no-route', 'icmp6-no-route'],
    ['icmp6-adm-prohibited', 'adm-prohibited', 'icmp6-adm-prohibited'],
    ['icmp6-addr-unreachable', 'addr-unreach', 'icmp6-addr-unreachable'],
    ['icmp6-port-unreachable', 'port-unreach', 'icmp6-port-unreachable'],
    ['tcp-reset', 'tcp-reset', 'tcp-reset'],
  ],
};

class RejectReader implements TargetReader {
  private readonly family: IptablesFamily;
  private with: RejectType;

  constructor(family: IptablesFamily) {
    this.family = family;
    this.with = family === 'ip' ? 'icmp-port-unreachable' : 'icmp6-port-unreachable';
  }

  take(option: string, negated: boolean, words: Words): boolean {
    if (option !== '--reject-with') return false;
    refuseNegated(negated, option);
    const text = words.value(option).toLowerCase();
    const found =
      text === '' ? undefined : REJECT_NAMES[this.family].find(([name, alias]) => name.startsWith(text) || alias.startsWith(text));
    if (found === undefined) throw new Refusal(`the reject type "${text}" is not modelled`);
    this.with = found[2];
    return true;
  }

  finish(): Target {
    return { type: 'REJECT', with: this.with };
  }
}

const ALL = 0xffffffff;

/** MARK and CONNMARK: every way to write a mark becomes (mark & ~mask) ^ value (extensions/libxt_MARK.c). */
class MarkReader implements TargetReader {
  private readonly type: 'MARK' | 'CONNMARK';
  private target: Target | undefined;
  private copy: 'CONNMARK-save' | 'CONNMARK-restore' | undefined;
  private nfmask: number | undefined;
  private ctmask: number | undefined;
  private bothMasks = false;

  constructor(type: 'MARK' | 'CONNMARK') {
    this.type = type;
  }

  take(option: string, negated: boolean, words: Words): boolean {
    refuseNegated(negated, option);
    switch (option) {
      case '--set-xmark': {
        const { value, mask } = markAndMask(option, words.value(option));
        return this.change(value, mask);
      }
      case '--set-mark': {
        const { value, mask } = markAndMask(option, words.value(option));
        return this.change(value, (mask | value) >>> 0);
      }
      case '--or-mark': {
        const bits = numberOption(option, words.value(option), 0, ALL);
        return this.change(bits, bits);
      }
      case '--and-mark':
        return this.change(0, ~numberOption(option, words.value(option), 0, ALL) >>> 0);
      case '--xor-mark':
        return this.change(numberOption(option, words.value(option), 0, ALL), 0);
      default:
        return this.type === 'CONNMARK' && this.takeCopy(option, words);
    }
  }

  private change(value: number, mask: number): boolean {
    this.only();
    this.target = { type: this.type, change: { value, mask } };
    return true;
  }

  private only(): void {
    if (this.target !== undefined || this.copy !== undefined) throw new Refusal(`-j ${this.type} takes only one change of the mark`);
  }

  private apart(option: string): void {
    if (this.bothMasks) throw new Refusal(`"${option}" cannot be used together with "--mask" and others`);
  }

  private takeCopy(option: string, words: Words): boolean {
    switch (option) {
      case '--save-mark':
      case '--restore-mark':
        this.only();
        this.copy = option === '--save-mark' ? 'CONNMARK-save' : 'CONNMARK-restore';
        return true;
      case '--nfmask':
        this.apart(option);
        this.nfmask = numberOption(option, words.value(option), 0, ALL);
        return true;
      case '--ctmask':
        this.apart(option);
        this.ctmask = numberOption(option, words.value(option), 0, ALL);
        return true;
      case '--mask':
        if (this.nfmask !== undefined || this.ctmask !== undefined) this.bothMasks = true;
        this.apart(option);
        this.bothMasks = true;
        this.nfmask = numberOption(option, words.value(option), 0, ALL);
        this.ctmask = this.nfmask;
        return true;
      default:
        return false;
    }
  }

  finish(): Target {
    if (this.copy !== undefined) return { type: this.copy, nfmask: this.nfmask ?? ALL, ctmask: this.ctmask ?? ALL };
    if (this.target === undefined) throw new Refusal(`-j ${this.type} needs to be told what to do, such as "--set-mark"`);
    if (this.nfmask !== undefined || this.ctmask !== undefined) throw new Refusal('masks go with "--save-mark" and "--restore-mark"');
    return this.target;
  }
}

class LogReader implements TargetReader {
  private prefix: string | undefined;
  private level: number | undefined;
  private readonly options = new Set<string>();

  take(option: string, negated: boolean, words: Words): boolean {
    refuseNegated(negated, option);
    if (option === '--log-prefix') {
      // The kernel keeps 29 characters (include/uapi/linux/netfilter/xt_LOG.h); the tool cuts the rest off.
      this.prefix = words.value(option).slice(0, 29);
      if (this.prefix === '') throw new Refusal('"--log-prefix" must not be empty');
      return true;
    }
    if (option === '--log-level') {
      const text = words.value(option);
      const level = text === 'panic' ? 0 : (LOG_LEVELS as readonly string[]).indexOf(text);
      const number = level >= 0 ? level : wholeNumber(text, 7);
      if (number === undefined) throw new Refusal(`"${text}" is no log level`);
      // 4, warning, is what the tool takes for not given.
      this.level = number === 4 ? undefined : number;
      return true;
    }
    if (!(LOG_OPTIONS as readonly string[]).includes(option)) return false;
    this.options.add(option);
    return true;
  }

  finish(): Target {
    return { type: 'LOG', prefix: this.prefix, level: this.level, options: LOG_OPTIONS.filter((name) => this.options.has(name)) };
  }
}

class CtReader implements TargetReader {
  private notrack = false;

  take(option: string): boolean {
    if (option !== '--notrack') return false;
    this.notrack = true;
    return true;
  }

  finish(): Target {
    if (!this.notrack) throw new Refusal('of -j CT only "--notrack" is modelled');
    return { type: 'CT', notrack: true };
  }
}
