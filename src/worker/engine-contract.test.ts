import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from 'vitest';
import type { Batch, Engine } from '../protocol/engine.ts';
import { PortEngine } from './client.ts';
import { LabEngine } from './lab-engine.ts';
import type { Port } from './messages.ts';
import { serve } from './serve.ts';

/** One contract, two ways to the engine: in process, and over a port with structured cloning in between. */
const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

function overPort(): Engine {
  const { port1, port2 } = new MessageChannel();
  serve(new LabEngine(), port1 as unknown as Port);
  port1.start();
  port2.start();
  stops.push(() => port1.close());
  return new PortEngine(port2 as unknown as Port, () => port2.close());
}

const FILES = [
  {
    name: 'a.yaml',
    text: 'apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec: { nodeName: worker-1, containers: [{ name: nginx, image: nginx }] }\n',
  },
];
const BAD = [
  {
    name: 'b.yaml',
    text: 'apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec: { nodeName: nowhere, containers: [{ name: nginx, image: nginx }] }\n',
  },
];

for (const [name, make] of [
  ['in process', () => new LabEngine()],
  ['over a port', overPort],
] as const) {
  describe(`an engine ${name}`, () => {
    it('loads, sends and reports in batches without a gap', async () => {
      const engine = make();
      const batches: Batch[] = [];
      engine.onBatch((b) => batches.push(b));
      const loaded = await engine.load(FILES);
      expect(loaded).toMatchObject({ loaded: true, epoch: 1 });
      const answer = await engine.input({ type: 'send', from: 'node/worker-2', to: 'pod/default/web', protocol: 'http' });
      expect(answer).toEqual({ accepted: true, flows: [1] });
      const events = batches.flatMap((b) => b.events);
      expect(events.map((e) => e.seq)).toEqual(events.map((_, i) => i + 1));
      expect(events.some((e) => e.type === 'flowEnded' && e.data.kind === 'http')).toBe(true);
      expect(await engine.inputs()).toHaveLength(1);
      expect((await engine.inspect('node/worker-1'))?.neighbours.length).toBeGreaterThan(0);
      engine.dispose();
    });

    it('keeps what was loaded when the next load is refused', async () => {
      const engine = make();
      await engine.load(FILES);
      const refused = await engine.load(BAD);
      expect(refused).toMatchObject({ loaded: false, problems: [{ severity: 'error', file: 'b.yaml' }] });
      expect(await engine.input({ type: 'send', from: 'external', to: 'pod/default/web', protocol: 'tcp' })).toMatchObject({
        accepted: true,
      });
      engine.dispose();
    });

    it('answers every input, also one that makes no sense', async () => {
      const engine = make();
      expect(await engine.input({ type: 'wait', durationNs: 1 })).toMatchObject({ accepted: false });
      await engine.load(FILES);
      expect(await engine.input({ type: 'send', from: 'nobody', to: 'x', protocol: 'tcp' })).toMatchObject({ accepted: false });
      expect(await engine.inspect('node/none')).toBeUndefined();
      engine.dispose();
    });
  });
}
