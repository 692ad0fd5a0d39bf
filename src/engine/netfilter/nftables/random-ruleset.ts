import { RandomStream } from '../../../base/prng.ts';
import type { Ipv4, Ipv6 } from '../../../protocol/address.ts';
import { fieldOf } from './data-type.ts';
import { mergeIntervals } from './element-order.ts';
import type {
  Atom,
  Chain,
  DataType,
  Element,
  Expression,
  Rule,
  Selector,
  SetDefinition,
  Statement,
  Table,
  Value,
  Verdict,
} from './model.ts';
import { REJECT_KINDS } from './print-rule.ts';
import { isInterval, valueId } from './value.ts';

type Family = 'ip' | 'inet';
type Transport = 'tcp' | 'udp' | undefined;
type Match = Extract<Statement, { type: 'match' }>;

const NAT = { addresses: undefined, ports: undefined, random: false, fullyRandom: false, persistent: false };

/**
 * Rulesets for tests, drawn from a seed: such as nft takes, of everything that is modelled. Addresses,
 * ports and marks come from few values, so that packets of `RandomPackets` often match.
 */
export class RandomRuleset {
  private readonly stream: RandomStream;
  private readonly family: Family;
  private readonly sets: SetDefinition[];
  private readonly maps: SetDefinition[];

  constructor(seed: number) {
    this.stream = new RandomStream(seed, 'random ruleset');
    this.family = this.one(['ip', 'inet']);
    this.sets = [
      this.set('addresses', ['ipv4_addr'], false),
      this.set('networks', ['ipv4_addr'], true),
      this.set('ports', ['inet_service'], this.chance(2)),
      this.set('services', ['ipv4_addr', 'inet_proto', 'inet_service'], this.chance(2)),
      { name: 'seen', key: ['ipv4_addr'], flags: ['dynamic', 'timeout'], timeoutSeconds: 60, size: 65_535, elements: [] },
    ];
    this.maps = [
      this.set('by-address', ['ipv4_addr'], this.chance(2), 'verdict'),
      this.set('by-port', ['inet_service'], this.chance(2), 'verdict'),
      this.set('by-service', ['ipv4_addr', 'inet_proto', 'inet_service'], this.chance(2), 'verdict'),
      this.set('marks', ['ipv4_addr'], this.chance(2), 'mark'),
    ];
  }

  below(n: number): number {
    return this.stream.below(n);
  }

  private one<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  /** True once in so many times. */
  private chance(n: number): boolean {
    return this.below(n) === 0;
  }

  private many<T>(max: number, make: (i: number) => T): T[] {
    return Array.from({ length: 1 + this.below(max) }, (_, i) => make(i));
  }

  /** A table with base chains of all hooks; jumps only go to chains with higher numbers. */
  table(): Table {
    const regular = Array.from({ length: 6 }, (_, i) => `chain-${i}`);
    const chains: Chain[] = regular.map((name, i) => ({
      name,
      ...(this.chance(3) ? { comment: `number ${i}` } : {}),
      rules: this.many(4, () => this.rule(regular.slice(i + 1), 'filter')),
    }));
    const natTargets: readonly string[] = [];
    const last: Statement = { type: 'verdict', verdict: { type: this.one(['accept', 'drop', 'return']) } };
    chains.push(
      { name: 'last', rules: this.many(3, () => ({ statements: [this.match(undefined), last] })) },
      this.base('filter', 'FORWARD', regular),
      this.base('filter', 'PREROUTING', regular),
      this.base('nat', 'PREROUTING', natTargets),
      this.base('nat', 'POSTROUTING', natTargets),
    );
    const comment = this.chance(2) ? { comment: 'drawn' } : {};
    const order = [...this.sets, ...this.maps].map(({ name }) => name);
    return { family: this.family, name: 'drawn', ...comment, chains, sets: this.sets, maps: this.maps, setOrder: order };
  }

