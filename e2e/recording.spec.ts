import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { expect, test } from '@playwright/test';
import { build } from 'vite';
import type { LabEvent } from '../src/protocol/event.ts';
import { FIRST_CLUSTER } from '../src/scenario/first-cluster.ts';
import type { LabEngine } from '../src/worker/lab-engine.ts';

type EngineModule = { LabEngine: new () => LabEngine };

/** Runs in node and, as text, in the page: loads, sends in every protocol, and gives the recording as JSON. */
async function record(module: EngineModule, files: typeof FIRST_CLUSTER): Promise<string> {
  const engine = new module.LabEngine();
  const events: LabEvent[] = [];
  engine.onBatch((batch) => events.push(...batch.events));
  await engine.load(files);
  for (const protocol of ['http', 'tcp', 'icmp'] as const)
    await engine.input({ type: 'send', from: 'pod/default/client', to: 'node/worker-2:10250', protocol });
  await engine.input({ type: 'wait', durationNs: 60_000_000_000 });
  await engine.input({ type: 'send', from: 'external', to: 'pod/default/client:53', protocol: 'udp' });
  return JSON.stringify(events);
}

test('the same scenario and seed give the same recording, byte for byte, in node and in the browser', async ({ page }, info) => {
  const file = info.outputPath('lab-engine.mjs');
  await build({
    configFile: false,
    publicDir: false,
    logLevel: 'error',
    build: {
      lib: { entry: 'src/worker/lab-engine.ts', formats: ['es'], fileName: () => 'lab-engine.mjs' },
      outDir: info.outputDir,
      emptyOutDir: false,
      minify: false,
    },
  });
  const inNode = await record((await import(pathToFileURL(file).href)) as EngineModule, FIRST_CLUSTER);

  await page.route('**/lab-engine.mjs', (route) => route.fulfill({ contentType: 'text/javascript', body: readFileSync(file, 'utf8') }));
  await page.goto('./');
  const inBrowser = await page.evaluate(
    async ({ source, files }) => {
      const module: unknown = await import(new URL('lab-engine.mjs', location.href).href);
      return (new Function(`return ${source}`)() as (m: unknown, f: unknown) => Promise<string>)(module, files);
    },
    { source: record.toString(), files: FIRST_CLUSTER },
  );

  const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
  expect(inNode.length).toBeGreaterThan(100_000);
  expect(digest(inBrowser)).toBe(digest(inNode));
});
