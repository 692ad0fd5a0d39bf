import { RandomStream } from '../../base/prng.ts';
import type { DropReason, Loss } from '../../protocol/event.ts';
import { Recorder, type Subject } from './recorder.ts';
import { Simulation } from './simulation.ts';

/** What every part of one simulated world shares: time, the recording, random streams and running numbers. */
export class LabContext {
  readonly sim = new Simulation();
  readonly recorder = new Recorder(this.sim);
  private readonly seed: number;
  private readonly streams = new Map<string, RandomStream>();
  private packets = 0;
  private sockets = 0;
  private flows = 0;

  constructor(seed: number) {
    this.seed = seed;
  }

  /** The random stream of one purpose: a new purpose shifts no other. */
  random(purpose: string): RandomStream {
    let stream = this.streams.get(purpose);
    if (!stream) {
      stream = new RandomStream(this.seed, purpose);
      this.streams.set(purpose, stream);
    }
    return stream;
  }

  /** What rules draw lots with; replaced to follow every way that chance could go. */
  draws: Draws = new RandomDraws(this);

  /** Notes about the traffic under way, by flow; kept also when events are not. */
  readonly flowNotes = new Map<number, FlowNote>();

  /** Records that a packet went no further, and remembers it as the latest loss of its flow. */
  drop(netns: string, device: string | undefined, subject: Subject, reason: DropReason, detail: string | undefined): void {
    const note = this.flowNotes.get(subject.flow);
    if (note && reason !== 'otherHost') note.lastDrop = { netns, device, reason };
    if (this.recorder.on) this.recorder.packet('drop', netns, device, subject, { reason, detail });
  }

  nextPacket(): number {
    return ++this.packets;
  }

  nextSocket(): number {
    return ++this.sockets;
  }

  nextFlow(): number {
    return ++this.flows;
  }
}

/** The draws that rules make (net/netfilter/xt_statistic.c, nft_numgen.c). */
export interface Draws {
  /** True with probability `numerator` / 2^31. */
  chance(numerator: number): boolean;
  /** A whole number from 0 to `n` - 1, all equally likely. */
  pick(n: number): number;
}

class RandomDraws implements Draws {
  private readonly lab: LabContext;

  constructor(lab: LabContext) {
    this.lab = lab;
  }

  chance(numerator: number): boolean {
    return this.lab.random('statistic').uint32() >>> 1 < numerator;
  }

  pick(n: number): number {
    return this.lab.random('numgen').below(n);
  }
}

export interface FlowNote {
  lastDrop: Loss | undefined;
  /** `address:port` of the server that took the flow, as the server itself sees it. */
  endpoint: string | undefined;
  /** What its packets cost in rules, as Linux would have paid: rules looked at, sets and maps looked into. */
  rulesEvaluated: number;
  lookups: number;
}
