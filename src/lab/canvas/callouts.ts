import type { Rect } from './scene.ts';

/** Where the few words beside a lit box go: the side with the least in the way. In the units of its arguments. */
export function placeCallout(box: Rect, width: number, height: number, obstacles: readonly Rect[], taken: readonly Rect[], bounds: Rect): Rect {
  const gap = 6;
  const centreX = box.x + box.width / 2 - width / 2;
  const middleY = box.y + box.height / 2 - height / 2;
  const candidates: readonly Rect[] = [
    { x: centreX, y: box.y - height - gap, width, height },
    { x: centreX, y: box.y + box.height + gap, width, height },
    { x: box.x, y: box.y - height - gap, width, height },
    { x: box.x + box.width - width, y: box.y - height - gap, width, height },
    { x: box.x, y: box.y + box.height + gap, width, height },
    { x: box.x + box.width - width, y: box.y + box.height + gap, width, height },
    { x: box.x + box.width + gap, y: middleY, width, height },
    { x: box.x - width - gap, y: middleY, width, height },
    { x: centreX, y: box.y - 2 * height - 2 * gap, width, height },
    { x: centreX, y: box.y + box.height + height + 2 * gap, width, height },
  ];
  let best = candidates[0] as Rect;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const covered = obstacles.reduce((sum, other) => sum + overlap(candidate, other), 0);
    const collided = taken.reduce((sum, other) => sum + overlap(candidate, other), 0);
    const outside = candidate.width * candidate.height - overlap(candidate, bounds);
    const cost = covered + 20 * collided + 20 * outside;
    if (cost < bestCost) {
      best = candidate;
      bestCost = cost;
    }
    if (cost === 0) break;
  }
  return best;
}

export function overlap(a: Rect, b: Rect): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}
