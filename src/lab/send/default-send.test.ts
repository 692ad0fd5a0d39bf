import { beforeAll, describe, expect, it } from 'vitest';
import type { Topology } from '../../protocol/view.ts';
import { exampleRecording } from '../example-recording.ts';
import { defaultSend, sendBetween } from './default-send.ts';

let topology: Topology;

beforeAll(async () => {
  topology = (await exampleRecording()).topology;
});

describe('defaultSend', () => {
  it('is what the scenario asks for', () => {
    expect(topology.traffic.length).toBeGreaterThan(0);
    expect(defaultSend(topology)).toEqual({ type: 'send', ...topology.traffic[0] });
  });

  it('else goes from the client to a web server on another node', () => {
    const send = defaultSend({ ...topology, traffic: [] });
    expect(send).toMatchObject({ type: 'send', from: 'pod/default/client', protocol: 'http' });
    expect(send?.to).toMatch(/^pod\/default\/web-.*:80$/);
    const to = topology.pods.find((p) => send?.to.startsWith(`${p.netns}:`));
    const from = topology.pods.find((p) => p.name === 'client');
    expect(to?.node).not.toBe(from?.node);
  });

  it('pings from node to node where there are no pods, and is silent where there is nobody', () => {
    expect(defaultSend({ ...topology, traffic: [], pods: [] })?.protocol).toBe('icmp');
    expect(defaultSend({ ...topology, traffic: [], pods: [], nodes: [] })).toBeUndefined();
  });
});

describe('sendBetween', () => {
  it('asks a server for a page and pings what does not listen', () => {
    const web = topology.pods.find((p) => p.name.startsWith('web-'))?.netns ?? '';
    expect(sendBetween(topology, 'pod/default/client', web)).toMatchObject({ to: `${web}:80`, protocol: 'http' });
    expect(sendBetween(topology, web, 'pod/default/client')).toMatchObject({ to: 'pod/default/client', protocol: 'icmp' });
    expect(sendBetween(topology, web, 'node/worker-1')).toMatchObject({ to: 'node/worker-1', protocol: 'icmp' });
  });

  it('asks a Service at its web port, and another at its first TCP port', () => {
    expect(sendBetween(topology, 'pod/default/client', 'svc/default/web')).toMatchObject({ to: 'svc/default/web:80', protocol: 'http' });
    expect(sendBetween(topology, 'pod/default/client', 'svc/kube-system/kube-dns')).toMatchObject({
      to: 'svc/kube-system/kube-dns:53',
      protocol: 'tcp',
    });
  });
});
