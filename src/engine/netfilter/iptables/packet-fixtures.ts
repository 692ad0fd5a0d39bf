import type { IpAddress } from '../../../protocol/address.ts';
import { parseIp } from '../../../protocol/address.ts';
import type { RuleConntrack, RuleHost, RulePacket, WalkCost } from '../evaluation.ts';
import { RandomRules } from './random-rules.ts';

/** An address that a test has written. */
export function ip(text: string): IpAddress {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`no address: ${text}`);
  return address;
}

/** A SYN from a pod to a ClusterIP, except for what is given. */
export function packetOf(given: Partial<RulePacket> = {}): RulePacket {
  return {
    hook: 'PREROUTING',
    inDevice: 'cni0',
    outDevice: undefined,
    physInDevice: undefined,
    physOutDevice: undefined,
    src: ip('10.244.1.5'),
    dst: ip('10.96.0.10'),
    protocol: 6,
    srcPort: 40000,
    dstPort: 80,
    tcpFlags: 0x02,
    icmpType: undefined,
    icmpCode: undefined,
    laterFragment: false,
    ttl: 64,
    tos: 0,
    length: 60,
    mark: 0,
    conntrack: undefined,
    untracked: false,
    ...given,
  };
}

export function conntrackOf(given: Partial<RuleConntrack> = {}): RuleConntrack {
  const tuple = { src: ip('10.244.1.5'), dst: ip('10.96.0.10'), protocol: 6, srcPort: 40000, dstPort: 80 };
  return {
    state: 'NEW',
    direction: 'ORIGINAL',
    snat: false,
    dnat: false,
    seenReply: false,
    assured: false,
    confirmed: false,
    original: tuple,
    reply: { ...tuple, src: tuple.dst, dst: tuple.src, srcPort: 80, dstPort: 40000 },
    mark: 0,
    expiresSeconds: 120,
    ...given,
  };
}

/** A namespace whose draws come out as the given list says, false when it is used up. */
export function hostOf(given: Partial<RuleHost> = {}, draws: readonly boolean[] = []): RuleHost {
  let drawn = 0;
  return {
    nowNs: 0,
    addressType: () => 'UNICAST',
    outDeviceOf: () => 'eth0',
    chance: () => draws[drawn++] ?? false,
    pick: () => 0,
    ...given,
  };
}

export const newCost = (): WalkCost => ({ rules: 0, lookups: 0 });

/** A packet that random rules often match, at a hook of their table. */
export function randomPacket(seed: number, family: 'ip' | 'ip6', hook: RulePacket['hook']): RulePacket {
  const random = new RandomRules(seed, family);
  const one = <T>(values: readonly T[]): T => values[random.below(values.length)] as T;
  const protocol = one([6, 6, 6, 17, 132, family === 'ip' ? 1 : 58, 47]);
  const ported = protocol === 6 || protocol === 17 || protocol === 132;
  const laterFragment = family === 'ip' && random.below(10) === 0;
  const icmp = (protocol === 1 || protocol === 58) && !laterFragment;
  const state = one(['NEW', 'ESTABLISHED', 'RELATED', 'INVALID', 'UNTRACKED'] as const);
  return packetOf({
    hook,
    inDevice: hook === 'OUTPUT' || hook === 'POSTROUTING' ? undefined : one(['eth0', 'veth1', 'cni0', 'lo']),
    outDevice: hook === 'PREROUTING' || hook === 'INPUT' ? undefined : one(['eth0', 'veth1', 'cni0', 'lo']),
    physInDevice: one([undefined, 'veth0', 'veth1']),
    physOutDevice: one([undefined, 'veth1']),
    src: random.address(),
    dst: random.address(),
    protocol,
    srcPort: ported && !laterFragment ? random.port() : undefined,
    dstPort: ported && !laterFragment ? random.port() : undefined,
    tcpFlags: protocol === 6 && !laterFragment ? one([0x02, 0x12, 0x10]) : undefined,
    icmpType: icmp ? one([8, 0, 3, 128]) : undefined,
    icmpCode: icmp ? random.below(5) : undefined,
    laterFragment,
    length: 40 + random.below(1400),
    mark: one([0, 0x4000, 1]),
    conntrack:
      random.below(4) === 0
        ? undefined
        : conntrackOf({
            state,
            direction: one(['ORIGINAL', 'REPLY']),
            snat: random.below(3) === 0,
            dnat: random.below(3) === 0,
            seenReply: random.below(2) === 0,
            assured: random.below(2) === 0,
            mark: one([0, 0x4000, 1]),
            original: { src: random.address(), dst: random.address(), protocol, srcPort: random.port(), dstPort: random.port() },
            reply: { src: random.address(), dst: random.address(), protocol, srcPort: random.port(), dstPort: random.port() },
          }),
  });
}
