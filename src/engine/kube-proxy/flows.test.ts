import { describe, expect, it } from 'vitest';
import { formatIp, type IpAddress } from '../../protocol/address.ts';
import type { HookName } from '../../protocol/event.ts';
import type { ServiceSpec } from '../k8s/service.ts';
import type { BaseChain, ChainVerdict, RuleConntrack, RuleHost, RulePacket } from '../netfilter/evaluation.ts';
import { IptablesTables } from '../netfilter/iptables/table.ts';
import { NftRuleset } from '../netfilter/nftables/ruleset.ts';
import { isLoopback, joinHostPort, parseIpSloppy } from './addresses.ts';
import type { CaseInput } from './case-input.ts';
import { readCaseInputs } from './cases.ts';
import { IptablesProxier } from './iptables/proxier.ts';
import { NftablesProxier } from './nftables/proxier.ts';
import { elsewhere, HTTP, here, service, slice, TERMINATING, TEST_CONFIG, TEST_NODE } from './object-fixtures.ts';
import flowsIptables from './oracle/flows-iptables.json' with { type: 'json' };
import flowsNftables from './oracle/flows-nftables.json' with { type: 'json' };

/*
 * What becomes of the first packet of a connection: kube-proxy's rules in the kernel model, walked hook by
 * hook, once for every way in which the random draws may fall.
 */

interface Flow {
  readonly name: string;
  readonly sourceIP: string;
  readonly protocol: string;
  readonly destIP: string;
  readonly destPort: number;
  readonly expect: { readonly verdict: string; readonly endpoints: readonly string[]; readonly masquerade: boolean };
}

interface Outcome {
  readonly verdict: string;
  readonly endpoint: string | undefined;
  readonly masquerade: boolean;
}

const PROTOCOLS: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };
const address = (text: string): IpAddress => parseIpSloppy(text) as IpAddress;

/** The chains that a node with this state has at its hooks. */
function chainsOf(input: CaseInput): readonly BaseChain[] {
  if (input.proxyMode === 'nftables') {
    const proxier = new NftablesProxier(input.node, input.config);
    proxier.update(input.objects);
    const ruleset = new NftRuleset();
    const applied = ruleset.apply(proxier.sync(0), 0);
    if (!applied.ok) throw new Error(applied.error.message);
    return ruleset.baseChains();
  }
  const proxier = new IptablesProxier(input.node, input.config);
  proxier.update(input.objects);
  const tables = new IptablesTables(input.config.family === 'IPv4' ? 'ip' : 'ip6');
  const sync = proxier.sync(0);
  const must = (taken: { readonly ok: boolean; readonly error?: unknown }): void => {
    if (!taken.ok) throw new Error(JSON.stringify(taken.error));
  };
  for (const { table, chain } of sync.ensuredChains) must(tables.patch({ table, chains: new Map([[chain, []]]), deleted: [] }));
  for (const patch of sync.patches) must(tables.patch(patch));
  for (const { table, chain, rule } of sync.jumpRules) must(tables.insert(table, chain, 1, rule));
  return tables.baseChains();
}

/** Every way in which a walk may go: draws are answered from a script, and the scripts counted through. */
function everyWay<T>(walk: (host: Pick<RuleHost, 'chance' | 'pick'>) => T): T[] {
  const results: T[] = [];
  const script: { chosen: number; of: number }[] = [];
  do {
    let at = 0;
    const draw = (of: number): number => {
      const entry = script[at] ?? { chosen: 0, of };
      script[at++] = entry;
      return entry.chosen;
    };
    results.push(walk({ chance: () => draw(2) === 0, pick: draw }));
    while (script.length > 0 && (script.at(-1)?.chosen ?? 0) + 1 === script.at(-1)?.of) script.pop();
    const last = script.at(-1);
    if (last !== undefined) last.chosen++;
  } while (script.length > 0);
  return results;
}

type Header = Pick<RulePacket, 'src' | 'dst' | 'protocol' | 'dstPort'>;

