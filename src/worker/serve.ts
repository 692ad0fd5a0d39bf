import type { Engine } from '../protocol/engine.ts';
import type { Port, Request, Response } from './messages.ts';

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

function answer(engine: Engine, request: Request): Promise<Extract<Response, { type: 'answer' }>['value']> {
  switch (request.type) {
    case 'load':
      return engine.load(request.files);
    case 'input':
      return engine.input(request.input);
    case 'inspect':
      return engine.inspect(request.netns);
    case 'inputs':
      return engine.inputs();
    case 'ruleChains':
      return engine.ruleChains(request.netns);
    case 'ruleChain':
      return engine.ruleChain(request.netns, request.chain);
    case 'outcomes':
      return engine.outcomes(request.send);
  }
}
