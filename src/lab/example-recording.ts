import type { LabEvent } from '../protocol/event.ts';
import type { LabState } from '../protocol/fold.ts';
import type { Topology } from '../protocol/view.ts';
import { FIRST_CLUSTER } from '../scenario/first-cluster.ts';
import { LabEngine } from '../worker/lab-engine.ts';
import { defaultSend } from './send/default-send.ts';

interface Example {
  readonly topology: Topology;
  readonly state: LabState;
  readonly events: readonly LabEvent[];
}

/** For tests: the first cluster and everything that its first packet does, as the engine records it. */
export async function exampleRecording(): Promise<Example> {
  const engine = new LabEngine();
  const events: LabEvent[] = [];
  engine.onBatch((batch) => events.push(...batch.events));
  const answer = await engine.load(FIRST_CLUSTER);
  if (!answer.loaded) throw new Error('the first cluster was refused');
  const send = defaultSend(answer.topology);
  if (!send) throw new Error('the first cluster has nobody to send');
  await engine.input(send);
  return { topology: answer.topology, state: answer.state, events };
}
