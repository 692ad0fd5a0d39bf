import { beforeAll, describe, expect, it } from 'vitest';
import type { LabEvent } from '../../protocol/event.ts';
import type { DeviceView, PodView, Topology } from '../../protocol/view.ts';
import { exampleRecording } from '../example-recording.ts';
import { layoutScene } from './layout.ts';
import { placeOfEvent } from './place.ts';
import type { Rect, Scene } from './scene.ts';

let scene: Scene;
let events: readonly LabEvent[];

function sceneOf(topology: Topology, devices: ReadonlyMap<string, readonly DeviceView[]>): Scene {
  const podsByNode = new Map<string, PodView[]>();
  const nodeOf = new Map(topology.nodes.map((n) => [n.netns, n.name]));
  for (const pod of topology.pods) {
    podsByNode.set(pod.node, [...(podsByNode.get(pod.node) ?? []), pod]);
    if (!pod.hostNetwork) nodeOf.set(pod.netns, pod.node);
  }
  return layoutScene({
    topology,
    podsByNode,
    nodeOfNetns: (netns) => nodeOf.get(netns),
    focus: { nodes: new Set(), pods: new Set() },
    devices: (netns) => devices.get(netns) ?? [],
  });
}

beforeAll(async () => {
  const example = await exampleRecording();
  events = example.events;
  const devices = new Map<string, readonly DeviceView[]>();
  for (const [id, tables] of example.state.netns) devices.set(id, [...tables.devices.values()]);
  for (const event of events) if (event.type === 'netnsAppeared') devices.set(event.netns, event.data.view.devices);
  scene = sceneOf(example.topology, devices);
});

const inside = (inner: Rect, outer: Rect): boolean =>
  inner.x >= outer.x &&
  inner.y >= outer.y &&
  inner.x + inner.width <= outer.x + outer.width &&
  inner.y + inner.height <= outer.y + outer.height;

const apart = (a: Rect, b: Rect): boolean => a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;

describe('layoutScene', () => {
  it('lets no two boxes overlap unless one is inside the other', () => {
    const clashes = scene.boxes.flatMap((a, i) =>
      scene.boxes.slice(i + 1).flatMap((b) => (apart(a, b) || inside(a, b) || inside(b, a) ? [] : [`${a.id} and ${b.id}`])),
    );
    expect(clashes).toEqual([]);
  });

  it('puts every box inside the scene, and what belongs to a node inside the node', () => {
    const nodes = new Map(scene.boxes.filter((b) => b.kind === 'node').map((b) => [b.netns, b]));
    for (const box of scene.boxes) {
      expect(inside(box, { x: 0, y: 0, width: scene.width, height: scene.height }), box.id).toBe(true);
      const node = nodes.get(box.netns);
      if (node) expect(inside(box, node), box.id).toBe(true);
    }
  });

  it('knows every place at which the first packet is seen', () => {
    const missing = new Set(events.flatMap((event) => placeOfEvent(event) ?? []).filter((at) => !scene.tracks.pointOf(at)));
    expect([...missing]).toEqual([]);
  });

  it('gives every box another id', () => {
    expect(new Set(scene.boxes.map((b) => b.id)).size).toBe(scene.boxes.length);
  });
});
