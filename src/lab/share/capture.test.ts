import { beforeAll, describe, expect, it } from 'vitest';
import type { LabEvent } from '../../protocol/event.ts';
import { exampleRecording } from '../example-recording.ts';
import { exampleWalk } from '../netfilter/example-walk.ts';
import { captureOf, devicesOf } from './capture.ts';
import { fileStem } from './download.ts';

describe('a capture of the first packet’s flow', () => {
  let events: readonly LabEvent[] = [];
  beforeAll(async () => {
    events = (await exampleRecording()).events;
  });

  it('knows the devices on the way, from the client on', () => {
    const devices = devicesOf(events, 1);
    expect(devices[0]).toMatchObject({ netns: 'pod/default/client', device: 'eth0' });
    expect(devices.map((d) => `${d.netns}:${d.device}`)).toEqual(
      expect.arrayContaining(['node/worker-1:cni0', 'node/worker-1:eth0', 'node/worker-2:eth0', 'node/worker-2:cni0']),
    );
    expect(devicesOf(events, 99)).toEqual([]);
  });

  it('holds every frame of every device that was chosen, in order, and no other', () => {
    const devices = devicesOf(events, 1);
    const all = captureOf(events, 1, devices);
    expect(all.packets).toHaveLength(devices.reduce((sum, d) => sum + d.frames, 0));
    expect(all.packets.every((p, i) => i === 0 || p.timeNs >= (all.packets[i - 1]?.timeNs ?? 0))).toBe(true);
    const client = devices.slice(0, 1);
    const one = captureOf(events, 1, client);
    expect(one.interfaces).toEqual(['pod/default/client:eth0']);
    expect(one.packets).toHaveLength(client[0]?.frames ?? -1);
    expect(one.packets[0]).toMatchObject({ interface: 0, outgoing: true });
  });

  it('tells at each frame what was done, and at the last one how it ended', () => {
    const comments = captureOf(events, 1, devicesOf(events, 1)).packets.map((p) => p.comment);
    expect(comments.some((c) => /TTL falls from 64 to 63\. SYN leaves by eth0/.test(c))).toBe(true);
    expect(comments.some((c) => /arrives at eth0.*delivered to nginx/.test(c))).toBe(true);
  });
});

it('a rewrite is told at the frame that has it', () => {
  const events = exampleWalk();
  const flow = events[0]?.flow ?? 0;
  const { packets } = captureOf(events, flow, devicesOf(events, flow));
  expect(packets[1]?.comment).toContain('DNAT 10.96.0.20:80 -> 10.244.2.7:8080. ');
});

it('a file is called what was loaded, without what a file name cannot hold', () => {
  expect(fileStem([{ name: 'clusterip.yaml' }])).toBe('clusterip');
  expect(fileStem([{ name: '../my app (2).yml' }])).toBe('my-app-2');
  expect(fileStem([{ name: '???' }])).toBe('hoplab');
  expect(fileStem([])).toBe('hoplab');
});
