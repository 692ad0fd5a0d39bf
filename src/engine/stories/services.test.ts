import { describe, expect, it } from 'vitest';
import { formatIp } from '../../protocol/address.ts';
import type { LabEvent } from '../../protocol/event.ts';
import { arrivals, ofType, send, sendMany, worldOf } from './stage.ts';

const MODES = ['iptables', 'nftables'] as const;
const CLIENT = 'pod/default/client';

const rewrites = (events: readonly LabEvent[], netns: string): string[] => [
  ...new Set(
    ofType(events, 'nat', netns).map(({ direction, data: { manip, undo, before, after } }) => {
      const half = (t: typeof before): string =>
        manip === 'destination' ? `${formatIp(t.dst)}:${t.dstPort}` : `${formatIp(t.src)}:${undo ? t.srcPort : '*'}`;
      return `${direction} ${manip}${undo ? ' undone' : ''} ${half(before)} -> ${half(after)}`;
    }),
  ),
];

describe.each(MODES)('Services in %s mode', (mode) => {
  it('a ClusterIP leads to a pod on the other node; the reply is translated back and never asks the nat table', () => {
    const { kind, endpoint, events } = send(worldOf('clusterip.yaml', mode), CLIENT, 'http://10.96.0.20/');
    expect(kind).toBe('http');
    const server = endpoint as string;
    expect(rewrites(events, 'node/worker-1')).toEqual([
      `request destination 10.96.0.20:80 -> ${server}`,
      `reply source undone ${server} -> 10.96.0.20:80`,
    ]);
    const natWalks = ofType(events, 'chain').filter(({ data }) => data.priority === -100 || data.priority === 100);
    expect(natWalks.length).toBeGreaterThan(0);
    expect(natWalks.every(({ direction }) => direction === 'request')).toBe(true);
    const firstPackets = new Set(natWalks.map(({ packet }) => packet));
    expect(firstPackets.size).toBe(1);
    // The pod sees the client itself: cluster traffic is not masqueraded.
    const pod = server.startsWith('10.244.2.2') ? 'web-1' : 'web-2';
    expect(new Set(arrivals(events, `pod/default/${pod}`).map(({ source }) => source))).toEqual(new Set(['10.244.1.2']));
    const entry = ofType(events, 'conntrack', 'node/worker-1').findLast(({ data }) => data.action === 'confirmed')?.data.entry;
    expect(formatIp(entry?.original.dst as never)).toBe('10.96.0.20');
    expect(`${formatIp(entry?.reply.src as never)}:${entry?.reply.srcPort}`).toBe(server);
  });

  it('an endpoint on the client’s own bridge is reached by bridged DNAT: no routing, the TTL stays', () => {
    const { kind, events, endpoint } = send(worldOf('same-node-endpoint.yaml', mode), CLIENT, 'http://10.96.0.20/');
    expect([kind, endpoint]).toEqual(['http', '10.244.1.3:80']);
    expect(ofType(events, 'forward')).toEqual([]);
    const requests = events.filter((event) => event.type === 'rx' && event.direction === 'request' && event.netns !== CLIENT);
    const ttls = requests.flatMap(({ frame }) => (frame?.payload.type === 'ipv4' ? [frame.payload.ttl] : []));
    expect(new Set(ttls)).toEqual(new Set([64]));
  });

  it('without br_netfilter the same endpoint is lost: the answer passes the NAT by', () => {
    const world = worldOf('same-node-endpoint.yaml', mode);
    world.apply({ type: 'setSysctl', netns: 'node/worker-1', key: 'net.bridge.bridge-nf-call-iptables', value: '0' });
    expect(send(world, CLIENT, 'http://10.96.0.20/').kind).toBe('timeout');
  });

  it('hairpin: a pod that reaches itself sees the bridge’s address as its client', () => {
    const { kind, events } = send(worldOf('hairpin.yaml', mode), 'pod/default/web', 'http://10.96.0.20/');
    expect(kind).toBe('http');
    expect(arrivals(events, 'pod/default/web').map(({ source }) => source)).toContain('10.244.1.1');
  });

  it('without endpoints a Service refuses at once, for TCP and UDP alike', () => {
    const world = worldOf('no-endpoints.yaml', mode);
    const { kind, lost, events } = send(world, CLIENT, 'http://10.96.0.20/');
    expect(kind).toBe('refused');
    expect(lost?.reason).toBe('rejectedByRule');
    expect(ofType(events, 'drop').find(({ data }) => data.reason === 'rejectedByRule')?.data.detail).toMatch(
      mode === 'iptables' ? /rule \d+ of iptables filter KUBE-SERVICES/ : /rule \d+ of nftables kube-proxy reject-chain/,
    );
  });

  it('an unused port of a ClusterIP goes out by the default route in iptables mode, and is refused in nftables mode', () => {
    const { kind } = send(worldOf('clusterip.yaml', mode), CLIENT, '10.96.0.20:81', 'tcp');
    expect(kind).toBe(mode === 'iptables' ? 'unreachable' : 'refused');
  });

  it('session affinity keeps a client with its endpoint', () => {
    const world = worldOf('session-affinity.yaml', mode);
    const first = send(world, 'pod/default/client-a', 'http://10.96.0.20/').endpoint;
    expect(sendMany(world, 'pod/default/client-a', 'http://10.96.0.20/', 30)).toEqual(new Map([[`http ${first}`, 30]]));
    const answer = world.outcomes({ type: 'send', from: 'pod/default/client-a', to: 'http://10.96.0.20/', protocol: 'http' }, [
      { type: 'send', from: 'pod/default/client-a', to: 'http://10.96.0.20/', protocol: 'http' },
    ]);
    expect(answer).toMatchObject({ known: true, outcomes: [{ outcome: 'http', probability: 1 }] });
  });

  it('externalTrafficPolicy Local keeps the client’s address, and drops where no endpoint is local', () => {
    const world = worldOf('external-traffic-policy-local.yaml', mode);
    const here = send(world, 'external', 'http://192.168.1.11:30080/');
    expect(here.kind).toBe('http');
    expect(new Set(arrivals(here.events, 'pod/default/web').map(({ source }) => source))).toEqual(new Set(['203.0.113.10']));
    expect(send(world, 'external', 'http://192.168.1.12:30080/')).toMatchObject({ kind: 'timeout', lost: { reason: 'droppedByRule' } });
    expect(send(world, CLIENT, 'http://192.168.1.12:30080/').kind).toBe('http');
  });

  it('internalTrafficPolicy Local drops on a node without endpoint', () => {
    const world = worldOf('internal-traffic-policy-local.yaml', mode);
    expect(send(world, 'pod/default/client-1', 'http://10.96.0.20/').kind).toBe('http');
    expect(send(world, 'pod/default/client-2', 'http://10.96.0.20/')).toMatchObject({ kind: 'timeout', lost: { reason: 'droppedByRule' } });
  });

  it('a node port masquerades the client outside, and works on every node', () => {
    const world = worldOf('nodeport.yaml', mode);
    const { kind, events } = send(world, 'external', 'http://192.168.1.11:30080/');
    expect(kind).toBe('http');
    const seen = ofType(events, 'deliver').find(({ netns, direction }) => direction === 'request' && netns.startsWith('pod/'))?.frame
      ?.payload;
    expect(seen?.type === 'ipv4' && formatIp(seen.src)).toBe('192.168.1.11');
    expect(send(world, 'external', 'http://192.168.1.12:30080/').kind).toBe('http');
  });

  it('pods that leave the cluster are seen as their node, pods that stay are not', () => {
    const world = worldOf('egress.yaml', mode);
    const out = send(world, CLIENT, 'http://203.0.113.10/');
    expect(new Set(arrivals(out.events, 'external/client').map(({ source }) => source))).toEqual(new Set(['192.168.1.11']));
    const inside = send(world, CLIENT, 'http://10.244.2.2/');
    expect(ofType(inside.events, 'nat')).toEqual([]);
  });

  it('source ranges let a load balancer’s address be reached from there only', () => {
    const world = worldOf('loadbalancer-source-ranges.yaml', mode);
    expect(send(world, 'external', 'http://198.51.100.1/').kind).toBe('http');
    expect(send(world, 'external', 'http://198.51.100.2/')).toMatchObject({ kind: 'timeout', lost: { reason: 'droppedByRule' } });
  });

  it('terminating endpoints serve when no ready one is left', () => {
    const world = worldOf('terminating-endpoints.yaml', mode);
    expect(sendMany(world, CLIENT, 'http://10.96.0.20/', 20)).toEqual(new Map([['http 10.244.2.2:80', 20]]));
    expect(sendMany(world, CLIENT, 'http://10.96.0.21/', 40).size).toBe(2);
  });

  it('named ports lead to each pod’s own number', () => {
    const ends = sendMany(worldOf('named-and-multi-port.yaml', mode), CLIENT, 'svc/default/web:80', 40, 'tcp');
    expect([...ends.keys()].sort()).toEqual(['connected 10.244.1.3:8080', 'connected 10.244.2.2:9090']);
  });

  it('spreads connections as the exact probabilities say', () => {
    const world = worldOf('clusterip.yaml', mode);
    const answer = world.outcomes({ type: 'send', from: CLIENT, to: 'http://10.96.0.20/', protocol: 'http' }, []);
    if (!answer.known) throw new Error(answer.reason);
    expect(answer.outcomes.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 12);
    const runs = 1_000;
    const ends = sendMany(world, CLIENT, 'http://10.96.0.20/', runs);
    const chiSquare = answer.outcomes.reduce((sum, { outcome, endpoint, probability }) => {
      const expected = runs * probability;
      return sum + ((ends.get(`${outcome} ${endpoint}`) ?? 0) - expected) ** 2 / expected;
    }, 0);
    // One degree of freedom; a fair draw exceeds this once in a thousand seeds, and the seed is fixed.
    expect(chiSquare).toBeLessThan(10.8);
  });
});

