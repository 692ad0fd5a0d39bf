import type { PacketLook } from './packet-look.ts';
import type { Palette } from './palette.ts';

export interface Sprite {
  readonly image: HTMLCanvasElement;
  /** In CSS pixels at scale 1. */
  readonly width: number;
  readonly height: number;
}

const FONT = '700 12px "JetBrains Mono Variable", ui-monospace, monospace';
const HEIGHT = 24;
const MARGIN = 3;
/** Drawn larger than shown, so that it stays sharp when the map is zoomed. */
const FINENESS = 1.5;

/** Pictures of packets: one per look, drawn once and then only copied, which is what lets a thousand move at once. */
export class SpriteSheet {
  private readonly sprites = new Map<string, Sprite>();
  private readonly palette: Palette;
  private readonly ratio: number;

  constructor(palette: Palette, ratio: number) {
    this.palette = palette;
    this.ratio = ratio;
  }

  of(look: PacketLook): Sprite {
    const key = `${look.shape}|${look.tone}|${look.hollow}|${look.label}`;
    let sprite = this.sprites.get(key);
    if (!sprite) {
      sprite = this.draw(look);
      this.sprites.set(key, sprite);
    }
    return sprite;
  }

  private draw(look: PacketLook): Sprite {
    const image = document.createElement('canvas');
    const probe = image.getContext('2d') as CanvasRenderingContext2D;
    probe.font = FONT;
    const inner = Math.ceil(probe.measureText(look.label).width) + (look.shape === 'box' ? 18 : 26);
    const width = inner + 2 * MARGIN;
    const height = HEIGHT + 2 * MARGIN;
    const fine = this.ratio * FINENESS;
    image.width = Math.ceil(width * fine);
    image.height = Math.ceil(height * fine);
    const context = image.getContext('2d') as CanvasRenderingContext2D;
    context.scale(fine, fine);
    const { palette } = this;
    // A rim in the canvas colour parts it from the line that it runs on.
    context.lineJoin = 'round';
    outline(context, look, MARGIN, MARGIN, inner, HEIGHT);
    context.lineWidth = 5;
    context.strokeStyle = palette.canvas;
    context.stroke();
    context.fillStyle = look.hollow ? palette.surface : palette.fill(look.tone);
    context.fill();
    if (look.hollow) {
      context.lineWidth = 2.25;
      context.strokeStyle = palette.fill(look.tone);
      context.stroke();
    }
    context.font = FONT;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    context.fillStyle = look.hollow ? palette.text(look.tone) : palette.ink(look.tone);
    context.fillText(look.label, width / 2 - (look.hollow ? 2 : 0), height / 2 + 0.75);
    return { image, width, height };
  }
}

/** The protocol's shape; a reply has a notch cut into its tail. */
function outline(context: CanvasRenderingContext2D, look: PacketLook, x: number, y: number, w: number, h: number): void {
  const right = x + w;
  const middle = y + h / 2;
  const notch = look.hollow ? 6 : 0;
  context.beginPath();
  switch (look.shape) {
    case 'pill': {
      const r = h / 2;
      context.moveTo(x + r, y);
      if (notch > 0) {
        context.lineTo(right, y);
        context.lineTo(right - notch, middle);
        context.lineTo(right, y + h);
      } else {
        context.lineTo(right - r, y);
        context.arc(right - r, middle, r, -Math.PI / 2, Math.PI / 2);
      }
      context.lineTo(x + r, y + h);
      context.arc(x + r, middle, r, Math.PI / 2, -Math.PI / 2);
      break;
    }
    case 'hexagon':
      context.moveTo(x, middle);
      context.lineTo(x + 9, y);
      context.lineTo(notch > 0 ? right : right - 9, y);
      context.lineTo(notch > 0 ? right - 8 : right, middle);
      context.lineTo(notch > 0 ? right : right - 9, y + h);
      context.lineTo(x + 9, y + h);
      break;
    case 'box':
      context.moveTo(x, y);
      context.lineTo(right, y);
      context.lineTo(right - notch, middle);
      context.lineTo(right, y + h);
      context.lineTo(x, y + h);
      break;
    case 'slant':
      context.moveTo(x + 8, y);
      context.lineTo(right, y);
      context.lineTo(notch > 0 ? right - 9 : right - 4, middle);
      context.lineTo(notch > 0 ? right - 2 : right - 8, y + h);
      context.lineTo(x, y + h);
      break;
  }
  context.closePath();
}
