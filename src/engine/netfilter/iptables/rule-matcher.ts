import type { Cidr, IpAddress } from '../../../protocol/address.ts';
import { isIpv4, maskV4 } from '../../../protocol/address.ts';
import type { RuleConntrack, RuleHost, RulePacket, WalkCost } from '../evaluation.ts';
import type { IpSets } from '../ipset.ts';
import { MATCHES_MAX } from './chain-state.ts';
import type { IptablesFamily, LimitUnit, Match, Negatable, PortRange, Rule } from './model.ts';
import type { RecentLists } from './recent.ts';

/** What a match keeps from packet to packet: a counter of packets, or a bucket of tokens. */
export type MatchState = { count: number } | { tokensNs: number; lastNs: number };

/** Where the states of a chain's matches are; filled when they are first needed. */
export interface MatchStates {
  states: Map<number, MatchState> | undefined;
}

/**
 * Answers whether a rule matches a packet, as ipt_do_table (net/ipv4/netfilter/ip_tables.c) and the matches'
 * own files would. One per family and namespace.
 */
export class RuleMatcher {
  /** The chance of what the draws of the last rule came out with; undefined when it drew nothing. */
  drawn: number | undefined;
  private readonly family: IptablesFamily;
  private readonly sets: IpSets;
  private readonly recent: RecentLists;

  constructor(family: IptablesFamily, sets: IpSets, recent: RecentLists) {
    this.family = family;
    this.sets = sets;
    this.recent = recent;
  }

  matches(rule: Rule, chain: MatchStates, position: number, packet: RulePacket, host: RuleHost, cost: WalkCost): boolean {
    this.drawn = undefined;
    const { source, destination, inInterface, outInterface, protocol, fragment, matches } = rule;
    if (source !== undefined && contains(source.value, packet.src) === source.negated) return false;
    if (destination !== undefined && contains(destination.value, packet.dst) === destination.negated) return false;
    if (inInterface !== undefined && isDevice(inInterface.value, packet.inDevice) === inInterface.negated) return false;
    if (outInterface !== undefined && isDevice(outInterface.value, packet.outDevice) === outInterface.negated) return false;
    if (protocol !== undefined && protocol.value !== 0 && (protocol.value === packet.protocol) === protocol.negated) return false;
    if (fragment !== undefined && packet.laterFragment !== fragment) return false;
    for (let i = 0; i < matches.length; i++) {
      if (!this.holds(matches[i] as Match, chain, position * MATCHES_MAX + i, packet, host, cost)) return false;
    }
    return true;
  }

  private holds(match: Match, chain: MatchStates, key: number, packet: RulePacket, host: RuleHost, cost: WalkCost): boolean {
    switch (match.type) {
      case 'comment':
      case 'nfacct':
        return true;
      case 'tcp':
      case 'udp':
      case 'sctp':
        return portsHold(match, packet);
      case 'icmp':
        return this.icmpHolds(match, packet);
      case 'multiport':
        return multiportHolds(match, packet);
      case 'conntrack':
        return conntrackHolds(match, packet);
      case 'mark':
        return ((packet.mark & match.mark.value.mask) >>> 0 === match.mark.value.value) !== match.mark.negated;
      case 'connmark': {
        // net/netfilter/xt_connmark.c: without a connection it never matches, negated or not.
        const { conntrack } = packet;
        if (conntrack === undefined || !isConnection(conntrack)) return false;
        return ((conntrack.mark & match.mark.value.mask) >>> 0 === match.mark.value.value) !== match.mark.negated;
      }
      case 'statistic':
        return match.mode === 'random' ? this.draw(match, host) : everyNth(match, chain, key);
      case 'addrtype':
        return addressTypesHold(match, packet, host);
      case 'recent':
        return this.recent.matches(match, packet, host.nowNs);
      case 'physdev':
        return physdevHolds(match, packet);
      case 'set':
        cost.lookups++;
        return this.sets.test(match.name, packet, match.directions) !== match.negated;
      case 'limit':
        return withinLimit(match, chain, key, host.nowNs);
      case 'ipvs':
        return ipvsHolds(match, packet);
    }
  }

  /** net/netfilter/xt_statistic.c: the lower 31 bits of a random number are below the probability. */
  private draw(match: Extract<Match, { mode: 'random' }>, host: RuleHost): boolean {
    const below = host.chance(match.numerator);
    const probability = match.numerator / 2 ** 31;
    this.drawn = (this.drawn ?? 1) * (below ? probability : 1 - probability);
    return below !== match.negated;
  }

