import type { ChainVerdict, NatRequest, RejectType, RuleHost, RulePacket, RulePlace, WalkCost } from '../evaluation.ts';
import type { Atom, Chain, Element, Expression, Rule, SetReference, Statement, Table, Value, Verdict } from './model.ts';
import { readerOf } from './read-packet.ts';
import { isVerdict } from './value.ts';

/*
 * The plainest way to walk rules, for tests to compare with: rules as they are written, elements one by
 * one, jumps as calls. Nothing is compiled, hashed or remembered beyond what rules themselves remember.
 */

interface Matched {
  readonly place: RulePlace;
  readonly depth: number;
  readonly unmatchedBefore: number;
}

type Outcome = ChainVerdict | 'return' | 'end';

export class PlainWalk {
  readonly matched: Matched[] = [];
  /** How many packets each counter has seen. */
  readonly counted = new Map<Statement, number>();
  /** The elements of sets that rules add to. */
  readonly seen = new Map<string, { readonly key: readonly Atom[]; expiresNs: number }[]>();
  private readonly generators = new Map<Expression, number>();
  private readonly table: Table;
  private packet!: RulePacket;
  private host!: RuleHost;
  private cost!: WalkCost;

  constructor(table: Table) {
    this.table = table;
  }

  walk(base: Chain, packet: RulePacket, host: RuleHost, cost: WalkCost): ChainVerdict {
    this.packet = packet;
    this.host = host;
    this.cost = cost;
    this.matched.length = 0;
    const outcome = this.chain(base, 0);
    if (outcome !== 'return' && outcome !== 'end') return outcome;
    return base.base?.policy === 'drop' ? { kind: 'drop', place: this.place(base, 0) } : { kind: 'accept' };
  }

  private place(chain: Chain, rule: number): RulePlace {
    return { framework: 'nftables', family: this.table.family, table: this.table.name, chain: chain.name, rule };
  }

  private chain(chain: Chain, depth: number): Outcome {
    let unmatchedBefore = 0;
    for (const [i, rule] of chain.rules.entries()) {
      this.cost.rules++;
      const place = this.place(chain, i + 1);
      const result = this.rule(rule, place);
      if (result === 'no match') {
        unmatchedBefore++;
        continue;
      }
      this.matched.push({ place, depth, unmatchedBefore });
      unmatchedBefore = 0;
      if (result === undefined) continue;
      if ('kind' in result) return result;
      if (result.type === 'accept') return { kind: 'accept' };
      if (result.type === 'drop') return { kind: 'drop', place };
      if (result.type === 'return') return 'return';
      if (!('chain' in result)) continue;
      const target = this.table.chains.find(({ name }) => name === result.chain);
      if (target === undefined) throw new Error(`no chain ${result.chain}`);
      const outcome = this.chain(target, depth + 1);
      if (result.type === 'goto' || (outcome !== 'return' && outcome !== 'end')) return outcome;
    }
    return 'end';
  }

  private rule(rule: Rule, place: RulePlace): ChainVerdict | Verdict | 'no match' | undefined {
    // nft asks first for the protocol that a reject needs, unless the rule is about that protocol anyway.
    const at = rule.statements.findIndex(({ type }) => type === 'reject');
    const before = JSON.stringify(rule.statements.slice(0, Math.max(at, 0)));
    const aboutTcp = before.includes('"tcp ') || before.includes('"meta l4proto"},"operator":"=="');
    if (!(this.needs(rule.statements[at]) === 'tcp' ? aboutTcp : before.includes('"ip ')) && !this.fitsReject(rule.statements[at]))
      return 'no match';
    for (const statement of rule.statements) {
      const result = this.statement(statement, place);
      if (result !== undefined) return result;
    }
    return undefined;
  }

