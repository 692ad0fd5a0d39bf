import { assertNever } from '../../../base/assert.ts';
import { isIpv4 } from '../../../protocol/address.ts';
import type { NatRequest, RejectType } from '../evaluation.ts';
import { compileExpression, compileLookup, elementData, type Looking, namedSet } from './compile-expression.ts';
import { compiledForm } from './compiled-form.ts';
import type { Atom, IcmpxRejectType, Statement, Value, Verdict } from './model.ts';
import { connection } from './read-packet.ts';
import type { ChainState, RuleState } from './state.ts';
import { atom, boundsOf } from './value.ts';

/** How a rule ends; undefined: it matched and the next one follows. */
export type Ending =
  | { readonly kind: 'accept' | 'drop' | 'return' }
  | { readonly kind: 'jump' | 'goto'; readonly target: ChainState }
  | { readonly kind: 'reject'; readonly with: RejectType }
  | { readonly kind: 'nat'; readonly nat: NatRequest };

export const NO_MATCH = 'noMatch';

/** A statement at work: does not match (NFT_BREAK), goes on, or ends the rule. */
type Step = (looking: Looking) => Ending | undefined | typeof NO_MATCH;
export type CompiledRule = readonly Step[];

/** Turns a rule into steps; done when a packet first comes to it. */
export function compileRule(rule: RuleState): CompiledRule {
  let counters = 0;
  return compiledForm(rule.rule, rule.chain.table.family).statements.map((statement) =>
    statement.type === 'counter' ? countInto(rule.counters[counters++] ?? { packets: 0, bytes: 0 }) : compileStatement(statement, rule),
  );
}

const ACCEPTS: Ending = { kind: 'accept' };
const DROPS: Ending = { kind: 'drop' };
const RETURNS: Ending = { kind: 'return' };

function ending(verdict: Verdict, target: ChainState | undefined): Ending | undefined {
  switch (verdict.type) {
    case 'accept':
      return ACCEPTS;
    case 'drop':
      return DROPS;
    case 'return':
      return RETURNS;
    case 'continue':
      return undefined;
    case 'jump':
    case 'goto':
      return target && { kind: verdict.type, target };
  }
}

const countInto =
  (counter: { packets: number; bytes: number }): Step =>
  ({ packet }) => {
    counter.packets++;
    counter.bytes += packet.length;
    return undefined;
  };

function compileStatement(statement: Exclude<Statement, { type: 'counter' }>, rule: RuleState): Step {
  switch (statement.type) {
    case 'match':
      return compileMatch(statement, rule);
    case 'verdict': {
      const { target } = elementData({ key: { type: 'any' }, data: statement.verdict }, rule.chain.table.chains);
      const end = ending(statement.verdict, target);
      return () => end;
    }
    case 'vmap': {
      const look = compileLookup(statement.key, statement.map, rule);
      return (looking) => {
        const found = look(looking);
        if (found?.verdict === undefined) return NO_MATCH;
        return ending(found.verdict, found.target);
      };
    }
    case 'setMark': {
      const read = compileExpression(statement.value, rule);
      const ofPacket = statement.which === 'meta mark';
      return (looking) => {
        const mark = read(looking)?.[0];
        if (mark === undefined) return NO_MATCH;
        const marked = ofPacket ? looking.packet : connection(looking.packet);
        if (marked) marked.mark = Number(mark);
        return undefined;
      };
    }
    case 'reject':
      return compileReject(statement.with);
    case 'nat': {
      const end: Ending = { kind: 'nat', nat: statement.nat };
      const wanted = statement.family;
      // Of the wrong family, the statement does nothing (net/netfilter/nft_nat.c, nft_nat_inet_eval).
      return ({ packet }) => (wanted !== undefined && wanted !== familyOf(packet.src) ? undefined : end);
    }
    case 'natMap': {
      const read = compileExpression(statement.to, rule);
      const { kind, family } = statement;
      return (looking) => {
        if (family !== familyOf(looking.packet.src)) return undefined;
        const atoms = read(looking);
        return atoms === undefined ? NO_MATCH : { kind: 'nat', nat: mappedNat(kind, atoms) };
      };
    }
    case 'setUpdate':
      return compileSetUpdate(statement, rule);
    case 'notrack':
      return ({ packet }) => {
        if (packet.conntrack === undefined) packet.untracked = true;
        return undefined;
      };
    case 'log':
      return () => undefined;
    case 'limit':
      return compileLimit(statement);
    default:
      return assertNever(statement, 'statement');
  }
}

const familyOf = (address: Atom): 'ip' | 'ip6' => (isIpv4(address as never) ? 'ip' : 'ip6');

function mappedNat(kind: 'dnat' | 'snat', [address, port]: readonly Atom[]): NatRequest {
  return {
    kind,
    addresses: address === undefined ? undefined : { min: address as never, max: address as never },
    ports: port === undefined ? undefined : { min: Number(port), max: Number(port) },
    random: false,
    fullyRandom: false,
    persistent: false,
  };
}

/** Whether an atom is what a value says. */
function comparison(value: Value): (found: Atom) => boolean {
  if (value.type === 'atom' && value.atom === 'missing') return (found) => found === 0;
  if (value.type === 'atom' && value.atom === 'exists') return (found) => found !== 0;
  const { first, last } = boundsOf(value);
  return first === last ? (found) => found === first : (found) => found >= first && found <= last;
}