  private base(type: 'filter' | 'nat', hook: 'PREROUTING' | 'FORWARD' | 'POSTROUTING', targets: readonly string[]): Chain {
    const kind = type === 'filter' ? 'filter' : hook === 'PREROUTING' ? 'dnat' : 'masquerade';
    return {
      name: `${type}-${hook.toLowerCase()}`,
      base: {
        type,
        hook,
        priority: this.one([-150, -100, -7, 0, 100, 117]),
        policy: type === 'filter' && this.chance(3) ? 'drop' : 'accept',
      },
      rules: this.many(5, () => this.rule(targets, kind)),
    };
  }

  private address(): Ipv4 {
    return (0x0a000001 + this.one([0, 1, 2, 3, 0x10000, 0xff])) as Ipv4;
  }

  private address6(): Ipv6 {
    return ((0xfd00n << 112n) + BigInt(this.below(4))) as Ipv6;
  }

  private port = (): number => this.one([53, 80, 81, 443, 8080]);

  private atom(type: DataType): Atom {
    switch (type) {
      case 'ipv4_addr':
        return this.address();
      case 'ipv6_addr':
        return this.address6();
      case 'inet_proto':
        return this.one([6, 17, 1]);
      case 'inet_service':
        return this.port();
      case 'mark':
        return this.one([0, 1, 2, 3, 0x4000, 0x4001]);
      case 'ifname':
        return this.one(['eth0', 'lo', 'cni0']);
      default:
        return this.below(4);
    }
  }

  private value(type: DataType, interval: boolean): Value {
    if (interval && type === 'ipv4_addr' && this.chance(2)) {
      const length = this.one([8, 16, 24, 30]);
      return { type: 'prefix', address: (((this.address() >>> (32 - length)) << (32 - length)) >>> 0) as Ipv4, length };
    }
    if (interval && this.chance(2) && (type === 'inet_service' || type === 'mark' || type === 'ipv4_addr')) {
      const first = this.atom(type) as number;
      return { type: 'range', first, last: first + 1 + this.below(5) };
    }
    return { type: 'atom', atom: this.atom(type) };
  }

  private key(types: readonly DataType[], interval: boolean): Value {
    const parts = types.map((type) => this.value(type, interval));
    return parts.length === 1 ? (parts[0] as Value) : { type: 'concat', parts };
  }

  /** Elements without repetitions and, where there are intervals, none in another. */
  private elements(types: readonly DataType[], interval: boolean, data?: (i: number) => Value | Verdict): readonly Element[] {
    const found = new Map<string, Element>();
    for (let i = 2 + this.below(6); i > 0; i--) {
      const key = this.key(types, interval);
      found.set(valueId(key), data === undefined ? { key } : { key, data: data(i) });
    }
    const all = [...found.values()];
    if (!all.some(({ key }) => isInterval(key))) return all;
    if (types.length > 1) return all.slice(0, 1);
    const field = fieldOf(types[0] ?? 'integer');
    return mergeIntervals(all, field).map((element, i) => (data === undefined ? element : { ...element, data: data(i) }));
  }

  private set(name: string, key: readonly DataType[], interval: boolean, data?: DataType): SetDefinition {
    const make =
      data === undefined ? undefined : (): Value | Verdict => (data === 'verdict' ? this.verdict(['last']) : this.value(data, false));
    const flags = interval ? (['interval'] as const) : [];
    return { name, key, flags, ...(data === undefined ? {} : { data: [data] }), elements: this.elements(key, interval, make) };
  }

  private verdict(targets: readonly string[]): Verdict {
    const target = targets.length === 0 ? undefined : this.one(targets);
    const type = this.one(['accept', 'drop', 'return', 'continue', 'jump', 'goto', 'jump', 'goto'] as const);
    if (type !== 'jump' && type !== 'goto') return { type };
    return target === undefined ? { type: 'return' } : { type, chain: target };
  }

