import { assert } from '../../../base/assert.ts';
import { type Cidr, formatIp, isIpv4 } from '../../../protocol/address.ts';
import type { Match, Negatable, Rule, TablePatch, Target } from '../../netfilter/iptables/model.ts';
import { joinHostPort } from '../addresses.ts';
import type { WrittenPrefix, WrittenProbability } from './rule.ts';

/**
 * The input for iptables-restore as kube-proxy itself words it, one line each, for the rules that
 * kube-proxy makes. (What iptables-save prints of them is worded otherwise.)
 */
export function restoreText(patches: readonly TablePatch[]): string[] {
  return patches.flatMap((patch) => [
    `*${patch.table}`,
    ...[...patch.chains.keys()].map((chain) => `:${chain} - [0:0]`),
    ...[...patch.chains].flatMap(([chain, rules]) => rules.map((rule) => ruleText(chain, rule))),
    ...patch.deleted.map((chain) => `-X ${chain}`),
    'COMMIT',
  ]);
}

const PROTOCOLS = new Set(['tcp', 'udp', 'sctp']);
const BEFORE_ADDRESSES = new Set(['comment', 'addrtype', 'set']);

const protocolName = (number: number): string => (number === 6 ? 'tcp' : number === 17 ? 'udp' : 'sctp');

/** One rule as `-A CHAIN …`. */
export function ruleText(chain: string, rule: Rule): string {
  const words: string[] = ['-A', chain];
  // Addresses stand with the protocol, which has the port; without a protocol before the first match that is not about addresses.
  const protocolAt = rule.matches.findIndex((match) => PROTOCOLS.has(match.type));
  const otherAt = rule.matches.findIndex((match) => !BEFORE_ADDRESSES.has(match.type));
  if (rule.protocol !== undefined && protocolAt < 0) words.push('-p', protocolName(rule.protocol.value));
  const at = protocolAt >= 0 ? protocolAt : otherAt >= 0 ? otherAt : rule.matches.length;
  rule.matches.forEach((match, i) => {
    if (i === at && i === protocolAt) {
      words.push('-m', match.type, '-p', match.type, ...addressText('-d', rule.destination));
      words.push(...portText(match), ...addressText('-s', rule.source));
      return;
    }
    if (i === at) words.push(...bothAddresses(rule));
    words.push(...matchText(match));
  });
  if (at === rule.matches.length) words.push(...bothAddresses(rule));
  if (rule.target !== undefined) words.push(...targetText(rule.target));
  return words.join(' ');
}

const bothAddresses = (rule: Rule): string[] => [...addressText('-d', rule.destination), ...addressText('-s', rule.source)];

const not = ({ negated }: { readonly negated: boolean }): string[] => (negated ? ['!'] : []);

function addressText(option: string, part: Negatable<Cidr> | undefined): string[] {
  if (part === undefined) return [];
  const { value } = part;
  const isHost = value.length === (isIpv4(value.address) ? 32 : 128) && (value as Partial<WrittenPrefix>).written !== 'prefix';
  return [...not(part), option, isHost ? formatIp(value.address) : `${formatIp(value.address)}/${value.length}`];
}

function portText(match: Match): string[] {
  assert(match.type === 'tcp' || match.type === 'udp' || match.type === 'sctp', 'only a protocol has ports');
  return match.destinationPort === undefined ? [] : ['--dport', String(match.destinationPort.value.first)];
}

const hex = (value: number): string => `0x${value.toString(16)}`;

function matchText(match: Match): string[] {
  switch (match.type) {
    case 'comment':
      return ['-m', 'comment', '--comment', match.text.includes(' ') ? `"${match.text}"` : match.text];
    case 'addrtype': {
      const types = match.source ?? match.destination;
      assert(types !== undefined, 'kube-proxy asks for the type of one address');
      return ['-m', 'addrtype', ...not(types), match.source === undefined ? '--dst-type' : '--src-type', ...types.value];
    }
    case 'mark':
      return ['-m', 'mark', ...not(match.mark), '--mark', `${hex(match.mark.value.value)}/${hex(match.mark.value.mask)}`];
    case 'conntrack': {
      assert(match.state !== undefined, 'kube-proxy asks for connection states only');
      return ['-m', 'conntrack', ...not(match.state), '--ctstate', match.state.value.join(',')];
    }
    case 'nfacct':
      return ['-m', 'nfacct', '--nfacct-name', match.name];
    case 'recent': {
      const seconds = match.seconds === undefined ? [] : ['--seconds', String(match.seconds)];
      return ['-m', 'recent', '--name', match.name, `--${match.action}`, ...seconds, ...(match.reap === true ? ['--reap'] : [])];
    }
    case 'statistic': {
      const { written } = match as Partial<WrittenProbability>;
      assert(written !== undefined, 'kube-proxy writes probabilities with ten decimals');
      return ['-m', 'statistic', '--mode', 'random', '--probability', written];
    }
    case 'set':
      return ['-m', 'set', '--match-set', match.name, match.directions.join(',')];
    case 'physdev':
      assert(match.isIn !== undefined, 'kube-proxy asks only whether a packet came by a bridge port');
      return ['-m', 'physdev', ...not(match.isIn), '--physdev-is-in'];
    case 'ipvs': {
      const { address, protocol, port } = match;
      assert(address !== undefined && protocol !== undefined && port !== undefined, 'kube-proxy names the whole virtual server');
      const server = ['--vaddr', formatIp(address.value.address), '--vproto', protocolName(protocol.value), '--vport', String(port.value)];
      return ['-m', 'ipvs', ...server];
    }
    default:
      throw new Error(`assertion failed: kube-proxy has no rule with -m ${match.type}`);
  }
}

function targetText(target: Target): string[] {
  switch (target.type) {
    case 'jump':
      return ['-j', target.chain];
    case 'ACCEPT':
    case 'DROP':
    case 'RETURN':
    case 'REJECT':
      return ['-j', target.type];
    case 'MARK': {
      const { value, mask } = target.change;
      return ['-j', 'MARK', mask === 0 ? '--xor-mark' : '--or-mark', hex(value)];
    }
    case 'MASQUERADE':
      return ['-j', 'MASQUERADE', ...(target.nat.fullyRandom ? ['--random-fully'] : [])];
    case 'DNAT': {
      assert(target.nat.addresses !== undefined && target.nat.ports !== undefined, 'an endpoint has an address and a port');
      return ['-j', 'DNAT', '--to-destination', joinHostPort(formatIp(target.nat.addresses.min), target.nat.ports.min)];
    }
    default:
      throw new Error(`assertion failed: kube-proxy has no rule with -j ${target.type}`);
  }
}
