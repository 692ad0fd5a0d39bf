import AxeBuilder from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';
import { scenario, test } from './lab-page.ts';

/** What axe finds, in words: rule, and where. */
async function violations(page: Page): Promise<string[]> {
  const { violations: found } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'])
    .analyze();
  return found.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`));
}

for (const colorScheme of ['light', 'dark'] as const) {
  test.describe(`in the ${colorScheme} theme`, () => {
    test.use({ colorScheme });

    test('the first cluster is accessible', async ({ lab, page }) => {
      await lab.open();
      await expect(page.locator(`html[data-theme="${colorScheme}"]`)).toBeAttached();
      expect(await violations(page)).toEqual([]);
    });

    test('a packet’s journey is accessible', async ({ lab, page }) => {
      await lab.open();
      await lab.sendAndSkip();
      expect(await violations(page)).toEqual([]);
      for (const tab of ['tab-packet', 'tab-tables']) {
        await page.getByTestId(tab).click();
        expect(await violations(page)).toEqual([]);
      }
    });

    test('the rule walk, rules and Services are accessible', async ({ lab, page }) => {
      await lab.open();
      await lab.apply(scenario('clusterip'));
      await lab.closeDialog();
      await lab.sendAndSkip();
      await page.keyboard.press('Home');
      await page.keyboard.press('n');
      await expect(page.getByTestId('walk')).toBeVisible();
      expect(await violations(page)).toEqual([]);
      await page.keyboard.press('n');
      await page.keyboard.press('s');
      await lab.onCanvas('svc/default/web').click();
      await expect(page.getByTestId('service-inspector')).toBeVisible();
      expect(await violations(page)).toEqual([]);
      await lab.onCanvas('node/worker-1#rules').click();
      await page.getByTestId('rules-chain').filter({ hasText: 'KUBE-POSTROUTING' }).click();
      await expect(page.getByTestId('rules-rule').first()).toBeVisible();
      expect(await violations(page)).toEqual([]);
    });

    test('workspaces are accessible', async ({ lab, page }) => {
      await lab.open();
      await lab.apply(scenario('clusterip'));
      await lab.closeDialog();
      for (const [words, there] of [
        ['compare modes', 'compare-table'],
        ['cost chart', 'cost-table'],
        ['real node', 'dump-example'],
      ] as const) {
        await page.keyboard.press('ControlOrMeta+k');
        await page.getByTestId('palette-input').fill(words);
        await page.keyboard.press('Enter');
        await expect(page.getByTestId(there)).toBeVisible();
        expect(await violations(page)).toEqual([]);
      }
      await page.getByTestId('dump-example').click();
      await page.getByTestId('dump-walk').click();
      await expect(page.getByTestId('walk')).toBeVisible();
      expect(await violations(page)).toEqual([]);
    });

    test('dialogs are accessible', async ({ lab, page }) => {
      await lab.open();
      for (const opener of ['open-gallery', 'open-send', 'open-manifests', 'share-more', 'open-palette']) {
        await page.getByTestId(opener).click();
        await expect(page.getByRole('dialog')).toBeVisible();
        expect(await violations(page)).toEqual([]);
        await page.keyboard.press('Escape');
        await expect(page.getByRole('dialog')).toHaveCount(0);
      }
    });
  });
}
