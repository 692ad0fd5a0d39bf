import { describe, expect, it } from 'vitest';
import { formatIp } from '../protocol/address.ts';
import type { EventOf, FlowOutcome, LabEvent } from '../protocol/event.ts';
import { applyEvents, type LabState, viewAt } from '../protocol/fold.ts';
import { loadCluster } from '../scenario/load-cluster.ts';
import { World } from './world.ts';

const CLUSTER = `
apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: worker-1, containers: [{ name: curl, image: curlimages/curl, command: [sleep, infinity] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: near }
spec: { nodeName: worker-1, containers: [{ name: nginx, image: nginx }, { name: second, image: nginx }] }
---
apiVersion: v1
kind: Pod
metadata: { name: far }
spec:
  nodeName: worker-2
  containers:
    - { name: nginx, image: nginx }
    - { name: dns, image: example.org/dns, ports: [{ containerPort: 53, protocol: UDP }] }
`;

function worldOf(text = CLUSTER): World {
  const plan = loadCluster([{ name: 'test.yaml', text }]);
  if (!plan.ok) throw new Error(JSON.stringify(plan.error));
  return new World(plan.value);
}

function send(
  world: World,
  from: string,
  to: string,
  protocol: 'tcp' | 'udp' | 'icmp' | 'http' = 'http',
  more: { ttl?: number; size?: number } = {},
): { events: LabEvent[] } & FlowOutcome {
  const answer = world.apply({ type: 'send', from, to, protocol, ...more });
  if (!answer.accepted) throw new Error(answer.reason);
  world.run();
  const events = world.takeEvents();
  const ends = events.filter((e): e is EventOf<'flowEnded'> => e.type === 'flowEnded');
  expect(ends).toHaveLength(1);
  return { events, ...(ends[0] as EventOf<'flowEnded'>).data };
}

const ttls = (events: readonly LabEvent[]): number[] =>
  events.flatMap((e) =>
    e.type === 'deliver' && e.direction === 'request' && e.frame?.payload.type === 'ipv4' ? [e.frame.payload.ttl] : [],
  );

describe('traffic between any two places', () => {
  const places = [
    'pod/default/client',
    'pod/default/near',
    'pod/default/far',
    'node/worker-1',
    'node/worker-2',
    'node/control-plane',
    'external',
  ];
  const targets: readonly (readonly [string, 'http' | 'tcp' | 'udp' | 'icmp', string])[] = [
    ['pod/default/near', 'http', 'http'],
    ['pod/default/far:80', 'tcp', 'connected'],
    ['pod/default/far:53', 'udp', 'connected'],
    ['node/worker-2:10250', 'tcp', 'connected'],
    ['external', 'http', 'http'],
    ['pod/default/client', 'icmp', 'connected'],
  ];
  for (const from of places)
    for (const [to, protocol, kind] of targets) {
      // Nobody told the router where pods are, so from outside there is no way to them but by Services.
      const lost = from === 'external' && to.startsWith('pod/');
      // A UDP socket is not told of a network that cannot be reached.
      const expected = lost ? (protocol === 'udp' ? 'timeout' : 'unreachable') : kind;
      it(`${from} to ${to} by ${protocol}`, () => expect(send(worldOf(), from, to, protocol)).toMatchObject({ kind: expected }));
    }
});

