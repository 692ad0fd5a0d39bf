import { expect } from '@playwright/test';
import { type LabPage, test } from './lab-page.ts';

async function command(lab: LabPage, words: string): Promise<void> {
  await lab.page.keyboard.press('ControlOrMeta+k');
  await lab.page.getByTestId('palette-input').fill(words);
  await lab.page.keyboard.press('Enter');
}

async function openReadyMade(lab: LabPage, name: string): Promise<void> {
  await lab.open();
  await lab.page.keyboard.press('o');
  await lab.page.getByTestId(`scenario-${name}`).click();
  await expect(lab.page.getByRole('dialog')).toHaveCount(0);
}

test.describe('a real node’s dump', () => {
  test('a packet is walked through it, hook by hook', async ({ lab, page }) => {
    await lab.open();
    await page.getByTestId('open-manifests').click();
    await page.getByTestId('open-dump').click();
    await page.getByTestId('dump-example').click();
    await page.getByTestId('dump-walk').click();
    await expect(page.getByTestId('dump-verdict')).toContainText(/^It leaves by eth0 for 10\.244\.2\.\d:8080, as 10\.244\.1\.5:41932/);
    const walk = page.getByTestId('walk');
    await expect(walk).toContainText('nat PREROUTING');
    await expect(walk).toContainText('KUBE-SVC-LOLE4ISW44XBNF3G');
    // Rules that did not match are told in the dump's own words.
    await expect(walk).toContainText('--ctstate INVALID -j DROP');
    await expect(page.getByTestId('rewrite')).toContainText('10.96.0.20');

    await page.getByTestId('dump-destination').fill('10.96.0.99');
    await page.getByTestId('dump-walk').click();
    await expect(page.getByTestId('dump-verdict')).toContainText('It leaves by eth0 for 10.96.0.99:80');
    await page.getByTestId('workspace-close').click();
    await expect(lab.onCanvas('pod/default/client')).toBeVisible();
  });

  test('what is not understood is shown at its line, as text', async ({ lab, page }) => {
    await lab.open();
    await command(lab, 'real node');
    await page.getByTestId('dump-example').click();
    await page.getByRole('textbox', { name: /tools/ }).click();
    await page.keyboard.press('ControlOrMeta+Home');
    await page.keyboard.insertText('<img src=x onerror="document.title=1">\n');
    await page.getByTestId('dump-walk').click();
    await expect(page.getByTestId('dump-problem')).toContainText('line 1 not understood: "<img src=x');
    await expect(page.locator('.cm-marked')).toContainText('<img src=x');
    await expect(page.getByTestId('dump').locator('img')).toHaveCount(0);
  });

  test('a field that makes no sense is refused without a line', async ({ lab, page }) => {
    await lab.open();
    await command(lab, 'real node');
    await page.getByTestId('dump-example').click();
    await page.getByTestId('dump-source').fill('nobody');
    await page.getByTestId('dump-walk').click();
    await expect(page.getByTestId('dump-problem')).toContainText('expected an IPv4 address, got "nobody"');
  });
});

test.describe('the modes side by side', () => {
  test('are aligned hook by hook, with what differs marked', async ({ lab, page }) => {
    await openReadyMade(lab, 'clusterip');
    await lab.sendAndSkip();
    await lab.outcome.getByTestId('compare-modes').click();
    const rows = page.getByTestId('compare-row');
    await expect(rows.first()).toContainText('pod default/client');
    await expect(rows.first()).toHaveAttribute('data-difference', 'same');
    const prerouting = rows.filter({ hasText: 'PREROUTING' }).first();
    await expect(prerouting).toHaveAttribute('data-difference', 'differs');
    await expect(prerouting).toContainText('DNAT 10.96.0.20:80 -> 10.244.2.');
    await expect(prerouting).toContainText('nat KUBE-SVC-');
    await expect(prerouting).toContainText('kube-proxy service-');
    await expect(page.getByTestId('compare-column-iptables')).toContainText('PREROUTING, table nat, rule by rule');
    await expect(page.getByTestId('compare-column-nftables')).toContainText('PREROUTING, table kube-proxy, by numgen');
    await expect(page.getByTestId('compare-costs')).toContainText(/\d+ rules, \d+ lookups/);
    await expect(page.getByTestId('compare-differences').getByRole('row')).toHaveCount(5);
  });

  test('move in step: by keys, by the scrubber and by a click', async ({ lab, page }) => {
    await openReadyMade(lab, 'nodeport');
    await command(lab, 'compare modes');
    const at = page.getByTestId('compare-at');
    await expect(at).toContainText(/step (\d+) of \1/);
    await page.keyboard.press('Home');
    await expect(at).toContainText('step 0 of');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await expect(at).toContainText('PREROUTING on node worker-1');
    const current = page.getByTestId('compare-row').and(page.locator('[aria-current=step]'));
    await expect(current).toContainText('marked for masquerading');
    await page.getByTestId('compare-next-difference').click();
    await expect(current).toHaveAttribute('data-difference', 'differs');
    await page.getByTestId('compare-scrubber').fill('2');
    await expect(current).toContainText('outside router');
    await page
      .getByRole('button', { name: /^POSTROUTING/ })
      .first()
      .click();
    await expect(current).toContainText('SNAT 203.0.113.10:');

    await page.getByTestId('compare-reply').click();
    await expect(page.getByTestId('compare-table')).toContainText('conntrack translates back');
    await page.keyboard.press('Escape');
    await expect(page.getByTestId('compare')).toHaveCount(0);
    // The recording did not move along.
    expect(await lab.timeline()).toEqual({ position: 0, length: 0 });
  });

  test('say why there is nothing to compare', async ({ lab, page }) => {
    await lab.open();
    await page.getByTestId('open-send').click();
    await page.getByTestId('send-from').fill('pod/default/nobody');
    await page.getByRole('dialog').getByTestId('compare-modes').click();
    await expect(page.getByTestId('compare').getByRole('alert')).toContainText('It cannot be compared: from:');
  });
});

test('the cost of a connection is worked out point by point, and can be stopped and gone on with', async ({ lab, page }) => {
  await lab.open();
  await command(lab, 'cost chart');
  const status = page.getByTestId('cost-status');
  const numbers = page.getByTestId('cost-table');
  await expect(page.getByRole('img', { name: /First packet/ })).toBeVisible();
  await page.getByTestId('cost-stop').click();
  await expect(status).toContainText(/Stopped at \d+ of 18/);
  await page.getByTestId('cost-run').click();
  await expect(
    numbers
      .getByRole('row', { name: /^iptables/ })
      .getByRole('cell')
      .first(),
  ).toHaveText(/^\d+ \+ 0$/);
  await expect(status).toHaveText('All 18 points are worked out.', { timeout: 45_000 });
  await expect(numbers.getByRole('row', { name: /^nftables/ }).getByRole('cell')).toHaveCount(6);
  await expect(page.getByTestId('cost')).toContainText('KEP-3866');
  await page.getByTestId('cost-change').click();
  await expect(numbers).toContainText('One change');
});
