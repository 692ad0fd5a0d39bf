import type { Place } from './place.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A way along the map, with the distance from its start at each point. */
export interface Path {
  readonly points: readonly Point[];
  readonly lengths: readonly number[];
  readonly length: number;
}

interface Track {
  readonly to: Place;
  readonly points: readonly Point[];
  readonly length: number;
}

export function pathOf(points: readonly Point[]): Path {
  const lengths = [0];
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1] as Point;
    const b = points[i] as Point;
    lengths.push((lengths[i - 1] as number) + Math.hypot(b.x - a.x, b.y - a.y));
  }
  return { points, lengths, length: lengths.at(-1) ?? 0 };
}

/** The point at a share 0..1 of the way. */
export function pointAlong(path: Path, share: number): Point {
  const { points, lengths } = path;
  const distance = Math.max(0, Math.min(1, share)) * path.length;
  for (let i = 1; i < points.length; i++) {
    const end = lengths[i] as number;
    if (distance > end && i < points.length - 1) continue;
    const start = lengths[i - 1] as number;
    const a = points[i - 1] as Point;
    const b = points[i] as Point;
    const part = end === start ? 0 : (distance - start) / (end - start);
    return { x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part };
  }
  return points[0] as Point;
}

/**
 * The lines that packets run along: places as vertices, directed tracks between them. A packet that
 * goes from one place to another takes the shortest way, so it passes the chips in between in the
 * order in which the kernel would.
 */
export class TrackMap {
  private readonly points = new Map<Place, Point>();
  private readonly tracks = new Map<Place, Track[]>();
  private readonly aliases = new Map<Place, Place>();
  private readonly paths = new Map<string, Path>();

  private readonly elsewhere: (place: Place) => Place | undefined;

  /** `elsewhere` names the vertex that stands for a place that is not drawn in full. */
  constructor(elsewhere: (place: Place) => Place | undefined = () => undefined) {
    this.elsewhere = elsewhere;
  }

  add(place: Place, point: Point): void {
    this.points.set(place, point);
  }

  alias(name: Place, place: Place): void {
    this.aliases.set(name, place);
  }

  /** A one-way track; `bends` are the corners between the two places. */
  connect(from: Place, to: Place, bends: readonly Point[] = []): void {
    const a = this.points.get(from);
    const b = this.points.get(to);
    if (!a || !b) return;
    const points = [a, ...bends, b];
    const list = this.tracks.get(from) ?? [];
    list.push({ to, points, length: pathOf(points).length });
    this.tracks.set(from, list);
  }

  connectBoth(a: Place, b: Place, bends: readonly Point[] = []): void {
    this.connect(a, b, bends);
    this.connect(b, a, [...bends].reverse());
  }

  resolve(place: Place): Place | undefined {
    const known = this.aliases.get(place) ?? place;
    if (this.points.has(known)) return known;
    const other = this.elsewhere(place);
    return other !== undefined && this.points.has(other) ? other : undefined;
  }

  pointOf(place: Place): Point | undefined {
    const known = this.resolve(place);
    return known === undefined ? undefined : this.points.get(known);
  }

  /** The shortest way along the tracks, a straight line when there is none, undefined when an end is not on the map. */
  path(from: Place, to: Place): Path | undefined {
    const start = this.resolve(from);
    const end = this.resolve(to);
    if (start === undefined || end === undefined) return undefined;
    const key = `${start}>${end}`;
    let path = this.paths.get(key);
    if (!path) {
      path = pathOf(start === end ? [this.points.get(start) as Point] : this.shortest(start, end));
      this.paths.set(key, path);
    }
    return path;
  }

  /** Dijkstra with a linear frontier: a few hundred vertices at most, and every answer is kept. */
  private shortest(start: Place, end: Place): readonly Point[] {
    const distance = new Map<Place, number>([[start, 0]]);
    const via = new Map<Place, { from: Place; track: Track }>();
    const frontier = new Set<Place>([start]);
    while (frontier.size > 0) {
      let nearest: Place | undefined;
      for (const candidate of frontier) {
        if (nearest === undefined || (distance.get(candidate) as number) < (distance.get(nearest) as number)) nearest = candidate;
      }
      if (nearest === undefined || nearest === end) break;
      frontier.delete(nearest);
      for (const track of this.tracks.get(nearest) ?? []) {
        const reached = (distance.get(nearest) as number) + track.length;
        if (reached >= (distance.get(track.to) ?? Number.POSITIVE_INFINITY)) continue;
        distance.set(track.to, reached);
        via.set(track.to, { from: nearest, track });
        frontier.add(track.to);
      }
    }
    if (!via.has(end)) return [this.points.get(start) as Point, this.points.get(end) as Point];
    const legs: (readonly Point[])[] = [];
    for (let at = end; at !== start; ) {
      const step = via.get(at) as { from: Place; track: Track };
      legs.unshift(step.track.points);
      at = step.from;
    }
    return legs.flatMap((points, i) => (i === 0 ? points : points.slice(1)));
  }
}
