import type { LabEvent } from '../../protocol/event.ts';
import type { Frame } from '../../protocol/packet.ts';
import type { Recording } from '../stores/recording.ts';

export interface Framed {
  readonly event: LabEvent;
  readonly frame: Frame;
}

/** The last event up to the playhead that has a frame, of the flow where there is one. */
export function framedAt(recording: Recording, position: number, flow: number): Framed | undefined {
  for (let i = position - 1; i >= 0; i--) {
    const event = recording.events[i];
    if (event?.frame && (flow === 0 || event.flow === flow)) return { event, frame: event.frame };
  }
  return undefined;
}

/** The frame that this one came from: of the nearest cause that has one and concerns the same packet. */
export function frameBefore(recording: Recording, event: LabEvent): Frame | undefined {
  let cause = event.cause;
  while (cause !== 0) {
    const earlier = recording.events[recording.indexOfSeq(cause)];
    if (!earlier) return undefined;
    if (earlier.frame) return earlier.packet === event.packet ? earlier.frame : undefined;
    cause = earlier.cause;
  }
  return undefined;
}

/** The last event up to the playhead, of the flow where there is one. */
export function eventAt(recording: Recording, position: number, flow: number): LabEvent | undefined {
  for (let i = position - 1; i >= 0; i--) {
    const event = recording.events[i];
    if (event && (flow === 0 || event.flow === flow)) return event;
  }
  return undefined;
}