function compileMatch(statement: Extract<Statement, { type: 'match' }>, rule: RuleState): Step {
  const { left, operator, right } = statement;
  if (right.type === 'named' || right.type === 'anonymous') {
    const look = compileLookup(left, right, rule);
    if (operator !== 'notIn') return (looking) => (look(looking) === undefined ? NO_MATCH : undefined);
    // A key that does not apply ends the rule as well, so the lookup alone does not tell.
    return (looking) => {
      const lookups = looking.cost.lookups;
      return look(looking) === undefined && looking.cost.lookups > lookups ? undefined : NO_MATCH;
    };
  }
  const read = compileExpression(left, rule);
  const test = compileTest(operator, right);
  const drawn = left.type === 'numgen';
  return (looking) => {
    const found = read(looking)?.[0];
    if (found === undefined) return NO_MATCH;
    const passed = test(found);
    if (drawn && looking.draw) looking.draw.sameAs = (n) => test(n) === passed;
    return passed ? undefined : NO_MATCH;
  };
}

function compileTest(operator: Extract<Statement, { type: 'match' }>['operator'], right: Value): (found: Atom) => boolean {
  const bits = right.type === 'atom' ? Number(right.atom) : 0;
  const limit = right.type === 'atom' ? right.atom : 0;
  switch (operator) {
    case '==':
    case 'in':
      return comparison(right);
    case '!=':
    case 'notIn': {
      const same = comparison(right);
      return (found) => !same(found);
    }
    case '<':
      return (found) => found < limit;
    case '>':
      return (found) => found > limit;
    case '<=':
      return (found) => found <= limit;
    case '>=':
      return (found) => found >= limit;
    case 'bits':
      return (found) => (Number(found) & bits) !== 0;
    case 'noBits':
      return (found) => (Number(found) & bits) === 0;
  }
}

/** net/netfilter/nft_reject.c, icmp_code_v4 and icmp_code_v6. */
const ICMPX: Readonly<Record<IcmpxRejectType, readonly [RejectType, RejectType]>> = {
  'icmpx-no-route': ['icmp-net-unreachable', 'icmp6-no-route'],
  'icmpx-port-unreachable': ['icmp-port-unreachable', 'icmp6-port-unreachable'],
  'icmpx-host-unreachable': ['icmp-host-unreachable', 'icmp6-addr-unreachable'],
  'icmpx-admin-prohibited': ['icmp-admin-prohibited', 'icmp6-adm-prohibited'],
};

const TCP = 6;

/** nft compares the protocol before a reject that fits only one. */
function compileReject(kind: RejectType | IcmpxRejectType | undefined): Step {
  if (kind === 'tcp-reset') {
    const end: Ending = { kind: 'reject', with: kind };
    return ({ packet }) => (packet.protocol === TCP ? end : NO_MATCH);
  }
  const both = ICMPX[(kind ?? 'icmpx-port-unreachable') as IcmpxRejectType] as readonly [RejectType, RejectType] | undefined;
  if (both !== undefined) {
    const [v4, v6] = both.map((type): Ending => ({ kind: 'reject', with: type }));
    return ({ packet }) => (isIpv4(packet.src) ? v4 : v6);
  }
  const end: Ending = { kind: 'reject', with: kind as RejectType };
  const wanted = kind?.startsWith('icmp6') ? 'ip6' : 'ip';
  return ({ packet }) => (familyOf(packet.src) === wanted ? end : NO_MATCH);
}

/** net/netfilter/nft_dynset.c: a set that is full ends the rule. */
function compileSetUpdate(statement: Extract<Statement, { type: 'setUpdate' }>, rule: RuleState): Step {
  const read = compileExpression(statement.key, rule);
  const set = namedSet(statement.set, rule);
  const { operation, timeoutSeconds } = statement;
  return (looking) => {
    const key = read(looking);
    if (key === undefined) return NO_MATCH;
    looking.cost.lookups++;
    const { nowNs } = looking.host;
    let there = set.store.get(key.length === 1 ? atom(key[0] as Atom) : { type: 'concat', parts: key.map(atom) });
    if (there !== undefined && there.expiresNs <= nowNs) {
      set.drop(there);
      there = undefined;
    }
    if (operation === 'delete') {
      if (there) set.drop(there);
      return undefined;
    }
    const seconds = timeoutSeconds ?? set.definition.timeoutSeconds;
    if (there !== undefined) {
      if (operation === 'update' && seconds !== undefined) there.expiresNs = nowNs + seconds * 1e9;
      return undefined;
    }
    if (set.isFull(nowNs)) return NO_MATCH;
    const value: Value = key.length === 1 ? atom(key[0] as Atom) : { type: 'concat', parts: key.map(atom) };
    const own = timeoutSeconds === undefined || timeoutSeconds === set.definition.timeoutSeconds ? {} : { timeoutSeconds };
    set.put(set.stored({ key: value, ...own }, { verdict: undefined, target: undefined, value: undefined }, nowNs));
    return undefined;
  };
}

const UNIT_NS = { second: 1e9, minute: 60e9, hour: 3600e9, day: 86_400e9 } as const;

/** A bucket of tokens that are nanoseconds (net/netfilter/nft_limit.c); it begins full. */
function compileLimit({ rate, unit, burst, over }: Extract<Statement, { type: 'limit' }>): Step {
  const cost = Math.floor(UNIT_NS[unit] / rate);
  const full = cost * burst;
  let tokens = full;
  let last: number | undefined;
  return ({ host }) => {
    tokens = Math.min(full, tokens + host.nowNs - (last ?? host.nowNs));
    last = host.nowNs;
    const within = tokens >= cost;
    if (within) tokens -= cost;
    return within !== over ? undefined : NO_MATCH;
  };
}
