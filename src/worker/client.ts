import type { Batch, Engine, Input, InputAnswer, LoadAnswer, PossibleOutcomes, RuleChainName, SourceFile } from '../protocol/engine.ts';
import type { NetnsView, RuleChainView } from '../protocol/view.ts';
import type { Port, Request, Response } from './messages.ts';

type Body<R = Request> = R extends { id: number } ? Omit<R, 'id'> : never;

/** Speaks to an engine at the other end of a port. */
export class PortEngine implements Engine {
  private readonly port: Port;
  private readonly stop: () => void;
  private readonly waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  private readonly listeners = new Set<(batch: Batch) => void>();
  private ids = 0;

  constructor(port: Port, stop: () => void) {
    this.port = port;
    this.stop = stop;
    port.addEventListener('message', (event) => this.receive(event.data as Response));
  }

  load(files: readonly SourceFile[]): Promise<LoadAnswer> {
    return this.ask({ type: 'load', files });
  }

  input(input: Input): Promise<InputAnswer> {
    return this.ask({ type: 'input', input });
  }

  inspect(netns: string): Promise<NetnsView | undefined> {
    return this.ask({ type: 'inspect', netns });
  }

  inputs(): Promise<readonly Input[]> {
    return this.ask({ type: 'inputs' });
  }

  ruleChains(netns: string): Promise<readonly RuleChainName[]> {
    return this.ask({ type: 'ruleChains', netns });
  }

  ruleChain(netns: string, chain: RuleChainName): Promise<RuleChainView | undefined> {
    return this.ask({ type: 'ruleChain', netns, chain });
  }

  outcomes(send: Extract<Input, { type: 'send' }>): Promise<PossibleOutcomes> {
    return this.ask({ type: 'outcomes', send });
  }

  onBatch(listener: (batch: Batch) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Everything still unanswered fails with `reason`. */
  fail(reason: string): void {
    for (const { reject } of this.waiting.values()) reject(new Error(reason));
    this.waiting.clear();
  }

  dispose(): void {
    this.stop();
    this.fail('the engine was stopped');
  }

  private ask<T>(body: Body): Promise<T> {
    const id = ++this.ids;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: never) => void, reject });
      this.port.postMessage({ id, ...body });
    });
  }

  private receive(response: Response): void {
    if (response.type === 'batch') {
      for (const listener of this.listeners) listener(response.batch);
      return;
    }
    const waiting = this.waiting.get(response.id);
    this.waiting.delete(response.id);
    if (response.type === 'crash') waiting?.reject(new Error(response.message));
    else waiting?.resolve(response.value as never);
  }
}

/** The engine in its own worker. */
export function createWorkerEngine(): Engine {
  const worker = new Worker(new URL('./lab.worker.ts', import.meta.url), { type: 'module' });
  const engine = new PortEngine(worker as Port, () => worker.terminate());
  worker.addEventListener('error', (event) => engine.fail(event.message || 'the engine could not be started'));
  return engine;
}
