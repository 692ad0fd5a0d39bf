import AxeBuilder from '@axe-core/playwright';
import { expect, type Page, test } from '@playwright/test';

async function open(page: Page, fragment = ''): Promise<void> {
  await page.goto(`./${fragment}`);
  await expect(page.locator('html')).toHaveAttribute('data-ready', 'true');
}

const idle = (page: Page) => expect(page.locator('html')).toHaveAttribute('data-idle', 'true');

/** Sends with the space bar and goes to the end of the recording. */
async function sendToTheEnd(page: Page): Promise<void> {
  await page.locator('body').press('Space');
  await expect(page.getByTestId('journey-outcome')).toContainText('200');
  await page.locator('body').press('End');
  await idle(page);
}

async function position(page: Page): Promise<{ at: number; of: number }> {
  const [at, of] = ((await page.getByTestId('timeline-position').textContent()) ?? '').match(/\d+/g) ?? [];
  return { at: Number(at), of: Number(of) };
}

test('the page opens with a working cluster', async ({ page }) => {
  await open(page);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  const canvas = page.getByTestId('canvas');
  for (const name of ['worker-1', 'worker-2', 'client']) await expect(canvas.getByText(name, { exact: true }).first()).toBeVisible();
});

test('the space bar sends a packet across nodes, and the journey tells it', async ({ page }) => {
  await open(page);
  await sendToTheEnd(page);
  const { at, of } = await position(page);
  expect(of).toBeGreaterThan(100);
  expect(at).toBe(of);
  expect(await page.getByTestId('journey-hop').count()).toBeGreaterThan(5);
});

test('journey and timeline agree, stepping back and forward', async ({ page }) => {
  await open(page);
  await sendToTheEnd(page);
  const end = await position(page);
  for (let i = 1; i <= 5; i++) {
    await page.locator('body').press('ArrowLeft');
    expect((await position(page)).at).toBe(end.at - i);
  }
  await page.locator('body').press('Home');
  expect((await position(page)).at).toBe(0);
  for (let i = 1; i <= 12; i++) await page.locator('body').press('ArrowRight');
  expect((await position(page)).at).toBe(12);
  const current = page.locator('[data-testid=journey-hop][aria-current=step]');
  await expect(current).toHaveCount(1);
  expect(Number(await current.getAttribute('data-index'))).toBeLessThan(12);
});

test('a hop that is chosen moves the playhead there', async ({ page }) => {
  await open(page);
  await sendToTheEnd(page);
  await page.locator('body').press('Home');
  await idle(page);
  const hop = page.getByTestId('journey-hop').nth(3);
  const index = Number(await hop.getAttribute('data-index'));
  await hop.click();
  expect((await position(page)).at).toBe(index + 1);
});

test('a manifest with an error is refused with its place, and the cluster stays', async ({ page }) => {
  await open(page);
  await page.getByTestId('open-manifests').click();
  const editor = page.locator('.cm-content');
  await editor.fill('apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  nodeName: nowhere\n  containers:\n    - name: nginx\n      image: nginx\n');
  await page.getByTestId('apply-manifests').click();
  const problem = page.getByTestId('problem').first();
  await expect(problem).toContainText('nowhere');
  await expect(problem).toContainText('6');
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('canvas').getByText('client', { exact: true }).first()).toBeVisible();
});

test('a link brings the scenario back', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await open(page);
  await page.getByTestId('share').click();
  await expect.poll(() => new URL(page.url()).hash.length).toBeGreaterThan(100);
  const hash = new URL(page.url()).hash;
  const other = await context.newPage();
  await open(other, hash);
  await expect(other.getByTestId('notice')).toHaveCount(0);
  await expect(other.getByTestId('canvas').getByText('client', { exact: true }).first()).toBeVisible();
});

test('a link that is cut short says so and shows the first cluster', async ({ page }) => {
  await open(page, '#v1.AAAA');
  await expect(page.getByTestId('notice')).toContainText('cut short');
  await expect(page.getByTestId('canvas').getByText('client', { exact: true }).first()).toBeVisible();
});

for (const colorScheme of ['light', 'dark'] as const) {
  test(`nothing stands in the way of assistive technology, ${colorScheme}`, async ({ browser }) => {
    const page = await browser.newPage({ colorScheme });
    await open(page);
    await sendToTheEnd(page);
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`)).toEqual([]);
    await page.close();
  });
}
