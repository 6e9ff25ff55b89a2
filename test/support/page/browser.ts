import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

/** The browsers of the Debian packages chromium-headless-shell and chromium, and Google Chrome. */
const browsers = ['chromium-headless-shell', 'chromium', 'google-chrome'].map((name) => `/usr/bin/${name}`);
const executablePath = browsers.find((path) => existsSync(path));

/** Why no test in a browser can run; `false` if a browser is installed. */
export const noBrowser =
  executablePath === undefined && 'no Chromium is here: apt-get install chromium-headless-shell; CI on Debian has it';

/** Starts a headless Chromium. Its own sandbox does not start for the root user, and the pages are our own. */
export const startBrowser = (): Promise<Browser> =>
  chromium.launch({ ...(executablePath === undefined ? {} : { executablePath }), chromiumSandbox: false });