  private needs(statement: Statement | undefined): 'tcp' | 'ip' | 'ip6' | undefined {
    if (statement?.type !== 'reject' || statement.with === undefined) return undefined;
    if (statement.with === 'tcp-reset') return 'tcp';
    return statement.with.startsWith('icmp-') ? 'ip' : statement.with.startsWith('icmp6-') ? 'ip6' : undefined;
  }

  private fitsReject(statement: Statement | undefined): boolean {
    const needed = this.needs(statement);
    if (needed === 'tcp') return this.packet.protocol === 6;
    return needed === undefined || (needed === 'ip') === (typeof this.packet.src === 'number');
  }

  private statement(statement: Statement, place: RulePlace): ChainVerdict | Verdict | 'no match' | undefined {
    switch (statement.type) {
      case 'match':
        return this.match(statement) ? undefined : 'no match';
      case 'verdict':
        return statement.verdict.type === 'continue' ? undefined : statement.verdict;
      case 'vmap': {
        const found = this.look(statement.key, statement.map);
        if (found?.data === undefined || !isVerdict(found.data)) return 'no match';
        return found.data.type === 'continue' ? undefined : found.data;
      }
      case 'counter':
        this.counted.set(statement, (this.counted.get(statement) ?? 0) + 1);
        return undefined;
      case 'setMark': {
        const mark = this.value(statement.value)?.[0];
        if (mark === undefined) return 'no match';
        if (statement.which === 'meta mark') this.packet.mark = Number(mark);
        else if (this.packet.conntrack && !/INVALID|UNTRACKED/.test(this.packet.conntrack.state)) this.packet.conntrack.mark = Number(mark);
        return undefined;
      }
      case 'reject':
        if (!this.fitsReject(statement)) return 'no match';
        return { kind: 'reject', with: this.rejectType(statement.with), place };
      case 'nat':
        return statement.family === 'ip' && typeof this.packet.src !== 'number' ? undefined : { kind: 'nat', nat: statement.nat, place };
      case 'natMap': {
        if (typeof this.packet.src !== 'number') return undefined;
        const target = this.value(statement.to);
        if (target === undefined) return 'no match';
        const [address, port] = target as [never, number | undefined];
        const nat: NatRequest = {
          kind: statement.kind,
          addresses: { min: address, max: address },
          ports: port === undefined ? undefined : { min: port, max: port },
          random: false,
          fullyRandom: false,
          persistent: false,
        };
        return { kind: 'nat', nat, place };
      }
      case 'setUpdate':
        return this.update(statement);
      default:
        return undefined;
    }
  }

  private rejectType(written: Extract<Statement, { type: 'reject' }>['with']): RejectType {
    const v4 = typeof this.packet.src === 'number';
    switch (written) {
      case undefined:
      case 'icmpx-port-unreachable':
        return v4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable';
      case 'icmpx-no-route':
        return v4 ? 'icmp-net-unreachable' : 'icmp6-no-route';
      case 'icmpx-host-unreachable':
        return v4 ? 'icmp-host-unreachable' : 'icmp6-addr-unreachable';
      case 'icmpx-admin-prohibited':
        return v4 ? 'icmp-admin-prohibited' : 'icmp6-adm-prohibited';
      default:
        return written;
    }
  }

  private update(statement: Extract<Statement, { type: 'setUpdate' }>): 'no match' | undefined {
    const key = this.value(statement.key);
    if (key === undefined) return 'no match';
    this.cost.lookups++;
    const definition = this.table.sets.find(({ name }) => name === statement.set);
    const seconds = statement.timeoutSeconds ?? definition?.timeoutSeconds ?? 0;
    const all = (this.seen.get(statement.set) ?? []).filter(({ expiresNs }) => expiresNs > this.host.nowNs);
    this.seen.set(statement.set, all);
    const there = all.find((entry) => entry.key[0] === key[0]);
    if (there === undefined) all.push({ key, expiresNs: this.host.nowNs + seconds * 1e9 });
    else if (statement.operation === 'update') there.expiresNs = this.host.nowNs + seconds * 1e9;
    return undefined;
  }