describe('the kernel model', () => {
  it('lowers the TTL once at each routing node and never at a bridge', () => {
    expect(new Set(ttls(send(worldOf(), 'pod/default/client', 'pod/default/far').events))).toEqual(new Set([62]));
    expect(new Set(ttls(send(worldOf(), 'pod/default/client', 'pod/default/near').events))).toEqual(new Set([64]));
  });

  it('answers from the router where the TTL ran out', () => {
    const { kind, detail } = send(worldOf(), 'pod/default/client', 'pod/default/far', 'icmp', { ttl: 1 });
    expect(kind).toBe('unreachable');
    expect(detail).toContain('10.244.1.1');
  });

  it('cuts a packet that is too big and puts it together again', () => {
    const { kind, events } = send(worldOf(), 'pod/default/client', 'pod/default/far', 'icmp', { size: 4000 });
    expect(kind).toBe('connected');
    expect(events.filter((e) => e.type === 'fragmented').length).toBeGreaterThanOrEqual(2);
    expect(events.some((e) => e.type === 'reassembled' && e.netns === 'pod/default/far')).toBe(true);
  });

  it('floods a frame only while the FDB does not know the station', () => {
    const world = worldOf();
    const floods = (events: readonly LabEvent[]): number =>
      events.filter((e) => e.type === 'bridge' && e.data.verdict !== 'forward' && e.data.verdict !== 'local').length;
    expect(floods(send(world, 'pod/default/client', 'pod/default/near').events)).toBeGreaterThan(0);
    expect(floods(send(world, 'pod/default/client', 'pod/default/near').events)).toBe(0);
  });

  it('asks by ARP once and then remembers', () => {
    const world = worldOf();
    const asks = (events: readonly LabEvent[]): number => events.filter((e) => e.type === 'tx' && e.frame?.payload.type === 'arp').length;
    expect(asks(send(world, 'pod/default/client', 'pod/default/far').events)).toBeGreaterThan(0);
    expect(asks(send(world, 'pod/default/client', 'pod/default/far').events)).toBe(0);
  });

  it('resets a connection to a closed port and answers a datagram to one with port unreachable', () => {
    expect(send(worldOf(), 'pod/default/client', 'pod/default/far:81', 'tcp')).toMatchObject({ kind: 'refused' });
    expect(send(worldOf(), 'pod/default/client', 'pod/default/far:54', 'udp')).toMatchObject({ kind: 'refused' });
  });

  it('retransmits SYN after 1, 3, 7, 15, 31 and 63 s when nothing answers, and says who lost it', () => {
    const world = worldOf();
    world.apply({ type: 'setSysctl', netns: 'node/worker-1', key: 'net.ipv4.ip_forward', value: '0' });
    const { kind, lost, events } = send(world, 'pod/default/client', 'pod/default/far', 'tcp');
    const syns = events
      .filter((e) => e.type === 'tx' && e.netns === 'pod/default/client' && e.frame?.payload.type === 'ipv4')
      .map((e) => Math.round(e.timeNs / 1e9));
    expect(kind).toBe('timeout');
    expect(lost).toEqual({ netns: 'node/worker-1', device: 'cni0', reason: 'forwardingOff' });
    expect(syns).toEqual([0, 1, 3, 7, 15, 31, 63]);
  });

  it('loses a packet at a cable that was cut, and recovers when it is mended', () => {
    const world = worldOf();
    world.apply({ type: 'setDevice', netns: 'node/worker-2', device: 'eth0', up: false });
    expect(send(world, 'pod/default/client', 'pod/default/far', 'icmp').kind).not.toBe('connected');
    world.apply({ type: 'setDevice', netns: 'node/worker-2', device: 'eth0', up: true });
    expect(send(world, 'pod/default/client', 'pod/default/far', 'icmp').kind).toBe('connected');
  });

  it('gives the second container that wants a port EADDRINUSE', () => {
    const world = worldOf();
    const containers = world.topology().pods.find((p) => p.name === 'near')?.containers;
    expect(containers?.map((c) => c.problem === undefined)).toEqual([true, false]);
    expect(containers?.[1]?.problem).toContain('EADDRINUSE');
    const { events } = send(world, 'pod/default/near/second', 'localhost:80');
    expect(new Set(events.filter((e) => e.type === 'tx').map((e) => e.device))).toEqual(new Set(['lo']));
  });
});

/** A state with every table in one order: the fold and the engine need not agree on that. */
function sorted(s: LabState): unknown {
  const key = (x: unknown): string => JSON.stringify(x);
  return [...s.netns]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, tables]) => {
      const view = viewAt(tables, s.timeNs);
      return [
        id,
        {
          ...view,
          devices: view.devices.map(key).sort(),
          neighbours: view.neighbours.map(key).sort(),
          fdb: view.fdb.map(key).sort(),
          conntrack: view.conntrack.map(key).sort(),
          sockets: view.sockets.map(key).sort(),
          routes: view.routes.map(key).sort(),
        },
      ];
    });
}

