import { type Actor, createActor } from 'xstate';
import type { Engine, Input, SourceFile } from '../protocol/engine.ts';
import { EMPTY_STATE, type LabState } from '../protocol/fold.ts';
import { engineMachine } from './machines/engine-machine.ts';
import { defaultTraffic, type Traffic } from './send/default-traffic.ts';
import { createPlayheadStore, type PlayheadStore } from './stores/playhead-store.ts';
import { addRun, appendBatch, clusterOf, createRecordingStore, type RecordingStore } from './stores/recording-store.ts';
import { createSceneStore, createScreenStore, type SceneStore, type ScreenStore } from './stores/screen-store.ts';
import { createTransport, type Transport } from './timeline/transport.ts';

/** Everything behind the screen: stores to read, and what a person can do. One per page, handed down by context. */
export interface Lab {
  readonly recordings: RecordingStore;
  readonly playhead: PlayheadStore;
  readonly screen: ScreenStore;
  readonly scenes: SceneStore;
  readonly transport: Transport;
  readonly lifecycle: Actor<typeof engineMachine>;
  readonly engine: () => Engine;
  /** State of every table at the playhead. */
  stateAt(count: number): LabState;
  /** Replaces the cluster and replays `inputs`; true when it was loaded. On problems what was there stays, and the problems are on the screen. */
  load(files: readonly SourceFile[], inputs?: readonly Input[]): Promise<boolean>;
  /** Sends and plays it from its start. */
  send(traffic: Traffic): Promise<void>;
  /** A new engine with the same cluster and the same inputs. */
  restart(): Promise<void>;
}

export interface LabOptions {
  readonly createEngine: () => Engine;
  readonly theme: 'light' | 'dark';
  readonly reducedMotion: () => boolean;
}

export function createLab({ createEngine, theme, reducedMotion }: LabOptions): Lab {
  const recordings = createRecordingStore();
  const playhead = createPlayheadStore();
  const screen = createScreenStore(theme);
  const scenes = createSceneStore();
  const transport = createTransport(recordings, playhead, reducedMotion);
  const lifecycle = createActor(engineMachine).start();
  const log: Input[] = [];
  let engine = listen(createEngine());

  function listen(made: Engine): Engine {
    made.onBatch((batch) => recordings.setState((state) => appendBatch(state, batch)));
    return made;
  }

  /** Counts the work and turns a failed promise, which only a crash makes, into the crashed state. */
  async function working<T>(work: () => Promise<T>): Promise<T | undefined> {
    lifecycle.send({ type: 'began' });
    try {
      return await work();
    } catch (error) {
      lifecycle.send({ type: 'crashed', message: error instanceof Error ? error.message : String(error) });
      return undefined;
    } finally {
      lifecycle.send({ type: 'ended' });
    }
  }

  async function apply(input: Input): Promise<boolean> {
    const start = recordings.getState().cluster?.recording.length ?? 0;
    const answer = await working(() => engine.input(input));
    if (!answer) return false;
    if (!answer.accepted) {
      screen.setState({ notice: { tone: 'error', title: 'That was not sent', detail: answer.reason } });
      return false;
    }
    log.push(input);
    recordings.setState((state) => addRun(state, start));
    return true;
  }

  async function load(files: readonly SourceFile[], inputs: readonly Input[] = []): Promise<boolean> {
    const answer = await working(() => engine.load(files));
    if (!answer) return false;
    if (!answer.loaded) {
      screen.setState({ problems: answer.problems });
      return false;
    }
    transport.pause();
    log.length = 0;
    playhead.setState({ position: 0, count: 0, run: -1 });
    recordings.setState((state) => ({ cluster: clusterOf(files, answer), runs: [], version: state.version + 1 }));
    screen.setState({
      problems: answer.topology.problems,
      selected: undefined,
      pinned: [],
      traffic: defaultTraffic(answer.topology),
      draft: {},
      notice: undefined,
      follow: true,
    });
    lifecycle.send({ type: 'loaded' });
    for (const input of inputs) await apply(input);
    const runs = recordings.getState().runs.length;
    if (runs > 0) transport.selectRun(runs - 1);
    return true;
  }

  return {
    recordings,
    playhead,
    screen,
    scenes,
    transport,
    lifecycle,
    engine: () => engine,
    stateAt: (count) => recordings.getState().cluster?.recording.stateAt(count) ?? EMPTY_STATE,
    load,
    async send(traffic) {
      if (!lifecycle.getSnapshot().matches('ready') || lifecycle.getSnapshot().context.pending > 0) return;
      screen.setState({ traffic, notice: undefined, follow: true });
      transport.pause();
      if (!(await apply({ type: 'send', ...traffic }))) return;
      transport.selectRun(recordings.getState().runs.length - 1);
      transport.toggle();
    },
    async restart() {
      const files = recordings.getState().cluster?.files;
      engine.dispose();
      engine = listen(createEngine());
      lifecycle.send({ type: 'restart' });
      if (files) await load(files, [...log]);
    },
  };
}
