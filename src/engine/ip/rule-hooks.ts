import { type IpAddress, type Ipv4, isIpv4 } from '../../protocol/address.ts';
import type { ChainWalk, RulePlace } from '../../protocol/event.ts';
import { ICMP_REDIRECT, type Ipv4Packet } from '../../protocol/packet.ts';
import { ConntrackEntry, CT_ESTABLISHED, CT_NEW, CT_RELATED } from '../conntrack/entry.ts';
import { type Manip, manipOf, manipPacket, nullRange, rangeOf, setUpNat } from '../conntrack/nat.ts';
import type { Skb } from '../link/skb.ts';
import type {
  AddressType,
  BaseChain,
  ChainVerdict,
  MatchedRule,
  NatRequest,
  RuleHost,
  WalkCost,
  WalkWatcher,
} from '../netfilter/evaluation.ts';
import {
  type HookFunction,
  type HookState,
  type HookVerdict,
  NF_ACCEPT,
  NF_DROP,
  PRIORITY_NAT_DESTINATION,
  PRIORITY_NAT_SOURCE,
  type Registration,
} from '../netfilter/hooks.ts';
import type { Netns } from './netns.ts';
import { routeHarder } from './output.ts';
import { sendReject } from './reject.ts';
import { HookPacket } from './rule-packet.ts';

/** Where rules come from: the tables of one tool. */
export interface RuleSource {
  baseChains(): readonly BaseChain[];
}

const NAT_HOOKS = ['PREROUTING', 'OUTPUT', 'INPUT', 'POSTROUTING'] as const;

/**
 * Puts rules into the hooks of a namespace, and acts on what they say: drops, sends rejections, has
 * connections translated. Chains of type nat are asked for the first packet of a connection only
 * (net/netfilter/nf_nat_core.c, nf_nat_inet_fn); all other chains see every packet.
 */
export class RuleHooks {
  private readonly netns: Netns;
  private readonly host: NetnsRuleHost;
  private readonly watcher: WalkWatcher;
  /** When each base chain was first registered. */
  private readonly registered = new Map<string, number>();
  private registrations = 0;
  private skb: Skb | undefined = undefined;
  private device: string | undefined = undefined;

  constructor(netns: Netns) {
    this.netns = netns;
    this.host = new NetnsRuleHost(netns);
    this.watcher = { matched: (rule) => this.note(rule) };
  }

  /** Registers the chains as they are now; to be called after tables or base chains came or went. */
  register(sources: readonly RuleSource[]): void {
    const chains = this.inOrder(sources.flatMap((source) => source.baseChains()).filter((chain) => chain.family !== 'ip6'));
    const registrations: Registration[] = [];
    for (const chain of chains) {
      if (chain.type === 'nat') continue;
      const run: HookFunction = (skb, state) => this.filter(chain, skb, state);
      registrations.push({ hook: chain.hook, priority: chain.priority, run });
    }
    const nat = chains.filter((chain) => chain.type === 'nat');
    if (nat.length > 0) {
      for (const hook of NAT_HOOKS) {
        const own = nat.filter((chain) => chain.hook === hook);
        const manip = manipOf(hook);
        registrations.push({
          hook,
          priority: manip === 'source' ? PRIORITY_NAT_SOURCE : PRIORITY_NAT_DESTINATION,
          run: (skb, state) => this.translate(own, manip, skb, state),
        });
      }
    }
    this.netns.hooks.set('rules', registrations);
  }

  /** By priority; of the same priority, the one that was registered last comes first (net/netfilter/core.c, nf_hook_entries_grow). */
  private inOrder(chains: readonly BaseChain[]): BaseChain[] {
    const keys = new Map(chains.map((chain) => [chain, `${chain.framework} ${chain.family} ${chain.table} ${chain.name}`]));
    const present = new Set(keys.values());
    for (const key of this.registered.keys()) if (!present.has(key)) this.registered.delete(key);
    for (const key of present) if (!this.registered.has(key)) this.registered.set(key, ++this.registrations);
    const age = (chain: BaseChain): number => this.registered.get(keys.get(chain) as string) as number;
    return [...chains].sort((a, b) => a.priority - b.priority || age(b) - age(a));
  }

