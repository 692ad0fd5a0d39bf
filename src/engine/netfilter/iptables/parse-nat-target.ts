import type { NatRequest } from '../evaluation.ts';
import type { IptablesFamily, Target } from './model.ts';
import type { TargetReader } from './target-reader.ts';
import { refuseNegated } from './target-reader.ts';
import type { Words } from './words.ts';
import { address, port, Refusal } from './words.ts';

const KINDS = { DNAT: 'dnat', SNAT: 'snat', MASQUERADE: 'masquerade', REDIRECT: 'redirect' } as const;

/** `-j DNAT`, `SNAT`, `MASQUERADE`, `REDIRECT` */
export class NatReader implements TargetReader {
  private readonly family: IptablesFamily;
  private readonly type: keyof typeof KINDS;
  private given = false;
  private addresses: NatRequest['addresses'];
  private ports: NatRequest['ports'];
  private random = false;
  private fullyRandom = false;
  private persistent = false;

  constructor(family: IptablesFamily, type: keyof typeof KINDS) {
    this.family = family;
    this.type = type;
  }

  take(option: string, negated: boolean, words: Words): boolean {
    refuseNegated(negated, option);
    const translates = this.type === 'DNAT' || this.type === 'SNAT';
    switch (option) {
      case '--to':
      case '--to-destination':
      case '--to-source':
        if (!translates || option === (this.type === 'DNAT' ? '--to-source' : '--to-destination')) return false;
        if (this.given) throw new Refusal(`"${option}" can be used only once`);
        this.given = true;
        this.range(words.value(option));
        return true;
      case '--to-port':
      case '--to-ports':
        if (translates) return false;
        this.ports = natPorts(words.value(option));
        return true;
      case '--random':
        this.random = true;
        return true;
      case '--random-fully':
        if (this.type === 'DNAT' || this.type === 'REDIRECT') return false;
        this.fullyRandom = true;
        return true;
      case '--persistent':
        if (!translates) return false;
        this.persistent = true;
        return true;
      default:
        return false;
    }
  }

  /** `1.2.3.4`, `1.2.3.4-1.2.3.9:80-90`, `:53`; IPv6 with ports in brackets. */
  private range(text: string): void {
    let addresses = text;
    if (this.family === 'ip6' && text.startsWith('[')) {
      const close = text.indexOf(']');
      if (close < 0) throw new Refusal(`"${text}" has no closing bracket`);
      addresses = text.slice(1, close);
      if (close + 1 < text.length) {
        if (text[close + 1] !== ':') throw new Refusal(`"${text}" is no range of addresses`);
        this.ports = natPorts(text.slice(close + 2));
      }
    } else if (this.family === 'ip' || /^:\d+(-\d+)?$/.test(text)) {
      const colon = text.indexOf(':');
      if (colon >= 0) {
        addresses = text.slice(0, colon);
        this.ports = natPorts(text.slice(colon + 1));
      }
    }
    if (addresses === '') return;
    const dash = addresses.indexOf('-');
    const min = address(this.family, dash < 0 ? addresses : addresses.slice(0, dash));
    this.addresses = { min, max: dash < 0 ? min : address(this.family, addresses.slice(dash + 1)) };
  }

  finish(): Target {
    const { type, addresses, ports, random, fullyRandom, persistent } = this;
    if ((type === 'DNAT' || type === 'SNAT') && !this.given)
      throw new Refusal(`-j ${type} needs "--to-${type === 'DNAT' ? 'destination' : 'source'}"`);
    return { type, nat: { kind: KINDS[type], addresses, ports, random, fullyRandom, persistent } };
  }
}

function natPorts(text: string): NonNullable<NatRequest['ports']> {
  if (text.includes('/')) throw new Refusal(`the shifted range of ports "${text}" is not modelled`);
  const dash = text.indexOf('-');
  const min = port(dash < 0 ? text : text.slice(0, dash));
  const max = dash < 0 ? min : port(text.slice(dash + 1));
  if (min > max) throw new Refusal(`the range of ports "${text}" ends before it begins`);
  return { min, max };
}
