import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, type Page } from '@playwright/test';
import { test } from './lab-page.ts';

test('a ready-made scenario is opened with one click, and Back brings the cluster before it back', async ({ lab, page }) => {
  await lab.open();
  await page.keyboard.press('o');
  const all = readdirSync(new URL('../public/scenarios/', import.meta.url));
  await expect(page.getByTestId('gallery').getByRole('button')).toHaveCount(all.length);
  await page.getByTestId('scenario-nodeport').click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await expect(page.getByTestId('scenario-title')).toHaveText('From outside through a NodePort');
  await lab.sendAndSkip();
  await expect(lab.outcome).toContainText('200 OK');

  await page.goBack();
  await expect(page.getByTestId('scenario-title')).toHaveText('From pod to pod across two nodes');
  await expect(lab.onCanvas('pod/default/client')).toBeVisible();
  await page.goForward();
  await expect(page.getByTestId('scenario-title')).toHaveText('From outside through a NodePort');
});

test('the address of an opened scenario opens it in another browser', async ({ lab, page, browser }) => {
  await lab.open();
  await page.getByTestId('open-gallery').click();
  await page.getByTestId('scenario-hairpin').click();
  await expect(page.getByTestId('scenario-title')).toHaveText('A pod that talks to itself through its Service');
  const stranger = await browser.newContext();
  const other = await stranger.newPage();
  await other.goto(page.url());
  await expect(other.getByTestId('scenario-title')).toHaveText('A pod that talks to itself through its Service');
  await stranger.close();
});

/** What a click makes the browser keep: the name of the file, and its bytes. */
async function downloaded(page: Page, testId: string): Promise<{ name: string; bytes: Buffer }> {
  const coming = page.waitForEvent('download');
  await page.getByTestId(testId).click();
  const download = await coming;
  return { name: download.suggestedFilename(), bytes: await readFile(await download.path()) };
}

test('the cluster is taken along as a script for Linux', async ({ lab, page }) => {
  await lab.open();
  await page.keyboard.press('o');
  await page.getByTestId('scenario-clusterip').click();
  await expect(page.getByRole('dialog')).toHaveCount(0);
  await page.getByTestId('share-more').click();
  await expect(page.getByRole('dialog')).toContainText('bash clusterip.sh up');
  const { name, bytes } = await downloaded(page, 'share-script');
  expect(name).toBe('clusterip.sh');
  const script = bytes.toString();
  expect(script.startsWith('#!/usr/bin/env bash\n')).toBe(true);
  expect(script).toContain('10.96.0.20');
  await expect(page.getByRole('dialog')).toContainText('clusterip.sh was made');
});

test('the watched flow is taken along as a capture, of all devices or of one place', async ({ lab, page }) => {
  await lab.open();
  await page.getByTestId('share-more').click();
  await expect(page.getByTestId('share-capture')).toBeDisabled();
  await lab.closeDialog();
  await lab.sendAndSkip();
  await page.getByTestId('share-more').click();
  const all = await downloaded(page, 'share-capture');
  expect(all.name).toBe('first-cluster.pcapng');
  // The block type of a section header, and what says how its numbers are laid out.
  expect(all.bytes.readUInt32LE(0)).toBe(0x0a0d0d0a);
  expect(all.bytes.readUInt32LE(8)).toBe(0x1a2b3c4d);
  expect(all.bytes.includes('node/worker-2:cni0')).toBe(true);
  expect(all.bytes.includes('TTL falls from 64 to 63')).toBe(true);

  await page.getByTestId('capture-where').selectOption('pod/default/client');
  const one = await downloaded(page, 'share-capture');
  expect(one.bytes.includes('pod/default/client:eth0')).toBe(true);
  expect(one.bytes.includes('node/worker-2')).toBe(false);
  expect(one.bytes.length).toBeLessThan(all.bytes.length / 3);
});
