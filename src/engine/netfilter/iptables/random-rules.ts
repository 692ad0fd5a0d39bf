import { RandomStream } from '../../../base/prng.ts';
import type { Cidr, IpAddress } from '../../../protocol/address.ts';
import { networkOf } from '../../../protocol/address.ts';
import type { NatRequest, RejectType } from '../evaluation.ts';
import { ADDRESS_TYPES, CT_STATES, CT_STATUSES } from './match-text.ts';
import type { BuiltInChain, Chain, IptablesFamily, Match, Negatable, PortRange, Rule, TableName, TableRules, Target } from './model.ts';
import { TABLE_CHAINS } from './model.ts';
import { LOG_OPTIONS } from './save.ts';
import { IPV6_ADDRESS_TYPES } from './validate.ts';

/** The ipsets that random rules look into. */
export const RANDOM_SETS = ['blocked', 'allowed'] as const;

/**
 * Rules for tests, drawn from a seed: of everything that is modelled, and such as iptables takes. Addresses and
 * ports come from few values, so that packets of `randomPacket` often match.
 */
export class RandomRules {
  private readonly stream: RandomStream;
  private readonly family: IptablesFamily;

  constructor(seed: number, family: IptablesFamily) {
    this.stream = new RandomStream(seed, `random rules ${family}`);
    this.family = family;
  }

  below(n: number): number {
    return this.stream.below(n);
  }

  private one<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  private some<T>(values: readonly T[]): readonly T[] {
    const chosen = values.filter(() => this.below(3) === 0);
    return chosen.length > 0 ? chosen : [this.one(values)];
  }

  private maybe<T>(make: () => T, outOf = 2): T | undefined {
    return this.below(outOf) === 0 ? make() : undefined;
  }

  private negatable<T>(value: T): Negatable<T> {
    return { value, negated: this.below(4) === 0 };
  }

  address(): IpAddress {
    const host = this.below(12);
    return (this.family === 'ip' ? 0x0a600000 + host : 0xfd00_0000_0000_0000_0000_0000_0000_0000n + BigInt(host)) as IpAddress;
  }

  port(): number {
    return this.one([53, 80, 443, 8080, 30080, 40000]);
  }

  private network(): Cidr {
    const full = this.family === 'ip' ? 32 : 128;
    return networkOf({ address: this.address(), length: this.one([full, full, full, full - 2, full - 8]) });
  }

  private range(): PortRange {
    const first = this.port();
    return { first, last: this.one([first, first, first + 1000]) };
  }

  private mark(): { value: number; mask: number } {
    return this.one([
      { value: 0x4000, mask: 0x4000 },
      { value: 1, mask: 0xffffffff },
      { value: 0, mask: 0x8000 },
    ]);
  }

  /** A table whose rules only jump to chains after their own, so that there are no loops. */
  table(table: TableName, chainCount: number, rulesMax: number): TableRules {
    const names = Array.from({ length: chainCount }, (_, i) => `CHAIN-${String(i).padStart(2, '0')}`);
    const chains: Chain[] = [];
    for (const name of TABLE_CHAINS[table]) {
      const policy = this.below(3) === 0 ? 'DROP' : 'ACCEPT';
      chains.push({ name, policy, rules: this.rules(table, name, names, this.below(rulesMax)) });
    }
    for (const [i, name] of names.entries()) {
      chains.push({ name, policy: undefined, rules: this.rules(table, undefined, names.slice(i + 1, i + 9), this.below(rulesMax)) });
    }
    return { table, chains };
  }

  private rules(table: TableName, builtIn: BuiltInChain | undefined, targets: readonly string[], count: number): Rule[] {
    return Array.from({ length: count }, () => this.rule(table, builtIn, targets));
  }

  rule(table: TableName, builtIn: BuiltInChain | undefined, chains: readonly string[]): Rule {
    const protocol = this.maybe(() => this.one([6, 6, 17, 132, this.family === 'ip' ? 1 : 58, 47]));
    const positive = protocol !== undefined && this.below(8) > 0;
    const hasIn = builtIn !== 'OUTPUT' && builtIn !== 'POSTROUTING';
    const hasOut = builtIn !== 'PREROUTING' && builtIn !== 'INPUT';
    const device = (): Negatable<string> => this.negatable(this.one(['eth0', 'veth+', 'cni0', 'lo']));
    return {
      protocol: protocol === undefined ? undefined : { value: protocol, negated: !positive },
      source: this.maybe(() => this.negatable(this.network()), 4),
      destination: this.maybe(() => this.negatable(this.network())),
      inInterface: hasIn ? this.maybe(device, 6) : undefined,
      outInterface: hasOut ? this.maybe(device, 6) : undefined,
      fragment: this.family === 'ip' ? this.maybe(() => this.below(2) === 0, 16) : undefined,
      matches: this.matches(positive ? protocol : undefined, builtIn),
      target: this.maybe(() => this.target(table, builtIn, chains, positive ? protocol : undefined), 1),
    };
  }

