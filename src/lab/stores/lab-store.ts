import { create } from 'zustand';
import type { Engine, FlowSummary, Input, PossibleOutcomes, SourceFile } from '../../protocol/engine.ts';
import type { ProxyMode } from '../../protocol/event.ts';
import { EMPTY_STATE, type LabState } from '../../protocol/fold.ts';
import type { Problem, Topology } from '../../protocol/view.ts';
import { PresentationAxis } from '../timeline/axis.ts';
import { Recording } from './recording.ts';

/** The tab of the right panel. */
export type PanelTab = 'journey' | 'packet' | 'tables' | 'services';

type Send = Extract<Input, { type: 'send' }>;

/** Traffic that was sent more than once: what its connections were expected to do, and which they are. */
export interface Batch {
  readonly send: Send;
  readonly flows: readonly number[];
  readonly outcomes: PossibleOutcomes;
}

/** kube-proxy of one node wrote its rules in this mode, with the event of this index. */
interface ProxySynced {
  readonly index: number;
  readonly netns: string;
  readonly mode: ProxyMode;
}

export interface LabStore {
  readonly engine: Engine | undefined;
  readonly phase: 'booting' | 'ready' | 'crashed';
  /** A load or an input is under way. */
  readonly pending: boolean;
  readonly files: readonly SourceFile[];
  readonly topology: Topology | undefined;
  /** Why the last load was refused; empty when it was not. */
  readonly problems: readonly Problem[];
  /** Why the last input was refused. */
  readonly notice: string | undefined;
  readonly recording: Recording;
  readonly axis: PresentationAxis;
  /** Number of events recorded; changes when a batch comes. */
  readonly length: number;
  /** The playhead: how many events have happened. Everything on the screen is the state after that many. */
  readonly position: number;
  readonly playing: boolean;
  readonly speed: number;
  readonly flows: readonly FlowSummary[];
  /** The flow that the journey and the canvas follow; 0 for none. */
  readonly flow: number;
  /** The namespace that the tables show; undefined follows the playhead. */
  readonly netns: string | undefined;
  readonly tab: PanelTab;
  readonly lastSend: Send | undefined;
  readonly batches: readonly Batch[];
  readonly synced: readonly ProxySynced[];
  /** Flows that have ended, with the index of the event that ended them. Grows with `length`. */
  readonly endedAt: ReadonlyMap<number, number>;
  /** The Service that is looked at, as `NAMESPACE/NAME`. */
  readonly service: string | undefined;

  /** Loads `files`, or when they are refused `otherwise`; answers why they were refused, with nothing when they were not. */
  boot(engine: Engine, files: readonly SourceFile[], otherwise: readonly SourceFile[]): Promise<readonly Problem[]>;
  /** On problems what was loaded stays. Returns whether it was loaded. */
  load(files: readonly SourceFile[]): Promise<boolean>;
  /** Sends, then plays from the start of the new flow. */
  send(input: Send): Promise<void>;
  /** Restarts every kube-proxy in another mode; answers why not, where it is refused. */
  setProxyMode(mode: ProxyMode): Promise<string | undefined>;
  /** Moves the playhead and pauses, unless `keepPlaying`. */
  seek(position: number, keepPlaying?: boolean): void;
  step(by: 1 | -1): void;
  setPlaying(playing: boolean): void;
  setSpeed(speed: number): void;
  follow(flow: number): void;
  inspect(netns: string | undefined): void;
  lookAtService(service: string | undefined): void;
  show(tab: PanelTab): void;
  dismissNotice(): void;
}

