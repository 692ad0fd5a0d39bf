import { useStoreApi } from '@xyflow/react';
import { type RefObject, useEffect, useRef } from 'react';
import { useLab } from '../stores/lab-store.ts';
import { isStill, playback } from '../timeline/playback.ts';
import { isPassing, LINGER_BEATS, type Motion, motionsOf, type PacketKind, shareAt } from './motions.ts';
import type { Scene } from './scene.ts';
import { type Path, pointAlong } from './tracks.ts';

interface Colours {
  readonly kinds: Readonly<Record<PacketKind, string>>;
  readonly drop: string;
  readonly text: string;
  readonly panel: string;
}

function readColours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const dark = document.documentElement.dataset.theme === 'dark';
  const read = (name: string, light: string, night: string): string => style.getPropertyValue(name).trim() || (dark ? night : light);
  return {
    kinds: {
      arp: read('--okabe-orange', '#e69f00', '#f0b429'),
      tcp: read('--okabe-blue', '#0072b2', '#4aa3df'),
      udp: read('--okabe-green', '#009e73', '#34c79a'),
      icmp: read('--okabe-purple', '#cc79a7', '#e094bf'),
      other: read('--muted', '#5b6472', '#9aa4b2'),
    },
    drop: read('--okabe-vermillion', '#d55e00', '#ff7a3d'),
    text: read('--text', '#14181f', '#e8ecf2'),
    panel: read('--panel', '#ffffff', '#161a21'),
  };
}

/** Dark letters on light fills, light ones on dark fills. */
function inkOn(fill: string, probe: CanvasRenderingContext2D): string {
  probe.fillStyle = fill;
  const hex = /^#(..)(..)(..)/.exec(String(probe.fillStyle));
  if (!hex) return '#fff';
  const [r, g, b] = hex.slice(1).map((part) => (Number.parseInt(part, 16) / 255) ** 2.2) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.25 ? '#0d1117' : '#fff';
}

const FONT = '600 12px "JetBrains Mono Variable", ui-monospace, monospace';
const PILL_HEIGHT = 22;

interface Sprite {
  readonly image: HTMLCanvasElement;
  readonly width: number;
  readonly height: number;
}

/** The outline of a packet's pill: the kind has its own shape, so that colour is never alone in telling it. */
function outline(context: CanvasRenderingContext2D, kind: PacketKind, x: number, y: number, w: number, h: number): void {
  context.beginPath();
  if (kind === 'icmp') {
    const cut = h / 2;
    context.moveTo(x, y + cut);
    context.lineTo(x + cut * 0.7, y);
    context.lineTo(x + w - cut * 0.7, y);
    context.lineTo(x + w, y + cut);
    context.lineTo(x + w - cut * 0.7, y + h);
    context.lineTo(x + cut * 0.7, y + h);
    context.closePath();
  } else context.roundRect(x, y, w, h, kind === 'arp' ? 3 : kind === 'udp' ? 7 : h / 2);
}

class Painter {
  private readonly sprites = new Map<string, Sprite>();
  private readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private colours = readColours();
  private ratio = 1;

  constructor(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D) {
    this.canvas = canvas;
    this.context = context;
  }

  themeChanged(): void {
    this.colours = readColours();
    this.sprites.clear();
  }

  resize(): void {
    const ratio = devicePixelRatio || 1;
    if (ratio !== this.ratio) this.sprites.clear();
    this.ratio = ratio;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
  }

  draw(scene: Scene, [tx, ty, zoom]: readonly [number, number, number]): void {
    const { context, ratio } = this;
    const { recording, axis, flow } = useLab.getState();
    const motions = motionsOf(recording, axis);
    const { beat } = playback;
    const still = isStill();
    const scale = Math.max(0.8, Math.min(1.25, zoom));
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);

