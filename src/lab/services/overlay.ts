import { formatIp } from '../../protocol/address.ts';
import type { ServiceView } from '../../protocol/view.ts';
import { POD } from '../canvas/measure.ts';
import type { Rect, SceneBox } from '../canvas/scene.ts';
import type { Point } from '../canvas/tracks.ts';
import { type EndpointState, endpointState, serviceKey, sortedServices } from './service-facts.ts';

/** Services drawn over the map: above it, where nothing else is, with lines down to their endpoints. */
export interface Overlay {
  /** At least as wide as the map. */
  readonly width: number;
  readonly pills: readonly ServicePill[];
  readonly lines: readonly EndpointLine[];
  /** Services for which there was no room. */
  readonly more: number;
  /** Where the box for those stands. */
  readonly moreAt: Rect | undefined;
}

export interface ServicePill extends Rect {
  readonly service: ServiceView;
  /** Looked at or watched: its lines stand out. */
  readonly focused: boolean;
}

export interface EndpointLine {
  readonly key: string;
  readonly path: string;
  readonly end: Point;
  /** Where a few words about it stand: above everything that is drawn below. */
  readonly labelAt: Point;
  readonly state: EndpointState;
  readonly focused: boolean;
  /** Endpoints that this line stands for: more than one where their pods share a box. */
  readonly count: number;
}

export const PILL = { width: 224, height: 50, gap: 16 } as const;
/** Room above the map that the overlay takes. */
export const OVERLAY_HEIGHT = PILL.height + 44;
/** With more lines than this only those of the focused Services are drawn. */
const LINES_MAX = 40;

interface OverlayInput {
  readonly boxes: readonly SceneBox[];
  readonly width: number;
  readonly services: readonly ServiceView[];
  /** Keys of the Services that are looked at or watched, first one first. */
  readonly focus: readonly (string | undefined)[];
}

/** Deterministic: a pill stands above the middle of its endpoints, as far as its neighbours let it. */
export function overlayOf({ boxes, width: mapWidth, services, focus }: OverlayInput): Overlay {
  const width = Math.max(mapWidth, 2 * PILL.width + PILL.gap);
  const room = Math.max(1, Math.floor((width + PILL.gap) / (PILL.width + PILL.gap)));
  const sorted = sortedServices(services, focus);
  const drawn = sorted.slice(0, sorted.length > room ? Math.max(1, room - 1) : room);
  const more = sorted.length - drawn.length;
  const focused = new Set(focus.filter((key) => key !== undefined && services.some((s) => serviceKey(s) === key)));
  const targets = new Map(drawn.map((service) => [service, targetsOf(service, boxes)]));
  const places = placesOf(
    drawn.map((service) => ({ service, x: middleOf(targets.get(service) ?? [], width) })),
    more > 0 ? width - PILL.width - PILL.gap : width,
  );
  const pills = drawn.map((service): ServicePill => {
    const x = places.get(service) ?? 0;
    const key = serviceKey(service);
    return { service, x, y: -OVERLAY_HEIGHT, width: PILL.width, height: PILL.height, focused: focused.has(key) };
  });
  const lines = pills.flatMap((pill) => linesOf(pill, targets.get(pill.service) ?? []));
  const moreAt = more > 0 ? { x: width - PILL.width, y: -OVERLAY_HEIGHT, width: PILL.width, height: PILL.height } : undefined;
  return { width, pills, lines: lines.length > LINES_MAX ? lines.filter((line) => line.focused) : lines, more, moreAt };
}

interface Target {
  readonly box: SceneBox;
  readonly state: EndpointState;
  readonly count: number;
  /** Another pod's box is above it. */
  readonly covered: boolean;
}

/** The boxes that stand for a Service's endpoints: a pod's own, else that of the pods or nodes that are not drawn. */
function targetsOf(service: ServiceView, boxes: readonly SceneBox[]): readonly Target[] {
  const found = new Map<string, Target>();
  for (const endpoint of service.endpoints) {
    const box =
      boxes.find((b) => b.kind === 'pod' && b.netns === endpoint.pod) ??
      boxes.find(
        (b) => b.kind === 'node' && endpoint.pod === undefined && (b.node.name === endpoint.node || formatIp(b.node.ip) === endpoint.ip),
      ) ??
      boxes.find((b) => b.kind === 'process' && b.pods.some((pod) => `pod/${pod.namespace}/${pod.name}` === endpoint.pod)) ??
      boxes.find((b) => b.kind === 'morePods' && b.node === endpoint.node) ??
      boxes.find((b) => b.kind === 'fleet');
    if (!box) continue;
    const state = endpointState(endpoint);
    const key = `${box.id} ${state}`;
    const covered = box.kind === 'pod' && boxes.some((b) => b.kind === 'pod' && b.x === box.x && b.y < box.y);
    found.set(key, { box, state, count: (found.get(key)?.count ?? 0) + 1, covered });
  }
  return [...found.values()];
}

const middle = (rect: Rect): number => rect.x + rect.width / 2;

function middleOf(targets: readonly Target[], width: number): number {
  if (targets.length === 0) return width / 2;
  return targets.reduce((sum, target) => sum + middle(target.box), 0) / targets.length;
}

/** Left edges of pills that want to be centred at `x`, side by side and inside the width. */
function placesOf(
  wanted: readonly { readonly service: ServiceView; readonly x: number }[],
  width: number,
): ReadonlyMap<ServiceView, number> {
  const pitch = PILL.width + PILL.gap;
  const ordered = [...wanted].sort((a, b) => a.x - b.x || (serviceKey(a.service) < serviceKey(b.service) ? -1 : 1));
  const left: number[] = [];
  for (const { x } of ordered) left.push(Math.max(x - PILL.width / 2, (left.at(-1) ?? -pitch) + pitch, 0));
  for (let i = left.length - 1, limit = width - PILL.width; i >= 0; i--, limit -= pitch) {
    left[i] = Math.max(0, Math.min(left[i] as number, limit));
    limit = left[i] as number;
  }
  return new Map(ordered.map(({ service }, i) => [service, left[i] as number]));
}

function linesOf(pill: ServicePill, targets: readonly Target[]): readonly EndpointLine[] {
  const start = { x: middle(pill), y: pill.y + pill.height };
  return targets.map(({ box, state, count, covered }): EndpointLine => {
    const offset = state === 'ready' ? 0 : state === 'notReady' ? 10 : -10;
    const lane = covered ? box.x + box.width + POD.gapX / 2 : middle(box) + offset;
    const end = covered ? { x: box.x + box.width, y: box.y + 16 } : { x: lane, y: box.y };
    // Down into the lane first: what follows is straight, so that lines to one node lie side by side.
    const bend = Math.min(0, box.y);
    const curve = `M${start.x},${start.y} C${start.x},${start.y + 40} ${lane},${bend - 40} ${lane},${bend}`;
    const down = covered ? ` L${lane},${end.y} L${end.x},${end.y}` : ` L${end.x},${end.y}`;
    const key = `${serviceKey(pill.service)} ${box.id} ${state}`;
    return { key, path: curve + down, end, labelAt: { x: lane + 7, y: bend - 8 }, state, focused: pill.focused, count };
  });
}
