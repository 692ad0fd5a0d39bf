import { expect } from '@playwright/test';
import { type LabPage, scenario, test } from './lab-page.ts';

async function openScenario(lab: LabPage, name: string): Promise<void> {
  await lab.open();
  await lab.apply(scenario(name));
  await lab.closeDialog();
}

async function command(lab: LabPage, words: string): Promise<void> {
  await lab.page.keyboard.press('ControlOrMeta+k');
  await lab.page.getByTestId('palette-input').fill(words);
  await lab.page.keyboard.press('Enter');
}

/** Six more Services for the same pods, whose rules come before those of `web`. */
const MORE_SERVICES = [1, 2, 3, 4, 5, 6]
  .map(
    (i) =>
      `---\napiVersion: v1\nkind: Service\nmetadata:\n  name: also-${i}\nspec:\n  clusterIP: 10.96.0.10${i}\n  selector:\n    app: web\n  ports:\n    - port: 80\n`,
  )
  .join('');

test.describe('through a ClusterIP to the other node', () => {
  test('DNAT is seen on the map, in the journey, in the packet and in the rule walk', async ({ lab, page }) => {
    await openScenario(lab, 'clusterip');
    await lab.sendAndSkip();
    await expect(lab.outcome).toContainText('200 OK');

    await page.keyboard.press('Home');
    await command(lab, 'next rewrite');
    await expect(lab.currentHop).toContainText('DNAT 10.96.0.20:80 -> 10.244.2.');
    await expect(page.locator('.lit-text')).toContainText('DNAT 10.96.0.20:80 -> 10.244.2.');

    await page.getByTestId('tab-packet').click();
    const rewrite = page.getByTestId('rewrite').locator('[data-changed]');
    await expect(rewrite).toHaveCount(1);
    await expect(rewrite).toContainText('10.96.0.20');
    await page.getByTestId('tab-journey').click();

    await page.getByTestId('open-walk').click();
    const walk = page.getByTestId('walk');
    await expect(walk).toContainText('nat PREROUTING');
    await expect(walk).toContainText(/KUBE-SVC-\w+/);
    await expect(walk).toContainText('a chance of 1/2 (50 %)');
    await expect(walk.locator('[aria-current=step]')).toContainText('DNAT 10.96.0.20:80');
    await expect(page.getByTestId('netfilter-view')).toContainText('first packet of its connection');
    await expect(page.getByTestId('netfilter-total')).toContainText(/\d+ rules evaluated, \d+ matched/);
  });

  test('the reply is translated back without ever asking the nat table', async ({ lab, page }) => {
    await openScenario(lab, 'clusterip');
    await lab.sendAndSkip();
    await page.keyboard.press('Home');
    await page.keyboard.press('n');
    const view = page.getByTestId('netfilter-view');
    const next = page.getByTestId('netfilter-next');
    let replies = 0;
    let undone = 0;
    while (await next.isEnabled()) {
      await next.click();
      const text = (await view.textContent()) ?? '';
      if (!text.includes('reply of a known connection')) continue;
      replies++;
      expect(text).toContain('the nat table is not asked');
      expect(text).not.toContain('nat PREROUTING');
      expect(text).not.toContain('nat POSTROUTING');
      if (text.includes('un-DNAT 10.244.2.')) undone++;
    }
    expect(replies).toBeGreaterThan(2);
    expect(undone).toBeGreaterThan(1);
  });

  test('the walk follows the playhead, and the playhead the walk', async ({ lab, page }) => {
    await openScenario(lab, 'clusterip');
    await lab.sendAndSkip();
    await page.keyboard.press('Home');
    await command(lab, 'next rewrite');
    await page.keyboard.press('n');
    const rules = page.getByTestId('walk-rule');
    await rules.nth(1).click();
    await expect(rules.nth(1)).toHaveAttribute('aria-current', 'step');
    const { position } = await lab.timeline();
    await page.keyboard.press('ArrowLeft');
    expect((await lab.timeline()).position).toBe(position - 1);
    await expect(rules.nth(0)).toHaveAttribute('aria-current', 'step');
    await page.keyboard.press('n');
    await expect(page.getByTestId('netfilter-view')).toHaveCount(0);
    await expect(lab.onCanvas('pod/default/client')).toBeVisible();
  });

  test('rules that did not match are folded, and open on demand', async ({ lab, page }) => {
    await lab.open();
    await lab.apply(scenario('clusterip') + MORE_SERVICES);
    await lab.closeDialog();
    await lab.sendAndSkip();
    await page.keyboard.press('Home');
    await command(lab, 'next rewrite');
    await page.keyboard.press('n');
    const fold = page.getByTestId('walk-fold').filter({ hasText: 'did not match' }).first();
    await fold.click();
    await expect(fold).toHaveAttribute('aria-expanded', 'true');
    await expect(page.getByTestId('walk')).toContainText('differs');
  });
});

test('kube-proxy’s mode is switched live, and what was recorded stays as it was', async ({ lab, page }) => {
  await openScenario(lab, 'clusterip');
  const chips = page.getByTestId('proxy-mode-at');
  await expect(chips.first()).toHaveText('iptables');
  await lab.sendAndSkip();
  await page.getByTestId('mode-nftables').click();
  await lab.idle();
  await expect(page.getByTestId('mode-nftables')).toHaveAttribute('aria-pressed', 'true');
  for (const chip of await chips.all()) await expect(chip).toHaveText('nftables');
  await page.keyboard.press('Home');
  await expect(chips.first()).toHaveText('iptables');

  await lab.sendAndSkip();
  await expect(lab.outcome).toContainText('200 OK');
  await page.keyboard.press('n');
  await expect(page.getByTestId('netfilter-view')).toBeVisible();
});

