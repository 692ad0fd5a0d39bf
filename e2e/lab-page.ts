import { readFileSync } from 'node:fs';
import { test as base, expect, type Locator, type Page } from '@playwright/test';

/** The lab's page as a person knows it. Everything waits for the page to say that it is idle; nothing sleeps. */
export class LabPage {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  /** Opens the lab, with a link's fragment or without, and waits until the cluster is there. */
  async open(fragment = ''): Promise<void> {
    await this.page.goto(`/${fragment}`);
    await this.ready();
  }

  async ready(): Promise<void> {
    await expect(this.page.locator('html[data-ready="true"]')).toBeAttached();
  }

  /** Sends with the space bar, and goes to the end of the recording without watching it play. */
  async sendAndSkip(): Promise<void> {
    const before = await this.timeline();
    await this.page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
    await this.page.keyboard.press('Space');
    await expect.poll(async () => (await this.timeline()).length).toBeGreaterThan(before.length);
    await this.skipToEnd();
  }

  async skipToEnd(): Promise<void> {
    await this.page.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
    await this.page.keyboard.press('End');
    await this.idle();
    const { position, length } = await this.timeline();
    expect(position).toBe(length);
  }

  async idle(): Promise<void> {
    await expect(this.page.locator('html[data-idle="true"]')).toBeAttached();
  }

  /** Events up to the playhead, and events recorded. */
  async timeline(): Promise<{ position: number; length: number }> {
    const text = (await this.page.getByTestId('timeline-position').textContent()) ?? '';
    const [position = Number.NaN, length = Number.NaN] = text.split('/').map((part) => Number(part.replaceAll(/\D/g, '')));
    return { position, length };
  }

  /** What the canvas draws for something, e.g. `node/worker-1` or `pod/default/client`. */
  onCanvas(id: string): Locator {
    return this.page.getByTestId(`rf__node-${id}`);
  }

  get currentHop(): Locator {
    return this.page.getByTestId('journey-hop').and(this.page.locator('[aria-current="step"]'));
  }

  get outcome(): Locator {
    return this.page.getByTestId('journey-outcome');
  }

  async closeDialog(): Promise<void> {
    await this.page.keyboard.press('Escape');
    await expect(this.page.getByRole('dialog')).toHaveCount(0);
  }

  /** Replaces the text of the manifests and applies it. */
  async apply(yaml: string): Promise<void> {
    await this.page.getByTestId('open-manifests').click();
    const editor = this.page.getByRole('textbox', { name: /manifests/i });
    await editor.click();
    await this.page.keyboard.press('ControlOrMeta+a');
    await this.page.keyboard.insertText(yaml);
    await this.page.getByTestId('apply-manifests').click();
    await this.idle();
  }
}

/** Every test fails as well when the page logs an error or throws one. */
export const test = base.extend<{ lab: LabPage }>({
  lab: async ({ page }, use) => {
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(error.stack ?? error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    await use(new LabPage(page));
    expect(faults).toEqual([]);
  },
});

/** Two pods that can talk, on one node, under a title of their own. */
export const TWO_PODS = `apiVersion: hoplab.dev/v1
kind: Scenario
metadata:
  name: two-pods
spec:
  title: Two pods on one node
---
apiVersion: v1
kind: Node
metadata:
  name: alone
---
apiVersion: v1
kind: Pod
metadata:
  name: asks
spec:
  nodeName: alone
  containers:
    - name: curl
      image: curlimages/curl:8.17.0
---
apiVersion: v1
kind: Pod
metadata:
  name: answers
spec:
  nodeName: alone
  containers:
    - name: nginx
      image: nginx:1.29
      ports:
        - containerPort: 80
`;

/** One of the scenarios that come with the project. */
export const scenario = (name: string): string => readFileSync(new URL(`../public/scenarios/${name}.yaml`, import.meta.url), 'utf8');