export const useLab = create<LabStore>()((set, get) => {
  const receive = (events: Parameters<Recording['append']>[0], epoch: number): void => {
    const { recording, axis, flows } = get();
    if (epoch !== recording.epoch) return;
    const before = recording.length;
    recording.append(events);
    const fresh = recording.events.slice(before);
    axis.append(fresh);
    const summaries = new Map(flows.map((f) => [f.flow, f]));
    const synced: ProxySynced[] = [];
    const ended = new Map(get().endedAt);
    fresh.forEach((event, i) => {
      if (event.type === 'proxySynced') synced.push({ index: before + i, netns: event.netns, mode: event.data.mode });
      if (event.type === 'flowStarted')
        summaries.set(event.flow, { flow: event.flow, ...event.data, startSeq: event.seq, outcome: undefined });
      if (event.type === 'flowEnded') ended.set(event.flow, before + i);
      const known = event.type === 'flowEnded' ? summaries.get(event.flow) : undefined;
      if (known && event.type === 'flowEnded') summaries.set(event.flow, { ...known, outcome: event.data });
    });
    set({
      length: recording.length,
      flows: [...summaries.values()],
      endedAt: ended,
      ...(synced.length > 0 ? { synced: [...get().synced, ...synced] } : {}),
    });
  };

  const reset = (
    epoch: number,
    state: LabState,
  ): Pick<
    LabStore,
    'recording' | 'axis' | 'length' | 'position' | 'playing' | 'flows' | 'flow' | 'netns' | 'batches' | 'synced' | 'service' | 'endedAt'
  > => ({
    recording: new Recording(epoch, state),
    axis: new PresentationAxis(state.timeNs),
    length: 0,
    position: 0,
    playing: false,
    flows: [],
    flow: 0,
    netns: undefined,
    batches: [],
    synced: [],
    endedAt: new Map(),
    service: undefined,
  });

  return {
    engine: undefined,
    phase: 'booting',
    pending: false,
    files: [],
    topology: undefined,
    problems: [],
    notice: undefined,
    ...reset(0, EMPTY_STATE),
    speed: 1,
    tab: 'journey',
    lastSend: undefined,

    async boot(engine, files, otherwise) {
      engine.onBatch((batch) => receive(batch.events, batch.epoch));
      set({ engine });
      const loaded = await get().load(files);
      const refused = loaded ? [] : get().problems;
      if (!loaded && get().phase === 'booting') await get().load(otherwise);
      set({ phase: get().topology ? 'ready' : 'crashed' });
      return refused;
    },
    async load(files) {
      const engine = get().engine;
      if (!engine) return false;
      set({ pending: true });
      try {
        const answer = await engine.load(files);
        if (!answer.loaded) {
          set({ problems: answer.problems });
          return false;
        }
        set({
          ...reset(answer.epoch, answer.state),
          files,
          topology: answer.topology,
          problems: [],
          notice: undefined,
          lastSend: undefined,
        });
        return true;
      } catch (error) {
        set({ phase: 'crashed', notice: error instanceof Error ? error.message : String(error) });
        return false;
      } finally {
        set({ pending: false });
      }
    },
    async send(input) {
      const { engine, recording } = get();
      if (!engine || get().pending) return;
      const start = recording.length;
      set({ pending: true, lastSend: input });
      try {
        // What repeated traffic is expected to do is a question about the state before it.
        const outcomes = (input.count ?? 1) > 1 ? await engine.outcomes(single(input)) : undefined;
        const answer = await engine.input(input);
        if (!answer.accepted) set({ notice: answer.reason });
        else {
          set({ notice: undefined, flow: answer.flows[0] ?? 0, position: start, playing: true, tab: 'journey', netns: undefined });
          if (outcomes) set({ batches: [...get().batches, { send: input, flows: answer.flows, outcomes }] });
        }
      } catch (error) {
        set({ phase: 'crashed', notice: error instanceof Error ? error.message : String(error) });
      } finally {
        set({ pending: false });
      }
    },
    async setProxyMode(mode) {
      const { engine } = get();
      if (!engine || get().pending) return undefined;
      set({ pending: true });
      try {
        const answer = await engine.input({ type: 'setProxyMode', mode });
        if (!answer.accepted) return answer.reason;
        // The switch happened at the end of the recording; that is where it is to be seen.
        set({ notice: undefined, position: get().recording.length, playing: false });
        return undefined;
      } catch (error) {
        set({ phase: 'crashed', notice: error instanceof Error ? error.message : String(error) });
        return undefined;
      } finally {
        set({ pending: false });
      }
    },
    seek(position, keepPlaying = false) {
      const bounded = Math.max(0, Math.min(position, get().recording.length));
      set(keepPlaying ? { position: bounded } : { position: bounded, playing: false });
    },
    step(by) {
      get().seek(get().position + by);
    },
    setPlaying(playing) {
      const { position, length } = get();
      // Playing from the end starts again.
      set(playing && position >= length ? { playing: length > 0, position: 0 } : { playing: playing && length > 0 });
    },
    setSpeed: (speed) => set({ speed }),
    follow: (flow) => set({ flow }),
    inspect: (netns) => set({ netns, tab: 'tables' }),
    lookAtService: (service) => set({ service, tab: 'services' }),
    show: (tab) => set({ tab }),
    dismissNotice: () => set({ notice: undefined }),
  };
});

/** One probe of a send that repeats it. */
export function single({ count: _count, intervalNs: _interval, ...send }: Send): Send {
  return send;
}

/** The mode in which kube-proxy of a node, or of any, last wrote its rules before the playhead, or at all. */
export function proxyModeAt(state: LabStore, netns: string | undefined, position = state.position): ProxyMode | undefined {
  const last = state.synced.findLast((s) => s.index < position && (netns === undefined || s.netns === netns));
  return last?.mode ?? state.topology?.proxyMode;
}
