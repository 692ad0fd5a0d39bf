import { defineConfig, devices } from '@playwright/test';
import { chromiumLaunchOptions } from './scripts/chromium.mjs';
import { freePort } from './scripts/free-port.mjs';

// Playwright reads this file once more in every worker; the environment hands the port on.
process.env.HOPLAB_TEST_PORT ??= String(await freePort(20_000 + (process.pid % 10_000)));
const baseURL = `http://localhost:${process.env.HOPLAB_TEST_PORT}`;

// Without a browser the tests themselves fail, and say so; other tools that read this file need none.
const launchOptions = (await chromiumLaunchOptions()) ?? {};

/** The browser tests run the built app, served as `npm start` serves it. */
export default defineConfig({
  testDir: 'e2e',
  outputDir: `node_modules/.cache/hoplab/browser-${process.env.HOPLAB_TEST_PORT}`,
  forbidOnly: true,
  retries: 0,
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: 'list',
  use: { ...devices['Desktop Chrome'], baseURL, launchOptions, viewport: { width: 1280, height: 720 }, trace: 'retain-on-failure' },
  webServer: {
    command: `node scripts/start.mjs --port ${process.env.HOPLAB_TEST_PORT}`,
    url: baseURL,
    timeout: 120_000,
    reuseExistingServer: false,
  },
});
