import { connection, event, frame, ip, ipv4, route, tcp } from '../../explain/example-events.ts';
import type { ChainWalk, ConntrackTuple, EventData, EventType, HookName, LabEvent, NatRewrite, RuleMatch } from '../../protocol/event.ts';

/** For tests: the first packet of a connection to a Service, and a reply, as they pass a node in iptables mode. */

const SYN = frame(ipv4(tcp(2), { dst: ip('10.96.0.20') }));
const original: ConntrackTuple = { src: ip('10.244.1.5'), dst: ip('10.96.0.20'), protocol: 6, srcPort: 41932, dstPort: 80 };
const translated: ConntrackTuple = { ...original, dst: ip('10.244.2.7'), dstPort: 8080 };
const reply: ConntrackTuple = { src: translated.dst, dst: original.src, protocol: 6, srcPort: 8080, dstPort: 41932 };
const ENTRY = connection({ original, reply });

export function ruleMatch(
  chain: string,
  rule: number,
  action: string,
  change: Partial<RuleMatch> & { readonly table?: string } = {},
): RuleMatch {
  const { table = 'nat', ...rest } = change;
  return {
    place: { framework: 'iptables', family: 'ip', table, chain, rule },
    depth: 0,
    text: `-A ${chain} -j ${action}`,
    action,
    unmatchedBefore: 0,
    mark: undefined,
    draw: undefined,
    ...rest,
  };
}

export function chainWalk(hook: HookName, table: string, change: Partial<ChainWalk> = {}): ChainWalk {
  return {
    framework: 'iptables',
    family: 'ip',
    table,
    chain: hook,
    hook,
    priority: 0,
    verdict: 'accept',
    decidedBy: undefined,
    rules: 0,
    lookups: 0,
    ...change,
  };
}

const rewrite = (change: Partial<NatRewrite>): NatRewrite => ({
  manip: 'destination',
  undo: false,
  before: original,
  after: translated,
  entry: ENTRY.id,
  quoted: false,
  ...change,
});

const SERVICE = 'KUBE-SVC-LOLE4ISW44XBNF3G';
const ENDPOINT = 'KUBE-SEP-QZK2WPE3HOJ4WBYD';

export function exampleWalk(): readonly LabEvent[] {
  const events: LabEvent[] = [];
  const add = <T extends EventType>(
    type: T,
    data: EventData[T],
    change: { packet?: number; direction?: 'request' | 'reply' } = {},
  ): void => {
    const seq = events.length + 1;
    events.push(
      event(type, data, {
        seq,
        timeNs: seq * 100,
        cause: seq - 1,
        netns: 'node/worker-1',
        device: 'cni0',
        packet: 1,
        frame: SYN,
        ...change,
      }),
    );
  };
  const hook = (name: HookName, inDevice: string | undefined, outDevice: string | undefined): EventData['hook'] => ({
    hook: name,
    inDevice,
    outDevice,
    bridged: false,
  });
  add('rx', { otherHost: false });
  add('hook', hook('PREROUTING', 'cni0', undefined));
  add('conntrack', { action: 'new', packetState: 'NEW', packetDirection: 'original', entry: ENTRY });
  add('chain', chainWalk('PREROUTING', 'mangle', { priority: -150 }));
  add('rule', ruleMatch('PREROUTING', 1, 'jump KUBE-SERVICES'));
  add('rule', ruleMatch('KUBE-SERVICES', 6, `jump ${SERVICE}`, { depth: 1, unmatchedBefore: 5 }));
  add('rule', ruleMatch(SERVICE, 3, `jump ${ENDPOINT}`, { depth: 2, unmatchedBefore: 2, draw: { probability: 0.5, pick: undefined } }));
  add('rule', ruleMatch(ENDPOINT, 2, 'dnat 10.244.2.7:8080', { depth: 3, unmatchedBefore: 1 }));
  const decidedBy = { framework: 'iptables', family: 'ip', table: 'nat', chain: ENDPOINT, rule: 2 } as const;
  add('chain', chainWalk('PREROUTING', 'nat', { priority: -100, verdict: 'dnat', decidedBy, rules: 12 }));
  add('nat', rewrite({}));
  add('route', { destination: ip('10.244.2.7'), route: route({ device: 'eth0' }), nextHop: ip('192.168.1.12'), input: true });
  add('hook', hook('FORWARD', 'cni0', 'eth0'));
  add('chain', chainWalk('FORWARD', 'mangle', { priority: -150 }));
  add('rule', ruleMatch('FORWARD', 1, 'jump KUBE-FORWARD', { table: 'filter' }));
  add('chain', chainWalk('FORWARD', 'filter', { rules: 5 }));
  add('hook', hook('POSTROUTING', undefined, 'eth0'));
  add('rule', ruleMatch('POSTROUTING', 1, 'jump KUBE-POSTROUTING'));
  add('rule', ruleMatch('KUBE-POSTROUTING', 1, 'return', { depth: 1 }));
  add('chain', chainWalk('POSTROUTING', 'nat', { priority: 100, rules: 3 }));
  add('conntrack', { action: 'confirmed', packetState: 'NEW', packetDirection: 'original', entry: ENTRY });
  add('tx', undefined);

  const back = { packet: 2, direction: 'reply' } as const;
  add('rx', { otherHost: false }, back);
  add('hook', hook('PREROUTING', 'eth0', undefined), back);
  add(
    'conntrack',
    { action: 'updated', packetState: 'ESTABLISHED', packetDirection: 'reply', entry: { ...ENTRY, state: 'SYN_RECV', seenReply: true } },
    back,
  );
  add('hook', hook('POSTROUTING', undefined, 'cni0'), back);
  add(
    'nat',
    rewrite({ manip: 'source', undo: true, before: reply, after: { ...reply, src: original.dst, srcPort: original.dstPort } }),
    back,
  );
  add('tx', undefined, back);
  return events;
}