  private rule(targets: readonly string[], kind: 'filter' | 'dnat' | 'masquerade'): Rule {
    const transport = this.one<Transport>(['tcp', 'udp', undefined]);
    const statements: Statement[] = [];
    if (transport !== undefined && this.chance(2)) statements.push(this.isTransport(transport));
    for (let i = this.below(3); i > 0; i--) statements.push(this.match(transport));
    for (let i = this.below(3); i > 0; i--) statements.push(this.action(transport));
    if (kind === 'filter') statements.push(...this.end(targets, transport));
    else if (kind === 'masquerade') statements.push({ type: 'nat', nat: { ...NAT, kind, fullyRandom: this.chance(2) }, family: undefined });
    else statements.push(...this.dnat(transport));
    if (statements.length === 0) statements.push({ type: 'counter', packets: 0, bytes: 0 });
    return this.chance(4) ? { statements, comment: 'drawn at random' } : { statements };
  }

  private isTransport(transport: 'tcp' | 'udp'): Statement {
    return match('meta l4proto', '==', transport === 'tcp' ? 6 : 17);
  }

  private portOf(transport: Transport): Selector {
    return transport === undefined ? 'th dport' : `${transport} ${this.one(['sport', 'dport'] as const)}`;
  }

  private match(transport: Transport): Statement {
    const address = this.one(['ip saddr', 'ip daddr'] as const);
    const service = concat('ip daddr', 'meta l4proto', transport === undefined ? 'th dport' : `${transport} dport`);
    const within = this.one(['in', 'in', 'notIn'] as const);
    switch (this.below(14)) {
      case 0:
        return { ...match(address, this.one(['==', '!=']), 0), right: this.value('ipv4_addr', true) };
      case 1:
        return {
          type: 'match',
          left: selector(address),
          operator: within,
          right: { type: 'named', name: this.one(['addresses', 'networks']) },
        };
      case 2:
        return {
          type: 'match',
          left: selector(address),
          operator: within,
          right: { type: 'anonymous', elements: this.elements(['ipv4_addr'], this.chance(2)) },
        };
      case 3:
        return {
          ...match(this.portOf(transport), this.one(['==', '!=', '<', '<=']), 0),
          right: this.value('inet_service', false),
        };
      case 4:
        return { type: 'match', left: selector(this.portOf(transport)), operator: within, right: { type: 'named', name: 'ports' } };
      case 5:
        return { type: 'match', left: service, operator: within, right: { type: 'named', name: 'services' } };
      case 6:
        return {
          type: 'match',
          left: service,
          operator: within,
          right: { type: 'anonymous', elements: this.elements(['ipv4_addr', 'inet_proto', 'inet_service'], false) },
        };
      case 7: {
        const left: Expression = { type: 'bits', operator: 'and', left: selector('meta mark'), right: this.one([1, 3, 0x4000]) };
        return { type: 'match', left, operator: this.one(['==', '!=']), right: { type: 'atom', atom: this.atom('mark') } };
      }
      case 8:
        return match('meta mark', this.one(['==', '!=', '<']), this.atom('mark'));
      case 9:
        return match(this.one(['ct state', 'ct status']), this.one(['bits', 'noBits', '==', '!=']), this.one([2, 8]));
      case 10:
        return match(this.one(['meta iifname', 'meta oifname']), this.one(['==', '!=']), this.one(['eth0', 'eth*', 'lo']));
      case 11:
        return match(this.one(['fib saddr type', 'fib daddr type']), this.one(['==', '!=']), this.one([1, 2]));
      case 12:
        return transport === 'tcp' ? match('tcp flags', this.one(['bits', 'noBits']), this.one([2, 18])) : match('ip ttl', '<', 64);
      default: {
        const left: Expression = { type: 'numgen', mode: this.one(['random', 'inc']), mod: 4, offset: 0 };
        return { type: 'match', left, operator: this.one(['==', '<']), right: { type: 'atom', atom: 1 + this.below(3) } };
      }
    }
  }

