import { expect } from '@playwright/test';
import { TWO_PODS, test } from './lab-page.ts';

test('the page opens with a working cluster on it', async ({ lab, page }) => {
  await lab.open();
  await expect(lab.onCanvas('node/worker-1')).toContainText('worker-1');
  await expect(lab.onCanvas('node/worker-2')).toContainText('podCIDR 10.244.2.0/24');
  await expect(lab.onCanvas('pod/default/client')).toContainText('10.244.1.2');
  await expect(page.getByTestId('journey')).toContainText('No packet yet');
  expect(await lab.timeline()).toEqual({ position: 0, length: 0 });
});

test('the space bar sends the first packet, and it is answered', async ({ lab }) => {
  await lab.open();
  await lab.sendAndSkip();
  await expect(lab.outcome).toContainText('client');
  await expect(lab.outcome).toContainText('200 OK');
  expect((await lab.timeline()).length).toBeGreaterThan(100);
});

test('playing moves the playhead by itself, and pauses at once', async ({ lab, page }) => {
  await lab.open();
  await page.keyboard.press('Space');
  await expect.poll(async () => (await lab.timeline()).position).toBeGreaterThan(3);
  await page.keyboard.press('p');
  await lab.idle();
  const paused = await lab.timeline();
  expect(paused.position).toBeLessThan(paused.length);
  await page.keyboard.press('ArrowRight');
  expect((await lab.timeline()).position).toBe(paused.position + 1);
});

test('journey, timeline and canvas agree', async ({ lab, page }) => {
  await lab.open();
  await lab.sendAndSkip();
  const far = lab.onCanvas('node/worker-2').locator('.box');
  await expect(far).toHaveClass(/box-touched/);

  await page.keyboard.press('Home');
  expect((await lab.timeline()).position).toBe(0);
  await expect(lab.currentHop).toHaveCount(0);
  await expect(far).not.toHaveClass(/box-touched/);
  for (let i = 0; i < 8; i++) await page.keyboard.press('ArrowRight');
  await expect(lab.currentHop).toHaveCount(1);
  expect(Number(await lab.currentHop.getAttribute('data-index'))).toBeLessThan(8);

  const arp = page.getByTestId('journey-hop').filter({ hasText: 'Waits until the MAC address of 10.244.1.1 is known' }).first();
  await arp.click();
  await expect(lab.currentHop).toContainText('10.244.1.1');
  expect((await lab.timeline()).position).toBe(Number(await arp.getAttribute('data-index')) + 1);

  // The other way round: the timeline moves, and the journey marks the hop that is there.
  await page.keyboard.press('End');
  await expect(lab.currentHop).toHaveCount(1);
  const { position } = await lab.timeline();
  expect(Number(await lab.currentHop.getAttribute('data-index')) + 1).toBeLessThanOrEqual(position);
  await expect(far).toHaveClass(/box-touched/);
});

test('going back takes back what the tables had learned', async ({ lab, page }) => {
  await lab.open();
  await lab.sendAndSkip();
  await page.getByTestId('tab-tables').click();
  await page.getByTestId('tables-netns').selectOption('pod/default/client');
  const tables = page.getByTestId('tables');
  const learned = '0a:58:0a:f4:01:01';
  await expect(tables).toContainText(learned);
  await page.getByTestId('tab-journey').click();
  for (let i = 0; i < 3; i++) await page.getByTestId('timeline-step-back').click();
  const { position, length } = await lab.timeline();
  expect(position).toBe(length - 3);
  await page.getByTestId('timeline-scrubber').focus();
  await page.keyboard.press('Home');
  expect((await lab.timeline()).position).toBe(0);
  await page.getByTestId('tab-tables').click();
  await expect(tables).toBeVisible();
  await expect(tables).not.toContainText(learned);
});

test('bad YAML is refused with its place, and the cluster stays', async ({ lab, page }) => {
  await lab.open();
  await lab.apply('apiVersion: v1\nkind: Pod\nmetadata:\n  name: x\nspec:\n  containers: "none"\n');
  await expect(page.getByTestId('problem').first()).toContainText(':6');
  await lab.closeDialog();
  await expect(lab.onCanvas('pod/default/client')).toBeVisible();
  await lab.sendAndSkip();
  await expect(lab.outcome).toContainText('200 OK');
});

test('text that is not YAML at all is refused as well', async ({ lab, page }) => {
  await lab.open();
  await lab.apply('kind: [Pod\n  }: {');
  await expect(page.getByTestId('problem').first()).toBeVisible();
  await expect(page.getByTestId('scenario-title')).toContainText('From pod to pod');
});

test('manifests of one’s own become the cluster', async ({ lab, page }) => {
  await lab.open();
  await lab.apply(TWO_PODS);
  await lab.closeDialog();
  await expect(page.getByTestId('scenario-title')).toHaveText('Two pods on one node');
  await expect(lab.onCanvas('pod/default/answers')).toBeVisible();
  await expect(lab.onCanvas('node/worker-1')).toHaveCount(0);
  await lab.sendAndSkip();
  await expect(lab.outcome).toBeVisible();
});

test('manifests can be dropped on the window', async ({ lab, page }) => {
  await lab.open();
  const data = await page.evaluateHandle((text) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], 'two-pods.yaml', { type: 'application/yaml' }));
    return transfer;
  }, TWO_PODS);
  for (const type of ['dragenter', 'dragover', 'drop']) await page.dispatchEvent('body', type, { dataTransfer: data });
  await expect(page.getByTestId('scenario-title')).toHaveText('Two pods on one node');
  await expect(lab.onCanvas('pod/default/asks')).toBeVisible();
});

test('a link carries the whole scenario to another browser', async ({ lab, page, browser }) => {
  await lab.open();
  await lab.apply(TWO_PODS);
  await lab.closeDialog();
  await page.getByTestId('share').click();
  await expect.poll(() => page.evaluate(() => location.hash.length)).toBeGreaterThan(50);
  const link = await page.evaluate(() => location.href);
  expect(link.length).toBeLessThan(2000);

  const stranger = await browser.newContext();
  const other = await stranger.newPage();
  await other.goto(link);
  await expect(other.getByTestId('scenario-title')).toHaveText('Two pods on one node');
  await expect(other.getByTestId('rf__node-pod/default/answers')).toBeVisible();
  await stranger.close();
});

test('a link that is cut short says so and opens the first cluster', async ({ lab, page }) => {
  await lab.open('#v1.AAAA');
  await expect(page.getByTestId('notice')).toContainText('cut short');
  await expect(lab.onCanvas('pod/default/client')).toBeVisible();
});

test('dragging from one pod to another sends', async ({ lab, page }) => {
  await lab.open();
  await lab.onCanvas('pod/default/client').dragTo(lab.onCanvas('node/worker-1').getByText('worker-1'));
  await expect.poll(async () => (await lab.timeline()).length).toBeGreaterThan(0);
  await lab.skipToEnd();
  await expect(page.getByTestId('journey-outcome')).toContainText('worker-1');
});