function outcomeOf(chains: readonly BaseChain[], flow: Flow, host: RuleHost): Outcome {
  let header: Header = {
    src: address(flow.sourceIP),
    dst: address(flow.destIP),
    protocol: PROTOCOLS[flow.protocol] ?? 0,
    dstPort: flow.destPort,
  };
  let mark = 0;
  let dnat = false;
  let endpoint: string | undefined;
  const isLocal = (ip: IpAddress): boolean => host.addressType(ip) === 'LOCAL';
  const fromNode = isLocal(header.src);

  /** The verdict of a hook, with what it changed taken over; undefined when the packet goes on. */
  const pass = (hook: HookName): ChainVerdict | undefined => {
    const atHook = chains.filter((chain) => chain.hook === hook).sort((a, b) => a.priority - b.priority);
    for (const chain of atHook) {
      const packet = packetOf(hook, header, mark, dnat);
      const verdict = chain.evaluate(packet, host, { rules: 0, lookups: 0 }, undefined);
      mark = packet.mark;
      if (verdict.kind === 'accept') continue;
      if (verdict.kind !== 'nat' || verdict.nat.kind !== 'dnat') return verdict;
      const { addresses, ports } = verdict.nat;
      header = { ...header, dst: addresses?.min ?? header.dst, dstPort: ports?.min ?? header.dstPort };
      endpoint = joinHostPort(formatIp(header.dst), header.dstPort ?? 0);
      dnat = true;
    }
    return undefined;
  };

  const refused = pass(fromNode ? 'OUTPUT' : 'PREROUTING') ?? (fromNode ? undefined : pass(isLocal(header.dst) ? 'INPUT' : 'FORWARD'));
  if (refused !== undefined) return { verdict: refused.kind.toUpperCase(), endpoint: undefined, masquerade: false };
  // What the node sends to one of its own addresses arrives there, and is filtered again.
  const arriving = fromNode && isLocal(header.dst) ? pass('INPUT') : undefined;
  if (arriving !== undefined) return { verdict: arriving.kind.toUpperCase(), endpoint: undefined, masquerade: false };
  const masquerade = pass('POSTROUTING')?.kind === 'nat';
  return { verdict: dnat ? 'DNAT' : 'NONE', endpoint, masquerade: dnat && masquerade };
}

function packetOf(hook: HookName, header: Header, mark: number, dnat: boolean): RulePacket {
  const comesIn = hook === 'PREROUTING' || hook === 'INPUT' || hook === 'FORWARD';
  const goesOut = hook === 'OUTPUT' || hook === 'POSTROUTING' || hook === 'FORWARD';
  const conntrack: RuleConntrack = {
    state: 'NEW',
    direction: 'ORIGINAL',
    snat: false,
    dnat,
    seenReply: false,
    assured: false,
    confirmed: false,
    original: undefined,
    reply: undefined,
    mark: 0,
    expiresSeconds: 0,
  };
  return {
    ...header,
    hook,
    inDevice: comesIn ? 'eth0' : undefined,
    outDevice: goesOut ? 'eth0' : undefined,
    physInDevice: undefined,
    physOutDevice: undefined,
    srcPort: 40_000,
    tcpFlags: header.protocol === 6 ? 2 : undefined,
    icmpType: undefined,
    icmpCode: undefined,
    laterFragment: false,
    ttl: 64,
    tos: 0,
    length: 60,
    mark,
    conntrack,
    untracked: false,
  };
}

function outcomes(input: CaseInput, chains: readonly BaseChain[], flow: Flow): Flow['expect'] {
  const { addresses } = input.node;
  const ways = everyWay(({ chance, pick }) =>
    outcomeOf(chains, flow, {
      nowNs: 0,
      addressType: (ip) => (isLoopback(ip) || addresses.includes(ip) ? 'LOCAL' : 'UNICAST'),
      outDeviceOf: () => 'eth0',
      chance,
      pick,
    }),
  );
  const [verdict, ...others] = new Set(ways.map((way) => way.verdict));
  expect(others).toEqual([]);
  return {
    verdict: verdict ?? '',
    endpoints: ways.flatMap((way) => way.endpoint ?? []),
    masquerade: ways.some((way) => way.masquerade),
  };
}

describe.each([
  ['iptables', flowsIptables],
  ['nftables', flowsNftables],
])('recorded flows, %s', (_mode, cases) => {
  const inputs = readCaseInputs(cases);
  if (!inputs.ok) throw new Error(inputs.error);
  for (const [i, input] of inputs.value.entries()) {
    describe(input.id, () => {
      const chains = chainsOf(input);
      it.each(cases[i]?.flows ?? [])('$name', (flow) => {
        expect(outcomes(input, chains, flow)).toEqual(flow.expect);
      });
    });
  }
});