  private action(transport: Transport): Statement {
    switch (this.below(7)) {
      case 0:
        return { type: 'counter', packets: 0, bytes: 0 };
      case 1: {
        const value: Expression = {
          type: 'bits',
          operator: this.one(['and', 'or', 'xor']),
          left: selector('meta mark'),
          right: this.one([1, 0x4000]),
        };
        return { type: 'setMark', which: 'meta mark', value };
      }
      case 2:
        return {
          type: 'setMark',
          which: 'meta mark',
          value: { type: 'map', key: selector('ip saddr'), map: { type: 'named', name: 'marks' } },
        };
      case 3:
        return { type: 'setMark', which: 'ct mark', value: selector('meta mark') };
      case 4:
        return {
          type: 'setUpdate',
          operation: this.one(['update', 'add']),
          set: 'seen',
          key: selector('ip saddr'),
          timeoutSeconds: this.one([undefined, 5]),
        };
      case 5:
        return { type: 'log', prefix: 'seen ', level: this.one([undefined, 'info']) };
      default:
        return this.match(transport);
    }
  }

  private end(targets: readonly string[], transport: Transport): Statement[] {
    const port = selector(transport === undefined ? 'th dport' : `${transport} dport`);
    switch (this.below(7)) {
      case 0:
        return [];
      case 1:
        return [this.reject(transport)];
      case 2:
        return [{ type: 'vmap', key: port, map: { type: 'named', name: 'by-port' } }];
      case 3: {
        const key = concat('ip daddr', 'meta l4proto', transport === undefined ? 'th dport' : `${transport} dport`);
        return [{ type: 'vmap', key, map: { type: 'named', name: 'by-service' } }];
      }
      case 4: {
        const elements = Array.from({ length: 4 }, (_, i): Element => ({ key: { type: 'atom', atom: i }, data: this.verdict(targets) }));
        return [{ type: 'vmap', key: { type: 'numgen', mode: 'random', mod: 4, offset: 0 }, map: { type: 'anonymous', elements } }];
      }
      case 5:
        return [{ type: 'vmap', key: selector('ip saddr'), map: { type: 'named', name: 'by-address' } }];
      default:
        return [{ type: 'verdict', verdict: this.verdict(targets) }];
    }
  }

  private reject(transport: Transport): Statement {
    const kinds = REJECT_KINDS.map(([kind]) => kind).filter(
      (kind) =>
        !kind.startsWith('icmp6') && (!kind.startsWith('icmpx') || this.family === 'inet') && (kind !== 'tcp-reset' || transport === 'tcp'),
    );
    const kind = this.one([undefined, ...kinds]);
    return { type: 'reject', with: kind, written: kind !== undefined };
  }

  private dnat(transport: Transport): Statement[] {
    const family = this.family === 'ip' ? undefined : 'ip';
    const to = { min: this.address(), max: this.address() };
    if (transport === undefined || this.chance(2)) {
      const addresses = to.min <= to.max && to.min !== to.max && this.chance(2) ? to : { min: to.min, max: to.min };
      return [{ type: 'nat', nat: { ...NAT, kind: 'dnat', addresses, persistent: this.chance(3) }, family }];
    }
    const n = 1 + this.below(4);
    const elements = Array.from({ length: n }, (_, i): Element => {
      const parts: Value[] = [
        { type: 'atom', atom: this.address() },
        { type: 'atom', atom: this.port() },
      ];
      return { key: { type: 'atom', atom: i }, data: { type: 'concat', parts } };
    });
    const key: Expression = { type: 'numgen', mode: 'random', mod: n, offset: 0 };
    const map: Statement = { type: 'natMap', kind: 'dnat', family: 'ip', to: { type: 'map', key, map: { type: 'anonymous', elements } } };
    return [this.isTransport(transport), map];
  }
}

const selector = (name: Selector): Expression => ({ type: 'selector', selector: name });
const concat = (...names: readonly Selector[]): Expression => ({ type: 'concat', parts: names.map(selector) });
const match = (left: Selector, operator: Match['operator'], right: Atom): Match => ({
  type: 'match',
  left: selector(left),
  operator,
  right: { type: 'atom', atom: right },
});