  private match({ left, operator, right }: Extract<Statement, { type: 'match' }>): boolean {
    if (right.type === 'named' || right.type === 'anonymous') {
      const only = right.type === 'anonymous' && right.elements.length === 1 && left.type !== 'concat' ? right.elements[0] : undefined;
      const key = this.value(left);
      if (key === undefined) return false;
      // A set of one is no set: nft compares with its element.
      if (only === undefined) this.cost.lookups++;
      const found = this.find(key, right) !== undefined;
      return found === (operator !== 'notIn');
    }
    const found = this.value(left)?.[0];
    if (found === undefined) return false;
    const n = Number(found);
    const bound = right.type === 'atom' ? right.atom : 0;
    switch (operator) {
      case '<':
        return found < bound;
      case '>':
        return found > bound;
      case '<=':
        return found <= bound;
      case '>=':
        return found >= bound;
      case 'bits':
        return (n & Number(bound)) !== 0;
      case 'noBits':
        return (n & Number(bound)) === 0;
      default:
        return within(found, right) === (operator === '==' || operator === 'in');
    }
  }

  private look(key: Expression, reference: SetReference): Element | undefined {
    const atoms = this.value(key);
    if (atoms === undefined) return undefined;
    this.cost.lookups++;
    return this.find(atoms, reference);
  }

  private find(key: readonly Atom[], reference: SetReference): Element | undefined {
    const named = (name: string): readonly Element[] =>
      [...this.table.sets, ...this.table.maps].find((set) => set.name === name)?.elements ?? [];
    const elements = reference.type === 'named' ? named(reference.name) : reference.elements;
    const matches = ({ key: of }: Element): boolean =>
      of.type === 'concat' ? of.parts.every((part, i) => within(key[i] as Atom, part)) : of.type !== 'any' && within(key[0] as Atom, of);
    return elements.find(matches) ?? elements.find(({ key: of }) => of.type === 'any');
  }

  private value(expression: Expression): readonly Atom[] | undefined {
    switch (expression.type) {
      case 'selector': {
        const read = readerOf(expression.selector)(this.packet, this.host);
        return read === undefined ? undefined : [read];
      }
      case 'concat': {
        const parts = expression.parts.map((part) => this.value(part)?.[0]);
        return parts.includes(undefined) ? undefined : (parts as Atom[]);
      }
      case 'numgen': {
        if (expression.mode === 'random') return [this.host.pick(expression.mod) + expression.offset];
        const drawn = this.generators.get(expression) ?? 0;
        this.generators.set(expression, (drawn + 1) % expression.mod);
        return [drawn + expression.offset];
      }
      case 'bits': {
        const left = this.value(expression.left)?.[0];
        if (left === undefined) return undefined;
        const [a, b] = [BigInt(left), BigInt(expression.right)];
        return [Number(expression.operator === 'and' ? a & b : expression.operator === 'or' ? a | b : a ^ b)];
      }
      case 'value':
        return expression.value.type === 'atom' ? [expression.value.atom] : undefined;
      case 'map': {
        const data = this.look(expression.key, expression.map)?.data;
        if (data === undefined || isVerdict(data)) return undefined;
        return data.type === 'concat' ? data.parts.map((part) => (part as { atom: Atom }).atom) : [(data as { atom: Atom }).atom];
      }
    }
  }
}

function within(found: Atom, value: Value): boolean {
  if (value.type === 'range') return found >= value.first && found <= value.last;
  if (value.type === 'prefix') {
    if (typeof found !== typeof value.address) return false;
    const open = BigInt((typeof found === 'number' ? 32 : 128) - value.length);
    return BigInt(found as number) >> open === BigInt(value.address) >> open;
  }
  if (value.type !== 'atom') return false;
  if (typeof value.atom === 'string' && value.atom.endsWith('*')) return String(found).startsWith(value.atom.slice(0, -1));
  return found === value.atom;
}
