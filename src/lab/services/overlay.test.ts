import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PodView } from '../../protocol/view.ts';
import type { SceneBox } from '../canvas/scene.ts';
import { exampleEndpoint, exampleService } from './example-service.ts';
import { overlayOf, PILL } from './overlay.ts';

const pod = (name: string, x: number, y = 38): SceneBox => ({
  id: `pod/default/${name}`,
  kind: 'pod',
  netns: `pod/default/${name}`,
  label: name,
  pod: { name } as PodView,
  containers: [],
  x,
  y,
  width: 156,
  height: 112,
});
const endpointOf = (name: string) => exampleEndpoint({ pod: `pod/default/${name}` });

describe('overlayOf', () => {
  it('draws a line to each endpoint, told apart by state', () => {
    const service = exampleService({
      endpoints: [endpointOf('a'), { ...endpointOf('b'), ready: false }, { ...endpointOf('c'), ready: false, terminating: true }],
    });
    const { lines, pills } = overlayOf({ boxes: [pod('a', 0), pod('b', 200), pod('c', 400)], width: 900, services: [service], focus: [] });
    expect(lines.map((line) => line.state)).toEqual(['ready', 'notReady', 'terminating']);
    expect(pills[0]).toMatchObject({ x: 278 - PILL.width / 2, focused: false });
  });

  it('goes round a pod that is above', () => {
    const { lines } = overlayOf({
      boxes: [pod('above', 0), pod('a', 0, 170)],
      width: 900,
      services: [exampleService({ endpoints: [endpointOf('a')] })],
      focus: [],
    });
    expect(lines[0]?.end).toEqual({ x: 156, y: 186 });
  });

  it('counts endpoints whose pods are not drawn at the box that stands for them', () => {
    const fleet: SceneBox = { id: 'fleet', kind: 'fleet', netns: '', label: '', nodes: 9, pods: 99, x: 500, y: 0, width: 260, height: 300 };
    const service = exampleService({ endpoints: [endpointOf('x'), endpointOf('y')] });
    expect(overlayOf({ boxes: [fleet], width: 900, services: [service], focus: [] }).lines).toMatchObject([{ count: 2 }]);
  });

  it('never overlaps, never leaves the map, and always draws what is looked at', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1400), { maxLength: 60 }), fc.integer({ min: 300, max: 2000 }), (xs, width) => {
        const boxes = xs.map((x, i) => pod(`p${i}`, x));
        const services = xs.map((_, i) => exampleService({ name: `s${i}`, endpoints: [endpointOf(`p${i}`)] }));
        const last = `default/s${xs.length - 1}`;
        const overlay = overlayOf({ boxes, width, services, focus: [last] });
        const { pills, more, moreAt } = overlay;
        expect(pills.length + more).toBe(services.length);
        if (xs.length > 0) expect(pills.some((p) => p.focused)).toBe(true);
        const edges = [...pills, ...(moreAt ? [moreAt] : [])].sort((a, b) => a.x - b.x);
        edges.forEach((pill, i) => {
          expect(pill.x).toBeGreaterThanOrEqual(0);
          const next = edges[i + 1];
          if (next) expect(next.x).toBeGreaterThanOrEqual(pill.x + pill.width);
          else expect(pill.x + pill.width).toBeLessThanOrEqual(overlay.width);
        });
      }),
    );
  });
});
