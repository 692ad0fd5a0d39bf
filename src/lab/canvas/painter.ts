import type { LabEvent } from '../../protocol/event.ts';
import type { Cluster } from '../stores/recording-store.ts';
import type { Run } from '../stores/runs.ts';
import type { Drag } from '../stores/screen-store.ts';
import { placeCallout } from './callouts.ts';
import { dropText, EFFECT_BEATS, type Effect, effectOfEvent, isLoss } from './effects.ts';
import { DROP_LINGER_BEATS, type Motion, type Sighting } from './motion.ts';
import { packetLook } from './packet-look.ts';
import { SpriteSheet } from './packet-sprite.ts';
import { type Palette, readPalette } from './palette.ts';
import type { Rect, Scene } from './scene.ts';
import { partOf, type Path, type Point, pointAlong } from './tracks.ts';

/** Everything that one picture depends on. */
export interface Moment {
  readonly cluster: Cluster;
  readonly scene: Scene;
  readonly run: Run | undefined;
  readonly position: number;
  readonly count: number;
  readonly transform: readonly [number, number, number];
  readonly still: boolean;
  readonly drag: Drag | undefined;
}

/** Below this zoom, or with more packets than this, labels would cover each other: packets are small marks then. */
const LABEL_ZOOM_MIN = 0.42;
const LABELLED_MAX = 60;
const TRAILS_MAX = 6;
const CALLOUTS_MAX = 4;
const LIT_MAX = 48;
const CALLOUT_FONT = '600 12px "Source Sans 3 Variable", system-ui, sans-serif';

/** Draws packets, their trails, lit boxes and callouts for one moment. Holds pictures and colours, no state of the lab. */
export class Painter {
  private readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private palette: Palette = readPalette();
  private sprites: SpriteSheet;
  private ratio = 1;
  /** Callouts keep their side while they are seen: they must not jump as other things move. */
  private readonly callouts = new Map<number, Rect>();
  private calloutsFor: Scene | undefined;
  private calloutsAt = '';

  constructor(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D) {
    this.canvas = canvas;
    this.context = context;
    this.sprites = new SpriteSheet(this.palette, this.ratio);
  }

  restyle(): void {
    this.palette = readPalette();
    this.sprites = new SpriteSheet(this.palette, this.ratio);
  }

  resize(): void {
    const ratio = Math.min(devicePixelRatio || 1, 3);
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    if (ratio !== this.ratio) {
      this.ratio = ratio;
      this.restyle();
    }
  }

  draw(moment: Moment): void {
    const { context, ratio } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const sightings = moment.run ? moment.cluster.motions.at(moment.position) : [];
    if (moment.run) {
      this.trails(moment, sightings);
      const effects = this.effects(moment);
      this.lit(moment, effects);
      this.losses(moment, moment.run);
      this.packets(moment, sightings);
      this.words(moment, effects);
    }
    if (moment.drag) this.dragLine(moment.drag);
    context.globalAlpha = 1;
  }