/** One Service of every sort, seen from a pod, from the node and from outside, in both modes. */
describe.each(['iptables', 'nftables'] as const)('behaviours of packets, %s', (proxyMode) => {
  const POD = '10.0.0.9';
  const NODE = '192.168.0.2';
  const OUTSIDE = '203.0.113.2';
  const BLOCKED = '203.0.113.130';
  const LOCAL = '10.0.0.1:8080';
  const REMOTE = '10.0.0.2:8080';

  const flowsTo = (spec: ServiceSpec, endpoints: Parameters<typeof slice>[1], config: Partial<CaseInput['config']> = {}) => {
    const full: ServiceSpec = { type: 'LoadBalancer', ports: [{ ...HTTP, nodePort: 30080 }], ...spec };
    const input: CaseInput = {
      id: 'own',
      proxyMode,
      node: TEST_NODE,
      config: { ...TEST_CONFIG, ...config },
      objects: { services: [service('web', '172.30.0.41', full, [{ ip: '1.2.3.4' }])], endpointSlices: [slice('web', endpoints)] },
    };
    const chains = chainsOf(input);
    return (sourceIP: string, destIP: string, destPort = 80, protocol = 'TCP'): string => {
      const flow: Flow = { name: '', sourceIP, protocol, destIP, destPort, expect: { verdict: '', endpoints: [], masquerade: false } };
      const { verdict, endpoints: chosen, masquerade } = outcomes(input, chains, flow);
      return [verdict === 'DNAT' ? chosen.join(' ') : verdict, ...(masquerade ? ['masquerade'] : [])].join(' ');
    };
  };
  const both = [here('10.0.0.1'), elsewhere('10.0.0.2')];

  it('17 and 24: to a cluster IP', () => {
    const send = flowsTo({ externalTrafficPolicy: 'Local' }, both);
    expect(send(POD, '172.30.0.41')).toBe(`${LOCAL} ${REMOTE}`);
    expect(send(NODE, '172.30.0.41')).toBe(`${LOCAL} ${REMOTE} masquerade`);
    expect(send(OUTSIDE, '172.30.0.41')).toBe(`${LOCAL} ${REMOTE} masquerade`);
    const local = flowsTo({ internalTrafficPolicy: 'Local' }, both);
    expect(local(POD, '172.30.0.41')).toBe(LOCAL);
    expect(local(OUTSIDE, '172.30.0.41')).toBe(`${LOCAL} masquerade`);
    expect(flowsTo({}, both, { masqueradeAll: true })(POD, '172.30.0.41')).toBe(`${LOCAL} ${REMOTE} masquerade`);
    expect(flowsTo({}, both, { detectLocalCidr: undefined })(OUTSIDE, '172.30.0.41')).toBe(`${LOCAL} ${REMOTE}`);
  });

  it('18: external traffic with policy Cluster is always masqueraded', () => {
    const send = flowsTo({ internalTrafficPolicy: 'Local', externalIPs: ['192.168.99.22'] }, both);
    for (const source of [POD, NODE, OUTSIDE]) {
      expect(send(source, '1.2.3.4')).toBe(`${LOCAL} ${REMOTE} masquerade`);
      expect(send(source, '192.168.99.22')).toBe(`${LOCAL} ${REMOTE} masquerade`);
      expect(send(source, NODE, 30080)).toBe(`${LOCAL} ${REMOTE} masquerade`);
    }
  });

  it('19 to 22: external traffic with policy Local', () => {
    const send = flowsTo({ externalTrafficPolicy: 'Local' }, both);
    const without = flowsTo({ externalTrafficPolicy: 'Local' }, [elsewhere('10.0.0.2')]);
    for (const [dest, port] of [
      ['1.2.3.4', 80],
      [NODE, 30080],
    ] as const) {
      expect(send(POD, dest, port)).toBe(`${LOCAL} ${REMOTE}`);
      expect(send(NODE, dest, port)).toBe(`${LOCAL} ${REMOTE} masquerade`);
      expect(send(OUTSIDE, dest, port)).toBe(LOCAL);
      expect(without(POD, dest, port)).toBe(REMOTE);
      expect(without(NODE, dest, port)).toBe(`${REMOTE} masquerade`);
      expect(without(OUTSIDE, dest, port)).toBe('DROP');
    }
    expect(flowsTo({ externalTrafficPolicy: 'Local' }, both, { detectLocalCidr: undefined })(POD, '1.2.3.4')).toBe(LOCAL);
  });

  it('23: no local endpoint drops, no endpoint rejects', () => {
    expect(flowsTo({ internalTrafficPolicy: 'Local' }, [elsewhere('10.0.0.2')])(POD, '172.30.0.41')).toBe('DROP');
    const none = flowsTo({ internalTrafficPolicy: 'Local', externalTrafficPolicy: 'Local', externalIPs: ['192.168.99.22'] }, []);
    for (const source of [POD, OUTSIDE]) {
      expect(['172.30.0.41', '1.2.3.4', '192.168.99.22'].map((dest) => none(source, dest))).toEqual(['REJECT', 'REJECT', 'REJECT']);
      expect(none(source, NODE, 30080)).toBe('REJECT');
    }
    // The node's own packets: filter OUTPUT does not lead to KUBE-EXTERNAL-SERVICES, INPUT does.
    expect(none(NODE, '172.30.0.41')).toBe('REJECT');
    expect(none(NODE, NODE, 30080)).toBe('REJECT');
    expect(none(NODE, '1.2.3.4')).toBe(proxyMode === 'nftables' ? 'REJECT' : 'NONE');
  });

  it('26: a pod that is sent to itself is masqueraded', () => {
    expect(flowsTo({}, [here('10.0.0.1')])('10.0.0.1', '172.30.0.41')).toBe(`${LOCAL} masquerade`);
    expect(flowsTo({ externalTrafficPolicy: 'Local' }, [here('10.0.0.1')])('10.0.0.1', '1.2.3.4')).toBe(`${LOCAL} masquerade`);
  });

  it('27 and 28: other protocols, unknown ports, unallocated addresses', () => {
    const send = flowsTo({}, both);
    const nft = proxyMode === 'nftables';
    expect(send(POD, '172.30.0.41', 80, 'UDP')).toBe(nft ? 'REJECT' : 'NONE');
    expect(send(POD, '172.30.0.41', 81)).toBe(nft ? 'REJECT' : 'NONE');
    expect(send(POD, '172.30.0.99')).toBe(nft ? 'DROP' : 'NONE');
    expect(send(POD, '198.51.100.1')).toBe('NONE');
  });

  it('29 to 32: source ranges', () => {
    const send = flowsTo({ loadBalancerSourceRanges: ['203.0.113.0/25'], externalIPs: ['192.168.99.22'] }, both);
    expect(send(OUTSIDE, '1.2.3.4')).toBe(`${LOCAL} ${REMOTE} masquerade`);
    expect(send(BLOCKED, '1.2.3.4')).toBe('DROP');
    expect(send(POD, '1.2.3.4')).toBe('DROP');
    for (const [dest, port] of [
      ['172.30.0.41', 80],
      ['192.168.99.22', 80],
      [NODE, 30080],
    ] as const) {
      expect(send(BLOCKED, dest, port)).toBe(`${LOCAL} ${REMOTE} masquerade`);
    }
    const node = flowsTo({ loadBalancerSourceRanges: ['192.168.0.0/24'], externalTrafficPolicy: 'Local' }, both);
    expect(node('1.2.3.4', '1.2.3.4')).toBe(LOCAL);
    expect(node(OUTSIDE, '1.2.3.4')).toBe('DROP');
    const none = flowsTo({ loadBalancerSourceRanges: ['203.0.113.0/25'] }, []);
    expect(none(OUTSIDE, '1.2.3.4')).toBe('REJECT');
    expect(none(BLOCKED, '1.2.3.4')).toBe(proxyMode === 'nftables' ? 'DROP' : 'REJECT');
  });

  it('33 to 35: addresses that node ports answer on', () => {
    const nodePortAddresses = ['192.168.0.0/24'];
    const send = flowsTo({}, both, { nodePortAddresses });
    expect(send(OUTSIDE, NODE, 30080)).toBe(`${LOCAL} ${REMOTE} masquerade`);
    expect(send(OUTSIDE, '192.168.1.2', 30080)).toBe('NONE');
    expect(flowsTo({}, [], { nodePortAddresses })(OUTSIDE, '192.168.1.2', 30080)).toBe(proxyMode === 'iptables' ? 'REJECT' : 'NONE');
    expect(flowsTo({}, both)('127.0.0.1', '127.0.0.1', 30080)).toBe(proxyMode === 'iptables' ? `${LOCAL} ${REMOTE} masquerade` : 'NONE');
    expect(flowsTo({}, both, { localhostNodePorts: false })('127.0.0.1', '127.0.0.1', 30080)).toBe('NONE');
  });

  it('6 and 7: terminating endpoints only where there is nothing better, apart for each policy', () => {
    const endpoints = [here('10.0.0.1', TERMINATING), elsewhere('10.0.0.2')];
    const send = flowsTo({ externalTrafficPolicy: 'Local' }, endpoints);
    expect(send(POD, '172.30.0.41')).toBe(REMOTE);
    expect(send(OUTSIDE, '1.2.3.4')).toBe(LOCAL);
    expect(flowsTo({}, [elsewhere('10.0.0.2', TERMINATING)])(POD, '172.30.0.41')).toBe(REMOTE);
  });
});
