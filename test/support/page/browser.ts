import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** The browsers of the Debian packages chromium-headless-shell and chromium. */
const executablePath = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find((path) => existsSync(path));

/** Why no test in a browser can run; `false` if a browser is installed. */
export const noBrowser =
  executablePath === undefined && 'no Chromium is here: apt-get install chromium-headless-shell; CI has it';

/** Starts a headless Chromium. Its own sandbox does not start for the root user, and the pages are our own. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({ ...(executablePath === undefined ? {} : { executablePath }), chromiumSandbox: false });