  /** icmp_type_code_match of net/ipv4/netfilter/ip_tables.c; 255 is every type there, and a type like others in IPv6. */
  private icmpHolds(match: Extract<Match, { type: 'icmp' }>, packet: RulePacket): boolean {
    if (packet.laterFragment || packet.icmpType === undefined) return false;
    const { icmpType, code } = match.icmpType.value;
    const same =
      (this.family === 'ip' && icmpType === 255) || (icmpType === packet.icmpType && (code === undefined || code === packet.icmpCode));
    return same !== match.icmpType.negated;
  }
}

/** net/netfilter/xt_ipvs.c, ipvs_mt: a packet that IPVS has not sent on never matches, negated or not. */
function ipvsHolds(match: Extract<Match, { type: 'ipvs' }>, { ipvs }: RulePacket): boolean {
  if (ipvs === undefined) return false;
  const { protocol, address, port } = match;
  return (
    (protocol === undefined || (protocol.value === ipvs.protocol) !== protocol.negated) &&
    (address === undefined || contains(address.value, ipvs.address) !== address.negated) &&
    (port === undefined || (port.value === ipvs.port) !== port.negated)
  );
}

/** Without making objects, as this is asked for every rule that is looked at. */
function contains(cidr: Cidr, address: IpAddress): boolean {
  const { address: network, length } = cidr;
  if (isIpv4(network)) return isIpv4(address) && ((network ^ address) & maskV4(length)) === 0;
  if (isIpv4(address)) return false;
  if (length === 128) return network === address;
  const host = BigInt(128 - length);
  return network >> host === address >> host;
}

