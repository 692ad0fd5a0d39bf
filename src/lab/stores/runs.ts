import type { FlowOutcome, LabEvent, ProbeProtocol } from '../../protocol/event.ts';

/** What one input made happen: a contiguous part of the recording with one or more flows. */
export interface Run {
  readonly from: string;
  readonly to: string;
  readonly protocol: ProbeProtocol;
  readonly flows: readonly number[];
  /** Index of its first event. */
  readonly start: number;
  /** Index after its last event. */
  readonly end: number;
  /** Index of the last event that serves one of its flows; timers that fire later are its tail. */
  readonly settled: number;
}

export interface FlowSpan {
  readonly flow: number;
  readonly from: string;
  readonly to: string;
  readonly protocol: ProbeProtocol;
  readonly start: number;
  /** Index of its flowEnded event; undefined while it is under way. */
  readonly end: number | undefined;
  readonly outcome: FlowOutcome | undefined;
}

/** The run that begins at `start`; undefined when no flow began there. */
export function runFrom(events: readonly LabEvent[], start: number): Run | undefined {
  let first: Extract<LabEvent, { type: 'flowStarted' }> | undefined;
  const flows: number[] = [];
  let settled = start;
  for (let i = start; i < events.length; i++) {
    const event = events[i] as LabEvent;
    if (event.type === 'flowStarted') {
      first ??= event;
      flows.push(event.flow);
    }
    if (event.flow !== 0) settled = i;
  }
  if (!first) return undefined;
  return { from: first.data.from, to: first.data.to, protocol: first.data.protocol, flows, start, end: events.length, settled };
}

/** Every flow of a run with what came of it. */
export function flowsOf(events: readonly LabEvent[], run: Run): readonly FlowSpan[] {
  const spans = new Map<number, FlowSpan>();
  for (let i = run.start; i < run.end; i++) {
    const event = events[i] as LabEvent;
    if (event.type === 'flowStarted')
      spans.set(event.flow, { flow: event.flow, ...event.data, start: i, end: undefined, outcome: undefined });
    if (event.type === 'flowEnded') {
      const span = spans.get(event.flow);
      if (span) spans.set(event.flow, { ...span, end: i, outcome: event.data });
    }
  }
  return [...spans.values()];
}
