// Takes the pictures of docs/guide/dashboard.md with a real service, zero and Chromium:
// npm run build && npm run compile && node scripts/screenshots.js [FOLDER]
// Needs the Debian package chromium, and pngquant for smaller files.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startChromium } from '../build/test/support/chromium.js';
import { visitDashboard } from '../build/test/support/dashboard.js';
import { findProgram } from '../build/test/support/debian.js';

const [folder = fileURLToPath(new URL('../docs/images', import.meta.url))] = process.argv.slice(2);
const WIDTHS = [1280, 360];
/** Maximum height of a picture in pixels, by width. */
const MAX_HEIGHT = { 1280: 1000, 360: 1400 };
/**
 * The text that a page contains in each state, and the seconds for which its curves grow before the picture is taken.
 */
const STATES = {
  idle: { pattern: /Up/, seconds: 25 },
  canary: { pattern: /canary 25 %/, seconds: 25 },
  'rolled-back': { pattern: /rolled back|failed/, seconds: 3 },
  gone: { pattern: /Connection lost/, seconds: 1 },
  'crash-loop': { pattern: /crash loop/, seconds: 4 },
};

/** Reduces the picture to 64 colours if pngquant is installed, which makes it two thirds smaller. */
function smaller(png) {
  const quantizer = findProgram('pngquant');
  return quantizer === null ? png : execFileSync(quantizer, ['--speed', '1', '64', '-'], { input: png });
}

const program = findProgram('chromium');
if (program === null) throw new Error('chromium is not installed: apt-get install chromium');
const cleanups = [];
const scope = { after: (cleanup) => cleanups.unshift(cleanup) };
mkdirSync(folder, { recursive: true });
try {
  const browser = await startChromium(scope, program);
  const pages = new Map();
  await visitDashboard(
    scope,
    async (address) => {
      for (const width of WIDTHS)
        pages.set(width, await browser.open(`http://${address}/`, { width, height: 800, dark: width < 600 }));
    },
    async (state) => {
      const wanted = STATES[state];
      if (wanted === undefined) return;
      await Promise.all([...pages.values()].map((page) => page.shows(wanted.pattern)));
      await pause(wanted.seconds * 1000);
      for (const [width, page] of pages) {
        const file = join(folder, `dashboard-${state}-${width}.png`);
        writeFileSync(file, smaller(await page.screenshot(MAX_HEIGHT[width])));
        process.stdout.write(`${file}\n`);
      }
    },
  );
} finally {
  for (const cleanup of cleanups) await cleanup();
}
