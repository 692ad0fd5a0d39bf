import { expect } from '@playwright/test';
import { test } from './lab-page.ts';

test('everything a first visit needs works from the keyboard', async ({ lab, page }) => {
  await lab.open();

  await page.keyboard.press('ControlOrMeta+k');
  await expect(page.getByTestId('palette-input')).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('palette-input')).toHaveCount(0);

  await page.getByTestId('open-send').focus();
  await page.keyboard.press('Enter');
  const to = page.getByTestId('send-to');
  await expect(to).toBeVisible();
  await to.focus();
  await page.keyboard.press('ControlOrMeta+a');
  await page.keyboard.type('10.244.2.2');
  await page.keyboard.press('Enter');
  await expect.poll(async () => (await lab.timeline()).length).toBeGreaterThan(0);
  await expect(page.getByTestId('send-to')).toHaveCount(0);

  await page.keyboard.press('p');
  await lab.idle();
  await page.keyboard.press('Home');
  expect((await lab.timeline()).position).toBe(0);
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  expect((await lab.timeline()).position).toBe(2);
  await page.keyboard.press('ArrowLeft');
  expect((await lab.timeline()).position).toBe(1);
  await page.keyboard.press('End');
  await expect(lab.outcome).toContainText(/answered|connected/i);
});

test('Tab reaches every control of the header and the timeline, visibly', async ({ lab, page }) => {
  await lab.open();
  await lab.sendAndSkip();
  const wanted = new Set([
    'mode-nftables',
    'toggle-services',
    'open-send',
    'open-manifests',
    'share',
    'open-palette',
    'theme',
    'tab-journey',
    'timeline-step-back',
    'timeline-scrubber',
  ]);
  const withoutOutline: string[] = [];
  for (let i = 0; i < 200 && wanted.size > 0; i++) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      if (!(element instanceof HTMLElement)) return undefined;
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
      return { id: element.dataset.testid ?? '', visible: (outlineStyle !== 'none' && outlineWidth !== '0px') || boxShadow !== 'none' };
    });
    if (focused && wanted.delete(focused.id) && !focused.visible) withoutOutline.push(focused.id);
  }
  expect([...wanted]).toEqual([]);
  expect(withoutOutline).toEqual([]);
});

test('the journey is one stop of the Tab key, and up and down move along it', async ({ lab, page }) => {
  await lab.open();
  await lab.sendAndSkip();
  await page.keyboard.press('Home');
  for (let i = 0; i < 6; i++) await page.keyboard.press('ArrowRight');
  const current = page.locator('[data-testid=journey-hop][aria-current=step]');
  const before = Number(await current.getAttribute('data-index'));
  await current.focus();
  await page.keyboard.press('ArrowDown');
  await expect.poll(async () => Number(await current.getAttribute('data-index'))).toBeGreaterThan(before);
  await expect(current).toBeFocused();
  await page.keyboard.press('ArrowUp');
  await expect(current).toHaveAttribute('data-index', String(before));
  await expect(page.locator('[data-testid=journey-hop][tabindex="0"]')).toHaveCount(1);
});
