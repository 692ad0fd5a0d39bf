import type { Batch, Engine } from '../protocol/engine.ts';
import type { Method, Port, Response } from './messages.ts';

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

  readonly load: Engine['load'] = (files) => this.ask('load', [files]);
  readonly input: Engine['input'] = (input) => this.ask('input', [input]);
  readonly inspect: Engine['inspect'] = (netns) => this.ask('inspect', [netns]);
  readonly inputs: Engine['inputs'] = () => this.ask('inputs', []);
  readonly ruleChains: Engine['ruleChains'] = (netns) => this.ask('ruleChains', [netns]);
  readonly ruleChain: Engine['ruleChain'] = (netns, chain) => this.ask('ruleChain', [netns, chain]);
  readonly outcomes: Engine['outcomes'] = (send) => this.ask('outcomes', [send]);
  readonly linuxLab: Engine['linuxLab'] = () => this.ask('linuxLab', []);
  readonly pcapng: Engine['pcapng'] = (capture) => this.ask('pcapng', [capture]);
  readonly traceRules: Engine['traceRules'] = (request) => this.ask('traceRules', [request]);
  readonly compareModes: Engine['compareModes'] = (send) => this.ask('compareModes', [send]);
  readonly proxyCost: Engine['proxyCost'] = (mode, services) => this.ask('proxyCost', [mode, services]);

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

  private ask<M extends Method>(method: M, args: Parameters<Engine[M]>): ReturnType<Engine[M]> {
    const id = ++this.ids;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: never) => void, reject });
      this.port.postMessage({ id, method, args });
    }) as ReturnType<Engine[M]>;
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