describe('kube-proxy is restarted in another mode', () => {
  it('writes the new rules, clears the old ones away, and live connections go on', () => {
    const world = worldOf('clusterip.yaml');
    expect(send(world, CLIENT, 'http://10.96.0.20/').kind).toBe('http');
    expect(world.rulesText('node/worker-1', 'iptables-save')).toContain('-A KUBE-SERVICES');
    expect(world.apply({ type: 'setProxyMode', mode: 'nftables' })).toMatchObject({ accepted: true });
    expect(world.takeEvents().filter((event) => event.type === 'proxySynced')).toHaveLength(3);
    expect(world.rulesText('node/worker-1', 'iptables-save')).not.toContain('KUBE-');
    expect(world.rulesText('node/worker-1', 'iptables-save')).toContain('FLANNEL-POSTRTG');
    expect(world.rulesText('node/worker-1', 'nft')).toContain('table ip kube-proxy');
    const { kind, events } = send(world, CLIENT, 'http://10.96.0.20/');
    expect(kind).toBe('http');
    expect(ofType(events, 'chain').some(({ data }) => data.framework === 'nftables' && data.verdict === 'dnat')).toBe(true);
    expect(world.apply({ type: 'setProxyMode', mode: 'iptables' })).toMatchObject({ accepted: true });
    expect(world.rulesText('node/worker-1', 'nft')).toBe('');
    expect(send(world, CLIENT, 'http://10.96.0.20/').kind).toBe('http');
  });
});