  private matches(protocol: number | undefined, builtIn: BuiltInChain | undefined): Match[] {
    const matches: Match[] = [];
    if (this.below(2) === 0) matches.push(this.match(builtIn));
    const ofProtocol = protocol === undefined ? undefined : this.protocolMatch(protocol);
    if (ofProtocol !== undefined) matches.push(ofProtocol);
    if (this.below(3) === 0) matches.push(this.match(builtIn));
    return matches;
  }

  private protocolMatch(protocol: number): Match | undefined {
    if (protocol === 1 || protocol === 58) {
      const icmpType = { icmpType: this.one([8, 0, 3, 128]), code: this.maybe(() => this.below(5)) };
      return this.maybe(() => ({ type: 'icmp', icmpType: this.negatable(icmpType) }));
    }
    const type = protocol === 6 ? 'tcp' : protocol === 17 ? 'udp' : protocol === 132 ? 'sctp' : undefined;
    if (type === undefined) return undefined;
    if (this.below(4) === 0) {
      const ports = Array.from({ length: 1 + this.below(4) }, () => this.range());
      return { type: 'multiport', which: this.one(['sports', 'dports', 'ports'] as const), ports: this.negatable(ports) };
    }
    return {
      type,
      sourcePort: this.maybe(() => this.negatable(this.range()), 5),
      destinationPort: this.maybe(() => this.negatable(this.range())),
      flags:
        type === 'tcp'
          ? this.maybe(
              () =>
                this.negatable(
                  this.one([
                    { mask: 0x17, set: 2 },
                    { mask: 0x12, set: 0x12 },
                  ]),
                ),
              4,
            )
          : undefined,
    };
  }

  private match(builtIn: BuiltInChain | undefined): Match {
    switch (this.below(13)) {
      case 0:
        return { type: 'comment', text: this.one(['plain', 'default/web:http cluster IP', `it's "quoted" \\`, '']) };
      case 1:
        return this.conntrack();
      case 2:
        return { type: 'mark', mark: this.negatable(this.mark()) };
      case 3:
        return { type: 'connmark', mark: this.negatable(this.mark()) };
      case 4:
      case 5:
        return { type: 'statistic', mode: 'random', numerator: this.one([2 ** 30, 715827883, 2 ** 31, 0]), negated: this.below(4) === 0 };
      case 6: {
        const every = 1 + this.below(4);
        return { type: 'statistic', mode: 'nth', every, packet: this.below(every), negated: this.below(4) === 0 };
      }
      case 7:
        return this.addrtype(builtIn);
      case 8:
        return this.recent();
      case 9:
        return this.physdev(builtIn);
      case 10:
        return {
          type: 'set',
          name: this.one(RANDOM_SETS),
          directions: this.one([['src'], ['dst'], ['src', 'dst']] as const),
          negated: this.below(4) === 0,
        };
      case 11:
        return { type: 'limit', rate: 1 + this.below(7), unit: this.one(['second', 'minute', 'hour'] as const), burst: 1 + this.below(9) };
      default:
        return { type: 'conntrack', module: 'state', state: this.negatable(this.some(CT_STATES.slice(0, 5))) };
    }
  }

  private conntrack(): Match {
    const network = (): Negatable<Cidr> => this.negatable(this.network());
    return {
      type: 'conntrack',
      module: 'conntrack',
      state: this.negatable(this.some(CT_STATES)),
      status: this.maybe(() => this.negatable(this.some(CT_STATUSES)), 3),
      direction: this.maybe(() => this.one(['ORIGINAL', 'REPLY'] as const), 4),
      protocol: this.maybe(() => this.negatable(6), 6),
      originalSource: this.maybe(network, 6),
      originalDestination: this.maybe(network, 6),
      replySource: this.maybe(network, 6),
      replyDestination: this.maybe(network, 6),
      originalSourcePort: this.maybe(() => this.negatable(this.range()), 6),
      originalDestinationPort: this.maybe(() => this.negatable(this.range()), 6),
      expiresSeconds: this.maybe(() => this.negatable({ first: 10, last: 1000 }), 6),
    };
  }

  private addrtype(builtIn: BuiltInChain | undefined): Match {
    const noIn = builtIn === 'OUTPUT' || builtIn === 'POSTROUTING';
    const types = this.family === 'ip' ? ADDRESS_TYPES.slice(0, 9) : IPV6_ADDRESS_TYPES;
    return {
      type: 'addrtype',
      source: this.maybe(() => this.negatable(this.some(types))),
      destination: this.negatable(this.some(types)),
      limitTo: this.maybe(() => (noIn ? ('out' as const) : ('in' as const)), 3),
    };
  }

