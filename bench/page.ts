import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from '@playwright/test';
import { encodeLink } from '../src/scenario/encode-link.ts';

/** The name of a module that is not to be bundled into the benchmark. */
const outside = async <T>(specifier: string): Promise<T> => (await import(specifier)) as T;

const pods = (count: number): string =>
  Array.from(
    { length: count },
    (_, i) => `{ apiVersion: v1, kind: Pod, metadata: { name: p${i} }, spec: { containers: [{ name: nginx, image: nginx }] } }`,
  ).join('\n---\n');

const nodes = (count: number): string =>
  Array.from({ length: count }, (_, i) => `{ apiVersion: v1, kind: Node, metadata: { name: n${i} } }`).join('\n---\n');

const link = (text: string): string => `#${encodeLink([{ name: 'bench.yaml', text }])}`;

async function served(): Promise<{ url: string; stop: () => void }> {
  const child = spawn(process.execPath, ['scripts/start.mjs'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = /http:\/\/\S+/.exec(text);
      if (found) resolve(found[0]);
    });
    child.on('exit', () => reject(new Error(`the server ended: ${text}`)));
  });
  return { url, stop: () => child.kill() };
}

async function open(browser: Browser, url: string): Promise<{ page: Page; readyMs: number }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
  // React tells a developer tool of every commit; this one only counts.
  await page.addInitScript(() => {
    const w = window as unknown as { __REACT_DEVTOOLS_GLOBAL_HOOK__: unknown; commits: number; longest: number; frames: number };
    w.commits = 0;
    w.longest = 0;
    w.frames = 0;
    w.__REACT_DEVTOOLS_GLOBAL_HOOK__ = {
      supportsFiber: true,
      renderers: new Map(),
      inject: () => 1,
      onCommitFiberRoot: () => w.commits++,
      onCommitFiberUnmount: () => undefined,
      onPostCommitFiberRoot: () => undefined,
    };
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) w.longest = Math.max(w.longest, entry.duration);
    }).observe({ type: 'longtask', buffered: false });
    const frame = (): void => {
      w.frames++;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  const start = performance.now();
  await page.goto(url);
  await page.waitForSelector('html[data-ready=true]', { timeout: 120_000 });
  return { page, readyMs: performance.now() - start };
}

/** What happens in the page over some seconds of playing. */
async function watch(page: Page, seconds: number): Promise<{ framesPerSecond: number; commitsPerSecond: number; longestTaskMs: number }> {
  const counts = await page.evaluate(async (ms) => {
    const w = window as unknown as { commits: number; longest: number; frames: number };
    const before = { commits: w.commits, frames: w.frames };
    w.longest = 0;
    await new Promise((resolve) => setTimeout(resolve, ms));
    return { frames: w.frames - before.frames, commits: w.commits - before.commits, longest: w.longest };
  }, seconds * 1000);
  return { framesPerSecond: counts.frames / seconds, commitsPerSecond: counts.commits / seconds, longestTaskMs: counts.longest };
}

/** Compressed script that the page asks for by itself: the entry and the engine's worker. */
function scriptSize(): { entry: number; worker: number } {
  const folder = 'dist/assets';
  const size = (pattern: RegExp): number =>
    readdirSync(folder)
      .filter((name) => pattern.test(name) && statSync(join(folder, name)).isFile())
      .reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name)), { level: 9 }).length, 0) / 1000;
  return { entry: size(/^index-.*\.js$/), worker: size(/^lab\.worker-.*\.js$/) };
}

export default async function bench() {
  const { chromium } = await outside<typeof import('@playwright/test')>('@playwright/test');
  const { chromiumLaunchOptions } = await outside<{ chromiumLaunchOptions: () => Promise<object | undefined> }>(
    pathToFileURL(join(process.cwd(), 'scripts/chromium.mjs')).href,
  );
  const { url, stop } = await served();
  const browser = await chromium.launch((await chromiumLaunchOptions()) ?? {});
  try {
    await (await open(browser, url)).page.close();
    const ten = await open(browser, `${url}${link(pods(10))}`);
    await ten.page.close();

    const many = await open(browser, `${url}${link(pods(50))}`);
    await many.page.getByTestId('open-send').click();
    await many.page.getByTestId('send-to').fill('pod/default/p1');
    await many.page.getByText('ICMP', { exact: true }).click();
    await many.page.getByLabel('How many').fill('1000');
    const sent = performance.now();
    await many.page.getByTestId('send-submit').click();
    await many.page.waitForFunction(
      () => Number(document.querySelector('[data-testid=timeline-position]')?.textContent?.split('/')[1] ?? 0) > 10_000,
      undefined,
      { timeout: 120_000 },
    );
    const recordedMs = performance.now() - sent;
    await watch(many.page, 2);
    const playing = await watch(many.page, 5);
    await many.page.close();

    const fleet = await open(browser, `${url}${link(`${nodes(400)}\n---\n${pods(3_000)}`)}`);
    const elements = await fleet.page.locator('.react-flow__node').count();
    await fleet.page.close();
    const { entry, worker } = scriptSize();
    return {
      name: 'page',
      rows: [
        { label: 'compressed script of the page', value: entry, unit: 'kB', target: '<= 350' },
        { label: 'the same with the engine’s worker', value: entry + worker, unit: 'kB', target: '<= 350' },
        { label: '10 pods: from opening to ready', value: ten.readyMs, unit: 'ms', target: '< 2000' },
        { label: '1,000 pings at once among 50 pods: until all is recorded', value: recordedMs, unit: 'ms' },
        { label: 'then while playing: frames', value: playing.framesPerSecond, unit: '/s' },
        { label: 'React commits', value: playing.commitsPerSecond, unit: '/s' },
        { label: 'longest task', value: playing.longestTaskMs, unit: 'ms', target: '<= 50' },
        { label: '400 nodes, 3,000 pods: React Flow nodes', value: elements, unit: '', target: '<= 1000' },
      ],
    };
  } finally {
    await browser.close();
    stop();
  }
}