describe('a datagram that is larger than the network takes', () => {
  it('is cut at home and put together at its end', () => {
    const { kind, events } = send(worldOf(), 'pod/default/client', 'pod/default/far:53', 'udp', { size: 4_000 });
    expect(kind).toBe('connected');
    const sent = events.flatMap((e) =>
      e.type === 'tx' && e.netns === 'pod/default/client' && e.frame?.payload.type === 'ipv4' ? [e.frame.payload] : [],
    );
    expect(
      sent.slice(0, 3).map(({ fragmentOffset, moreFragments, dontFragment }) => [fragmentOffset, moreFragments, dontFragment]),
    ).toEqual([
      [0, true, false],
      [1480, true, false],
      [2960, false, false],
    ]);
  });
});

describe('the recording', () => {
  const story = (world: World): LabEvent[] => [
    ...send(world, 'pod/default/client', 'pod/default/far').events,
    ...send(world, 'pod/default/near', 'pod/default/client', 'icmp').events,
    ...send(world, 'external', 'pod/default/far:53', 'udp').events,
    ...send(world, 'pod/default/client', '10.244.1.77', 'icmp').events,
  ];

  it('is the same for the same scenario and seed', () => {
    expect(JSON.stringify(story(worldOf()))).toBe(JSON.stringify(story(worldOf())));
  });

  it('folds to the tables that the engine itself has', () => {
    const world = worldOf();
    const state = applyEvents(world.state(0), story(world));
    expect(sorted(state)).toEqual(sorted(world.state(state.seq)));
  });

  it('folds to the engine’s tables also when links go down and come back, at either end', () => {
    const world = worldOf();
    const start = world.state(0);
    const events = [...send(world, 'pod/default/client', 'pod/default/far').events];
    const pod = world.topology().pods.find((p) => p.name === 'near');
    for (const [netns, device] of [
      ['node/worker-2', 'eth0'],
      ['node/worker-1', pod?.hostVeth ?? ''],
      ['pod/default/client', 'eth0'],
    ] as const) {
      for (const up of [false, true]) {
        expect(world.apply({ type: 'setDevice', netns, device, up })).toMatchObject({ accepted: true });
        events.push(...world.takeEvents(), ...send(world, 'pod/default/near', 'pod/default/far', 'icmp').events);
        const state = applyEvents(start, events);
        expect(sorted(state)).toEqual(sorted(world.state(state.seq)));
      }
    }
  });

  it('folds to the engine’s tables also when kube-proxy is restarted in every mode', () => {
    const service = `
---
apiVersion: v1
kind: Service
metadata: { name: far }
spec: { clusterIP: 10.96.0.20, ports: [{ port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: far-1, labels: { kubernetes.io/service-name: far } }
addressType: IPv4
ports: [{ port: 80, protocol: TCP }]
endpoints: [{ addresses: [10.244.2.2], nodeName: worker-2 }]
`;
    const world = worldOf(CLUSTER + service);
    const start = world.state(0);
    const events: LabEvent[] = [];
    for (const mode of ['ipvs', 'nftables', 'ipvs', 'iptables'] as const) {
      expect(world.apply({ type: 'setProxyMode', mode })).toMatchObject({ accepted: true });
      events.push(...world.takeEvents());
      const { kind, events: sent } = send(world, 'pod/default/client', 'http://10.96.0.20/');
      expect(kind).toBe('http');
      events.push(...sent);
      const state = applyEvents(start, events);
      expect(sorted(state)).toEqual(sorted(world.state(state.seq)));
    }
  });

  it('names a cause for every step of a packet, and never goes back in time', () => {
    const events = story(worldOf());
    const seen = new Set<number>();
    let timeNs = 0;
    for (const e of events) {
      expect(e.timeNs).toBeGreaterThanOrEqual(timeNs);
      timeNs = e.timeNs;
      if (e.cause !== 0) expect(seen.has(e.cause)).toBe(true);
      if (e.type === 'rx') expect(e.cause).not.toBe(0);
      seen.add(e.seq);
    }
  });

  it('gives every frame that is sent one arrival on each link', () => {
    const events = story(worldOf());
    const arrivals = new Map<number, number>();
    for (const e of events) if (e.type === 'rx') arrivals.set(e.cause, (arrivals.get(e.cause) ?? 0) + 1);
    for (const e of events) if (e.type === 'tx' && !['cni0', 'switch'].includes(e.device ?? '')) expect(arrivals.get(e.seq)).toBe(1);
  });

  it('does not change by looking at a namespace that is asleep', () => {
    const nodes = Array.from({ length: 40 }, (_, i) => `{ apiVersion: v1, kind: Node, metadata: { name: n${i} } }`);
    const pods = ['n1', 'n39'].map(
      (node, i) =>
        `{ apiVersion: v1, kind: Pod, metadata: { name: p${i} }, spec: { nodeName: ${node}, containers: [{ name: nginx, image: nginx }] } }`,
    );
    const text = [...nodes, ...pods].join('\n---\n');
    const looked = worldOf(text);
    expect(looked.inspect('pod/default/p1')?.devices.map((d) => d.name)).toEqual(['lo', 'eth0']);
    expect(looked.inspect('pod/default/none')).toBeUndefined();
    const a = send(looked, 'pod/default/p0', 'pod/default/p1');
    const b = send(worldOf(text), 'pod/default/p0', 'pod/default/p1');
    expect(a.kind).toBe('http');
    expect(JSON.stringify(a.events)).toBe(JSON.stringify(b.events));
    expect(a.events.filter((e) => e.type === 'netnsAppeared').length).toBeGreaterThan(2);
  });

  it('folds to the engine’s tables also where namespaces are built on the way, with few pods on a node and with many', () => {
    const nodes = Array.from({ length: 40 }, (_, i) => `{ apiVersion: v1, kind: Node, metadata: { name: n${i} } }`);
    const pod = (name: string, node: string): string =>
      `{ apiVersion: v1, kind: Pod, metadata: { name: ${name} }, spec: { nodeName: ${node}, containers: [{ name: nginx, image: nginx }] } }`;
    const pods = [pod('p0', 'n1'), pod('p1', 'n39'), ...Array.from({ length: 80 }, (_, i) => pod(`crowd-${i}`, 'n7'))];
    const world = worldOf([...nodes, ...pods].join('\n---\n'));
    const start = world.state(0);
    const events = [
      ...send(world, 'pod/default/p0', 'pod/default/p1').events,
      ...send(world, 'pod/default/crowd-3', 'pod/default/crowd-70').events,
      ...send(world, 'pod/default/p1', 'pod/default/crowd-9', 'icmp').events,
    ];
    const state = applyEvents(start, events);
    expect(sorted(state)).toEqual(sorted(world.state(state.seq)));
  });
});

