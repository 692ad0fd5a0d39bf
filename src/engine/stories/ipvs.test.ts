import { describe, expect, it } from 'vitest';
import { formatIp } from '../../protocol/address.ts';
import type { LabEvent } from '../../protocol/event.ts';
import type { World } from '../world.ts';
import { arrivals, ofType, send, sendMany, worldOf } from './stage.ts';

const CLIENT = 'pod/default/client';
const NODE = 'node/worker-1';
const ipvs = (scenario: string): World => worldOf(scenario, 'ipvs');

/** The hooks that requests pass in a namespace, in order, each once. */
const requestHooks = (events: readonly LabEvent[], netns: string): string[] => [
  ...new Set(ofType(events, 'chain', netns).flatMap(({ direction, data }) => (direction === 'request' ? [data.hook] : []))),
];

describe('Services in IPVS mode', () => {
  it('a ClusterIP is an address of the node: the packet goes up to INPUT, where IPVS takes it, and out again by OUTPUT', () => {
    const { kind, endpoint, events } = send(ipvs('clusterip.yaml'), CLIENT, 'http://10.96.0.20/');
    expect([kind, endpoint]).toEqual(['http', '10.244.2.3:80']);
    expect(requestHooks(events, NODE)).toEqual(['PREROUTING', 'INPUT', 'OUTPUT', 'POSTROUTING']);
    const steps = ofType(events, 'ipvs', NODE);
    expect(steps[0]?.data).toMatchObject({ verdict: 'toServer', hook: 'INPUT', scheduler: 'rr', chosenBy: 'scheduler' });
    expect(steps.filter(({ direction }) => direction === 'request').slice(1)).toSatisfy((later: typeof steps) =>
      later.every(({ data }) => data.chosenBy === 'connection'),
    );
    expect(steps.filter(({ direction }) => direction === 'reply')).toSatisfy((replies: typeof steps) =>
      replies.every(({ data }) => data.verdict === 'toClient' && data.hook === 'FORWARD'),
    );
    // A hop more than in the other modes does not count: IPVS routes once.
    expect(arrivals(events, 'pod/default/web-2')[0]).toEqual({ source: '10.244.1.2', ttl: 62 });
    expect(ofType(events, 'nat', NODE)).toEqual([]);
  });

  it('servers take turns', () => {
    const ends = sendMany(ipvs('clusterip.yaml'), CLIENT, 'http://10.96.0.20/', 20);
    expect(ends).toEqual(
      new Map([
        ['http 10.244.2.3:80', 10],
        ['http 10.244.2.2:80', 10],
      ]),
    );
  });

  it('a server on the client’s own bridge is reached by routing, and lost without br_netfilter', () => {
    const { kind, events } = send(ipvs('same-node-endpoint.yaml'), CLIENT, 'http://10.96.0.20/');
    expect(kind).toBe('http');
    expect(arrivals(events, 'pod/default/web')[0]?.ttl).toBe(63);
    const without = ipvs('same-node-endpoint.yaml');
    without.apply({ type: 'setSysctl', netns: NODE, key: 'net.bridge.bridge-nf-call-iptables', value: '0' });
    expect(send(without, CLIENT, 'http://10.96.0.20/').kind).toBe('timeout');
  });

  it('hairpin: a pod that reaches itself is masqueraded, since KUBE-LOOP-BACK has it', () => {
    const { kind, events } = send(ipvs('hairpin.yaml'), 'pod/default/web', 'http://10.96.0.20/');
    expect(kind).toBe('http');
    expect(arrivals(events, 'pod/default/web').map(({ source }) => source)).toContain('10.244.1.1');
  });

  it('without servers a Service refuses at once: IPVS answers “port unreachable”', () => {
    const { kind, lost } = send(ipvs('no-endpoints.yaml'), CLIENT, 'http://10.96.0.20/');
    expect([kind, lost?.reason]).toEqual(['refused', 'ipvsNoServer']);
  });

  it('an unused port of a ClusterIP is refused by KUBE-IPVS-FILTER, and so is a ping', () => {
    const unused = send(ipvs('clusterip.yaml'), CLIENT, '10.96.0.20:81', 'tcp');
    expect([unused.kind, unused.lost?.reason]).toEqual(['refused', 'rejectedByRule']);
    expect(send(ipvs('clusterip.yaml'), CLIENT, '10.96.0.20', 'icmp').lost?.reason).toBe('rejectedByRule');
  });

  it('a process of the node speaks from the Service’s own address, and is masqueraded', () => {
    const { kind, events } = send(ipvs('clusterip.yaml'), NODE, 'http://10.96.0.20/');
    expect(kind).toBe('http');
    const first = ofType(events, 'chain', NODE).find(({ data }) => data.hook === 'OUTPUT')?.frame?.payload;
    expect(first?.type === 'ipv4' && formatIp(first.src)).toBe('10.96.0.20');
    expect(arrivals(events, 'pod/default/web-2')[0]).toEqual({ source: '192.168.1.11', ttl: 62 });
  });

  it('a node port of a Service with the policy Local works on a node without endpoint, but not with the client’s address', () => {
    const world = ipvs('external-traffic-policy-local.yaml');
    const here = send(world, 'external', 'http://192.168.1.11:30080/');
    expect(arrivals(here.events, 'pod/default/web')[0]?.source).toBe('203.0.113.10');
    const there = send(world, 'external', 'http://192.168.1.12:30080/');
    expect([there.kind, arrivals(there.events, 'pod/default/web')[0]?.source]).toEqual(['http', '192.168.1.12']);
  });

  it('internalTrafficPolicy Local refuses on a node without endpoint', () => {
    const world = ipvs('internal-traffic-policy-local.yaml');
    expect(send(world, 'pod/default/client-1', 'http://10.96.0.20/').kind).toBe('http');
    expect(send(world, 'pod/default/client-2', 'http://10.96.0.20/')).toMatchObject({ kind: 'refused', lost: { reason: 'ipvsNoServer' } });
  });

  it('source ranges are a set', () => {
    const world = ipvs('loadbalancer-source-ranges.yaml');
    expect(send(world, 'external', 'http://198.51.100.1/').kind).toBe('http');
    expect(send(world, 'external', 'http://198.51.100.2/')).toMatchObject({ kind: 'timeout', lost: { reason: 'droppedByRule' } });
  });

  it('session affinity is a template of the virtual server', () => {
    const world = ipvs('session-affinity.yaml');
    const { endpoint, events } = send(world, 'pod/default/client-a', 'http://10.96.0.20/');
    expect(ofType(events, 'ipvs')[0]?.data.connections.map(({ template }) => template)).toEqual([false, true]);
    expect(sendMany(world, 'pod/default/client-a', 'http://10.96.0.20/', 30)).toEqual(new Map([[`http ${endpoint}`, 30]]));
  });

  it('terminating endpoints serve when no ready one is left', () => {
    expect(sendMany(ipvs('terminating-endpoints.yaml'), CLIENT, 'http://10.96.0.20/', 20)).toEqual(new Map([['http 10.244.2.2:80', 20]]));
  });
});

