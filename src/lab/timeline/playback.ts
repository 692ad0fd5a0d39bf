import { useLab } from '../stores/lab-store.ts';
import { BEATS_PER_SECOND, type PresentationAxis } from './axis.ts';

/** A frame that took longer, because the page was hidden, counts as this long. */
const FRAME_SECONDS_MAX = 0.1;
/**
 * Packets move with every frame, but what React draws follows at this pace: words and tables cannot be
 * read faster, and no frame waits for them.
 */
const SEEK_EVERY_MS = 125;
/** A single step glides for this long. */
const GLIDE_SECONDS = 0.28;

/** The beat after `seconds` of playing, never beyond the end. */
export function advance(beat: number, seconds: number, speed: number, end: number): number {
  return Math.min(end, beat + Math.min(seconds, FRAME_SECONDS_MAX) * BEATS_PER_SECOND * speed);
}

/** The beat at which exactly `position` events have happened. */
export const beatOf = (axis: PresentationAxis, position: number): number => axis.positionOf(position - 1);

export const isStill = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches;

/**
 * The playhead between events. The store holds the number of events that have happened; this holds
 * the beat, changes every frame while playing, and tells those who draw without React.
 */
class Playback {
  private current = 0;
  private frame = 0;
  private last = 0;
  private soughtAt = 0;
  private sought = -1;
  private glide: { readonly from: number; readonly to: number; passed: number } | undefined;
  private readonly listeners = new Set<() => void>();

  get beat(): number {
    return this.current;
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Follows the store until the function that it returns is called. */
  start(): () => void {
    const { axis, position } = useLab.getState();
    this.set(beatOf(axis, position));
    this.run();
    const stop = useLab.subscribe((state, before) => {
      const moved = state.position !== before.position && state.position !== this.sought;
      if (state.axis !== before.axis || moved || (state.playing && !before.playing)) this.jump(state, before);
      if (before.playing && !state.playing && !moved && state.axis === before.axis) this.catchUp();
      if (state.playing !== before.playing) this.run();
    });
    return () => {
      stop();
      cancelAnimationFrame(this.frame);
      this.frame = 0;
    };
  }

  private jump(state: { axis: PresentationAxis; position: number; playing: boolean }, before: typeof state): void {
    this.sought = -1;
    const target = beatOf(state.axis, state.position);
    const stepped = state.axis === before.axis && !state.playing && !before.playing && state.position === before.position + 1;
    if (!stepped || isStill()) {
      this.glide = undefined;
      // Resuming goes on from where the pause came, between two events.
      if (state.playing && !before.playing && state.axis.countAt(this.current) === state.position) return;
      this.set(target);
      return;
    }
    this.glide = { from: Math.max(this.current, target - 3), to: target, passed: 0 };
    this.run();
  }

  /** Paused between two steps of the store: it takes in what was drawn already. */
  private catchUp(): void {
    const { axis, position, seek } = useLab.getState();
    const count = axis.countAt(this.current);
    if (count === position) return;
    this.sought = count;
    seek(count);
  }

  private run(): void {
    if (this.frame !== 0 || !(useLab.getState().playing || this.glide)) return;
    this.last = performance.now();
    this.frame = requestAnimationFrame(this.tick);
  }

  private readonly tick = (now: number): void => {
    this.frame = 0;
    const seconds = Math.max(0, (now - this.last) / 1000);
    this.last = now;
    const { playing, speed, axis, position, length, pending, seek, setPlaying } = useLab.getState();
    if (playing) {
      this.glide = undefined;
      this.set(advance(this.current, seconds, speed, axis.end));
      const count = axis.countAt(this.current);
      const atEnd = this.current >= axis.end && count >= length;
      if (count !== position && (atEnd || now - this.soughtAt >= SEEK_EVERY_MS)) {
        this.sought = count;
        this.soughtAt = now;
        seek(count, true);
      }
      if (atEnd && !pending) setPlaying(false);
    } else if (this.glide) {
      const { glide } = this;
      glide.passed = Math.min(1, glide.passed + seconds / GLIDE_SECONDS);
      if (glide.passed >= 1) this.glide = undefined;
      this.set(glide.from + (glide.to - glide.from) * glide.passed);
    }
    if (this.glide || useLab.getState().playing) this.frame = requestAnimationFrame(this.tick);
  };

  private set(beat: number): void {
    if (beat === this.current) return;
    this.current = beat;
    for (const listener of this.listeners) listener();
  }
}

export const playback = new Playback();