  private trails(moment: Moment, sightings: readonly Sighting[]): void {
    const { context } = this;
    const { events } = moment.cluster.recording;
    const zoom = moment.transform[2];
    let drawn = 0;
    for (const { motion, share, presence } of sightings) {
      if (drawn >= TRAILS_MAX) break;
      const event = events[motion.event] as LabEvent;
      const discarded = event.type === 'drop' && !isLoss(event);
      if (discarded || (event.type === 'rx' && event.data.otherHost && share === 1)) continue;
      drawn++;
      context.strokeStyle = this.palette.fill(packetLook(event.frame, event.direction).tone);
      context.globalAlpha = 0.85 * presence;
      context.lineWidth = Math.max(2, 3.5 * zoom);
      context.lineJoin = 'round';
      context.lineCap = 'round';
      context.beginPath();
      let leg: Motion | undefined = motion;
      for (let legs = 0; leg && legs < 80; legs++) {
        const path = moment.scene.tracks.path(leg.fromPlace, leg.toPlace);
        if (path) this.line(moment, leg === motion && share < 1 && !moment.still ? partOf(path, ease(share)) : path.points);
        leg = leg.origin < 0 ? undefined : moment.cluster.motions.leadingTo(leg.origin);
      }
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  private line({ transform: [tx, ty, k] }: Moment, points: readonly Point[]): void {
    points.forEach((p, i) => {
      if (i === 0) this.context.moveTo(p.x * k + tx, p.y * k + ty);
      else this.context.lineTo(p.x * k + tx, p.y * k + ty);
    });
  }

  /** What lit up lately, the newest first, one for each place. */
  private effects({ cluster, scene, position, count, run }: Moment): { effect: Effect; rect: Rect; age: number; index: number }[] {
    const found: { effect: Effect; rect: Rect; age: number; index: number }[] = [];
    const seen = new Set<string>();
    for (let index = count - 1; index >= (run?.start ?? 0) && found.length < LIT_MAX; index--) {
      const age = position - cluster.axis.positionOf(index);
      if (age > EFFECT_BEATS) break;
      const event = cluster.recording.events[index] as LabEvent;
      const effect = effectOfEvent(event);
      if (!effect || seen.has(effect.place)) continue;
      seen.add(effect.place);
      const rect = scene.lit.get(effect.place);
      if (rect) found.push({ effect, rect, age, index });
    }
    return found;
  }

  private lit({ transform: [tx, ty, k] }: Moment, effects: readonly { effect: Effect; rect: Rect; age: number }[]): void {
    const { context } = this;
    for (const { effect, rect, age } of effects) {
      context.globalAlpha = Math.max(0, 1 - age / EFFECT_BEATS);
      context.strokeStyle = this.palette.fill(effect.tone);
      context.lineWidth = Math.max(2, 2.5 * k);
      context.beginPath();
      context.roundRect(rect.x * k + tx - 1, rect.y * k + ty - 1, rect.width * k + 2, rect.height * k + 2, Math.min(14, rect.height / 2) * k * (rect.height > 34 ? 0.6 : 0.7));
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  private packets(moment: Moment, sightings: readonly Sighting[]): void {
    const { context } = this;
    const [tx, ty, k] = moment.transform;
    const { events } = moment.cluster.recording;
    const small = k < LABEL_ZOOM_MIN || sightings.length > LABELLED_MAX;
    const scale = Math.max(0.86, Math.min(1.3, k));
    for (const { motion, share, presence } of sightings) {
      const event = events[motion.event] as LabEvent;
      if (event.type === 'drop' && share === 1 && isLoss(event)) continue;
      const path = moment.scene.tracks.path(motion.fromPlace, motion.toPlace);
      if (!path) continue;
      const eased = moment.still && share < 1 ? 0 : ease(share);
      const at = pointAlong(path, eased);
      const before = motion.origin >= 0 && share < 1 ? events[motion.origin] : event;
      const look = packetLook(before?.frame ?? event.frame, event.direction);
      const x = at.x * k + tx;
      const y = at.y * k + ty;
      context.globalAlpha = presence < 1 ? presence * 0.9 : 1;
      if (small) {
        context.fillStyle = this.palette.fill(look.tone);
        context.beginPath();
        if (look.shape === 'box' || look.shape === 'hexagon') context.rect(x - 4, y - 4, 8, 8);
        else context.arc(x, y, 4.5, 0, Math.PI * 2);
        context.fill();
        continue;
      }
      const sprite = this.sprites.of(look);
      const width = sprite.width * scale;
      const height = sprite.height * scale;
      if (share > 0.02 && share < 0.98 && path.length > 0) this.arrow(path, eased, x, y, width, height, scale, this.palette.fill(look.tone));
      context.drawImage(sprite.image, x - width / 2, y - height / 2, width, height);
    }
    context.globalAlpha = 1;
  }

  /** An arrowhead where the packet's heading leaves its shape: direction without colour. */
  private arrow(path: Path, share: number, x: number, y: number, width: number, height: number, scale: number, colour: string): void {
    const a = pointAlong(path, Math.max(0, share - 0.01));
    const b = pointAlong(path, Math.min(1, share + 0.01));
    const length = Math.hypot(b.x - a.x, b.y - a.y);
    if (length === 0) return;
    const dx = (b.x - a.x) / length;
    const dy = (b.y - a.y) / length;
    const reach = Math.min(width / 2 / Math.max(Math.abs(dx), 1e-3), height / 2 / Math.max(Math.abs(dy), 1e-3)) - 1;
    const size = 6.5 * scale;
    const { context } = this;
    context.fillStyle = colour;
    context.beginPath();
    context.moveTo(x + dx * (reach + size), y + dy * (reach + size));
    context.lineTo(x + dx * reach - dy * size, y + dy * reach + dx * size);
    context.lineTo(x + dx * reach + dy * size, y + dy * reach - dx * size);
    context.fill();
  }

  /** Crosses where packets were lost; they stay, so that a drop is found again after it happened. */
  private losses(moment: Moment, run: Run): void {
    const [tx, ty, k] = moment.transform;
    const { motions, recording } = moment.cluster;
    const past = motions.losses.filter((m) => m.event >= run.start && m.event < moment.count);
    for (const motion of past.slice(-100)) {
      const at = moment.scene.tracks.pointOf(motion.toPlace);
      if (!at) continue;
      const recent = moment.position - motion.to < DROP_LINGER_BEATS || motion === past.at(-1);
      this.cross(at.x * k + tx, at.y * k + ty, recent ? `Dropped: ${dropText(recording.events[motion.event] as LabEvent)}` : undefined);
    }
  }

  private cross(x: number, y: number, label: string | undefined): void {
    const { context, palette } = this;
    const arm = label === undefined ? 6 : 9;
    context.lineCap = 'round';
    for (const [width, colour] of [
      [8, palette.surface],
      [4, palette.fill('drop')],
    ] as const) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.beginPath();
      context.moveTo(x - arm, y - arm);
      context.lineTo(x + arm, y + arm);
      context.moveTo(x + arm, y - arm);
      context.lineTo(x - arm, y + arm);
      context.stroke();
    }
    if (label === undefined) return;
    context.font = CALLOUT_FONT;
    const width = context.measureText(label).width + 18;
    const left = Math.max(6, Math.min(x - width / 2, this.canvas.clientWidth - width - 6));
    this.card({ x: left, y: y + arm + 8, width, height: 24 }, label, palette.fill('drop'), palette.text('drop'));
  }

  private words(moment: Moment, effects: readonly { effect: Effect; rect: Rect; age: number; index: number }[]): void {
    const [tx, ty, k] = moment.transform;
    if (k < LABEL_ZOOM_MIN) return;
    const view = `${tx}|${ty}|${k}`;
    if (this.calloutsFor !== moment.scene || this.calloutsAt !== view) this.callouts.clear();
    this.calloutsFor = moment.scene;
    this.calloutsAt = view;
    const { context } = this;
    context.font = CALLOUT_FONT;
    const bounds: Rect = { x: 4, y: 4, width: this.canvas.clientWidth - 8, height: this.canvas.clientHeight - 8 };
    const shown = effects.filter((e) => e.effect.text !== undefined).slice(0, CALLOUTS_MAX);
    // The oldest is placed first, so that a newcomer finds its place round those that are there.
    const taken: Rect[] = [];
    for (const { effect, rect, age, index } of [...shown].reverse()) {
      const text = effect.text as string;
      const own = toScreen(rect, moment.transform);
      let box = this.callouts.get(index);
      if (!box) {
        const obstacles = moment.scene.boxes.filter((b) => b.kind !== 'node' && !sameRect(b, rect)).map((b) => toScreen(b, moment.transform));
        box = placeCallout(own, context.measureText(text).width + 18, 24, obstacles, taken, bounds);
        this.callouts.set(index, box);
      }
      taken.push(box);
      context.globalAlpha = Math.max(0, Math.min(1, (EFFECT_BEATS - age) * 2.5));
      this.card(box, text, this.palette.fill(effect.tone), this.palette.text(effect.tone));
    }
    context.globalAlpha = 1;
  }

  private card(box: Rect, text: string, border: string, ink: string): void {
    const { context } = this;
    context.beginPath();
    context.roundRect(box.x, box.y, box.width, box.height, 6);
    context.fillStyle = this.palette.surface;
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = border;
    context.stroke();
    context.font = CALLOUT_FONT;
    context.textAlign = 'left';
    context.textBaseline = 'middle';
    context.fillStyle = ink;
    context.fillText(text, box.x + 9, box.y + box.height / 2 + 0.5);
  }

  private dragLine({ start, end, over }: Drag): void {
    const { context, palette } = this;
    context.strokeStyle = palette.accent;
    context.fillStyle = palette.accent;
    context.lineWidth = 2.5;
    context.setLineDash(over === undefined ? [6, 6] : []);
    context.beginPath();
    context.moveTo(start.x, start.y);
    context.lineTo(end.x, end.y);
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    context.arc(end.x, end.y, 5, 0, Math.PI * 2);
    context.fill();
  }
}

const ease = (t: number): number => (t <= 0 ? 0 : t >= 1 ? 1 : t * t * (3 - 2 * t));
const toScreen = (r: Rect, [tx, ty, k]: Moment['transform']): Rect => ({ x: r.x * k + tx, y: r.y * k + ty, width: r.width * k, height: r.height * k });
const sameRect = (a: Rect, b: Rect): boolean => a.x === b.x && a.y === b.y && a.width === b.width;
