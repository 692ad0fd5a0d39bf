import { assign, setup } from 'xstate';

/**
 * Life of the engine as the screen sees it. Work is counted, since a person may send again before an
 * answer is there.
 */
export const engineMachine = setup({
  types: {
    context: {} as { readonly pending: number; readonly crash: string | undefined },
    events: {} as { type: 'loaded' } | { type: 'began' } | { type: 'ended' } | { type: 'crashed'; message: string } | { type: 'restart' },
  },
}).createMachine({
  id: 'engine',
  context: { pending: 0, crash: undefined },
  initial: 'booting',
  on: {
    began: { actions: assign({ pending: ({ context }) => context.pending + 1 }) },
    ended: { actions: assign({ pending: ({ context }) => Math.max(0, context.pending - 1) }) },
    crashed: { target: '.crashed', actions: assign({ crash: ({ event }) => event.message, pending: 0 }) },
  },
  states: {
    booting: { on: { loaded: 'ready' } },
    ready: {},
    crashed: { on: { restart: { target: 'booting', actions: assign({ crash: undefined }) }, began: {}, ended: {} } },
  },
});
