import type { Engine } from '../protocol/engine.ts';
import type { Method, Port, Request, Response } from './messages.ts';

const METHODS: ReadonlySet<Method> = new Set<Method>([
  'load',
  'input',
  'inspect',
  'inputs',
  'ruleChains',
  'ruleChain',
  'outcomes',
  'linuxLab',
  'pcapng',
  'traceRules',
  'compareModes',
  'proxyCost',
]);

/** Lets an engine answer the requests that come in by a port. A failed assertion is answered as a crash. */
export function serve(engine: Engine, port: Port): void {
  const post = (response: Response): void => port.postMessage(response);
  engine.onBatch((batch) => post({ type: 'batch', batch }));
  port.addEventListener('message', (event) => {
    const request = event.data as Request;
    answer(engine, request).then(
      (value) => post({ id: request.id, type: 'answer', value }),
      (error: unknown) =>
        post({ id: request.id, type: 'crash', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
}

type Answer = Extract<Response, { type: 'answer' }>['value'];

async function answer(engine: Engine, { method, args }: Request): Promise<Answer> {
  if (!METHODS.has(method)) throw new Error(`the engine cannot ${JSON.stringify(method)}`);
  // Method and arguments belong together by the type of Request, which a call through a union cannot express.
  return await (engine[method] as (...given: unknown[]) => Promise<Answer>).apply(engine, [...args]);
}
