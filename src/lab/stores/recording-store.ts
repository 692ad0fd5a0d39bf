import { createStore } from 'zustand/vanilla';
import type { Batch, LoadAnswer, SourceFile } from '../../protocol/engine.ts';
import type { DeviceView, Topology } from '../../protocol/view.ts';
import { MotionIndex } from '../canvas/motion.ts';
import { PresentationAxis } from '../timeline/axis.ts';
import { Recording } from './recording.ts';
import { type Run, runFrom } from './runs.ts';
import { indexTopology, type TopologyIndex } from './topology-index.ts';

/** A loaded cluster and everything recorded in it. Grows in place; `version` rises with every batch. */
export interface RecordingState {
  readonly cluster: Cluster | undefined;
  readonly version: number;
  readonly runs: readonly Run[];
}

export interface Cluster {
  readonly files: readonly SourceFile[];
  readonly topology: Topology;
  readonly index: TopologyIndex;
  readonly recording: Recording;
  readonly axis: PresentationAxis;
  readonly motions: MotionIndex;
  /** Devices of every namespace that has come into view: what the layout needs to know of them. */
  readonly devices: ReadonlyMap<string, readonly DeviceView[]>;
}

export type RecordingStore = ReturnType<typeof createRecordingStore>;

export const createRecordingStore = () => createStore<RecordingState>(() => ({ cluster: undefined, version: 0, runs: [] }));

export function clusterOf(files: readonly SourceFile[], answer: Extract<LoadAnswer, { loaded: true }>): Cluster {
  const recording = new Recording(answer.epoch, answer.state);
  const axis = new PresentationAxis(answer.state.timeNs);
  return {
    files,
    topology: answer.topology,
    index: indexTopology(answer.topology),
    recording,
    axis,
    motions: new MotionIndex(recording.events, axis, (seq) => recording.indexOfSeq(seq)),
    devices: new Map([...answer.state.netns].map(([id, tables]) => [id, [...tables.devices.values()]])),
  };
}

/** Takes a batch in; one of another epoch is stale and changes nothing. */
export function appendBatch(state: RecordingState, batch: Batch): RecordingState {
  const { cluster } = state;
  if (!cluster || batch.epoch !== cluster.recording.epoch) return state;
  const before = cluster.recording.length;
  if (cluster.recording.append(batch.events) === 0) return state;
  const added = cluster.recording.events.slice(before);
  cluster.axis.append(added);
  cluster.motions.extend();
  let devices = cluster.devices;
  for (const event of added) {
    if (event.type === 'netnsAppeared') devices = new Map(devices).set(event.netns, event.data.view.devices);
  }
  return { ...state, cluster: devices === cluster.devices ? cluster : { ...cluster, devices }, version: state.version + 1 };
}

/** Adds the run that began at event `start`, when a flow did. */
export function addRun(state: RecordingState, start: number): RecordingState {
  const run = state.cluster && runFrom(state.cluster.recording.events, start);
  return run ? { ...state, runs: [...state.runs, run] } : state;
}