describe('conntrack and Services', () => {
  const DNS = `
apiVersion: hoplab.dev/v1
kind: Scenario
metadata: { name: dns }
spec: { seed: 3 }
---
apiVersion: v1
kind: Pod
metadata: { name: client }
spec: { nodeName: worker-1, containers: [{ name: app, image: busybox }] }
---
apiVersion: v1
kind: Pod
metadata: { name: a, labels: { app: dns } }
spec: { nodeName: worker-2, containers: [{ name: named, image: bind9, ports: [{ containerPort: 53, protocol: UDP }] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: b }
spec: { nodeName: worker-2, containers: [{ name: named, image: bind9, ports: [{ containerPort: 53, protocol: UDP }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: dns }
spec: { clusterIP: 10.96.0.53, selector: { app: dns }, ports: [{ name: dns, port: 53, protocol: UDP }] }
`;

  it.each(MODES)(
    'a UDP entry to an endpoint that is gone is deleted by kube-proxy in %s mode, so that the next query finds the new one',
    (mode) => {
      const world = worldOf(DNS, mode);
      expect(send(world, CLIENT, '10.96.0.53:53', 'udp')).toMatchObject({ kind: 'connected', endpoint: '10.244.2.2:53' });
      const pinned = (): string[] =>
        (world.inspect('node/worker-1')?.conntrack ?? [])
          .filter((c) => formatIp(c.original.dst) === '10.96.0.53')
          .map((c) => formatIp(c.reply.src));
      expect(pinned()).toEqual(['10.244.2.2']);
      const slice = {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice' as const,
        metadata: { name: 'other', namespace: 'default', labels: { 'kubernetes.io/service-name': 'dns' } },
        addressType: 'IPv4' as const,
        ports: [{ name: 'dns', protocol: 'UDP' as const, port: 53 }],
        endpoints: [{ addresses: ['10.244.2.3'], nodeName: 'worker-2' }],
      };
      const old = world.network.plan.endpointSlices.find((s) => s.metadata?.labels?.['kubernetes.io/service-name'] === 'dns');
      world.network.updateServices('worker-1', { endpointSlices: [slice], removedEndpointSlices: [`default/${old?.metadata?.name}`] });
      expect(pinned()).toEqual([]);
      expect(send(world, CLIENT, '10.96.0.53:53', 'udp')).toMatchObject({ kind: 'connected', endpoint: '10.244.2.3:53' });
    },
  );

  it('a full table drops new connections, and says so', () => {
    const world = worldOf('clusterip.yaml');
    send(world, CLIENT, 'http://10.96.0.20/');
    world.apply({ type: 'setSysctl', netns: 'node/worker-1', key: 'net.netfilter.nf_conntrack_max', value: '1' });
    expect(send(world, CLIENT, 'http://10.96.0.20/')).toMatchObject({
      kind: 'timeout',
      lost: { netns: 'node/worker-1', reason: 'conntrackFull' },
    });
  });

  it('an ICMP error about a translated connection comes from the address that the client asked for', () => {
    // Nothing listens on the endpoint's port.
    const udp = DNS.replace('{ containerPort: 53, protocol: UDP }', '{ containerPort: 54, protocol: UDP }');
    const { kind, events } = send(worldOf(udp), CLIENT, '10.96.0.53:53', 'udp');
    expect(kind).toBe('refused');
    const error = ofType(events, 'deliver', CLIENT).find(
      ({ frame }) => frame?.payload.type === 'ipv4' && frame.payload.payload.type === 'icmp',
    )?.frame?.payload;
    expect(error?.type === 'ipv4' && formatIp(error.src)).toBe('10.96.0.53');
    expect(error?.type === 'ipv4' && error.payload.type === 'icmp' && error.payload.quote && formatIp(error.payload.quote.dst)).toBe(
      '10.96.0.53',
    );
  });
});