  private filter(chain: BaseChain, skb: Skb, state: HookState): HookVerdict {
    if (skb.payload.type !== 'ipv4') return NF_ACCEPT;
    const verdict = this.walk(chain, skb, skb.payload, state);
    return this.act(verdict, skb, state);
  }

  /** nf_nat_inet_fn */
  private translate(chains: readonly BaseChain[], manip: Manip, skb: Skb, state: HookState): HookVerdict {
    const entry = skb.ct;
    if (skb.payload.type !== 'ipv4') return NF_ACCEPT;
    const { payload } = skb.payload;
    const translated = !(entry instanceof ConntrackEntry) || entry.snat || entry.dnat;
    if (payload.type === 'icmp' && payload.icmpType === ICMP_REDIRECT && translated) {
      // The two would then talk past the translation (nf_nat_proto.c, nf_nat_icmp_reply_translation). The connection
      // that it is about may be so new that it is not in the table yet.
      this.netns.lab.drop(this.netns.id, state.outDevice ?? state.inDevice, skb, 'redirectOfNat', undefined);
      return NF_DROP;
    }
    if (!(entry instanceof ConntrackEntry)) return NF_ACCEPT;
    const conntrack = this.netns.conntrack;
    if (!conntrack) return NF_ACCEPT;
    const info = skb.ctInfo & 3;
    const asked = manip === 'source' ? entry.sourceDone : entry.destinationDone;
    const icmpError = info === CT_RELATED && skb.payload.payload.type === 'icmp';
    if (!icmpError && info !== CT_ESTABLISHED && (info === CT_NEW || info === CT_RELATED) && !asked) {
      for (const chain of chains) {
        const verdict = this.walk(chain, skb, skb.payload, state);
        if (verdict.kind === 'accept') continue;
        if (verdict.kind !== 'nat') return this.act(verdict, skb, state);
        const done = this.setUp(entry, verdict.nat, skb, state);
        if (done !== undefined) return done;
        break;
      }
      const stillOpen = manip === 'source' ? !entry.sourceDone : !entry.destinationDone;
      if (stillOpen && !setUpNat(this.owner(), entry, manip, nullRange(entry, manip))) return this.clash(skb, state);
    }
    const { dst } = skb.payload;
    manipPacket(this.owner(), skb, state.outDevice ?? state.inDevice, entry, manip);
    if (state.hook !== 'OUTPUT' || skb.payload.dst === dst) return NF_ACCEPT;
    const chosen = routeHarder(this.netns, skb.payload);
    if ('route' in chosen) return NF_ACCEPT;
    this.netns.lab.drop(this.netns.id, state.outDevice, skb, chosen.problem, undefined);
    return NF_DROP;
  }

  /** Has a rule's wish fulfilled; a verdict only when that fails. */
  private setUp(entry: ConntrackEntry, nat: NatRequest, skb: Skb, state: HookState): HookVerdict | undefined {
    let address: Ipv4 | undefined;
    if (nat.kind === 'masquerade') {
      // A source of 0.0.0.0 is not masqueraded; a device without an address drops (nf_nat_masquerade.c).
      if ((skb.payload as Ipv4Packet).src === 0) return undefined;
      const out = this.netns.device(state.outDevice ?? '');
      address = out && this.netns.selectAddress(out, skb.nextHop);
      if (address === undefined) return this.clash(skb, state);
    } else if (nat.kind === 'redirect') {
      address = state.hook === 'OUTPUT' ? (0x7f000001 as Ipv4) : this.netns.device(state.inDevice ?? '')?.selectAddress(undefined);
      if (address === undefined) return this.clash(skb, state);
    }
    const manip: Manip = nat.kind === 'dnat' || nat.kind === 'redirect' ? 'destination' : 'source';
    return setUpNat(this.owner(), entry, manip, rangeOf(nat, address)) ? undefined : this.clash(skb, state);
  }

  private clash(skb: Skb, state: HookState): HookVerdict {
    this.netns.lab.drop(this.netns.id, state.outDevice ?? state.inDevice, skb, 'natClash', undefined);
    return NF_DROP;
  }

