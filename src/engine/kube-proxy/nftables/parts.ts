import type { Cidr, IpAddress } from '../../../protocol/address.ts';
import type { Atom, Element, Expression, Rule, Selector, SetReference, Statement, Value, Verdict } from '../../netfilter/nftables/model.ts';
import type { IpFamily } from '../addresses.ts';
import type { Protocol } from '../service-port.ts';

/* The parts that kube-proxy's nftables rules are made of. */

export const TABLE = 'kube-proxy';

const NUMBERS: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };
/** IPPROTO_* */
export const protocolNumber = (protocol: Protocol): number => NUMBERS[protocol];

/** NF_CT_STATE_BIT(IP_CT_NEW), include/uapi/linux/netfilter/nf_conntrack_common.h. */
export const CT_STATE_NEW = 8;
/** IPS_DST_NAT, the same file. */
export const CT_STATUS_DNAT = 32;

export const atom = (value: Atom): Value => ({ type: 'atom', atom: value });
export const concatValue = (...parts: readonly Atom[]): Value => ({ type: 'concat', parts: parts.map(atom) });
export const prefix = ({ address, length }: Cidr): Value => ({ type: 'prefix', address, length });

export const selector = (name: Selector): Expression => ({ type: 'selector', selector: name });
const concat = (...names: readonly Selector[]): Expression => ({ type: 'concat', parts: names.map(selector) });
export const named = (name: string): SetReference => ({ type: 'named', name });
export const anonymous = (elements: readonly Element[]): SetReference => ({ type: 'anonymous', elements });

export const goTo = (chain: string): Verdict => ({ type: 'goto', chain });
export const jumpTo = (chain: string): Verdict => ({ type: 'jump', chain });
export const DROP_VERDICT: Verdict = { type: 'drop' };

export const verdict = (value: Verdict): Statement => ({ type: 'verdict', verdict: value });
export const DROP: Statement = verdict(DROP_VERDICT);
export const REJECT: Statement = { type: 'reject', with: undefined, written: false };
export const MASQUERADE: Statement = {
  type: 'nat',
  nat: { kind: 'masquerade', addresses: undefined, ports: undefined, random: false, fullyRandom: true, persistent: false },
  family: undefined,
};
export const NEW: Statement = { type: 'match', left: selector('ct state'), operator: 'bits', right: atom(CT_STATE_NEW) };
export const DNATED: Statement = { type: 'match', left: selector('ct status'), operator: 'bits', right: atom(CT_STATUS_DNAT) };
/** RTN_LOCAL, include/uapi/linux/rtnetlink.h. */
export const FIB_LOCAL = 2;
export const FROM_LOCAL: Statement = fib('fib saddr type');
export const TO_LOCAL: Statement = fib('fib daddr type');

function fib(name: Selector): Statement {
  return { type: 'match', left: selector(name), operator: '==', right: atom(FIB_LOCAL) };
}

export const rule = (statements: readonly Statement[], comment?: string): Rule => ({ statements, comment });

/** What is spelled differently in the tables `ip kube-proxy` and `ip6 kube-proxy`. */
export interface FamilyWords {
  readonly family: 'ip' | 'ip6';
  readonly addressType: 'ipv4_addr' | 'ipv6_addr';
  readonly saddr: Selector;
  readonly daddr: Selector;
  readonly addressPortKey: Expression;
  readonly hairpinKey: Expression;
  readonly loopback: Value;
}

const WORDS: Readonly<Record<IpFamily, FamilyWords>> = {
  IPv4: words('ip', 'ipv4_addr', prefix({ address: 0x7f000000 as IpAddress, length: 8 })),
  IPv6: words('ip6', 'ipv6_addr', atom(1n as IpAddress)),
};

function words(family: 'ip' | 'ip6', addressType: FamilyWords['addressType'], loopback: Value): FamilyWords {
  const saddr: Selector = `${family} saddr`;
  const daddr: Selector = `${family} daddr`;
  return {
    family,
    addressType,
    saddr,
    daddr,
    addressPortKey: concat(daddr, 'meta l4proto', 'th dport'),
    hairpinKey: concat(saddr, daddr, 'meta l4proto', 'th dport'),
    loopback,
  };
}

export const familyWords = (family: IpFamily): FamilyWords => WORDS[family];

/** `meta l4proto . th dport` */
export const NODE_PORT_KEY: Expression = concat('meta l4proto', 'th dport');

/** `KEY vmap @NAME` */
export const lookup = (key: Expression, map: string): Statement => ({ type: 'vmap', key, map: named(map) });

export const compare = (name: Selector, operator: '==' | '!=', right: Value): Statement => ({
  type: 'match',
  left: selector(name),
  operator,
  right,
});

export const among = (left: Expression, set: SetReference): Statement => ({ type: 'match', left, operator: 'in', right: set });
export const notAmong = (left: Expression, set: SetReference): Statement => ({ type: 'match', left, operator: 'notIn', right: set });

/** `mark set mark or MARK` */
export const setMark = (operator: 'or' | 'xor', mark: number): Statement => ({
  type: 'setMark',
  which: 'meta mark',
  value: { type: 'bits', operator, left: selector('meta mark'), right: mark },
});

/** `meta l4proto tcp` */
export const ofProtocol = (protocol: Protocol): Statement => compare('meta l4proto', '==', atom(protocolNumber(protocol)));

/** `numgen random mod N` */
export const randomOf = (mod: number): Expression => ({ type: 'numgen', mode: 'random', mod, offset: 0 });