test('in IPVS mode the address is this host’s, and IPVS chooses at INPUT', async ({ lab, page }) => {
  await openScenario(lab, 'clusterip');
  await page.getByTestId('mode-ipvs').click();
  await lab.idle();
  await expect(page.getByTestId('mode-ipvs')).toHaveAttribute('aria-pressed', 'true');
  await lab.sendAndSkip();
  await expect(lab.outcome).toContainText('200 OK');
  await page.keyboard.press('Home');
  await command(lab, 'next rewrite');
  await expect(lab.currentHop).toContainText('IPVS sends it on to 10.244.2.');
  await expect(page.locator('.lit-text')).toContainText('IPVS DNAT 10.96.0.20:80 -> 10.244.2.');
  await page.getByTestId('open-walk').click();
  await expect(page.getByTestId('walk').locator('[aria-current=step]')).toContainText('ip_vs at INPUT, scheduler rr');
  await expect(page.getByTestId('rewrite').first()).toContainText('10.96.0.20');
  await page.keyboard.press('n');
  await lab.skipToEnd();
  await page.getByTestId('tab-tables').click();
  await page.getByTestId('tables-netns').selectOption('node/worker-1');
  await expect(page.getByTestId('tables')).toContainText('ipvsadm -Ln');
  await expect(page.getByTestId('tables')).toContainText('TCP 10.96.0.20:80');
});

test('Services are an overlay that can be switched on, and looked at', async ({ lab, page }) => {
  await openScenario(lab, 'clusterip');
  const pill = lab.onCanvas('svc/default/web');
  await expect(pill).toHaveCount(0);
  await page.keyboard.press('s');
  await expect(pill).toContainText('10.96.0.20:80');
  await expect(pill).toContainText('2/2 ready');
  await pill.focus();
  await page.keyboard.press('Enter');
  const inspector = page.getByTestId('service-inspector');
  await expect(inspector).toContainText('Service default/web');
  await expect(inspector).toContainText('Endpoints 2');
  await expect(inspector).toContainText('every connection is drawn anew');
  await page.getByTestId('toggle-services').click();
  await expect(pill).toHaveCount(0);
});

test('dragging from a pod to a Service sends to it', async ({ lab, page }) => {
  await openScenario(lab, 'clusterip');
  await page.keyboard.press('s');
  await lab.onCanvas('pod/default/client').dragTo(lab.onCanvas('svc/default/web'));
  await expect.poll(async () => (await lab.timeline()).length).toBeGreaterThan(0);
  await lab.skipToEnd();
  await expect(lab.outcome).toContainText('svc/default/web:80');
  await expect(lab.outcome).toContainText('200 OK');
});

test('a Service without endpoints says what will happen', async ({ lab, page }) => {
  await openScenario(lab, 'no-endpoints');
  await page.getByTestId('tab-services').click();
  await page.getByTestId('services-item').first().click();
  await expect(page.getByTestId('service-inspector')).toContainText(/refused|rejects/);
});

test('what could happen has exact chances, and marks what did', async ({ lab, page }) => {
  await openScenario(lab, 'clusterip');
  await page.getByTestId('open-send').click();
  await page.getByTestId('send-to').fill('svc/default/web:80');
  await page.getByTestId('what-could-happen').click();
  await expect(page.getByTestId('chance')).toHaveCount(2);
  await expect(page.getByTestId('chance').first()).toContainText('1/2 50 %');
  await page.getByTestId('send-submit').click();
  await expect.poll(async () => (await lab.timeline()).length).toBeGreaterThan(0);
  await lab.skipToEnd();
  await expect(lab.outcome).toContainText('svc/default/web:80');
  await page.getByTestId('what-could-happen').click();
  await expect(page.locator('[data-testid=chance][data-happened]')).toHaveCount(1);
});

test('repeated traffic shows its spread against what was expected', async ({ lab, page }) => {
  await openScenario(lab, 'clusterip');
  await page.getByTestId('open-send').click();
  await page.getByTestId('send-count').fill('20');
  await page.getByTestId('send-submit').click();
  await expect.poll(async () => (await lab.timeline()).length).toBeGreaterThan(0);
  await lab.skipToEnd();
  const spread = page.getByTestId('spread');
  await expect(spread).toContainText('20 of 20 connections');
  const rows = spread.getByTestId('spread-row');
  await expect(rows).toHaveCount(2);
  await expect(rows.first()).toContainText('10.0 ± 2.2');
  const got = await rows.locator('td:nth-child(2)').allTextContents();
  expect(got.map(Number).reduce((a, b) => a + b)).toBe(20);
  await page.keyboard.press('Home');
  await expect(spread).toContainText('0 of 20 connections');
});

test('the rules of a node can be browsed and searched', async ({ lab, page }) => {
  await openScenario(lab, 'clusterip');
  await lab.onCanvas('node/worker-1#rules').click();
  await expect(page.getByTestId('rules')).toContainText('iptables -t nat');
  await page.getByTestId('rules-search').fill('10.96.0.20');
  await expect(page.getByTestId('rules-rule').first()).toContainText('10.96.0.20');
  await page
    .getByTestId('rules-rule')
    .getByRole('button', { name: /to KUBE-SVC-/ })
    .first()
    .click();
  await expect(page.getByTestId('rules-rule').first()).toContainText(/pkts/);
});