describe('an input that makes no sense', () => {
  const reason = (from: string, to: string): string => {
    const answer = worldOf().apply({ type: 'send', from, to, protocol: 'tcp' });
    return answer.accepted ? '' : answer.reason;
  };
  it('is refused with the reason and what to write instead', () => {
    expect(reason('pod/default/nobody', 'node/worker-1:80')).toContain('pods: client');
    expect(reason('somewhere', 'node/worker-1:80')).toContain('pod/NAMESPACE/NAME');
    expect(reason('external', 'node/worker-1')).toContain('needs a port');
    expect(reason('external', 'node/worker-1:70000')).toContain('1 to 65535');
    expect(reason('external', 'example.com:80')).toContain('DNS');
    expect(reason('external', 'svc/default/web:80')).toContain('Services');
    const world = worldOf();
    expect(world.apply({ type: 'setSysctl', netns: 'node/worker-1', key: 'net.ipv4.nonsense', value: '1' })).toMatchObject({
      accepted: false,
    });
    expect(world.apply({ type: 'setDevice', netns: 'node/worker-1', device: 'eth9', up: true })).toMatchObject({ accepted: false });
  });
});

it('gives pods the next free addresses of their node', () => {
  expect(
    worldOf()
      .topology()
      .pods.map((p) => formatIp(p.ip)),
  ).toEqual(['10.244.1.2', '10.244.1.3', '10.244.2.2']);
});

describe('a target', () => {
  const reasonFor = (to: string): string | undefined => {
    const answer = worldOf().apply({ type: 'send', from: 'external', to, protocol: 'tcp' });
    return answer.accepted ? undefined : answer.reason;
  };

  it.each(['fd00::1', '[fd00::1]:80', '[fd00::1]', 'http://[fd00::1]/', 'https://[fd00::1]:443/x'])(
    '%s is of IPv6, which is said',
    (to) => {
      expect(reasonFor(to)).toBe('to: fd00::1 is an IPv6 address, which is not modelled yet');
    },
  );

  it.each(['[x]:80', 'web:80', 'http://web/'])('%s is a name, which is said', (to) => {
    expect(reasonFor(to)).toMatch(/is a name, and DNS is not modelled yet/);
  });
});
