import { assign, fromCallback, setup } from 'xstate';

export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8] as const;

/** Paused, playing, or gliding to a moment that a step or a click asked for. `clock` moves the playhead and is given by the lab. */
export const playbackMachine = setup({
  types: {
    context: {} as { readonly speed: number },
    events: {} as
      | { type: 'play' }
      | { type: 'pause' }
      | { type: 'toggle' }
      | { type: 'glide' }
      | { type: 'arrived' }
      | { type: 'speed'; speed: number },
  },
  actors: { play: fromCallback(() => {}), glide: fromCallback(() => {}) },
}).createMachine({
  id: 'playback',
  context: { speed: 1 },
  initial: 'paused',
  on: { speed: { actions: assign({ speed: ({ event }) => event.speed }) } },
  states: {
    paused: { on: { play: 'playing', toggle: 'playing', glide: 'gliding' } },
    playing: { invoke: { src: 'play' }, on: { pause: 'paused', toggle: 'paused', arrived: 'paused', glide: 'gliding' } },
    gliding: {
      invoke: { src: 'glide' },
      on: { arrived: 'paused', pause: 'paused', play: 'playing', toggle: 'playing', glide: { target: 'gliding', reenter: true } },
    },
  },
});