/** ifname_compare: a device that there is not has the empty name. */
function isDevice(pattern: string, device: string | undefined): boolean {
  const name = device ?? '';
  return pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

const within = (range: PortRange, value: number): boolean => value >= range.first && value <= range.last;

/** net/netfilter/xt_tcpudp.c: a fragment that is not the first never matches, negated or not. */
function portsHold(match: Extract<Match, { type: 'tcp' | 'udp' | 'sctp' }>, packet: RulePacket): boolean {
  const { srcPort, dstPort } = packet;
  if (packet.laterFragment || srcPort === undefined || dstPort === undefined) return false;
  const { sourcePort, destinationPort, flags } = match;
  if (sourcePort !== undefined && within(sourcePort.value, srcPort) === sourcePort.negated) return false;
  if (destinationPort !== undefined && within(destinationPort.value, dstPort) === destinationPort.negated) return false;
  if (flags === undefined) return true;
  return (((packet.tcpFlags ?? 0) & flags.value.mask) === flags.value.set) !== flags.negated;
}

/** net/netfilter/xt_multiport.c */
function multiportHolds(match: Extract<Match, { type: 'multiport' }>, packet: RulePacket): boolean {
  const { srcPort, dstPort } = packet;
  if (packet.laterFragment || srcPort === undefined || dstPort === undefined) return false;
  const { value, negated } = match.ports;
  for (let i = 0; i < value.length; i++) {
    const range = value[i] as PortRange;
    if ((match.which !== 'dports' && within(range, srcPort)) || (match.which !== 'sports' && within(range, dstPort))) return !negated;
  }
  return negated;
}

/** What is invalid or untracked has no connection. */
export const isConnection = (conntrack: RuleConntrack): boolean => conntrack.state !== 'INVALID' && conntrack.state !== 'UNTRACKED';

type ConntrackMatch = Extract<Match, { type: 'conntrack' }>;

/** conntrack_mt of net/netfilter/xt_conntrack.c */
function conntrackHolds(match: ConntrackMatch, packet: RulePacket): boolean {
  const conntrack = packet.conntrack !== undefined && isConnection(packet.conntrack) ? packet.conntrack : undefined;
  if (match.state !== undefined) {
    const states = match.state.value;
    const state = conntrack?.state ?? (packet.untracked || packet.conntrack?.state === 'UNTRACKED' ? 'UNTRACKED' : 'INVALID');
    const holds =
      states.includes(state) ||
      (conntrack !== undefined && ((conntrack.snat && states.includes('SNAT')) || (conntrack.dnat && states.includes('DNAT'))));
    if (holds === match.state.negated) return false;
  }
  // Where there is no connection, nothing but the state is asked.
  if (conntrack === undefined) return match.state !== undefined;
  if (match.direction !== undefined && match.direction !== conntrack.direction) return false;
  if (!tupleHolds(match, conntrack)) return false;
  if (match.status !== undefined && hasStatus(match.status.value, conntrack) === match.status.negated) return false;
  const { expiresSeconds } = match;
  return expiresSeconds === undefined || within(expiresSeconds.value, Math.floor(conntrack.expiresSeconds)) !== expiresSeconds.negated;
}

function tupleHolds(match: ConntrackMatch, conntrack: RuleConntrack): boolean {
  const { original, reply } = conntrack;
  return (
    fieldHolds(match.originalSource, original?.src, contains) &&
    fieldHolds(match.originalDestination, original?.dst, contains) &&
    fieldHolds(match.replySource, reply?.src, contains) &&
    fieldHolds(match.replyDestination, reply?.dst, contains) &&
    fieldHolds(match.protocol, original?.protocol, (wanted, protocol) => wanted === protocol) &&
    fieldHolds(match.originalSourcePort, original?.srcPort, within) &&
    fieldHolds(match.originalDestinationPort, original?.dstPort, within)
  );
}

function fieldHolds<T, V>(condition: Negatable<T> | undefined, value: V | undefined, holds: (wanted: T, value: V) => boolean): boolean {
  if (condition === undefined) return true;
  return value !== undefined && holds(condition.value, value) !== condition.negated;
}

/** NONE is no bit at all, so that it never holds. Expected connections, of helpers, are not modelled. */
function hasStatus(statuses: readonly string[], conntrack: RuleConntrack): boolean {
  return (
    (conntrack.seenReply && statuses.includes('SEEN_REPLY')) ||
    (conntrack.assured && statuses.includes('ASSURED')) ||
    (conntrack.confirmed && statuses.includes('CONFIRMED'))
  );
}

/** net/netfilter/xt_addrtype.c */
function addressTypesHold(match: Extract<Match, { type: 'addrtype' }>, packet: RulePacket, host: RuleHost): boolean {
  const device = match.limitTo === undefined ? undefined : match.limitTo === 'in' ? packet.inDevice : packet.outDevice;
  const { source, destination } = match;
  if (source !== undefined && source.value.includes(host.addressType(packet.src, device)) === source.negated) return false;
  return destination === undefined || destination.value.includes(host.addressType(packet.dst, device)) !== destination.negated;
}

/** physdev_mt of net/netfilter/xt_physdev.c */
function physdevHolds(match: Extract<Match, { type: 'physdev' }>, packet: RulePacket): boolean {
  const { physInDevice: inPort, physOutDevice: outPort } = packet;
  const { isBridged, isIn, isOut, in: wantedIn, out: wantedOut } = match;
  if (inPort === undefined && outPort === undefined) {
    return [isBridged, isIn, isOut, wantedIn, wantedOut].every((condition) => condition === undefined || condition.negated);
  }
  if (isBridged !== undefined && (outPort !== undefined) === isBridged.negated) return false;
  if (isIn !== undefined && (inPort !== undefined) === isIn.negated) return false;
  if (isOut !== undefined && (outPort !== undefined) === isOut.negated) return false;
  if (wantedIn !== undefined && inPort !== undefined && isDevice(wantedIn.value, inPort) === wantedIn.negated) return false;
  if (wantedOut === undefined) return true;
  return outPort !== undefined && isDevice(wantedOut.value, outPort) !== wantedOut.negated;
}

/** nth mode of net/netfilter/xt_statistic.c: the counter begins so that packet number `packet` is the first to match. */
function everyNth(match: Extract<Match, { mode: 'nth' }>, chain: MatchStates, key: number): boolean {
  const state = stateOf(chain, key, () => ({ count: match.every - 1 - match.packet })) as { count: number };
  state.count = state.count === match.every - 1 ? 0 : state.count + 1;
  return (state.count === 0) !== match.negated;
}

const UNIT_NS: Readonly<Record<LimitUnit, number>> = { second: 1e9, minute: 60e9, hour: 3600e9, day: 86_400e9 };

/** A bucket of time that is full at first (net/netfilter/nft_limit.c, which iptables v1.8.9 uses for `-m limit`). */
function withinLimit(match: Extract<Match, { type: 'limit' }>, chain: MatchStates, key: number, nowNs: number): boolean {
  const costNs = Math.floor(UNIT_NS[match.unit] / match.rate);
  const maxNs = costNs * match.burst;
  const bucket = stateOf(chain, key, () => ({ tokensNs: maxNs, lastNs: nowNs })) as { tokensNs: number; lastNs: number };
  bucket.tokensNs = Math.min(maxNs, bucket.tokensNs + nowNs - bucket.lastNs);
  bucket.lastNs = nowNs;
  if (bucket.tokensNs < costNs) return false;
  bucket.tokensNs -= costNs;
  return true;
}

function stateOf(chain: MatchStates, key: number, initial: () => MatchState): MatchState {
  chain.states ??= new Map();
  const found = chain.states.get(key);
  if (found !== undefined) return found;
  const state = initial();
  chain.states.set(key, state);
  return state;
}
