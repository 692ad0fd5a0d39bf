import type { Cidr, IpAddress } from '../../../protocol/address.ts';
import { isIpv4, networkOf, parseIpv4, parseIpv6 } from '../../../protocol/address.ts';
import type { IptablesFamily, MarkChange, PortRange } from './model.ts';
import { SERVICE_PORTS } from './names.ts';

/** Why a line is refused. Thrown by the parts of the parser, and turned into a `Result` at its door. */
export class Refusal {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** The words of one line, as they are taken from left to right. */
export class Words {
  private readonly words: readonly string[];
  private position = 0;

  constructor(line: string) {
    this.words = splitWords(line);
  }

  next(): string | undefined {
    return this.words[this.position++];
  }

  peek(): string | undefined {
    return this.words[this.position];
  }

  /** The value of an option. */
  value(option: string): string {
    const word = this.words[this.position++];
    if (word === undefined) throw new Refusal(`the option "${option}" needs a value`);
    return word;
  }

  /** `--option=value` is `--option value`. */
  split(option: string): string {
    const equals = option.indexOf('=');
    if (equals < 0 || !option.startsWith('--')) return option;
    (this.words as string[])[--this.position] = option.slice(equals + 1);
    return option.slice(0, equals);
  }
}

const SPACE = 32;
const TAB = 9;
const QUOTE = 34;

/**
 * Splits as iptables-restore does (iptables/xshared.c, add_param_to_argv): blanks separate, double quotes
 * hold together, and within them a backslash takes the next character as it is.
 */
function splitWords(line: string): string[] {
  const words: string[] = [];
  const n = line.length;
  let i = 0;
  while (i < n) {
    let c = line.charCodeAt(i);
    if (c === SPACE || c === TAB) {
      i++;
      continue;
    }
    const start = i;
    while (i < n && c !== SPACE && c !== TAB && c !== QUOTE) c = line.charCodeAt(++i);
    if (c !== QUOTE || i >= n) {
      words.push(line.slice(start, i));
      continue;
    }
    let word = line.slice(start, i);
    let quoted = false;
    for (; i < n; i++) {
      const letter = line[i] as string;
      if (letter === '"') quoted = !quoted;
      else if (quoted && letter === '\\') word += line[++i] ?? '';
      else if (!quoted && (letter === ' ' || letter === '\t')) break;
      else word += letter;
    }
    if (quoted) throw new Refusal('a quotation mark is not closed');
    words.push(word);
  }
  return words;
}

/** As strtoul(3) with base 0: decimal, 0x… or octal 0…; undefined when it is anything else or more than `max`. */
export function wholeNumber(text: string, max: number): number | undefined {
  let value: number;
  if (/^\d+$/.test(text) && (text === '0' || text.charCodeAt(0) !== 48)) value = Number(text);
  else if (/^0[xX][0-9a-fA-F]+$/.test(text)) value = Number.parseInt(text.slice(2), 16);
  else if (/^0[0-7]+$/.test(text)) value = Number.parseInt(text, 8);
  else return undefined;
  return value <= max ? value : undefined;
}

export function numberOption(option: string, text: string, min: number, max: number): number {
  const value = wholeNumber(text, max);
  if (value === undefined || value < min) throw new Refusal(`"${option}" wants a number from ${min} to ${max}, not "${text}"`);
  return value;
}

export function port(text: string): number {
  const value = wholeNumber(text, 65535) ?? SERVICE_PORTS.get(text);
  if (value === undefined) throw new Refusal(`"${text}" is no port and no known name of a service`);
  return value;
}

/** `80`, `80:90`, `80:`, `:90` */
export function portRange(text: string): PortRange {
  const colon = text.indexOf(':');
  if (colon < 0) {
    const value = port(text);
    return { first: value, last: value };
  }
  const first = colon === 0 ? 0 : port(text.slice(0, colon));
  const last = colon === text.length - 1 ? 65535 : port(text.slice(colon + 1));
  if (first > last) throw new Refusal(`the range of ports "${text}" ends before it begins`);
  return { first, last };
}

export function address(family: IptablesFamily, text: string): IpAddress {
  const value = family === 'ip' ? parseIpv4(text) : parseIpv6(text);
  if (value === undefined) throw new Refusal(`"${text}" is no IPv${family === 'ip' ? 4 : 6} address`);
  return value;
}

/** An address, or one with a length or a mask; host bits are kept. */
export function cidr(family: IptablesFamily, text: string): Cidr {
  const slash = text.indexOf('/');
  const full = family === 'ip' ? 32 : 128;
  if (slash < 0) return { address: address(family, text), length: full };
  const mask = text.slice(slash + 1);
  const length = /^\d+$/.test(mask) ? Number(mask) : maskLength(family, mask);
  if (length === undefined || length > full) throw new Refusal(`"${mask}" is no length of a prefix and no mask of leading ones`);
  return { address: address(family, padded(family, text.slice(0, slash))), length };
}

/** Of a prefix, the octets left out at the end are zero: `10.1/16` (libxtables, numeric_to_ipaddr). */
function padded(family: IptablesFamily, text: string): string {
  if (family === 'ip6' || !/^\d+(\.\d+){0,2}$/.test(text)) return text;
  return text + '.0'.repeat(3 - (text.match(/\./g)?.length ?? 0));
}

/** Host bits cleared, as of `-s` and `-d`. */
export const network = (family: IptablesFamily, text: string): Cidr => networkOf(cidr(family, text));

function maskLength(family: IptablesFamily, text: string): number | undefined {
  const mask = family === 'ip' ? parseIpv4(text) : parseIpv6(text);
  if (mask === undefined) return undefined;
  const bits = mask.toString(2).padStart(isIpv4(mask) ? 32 : 128, '0');
  const length = bits.indexOf('0');
  return length < 0 ? bits.length : bits.includes('1', length) ? undefined : length;
}

/** `value` or `value/mask`; without one, the mask is all ones. */
export function markAndMask(option: string, text: string): MarkChange {
  const slash = text.indexOf('/');
  const value = wholeNumber(slash < 0 ? text : text.slice(0, slash), 0xffffffff);
  const mask = slash < 0 ? 0xffffffff : wholeNumber(text.slice(slash + 1), 0xffffffff);
  if (value === undefined || mask === undefined) throw new Refusal(`"${option}" wants a mark or mark/mask of 32 bits, not "${text}"`);
  return { value, mask };
}
