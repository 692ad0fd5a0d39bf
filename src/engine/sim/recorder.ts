import type { Direction, EventData, EventType, LabEvent } from '../../protocol/event.ts';
import type { Frame } from '../../protocol/packet.ts';
import type { Simulation } from './simulation.ts';

/** What an event is about: the packet's identity and the chain of causes that it carries along. */
export interface Subject {
  readonly packet: number;
  readonly flow: number;
  readonly direction: Direction;
  /** `seq` of the last event recorded for it; advanced by every record. */
  cause: number;
  /** The frame as it is now. */
  frame(): Frame;
}

/**
 * Appends facts. Switched off (`on` false) it costs one test per fact, which is how bulk traffic is
 * only counted; callers test `on` before they build an event's data.
 */
export class Recorder {
  on = true;
  /** Events not yet taken by a client, in order. */
  private pending: LabEvent[] = [];
  private seq = 0;
  private readonly sim: Simulation;

  constructor(sim: Simulation) {
    this.sim = sim;
  }

  /** Records what happened to a packet and makes it the cause of what happens to it next. Returns its seq. */
  packet<T extends EventType>(type: T, netns: string, device: string | undefined, subject: Subject, data: EventData[T]): number {
    if (!this.on) return 0;
    const seq = ++this.seq;
    this.append(
      new RecordedEvent(
        type,
        seq,
        this.sim.nowNs,
        subject.cause,
        netns,
        device,
        subject.packet,
        subject.flow,
        subject.direction,
        subject.frame(),
        data,
      ),
    );
    subject.cause = seq;
    return seq;
  }

  /** Records something that is not about one packet; `cause` is the event that led to it, 0 for none. */
  fact<T extends EventType>(
    type: T,
    netns: string,
    device: string | undefined,
    data: EventData[T],
    cause = 0,
    flow = 0,
    direction: Direction = 'request',
  ): number {
    if (!this.on) return 0;
    const seq = ++this.seq;
    this.append(new RecordedEvent(type, seq, this.sim.nowNs, cause, netns, device, 0, flow, direction, undefined, data));
    return seq;
  }

  /** The events since the last call. */
  take(): LabEvent[] {
    const taken = this.pending;
    this.pending = [];
    return taken;
  }

  private append(event: RecordedEvent<EventType>): void {
    // One class for all kinds keeps the hot path monomorphic; `packet` and `fact` have paired type and data.
    this.pending.push(event as unknown as LabEvent);
  }
}

class RecordedEvent<T extends EventType> {
  readonly type: T;
  readonly seq: number;
  readonly timeNs: number;
  readonly cause: number;
  readonly netns: string;
  readonly device: string | undefined;
  readonly packet: number;
  readonly flow: number;
  readonly direction: Direction;
  readonly frame: Frame | undefined;
  readonly data: EventData[T];

  constructor(
    type: T,
    seq: number,
    timeNs: number,
    cause: number,
    netns: string,
    device: string | undefined,
    packet: number,
    flow: number,
    direction: Direction,
    frame: Frame | undefined,
    data: EventData[T],
  ) {
    this.type = type;
    this.seq = seq;
    this.timeNs = timeNs;
    this.cause = cause;
    this.netns = netns;
    this.device = device;
    this.packet = packet;
    this.flow = flow;
    this.direction = direction;
    this.frame = frame;
    this.data = data;
  }
}
