import { type Actor, createActor, fromCallback } from 'xstate';
import { playbackMachine } from '../machines/playback-machine.ts';
import type { PlayheadStore } from '../stores/playhead-store.ts';
import type { Cluster, RecordingStore } from '../stores/recording-store.ts';
import type { Run } from '../stores/runs.ts';
import { BEATS_PER_SECOND } from './axis.ts';

/** A glide takes this long, whatever the distance; farther than `GLIDE_BEATS_MAX` it is a jump. */
const GLIDE_MS = 380;
const GLIDE_BEATS_MAX = 9;
/** After the last event the packet's end stays in sight for a moment. */
const TAIL_BEATS = 0.6;

export type PlaybackActor = Actor<typeof playbackMachine>;

/** Play, step and jump: the only place that moves the playhead. */
export interface Transport {
  readonly playback: PlaybackActor;
  /** The part of the axis that the timeline shows. */
  window(): { readonly from: number; readonly settled: number; readonly to: number };
  seek(position: number): void;
  /** To the moment just after event `index`; nearby it travels there, so that the packet is seen to move. */
  goTo(index: number): void;
  selectRun(run: number): void;
  toStart(): void;
  toEnd(): void;
  /** Plays from where the playhead is; from the start when it is at the end. */
  toggle(): void;
  pause(): void;
}

export function createTransport(recordings: RecordingStore, playhead: PlayheadStore, reducedMotion: () => boolean): Transport {
  let target = 0;
  const cluster = (): Cluster | undefined => recordings.getState().cluster;
  const run = (): Run | undefined => recordings.getState().runs[playhead.getState().run];

  const window = (): { from: number; settled: number; to: number } => {
    const axis = cluster()?.axis;
    const shown = run();
    if (!axis || !shown) return { from: 0, settled: 0, to: 0 };
    const to = axis.positionOf(shown.end - 1);
    return {
      from: axis.positionOf(shown.start - 1),
      settled: Math.min(to, axis.positionOf(shown.settled)) + TAIL_BEATS,
      to: to + TAIL_BEATS,
    };
  };

  const seek = (position: number): void => {
    const axis = cluster()?.axis;
    if (!axis) return;
    const { from, to } = window();
    const bounded = Math.max(from, Math.min(to, position));
    const shown = run();
    const count = Math.max(shown?.start ?? 0, Math.min(shown?.end ?? 0, axis.countAt(bounded)));
    const now = playhead.getState();
    if (now.position !== bounded || now.count !== count) playhead.setState({ position: bounded, count });
  };

  const playing = fromCallback(({ sendBack }) => {
    let last = performance.now();
    let frame = requestAnimationFrame(function tick(now) {
      // A tab that was hidden must not leap.
      const elapsedMs = Math.min(now - last, 100);
      last = now;
      const { settled, to } = window();
      const before = playhead.getState().position;
      const end = before < settled ? settled : to;
      const next = Math.min(end, before + (elapsedMs / 1000) * BEATS_PER_SECOND * playback.getSnapshot().context.speed);
      seek(next);
      if (next >= end) sendBack({ type: 'arrived' });
      else frame = requestAnimationFrame(tick);
    });
    return () => cancelAnimationFrame(frame);
  });

  const gliding = fromCallback(({ sendBack }) => {
    const start = playhead.getState().position;
    const began = performance.now();
    let frame = requestAnimationFrame(function tick(now) {
      const share = Math.min(1, (now - began) / GLIDE_MS);
      seek(share === 1 ? target : start + (target - start) * (1 - (1 - share) ** 3));
      if (share === 1) sendBack({ type: 'arrived' });
      else frame = requestAnimationFrame(tick);
    });
    return () => cancelAnimationFrame(frame);
  });

  const playback = createActor(playbackMachine.provide({ actors: { play: playing, glide: gliding } })).start();
  const pause = (): void => playback.send({ type: 'pause' });

  return {
    playback,
    window,
    seek(position) {
      pause();
      seek(position);
    },
    goTo(index) {
      const axis = cluster()?.axis;
      if (!axis) return;
      target = axis.positionOf(index);
      const distance = Math.abs(target - playhead.getState().position);
      if (distance > GLIDE_BEATS_MAX || reducedMotion()) {
        pause();
        seek(target);
      } else playback.send({ type: 'glide' });
    },
    selectRun(index) {
      pause();
      playhead.setState({ run: index });
      seek(window().from);
    },
    toStart() {
      pause();
      seek(window().from);
    },
    toEnd() {
      pause();
      const { settled, to } = window();
      seek(playhead.getState().position >= settled ? to : settled);
    },
    toggle() {
      const { from, settled, to } = window();
      if (!playback.getSnapshot().matches('playing')) {
        const { position } = playhead.getState();
        if (position >= to || Math.abs(position - settled) < 1e-6) seek(from);
      }
      playback.send({ type: 'toggle' });
    },
    pause,
  };
}
