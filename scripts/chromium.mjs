// A Chromium that Playwright can drive: Playwright's own where it is installed, else the system's.

import { existsSync } from 'node:fs';
import { installDebianPackages } from './debian.mjs';

const SYSTEM_PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/google-chrome-stable'];

/**
 * What to give Playwright as `launchOptions`; undefined when there is no browser.
 * @returns {Promise<{ executablePath?: string, args: string[] } | undefined>}
 */
export async function chromiumLaunchOptions() {
  // A sandbox needs a user namespace, which root in a container does not get.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const { chromium } = await import('@playwright/test');
  if (existsSync(chromium.executablePath())) return { args };
  const executablePath = SYSTEM_PATHS.find((path) => existsSync(path));
  if (executablePath === undefined) return undefined;
  const quiet = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'];
  return { executablePath, args: [...args, ...quiet, '--disable-component-update', '--disable-sync'] };
}

/**
 * Makes sure that there is a browser; on Debian as root it installs one.
 * @returns {Promise<string | undefined>} what is wrong and what to do, or undefined when all is well
 */
export async function ensureChromium() {
  if (await chromiumLaunchOptions()) return undefined;
  const said = installDebianPackages(['chromium']);
  if (await chromiumLaunchOptions()) return undefined;
  if (said) console.error(said);
  return 'No Chromium to test with. Install one: npx playwright install chromium, or on Debian and Ubuntu: apt-get install chromium.';
}