  recent(): Match {
    const action = this.one(['set', 'rcheck', 'update', 'remove'] as const);
    const timed = action === 'rcheck' || action === 'update';
    const seconds = timed ? this.maybe(() => 1 + this.below(60)) : undefined;
    return {
      type: 'recent',
      name: this.one(['KUBE-SEP-A', 'DEFAULT']),
      action,
      negated: this.below(4) === 0,
      seconds,
      hitCount: timed ? this.maybe(() => 1 + this.below(4)) : undefined,
      reap: seconds === undefined ? undefined : this.maybe(() => true as const),
      rttl: timed ? this.maybe(() => true as const, 4) : undefined,
      side: this.one(['rsource', 'rdest'] as const),
      mask: undefined,
    };
  }

  private physdev(builtIn: BuiltInChain | undefined): Match {
    const flag = (): Negatable<true> => this.negatable(true as const);
    return {
      type: 'physdev',
      in: this.maybe(() => this.negatable(this.one(['veth0', 'veth+']))),
      out: this.maybe(() => this.negatable(this.one(['veth1', 'veth+'])), 4),
      isIn: this.maybe(flag, 4),
      isOut: this.maybe(flag, 4),
      isBridged: builtIn === 'OUTPUT' ? { value: true, negated: false } : flag(),
    };
  }

  private target(
    table: TableName,
    builtIn: BuiltInChain | undefined,
    chains: readonly string[],
    protocol: number | undefined,
  ): Target | undefined {
    const roll = this.below(12);
    if (roll < 4 && chains.length > 0) return { type: roll === 0 ? 'goto' : 'jump', chain: this.one(chains) };
    if (roll < 6) return undefined;
    if (roll === 6) return { type: 'RETURN' };
    if (roll === 7) return this.markTarget();
    if (roll === 8)
      return {
        type: 'LOG',
        prefix: this.maybe(() => this.one(['dropped: ', 'x'])),
        level: this.maybe(() => 6),
        options: this.logOptions(),
      };
    if (roll === 9 && table === 'raw') return this.one([{ type: 'NOTRACK' }, { type: 'TRACE' }, { type: 'CT', notrack: true }] as const);
    if (table === 'nat') return this.natTarget(builtIn, protocol);
    if (table === 'filter' && roll === 9) return { type: 'REJECT', with: this.reject(protocol) };
    return { type: roll === 10 ? 'ACCEPT' : 'DROP' };
  }

  private logOptions(): readonly string[] {
    return LOG_OPTIONS.filter(() => this.below(3) === 0);
  }

  private reject(protocol: number | undefined): RejectType {
    if (protocol === 6 && this.below(2) === 0) return 'tcp-reset';
    return this.family === 'ip'
      ? this.one(['icmp-port-unreachable', 'icmp-admin-prohibited', 'icmp-host-unreachable'] as const)
      : this.one(['icmp6-port-unreachable', 'icmp6-adm-prohibited', 'icmp6-no-route'] as const);
  }

  private markTarget(): Target {
    const type = this.one(['MARK', 'CONNMARK', 'CONNMARK-save', 'CONNMARK-restore'] as const);
    if (type === 'MARK' || type === 'CONNMARK') return { type, change: this.mark() };
    return { type, nfmask: this.one([0xffffffff, 0xff00]), ctmask: this.one([0xffffffff, 0xff00]) };
  }

  /** User-defined chains are reached from anywhere, where no target of this table may be. */
  private natTarget(builtIn: BuiltInChain | undefined, protocol: number | undefined): Target {
    if (builtIn === undefined) return { type: 'ACCEPT' };
    const destination = builtIn === 'PREROUTING' || builtIn === 'OUTPUT';
    const type = destination
      ? this.one(['DNAT', 'REDIRECT'] as const)
      : this.one(builtIn === 'INPUT' ? (['SNAT'] as const) : (['SNAT', 'MASQUERADE'] as const));
    const translates = type === 'DNAT' || type === 'SNAT';
    const min = this.address();
    const withPorts = protocol === 6 || protocol === 17 || protocol === 132;
    const ports = withPorts ? this.maybe(() => ({ min: 8080, max: this.one([8080, 8090]) })) : undefined;
    const nat: NatRequest = {
      kind: ({ DNAT: 'dnat', SNAT: 'snat', MASQUERADE: 'masquerade', REDIRECT: 'redirect' } as const)[type],
      addresses: translates ? { min, max: this.one([min, this.address()]) } : undefined,
      ports,
      random: this.below(4) === 0,
      fullyRandom: (type === 'SNAT' || type === 'MASQUERADE') && this.below(4) === 0,
      persistent: translates && this.below(4) === 0,
    };
    return { type, nat };
  }
}