  private walk(chain: BaseChain, skb: Skb, ip: Ipv4Packet, state: HookState): ChainVerdict {
    const { recorder, flowNotes } = this.netns.lab;
    const packet = new HookPacket(skb, ip, state, this.netns.lab.sim.nowNs);
    const cost: WalkCost = { rules: 0, lookups: 0 };
    this.skb = skb;
    this.device = state.hook === 'POSTROUTING' ? state.outDevice : (state.inDevice ?? state.outDevice);
    const verdict = chain.evaluate(packet, this.host, cost, recorder.on ? this.watcher : undefined);
    const note = flowNotes.get(skb.flow);
    if (note) {
      note.rulesEvaluated += cost.rules;
      note.lookups += cost.lookups;
    }
    if (recorder.on) {
      recorder.packet('chain', this.netns.id, this.device, skb, {
        framework: chain.framework,
        family: chain.family,
        table: chain.table,
        chain: chain.name,
        hook: chain.hook,
        priority: chain.priority,
        verdict: verdict.kind === 'nat' ? verdict.nat.kind : verdict.kind,
        decidedBy: verdict.kind === 'accept' ? undefined : verdict.place,
        rules: cost.rules,
        lookups: cost.lookups,
      } satisfies ChainWalk);
    }
    return verdict;
  }

  private note(rule: MatchedRule): void {
    this.netns.lab.recorder.packet('rule', this.netns.id, this.device, this.skb as Skb, {
      place: rule.place,
      depth: rule.depth,
      text: rule.text(),
      action: rule.action,
      unmatchedBefore: rule.unmatchedBefore,
      mark: rule.mark,
      draw: rule.draw,
    });
  }

  private act(verdict: ChainVerdict, skb: Skb, state: HookState): HookVerdict {
    if (verdict.kind === 'accept' || verdict.kind === 'nat') return NF_ACCEPT;
    const rejected = verdict.kind === 'reject';
    this.netns.lab.drop(
      this.netns.id,
      state.inDevice ?? state.outDevice,
      skb,
      rejected ? 'rejectedByRule' : 'droppedByRule',
      placeName(verdict.place),
    );
    if (rejected) sendReject(this.netns, skb, verdict.with);
    return NF_DROP;
  }

  private owner(): { id: string; lab: Netns['lab']; tupleTaken: NonNullable<Netns['conntrack']>['tupleTaken'] } {
    const { netns } = this;
    return { id: netns.id, lab: netns.lab, tupleTaken: (tuple, except) => netns.conntrack?.tupleTaken(tuple, except) ?? false };
  }
}

function placeName({ framework, table, chain, rule }: RulePlace): string {
  return rule === 0 ? `the policy of ${framework} ${table} ${chain}` : `rule ${rule} of ${framework} ${table} ${chain}`;
}

/** What rules may ask of their namespace. */
class NetnsRuleHost implements RuleHost {
  private readonly netns: Netns;

  constructor(netns: Netns) {
    this.netns = netns;
  }

  get nowNs(): number {
    return this.netns.lab.sim.nowNs;
  }

  /** net/ipv4/fib_frontend.c, inet_addr_type_dev_table */
  addressType(address: IpAddress, device?: string): AddressType {
    if (!isIpv4(address)) return 'UNICAST';
    if (address === 0 || address === 0xffffffff) return 'BROADCAST';
    if (address >>> 28 === 0xe) return 'MULTICAST';
    const route = this.netns.fib.lookupLocal(address);
    if (!route) return 'UNICAST';
    if (device !== undefined && route.view.device !== device) return 'UNICAST';
    return TYPES[route.view.type] ?? 'UNICAST';
  }

  outDeviceOf(address: IpAddress): string | undefined {
    return isIpv4(address) ? this.netns.fib.lookup(address)?.view.device : undefined;
  }

  chance(numerator: number): boolean {
    return this.netns.lab.draws.chance(numerator);
  }

  pick(n: number): number {
    return this.netns.lab.draws.pick(n);
  }
}

const TYPES: Readonly<Record<string, AddressType>> = {
  unicast: 'UNICAST',
  local: 'LOCAL',
  broadcast: 'BROADCAST',
  blackhole: 'BLACKHOLE',
  unreachable: 'UNREACHABLE',
  prohibit: 'PROHIBIT',
};