    for (const drop of motions.drops) {
      if (drop.at > beat) break;
      const age = beat - drop.at;
      const passing = isPassing(drop.reason);
      if (age > (passing ? LINGER_BEATS : drop.flow === flow && flow !== 0 ? Number.POSITIVE_INFINITY : 5)) continue;
      const point = scene.tracks.pointOf(drop.place);
      if (point)
        this.cross(point.x * zoom + tx, point.y * zoom + ty, passing ? '' : drop.label, scale, passing ? 1 - age / LINGER_BEATS : 1);
    }
    for (const motion of motions.at(beat)) {
      const path = scene.tracks.path(motion.from, motion.to);
      if (!path) continue;
      const share = shareAt(motion, beat, still);
      const point = pointAlong(path, share);
      const moving = share > 0 && share < 1 && path.length > 0;
      context.globalAlpha = beat <= motion.end ? 1 : Math.max(0, 1 - (beat - motion.end) / LINGER_BEATS);
      this.packet(motion, point.x * zoom + tx, point.y * zoom + ty, scale, moving ? headingAt(path, share) : undefined);
    }
    context.globalAlpha = 1;
  }

  private packet(motion: Motion, x: number, y: number, scale: number, heading: readonly [number, number] | undefined): void {
    const { context } = this;
    const sprite = this.sprite(motion);
    const w = sprite.width * scale;
    const h = sprite.height * scale;
    if (heading) {
      const [dx, dy] = heading;
      // The arrowhead sits where the heading leaves the pill.
      const reach = Math.min(w / 2 / Math.max(Math.abs(dx), 1e-3), h / 2 / Math.max(Math.abs(dy), 1e-3)) - 1;
      const size = 6 * scale;
      const ax = x + dx * reach;
      const ay = y + dy * reach;
      context.fillStyle = this.colours.kinds[motion.kind];
      context.beginPath();
      context.moveTo(ax + dx * size, ay + dy * size);
      context.lineTo(ax - dy * size, ay + dx * size);
      context.lineTo(ax + dy * size, ay - dx * size);
      context.fill();
    }
    context.drawImage(sprite.image, x - w / 2, y - h / 2, w, h);
  }

  private sprite(motion: Motion): Sprite {
    const key = `${motion.kind}|${motion.reply}|${motion.label}`;
    const made = this.sprites.get(key);
    if (made) return made;
    const { ratio, colours } = this;
    this.context.font = FONT;
    const width = Math.ceil(this.context.measureText(motion.label).width) + 22;
    const height = PILL_HEIGHT + 4;
    const image = document.createElement('canvas');
    // Twice the size, so that a zoomed pill stays sharp.
    const fine = ratio * 1.5;
    image.width = Math.ceil(width * fine);
    image.height = Math.ceil(height * fine);
    const context = image.getContext('2d');
    if (context) {
      context.scale(fine, fine);
      const colour = colours.kinds[motion.kind];
      outline(context, motion.kind, 2, 2, width - 4, PILL_HEIGHT);
      context.fillStyle = motion.reply ? colours.panel : colour;
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = motion.reply ? colour : colours.panel;
      context.stroke();
      context.font = FONT;
      context.textAlign = 'center';
      context.textBaseline = 'middle';
      context.fillStyle = motion.reply ? colours.text : inkOn(colour, this.context);
      context.fillText(motion.label, width / 2, height / 2 + 0.5);
    }
    const sprite = { image, width, height };
    this.sprites.set(key, sprite);
    return sprite;
  }

  private cross(x: number, y: number, label: string, scale: number, alpha: number): void {
    const { context, colours } = this;
    const arm = (label ? 9 : 6) * scale;
    context.globalAlpha = Math.max(0, alpha);
    context.lineCap = 'round';
    for (const [width, colour] of [
      [7, colours.panel],
      [3.5, colours.drop],
    ] as const) {
      context.lineWidth = width * scale;
      context.strokeStyle = colour;
      context.beginPath();
      context.moveTo(x - arm, y - arm);
      context.lineTo(x + arm, y + arm);
      context.moveTo(x + arm, y - arm);
      context.lineTo(x - arm, y + arm);
      context.stroke();
    }
    if (label) {
      context.font = '600 12px "Source Sans 3 Variable", system-ui, sans-serif';
      const width = context.measureText(label).width + 14;
      const left = Math.max(4, Math.min(x - width / 2, this.canvas.clientWidth - width - 4));
      const top = y + arm + 6;
      context.beginPath();
      context.roundRect(left, top, width, 22, 5);
      context.fillStyle = colours.panel;
      context.fill();
      context.lineWidth = 1.5;
      context.strokeStyle = colours.drop;
      context.stroke();
      context.fillStyle = colours.text;
      context.textAlign = 'left';
      context.textBaseline = 'middle';
      context.fillText(label, left + 7, top + 11.5);
    }
    context.globalAlpha = 1;
  }
}

function headingAt(path: Path, share: number): readonly [number, number] {
  const a = pointAlong(path, share - 0.01);
  const b = pointAlong(path, share + 0.01);
  const length = Math.hypot(b.x - a.x, b.y - a.y) || 1;
  return [(b.x - a.x) / length, (b.y - a.y) / length];
}

/** All packets, on one canvas above the map. It draws when the playhead, the map or the theme moved, and renders nothing in React. */
export function PacketLayer({ scene }: { readonly scene: RefObject<Scene> }) {
  const ref = useRef<HTMLCanvasElement>(null);
  const flowStore = useStoreApi();
  useEffect(() => {
    const canvas = ref.current;
    const context = canvas?.getContext('2d');
    if (!canvas || !context) return;
    const painter = new Painter(canvas, context);
    let frame = 0;
    const draw = (): void => {
      frame = 0;
      painter.draw(scene.current, flowStore.getState().transform);
    };
    const schedule = (): void => {
      if (frame === 0) frame = requestAnimationFrame(draw);
    };
    const size = new ResizeObserver(() => {
      painter.resize();
      schedule();
    });
    size.observe(canvas);
    const theme = new MutationObserver(() => {
      painter.themeChanged();
      schedule();
    });
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme', 'class', 'style'] });
    const stops = [playback.onChange(schedule), flowStore.subscribe(schedule), useLab.subscribe(schedule)];
    document.fonts?.ready.then(() => {
      painter.themeChanged();
      schedule();
    });
    return () => {
      cancelAnimationFrame(frame);
      size.disconnect();
      theme.disconnect();
      for (const stop of stops) stop();
    };
  }, [flowStore, scene]);
  return <canvas ref={ref} className="packet-layer" />;
}