describe('kube-proxy is restarted in IPVS mode and out of it', () => {
  it('nothing of IPVS is left afterwards', () => {
    const world = ipvs('clusterip.yaml');
    expect(send(world, CLIENT, 'http://10.96.0.20/').kind).toBe('http');
    for (const mode of ['nftables', 'ipvs', 'iptables'] as const) {
      expect(world.apply({ type: 'setProxyMode', mode })).toMatchObject({ accepted: true });
      expect(send(world, CLIENT, 'http://10.96.0.20/').kind).toBe('http');
    }
    const view = world.inspect(NODE);
    expect(view?.devices.map(({ name }) => name)).not.toContain('kube-ipvs0');
    expect(view?.routes.some(({ device }) => device === 'kube-ipvs0')).toBe(false);
    expect(view?.ipvsServers).toEqual([]);
    expect(world.rulesText(NODE, 'ipset')).toBe('');
    expect(world.rulesText(NODE, 'ipvsadm')).toBe('');
  });

  it('prints virtual servers and sets as their tools do', () => {
    const world = ipvs('clusterip.yaml');
    expect(world.rulesText(NODE, 'ipvsadm')).toBe(
      [
        '-A -t 10.96.0.1:443 -s rr',
        '-a -t 10.96.0.1:443 -r 192.168.1.10:6443 -m -w 1',
        '-A -t 10.96.0.20:80 -s rr',
        '-a -t 10.96.0.20:80 -r 10.244.2.2:80 -m -w 1',
        '-a -t 10.96.0.20:80 -r 10.244.2.3:80 -m -w 1',
        '',
      ].join('\n'),
    );
    expect(world.rulesText(NODE, 'ipset')).toContain('add KUBE-CLUSTER-IP 10.96.0.20,tcp:80\n');
    expect(world.rulesText(NODE, 'iptables-save')).toContain('-A KUBE-IPVS-FILTER');
  });
});

describe('a server that goes while a connection lasts', () => {
  it('takes nothing new, and is removed when kube-proxy looks and the last connection has ended', () => {
    const world = ipvs('clusterip.yaml');
    expect(send(world, CLIENT, 'http://10.96.0.20/').endpoint).toBe('10.244.2.3:80');
    const slice = world.network.plan.endpointSlices.find((s) => s.metadata?.labels?.['kubernetes.io/service-name'] === 'web');
    if (!slice) throw new Error('the Service has a slice');
    const one = { ...slice, endpoints: (slice.endpoints ?? []).filter(({ addresses }) => addresses[0] === '10.244.2.2') };
    world.network.updateServices('worker-1', { endpointSlices: [one] });
    const weights = (): (readonly [string, number])[] =>
      (world.inspect(NODE)?.ipvsServers.find(({ address }) => formatIp(address) === '10.96.0.20')?.realServers ?? []).map(
        ({ address, weight }) => [formatIp(address), weight] as const,
      );
    // The closed connection rests in TIME_WAIT for two minutes.
    expect(weights().sort()).toEqual([
      ['10.244.2.2', 1],
      ['10.244.2.3', 0],
    ]);
    expect(sendMany(world, CLIENT, 'http://10.96.0.20/', 5)).toEqual(new Map([['http 10.244.2.2:80', 5]]));
    world.apply({ type: 'send', from: CLIENT, to: 'http://10.96.0.20/', protocol: 'http', count: 2, intervalNs: 240_000_000_000 });
    world.run();
    expect(weights()).toEqual([['10.244.2.2', 1]]);
  });
});
