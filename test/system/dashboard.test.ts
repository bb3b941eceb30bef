import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Browser, type Page, startChromium } from '../support/chromium.ts';
import { startCommand } from '../support/command.ts';
import { type DashboardState, LAST_OUTPUT, visitDashboard } from '../support/dashboard.ts';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { freeze } from '../support/freeze.ts';
import { startServing } from '../support/puppet-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

/** The visible text in each state, and the names for a screen reader. */
const EXPECTED: Readonly<
  Record<DashboardState, { readonly text: RegExp; readonly nodes: readonly RegExp[] }>
> = {
  idle: {
    text: /\bUp\s+Generation 1 serves\.[\s\S]*Handover 1 was promoted/,
    nodes: [
      /^heading: Up$/,
      /^heading: Generation 1 serving$/,
      /^image: Open connections in the last 4 minutes, \d+ to \d+, now \d+$/,
      /^columnheader: Last exit$/,
      /^cell: (?:Worker )?1\.0 \(generation 1, worker 0\)$/,
      /^log: Events$/,
      /^image: Last 1 handovers, oldest first: 1 promoted, 0 not promoted$/,
    ],
  },
  canary: {
    text: /Handover 2: canary 25 %\s+Generation 2 \(v2\.1\.0\) replaces generation 1\.[\s\S]*requested\s+75 %[\s\S]*candidate[\s\S]*requested\s+25 %[\s\S]*counted\s+[1-9][\d.]* % \([1-9]\d* open\)/,
    nodes: [/^heading: Handover 2: canary 25 %$/, /^heading: Generation 2 candidate$/],
  },
  'rolled-back': {
    text: /The last deploy (?:was rolled back|failed)[\s\S]*Generation 2 keeps serving\.[\s\S]*Last output of generation 3/i,
    nodes: [
      /^heading: Up\. The last deploy (?:was rolled back|failed)$/,
      /^heading: Last output of generation 3$/,
      /^StaticText: Handover 3 (?:was rolled back|failed)$/,
    ],
  },
  gone: {
    text: /Connection lost at .*\. Showing the last known state\.[\s\S]*Generation 2/,
    nodes: [/^alert: /, /^StaticText: Connection lost at /],
  },
  back: {
    text: /^(?![\s\S]*Connection lost)[\s\S]*restarted once/,
    nodes: [/^heading: Up\. The last deploy (?:was rolled back|failed)$/],
  },
  'crash-loop': {
    text: /Down: crash loop, \d+ restarts\s+Nothing serves: generation 2[\s\S]*Next start in \d+ s\. Last exit .* ago: worker \d exited with code 3\./,
    nodes: [/^heading: Down: crash loop, \d+ restarts$/, /^heading: Generation 2 down$/],
  },
};

/** The errors that a browser reports after the exit of a supervisor. */
const LOST = /ERR_(?:CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE|CONNECTION_RESET)/;

/**
 * The lowest contrast between text and background (WCAG 2.2, 1.4.3), and the width of the content. On a phone innerWidth
 * grows with the content.
 */
const LOOKS = `(() => {
  const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { r, g, b, a }; };
  const luminance = ({ r, g, b }) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.a === 1) return colour;
    }
    return { r: 255, g: 255, b: 255 };
  };
  let lowest = 21, where = '';
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || element.closest('script, style, noscript, [hidden]')) continue;
    const [one, two] = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))];
    const contrast = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
    if (contrast < lowest) [lowest, where] = [contrast, node.data.trim().slice(0, 40)];
  }
  return { lowest, where, wide: document.documentElement.scrollWidth, screen: document.documentElement.clientWidth };
})()`;

async function assertLooksRight(page: Page, state: string): Promise<void> {
  const looks = (await page.evaluate(LOOKS)) as Record<'lowest' | 'wide' | 'screen', number> & {
    where: string;
  };
  assert.ok(looks.lowest >= 4.5, `${state}: contrast ${looks.lowest} of "${looks.where}"`);
  assert.ok(looks.wide <= looks.screen, `${state}: ${looks.wide} pixels wide on ${looks.screen}`);
}

async function assertAccessible(page: Page, nodes: readonly RegExp[], state: string): Promise<void> {
  const tree = await page.accessibility();
  for (const wanted of [...nodes, /^main: /, /^banner: /, /^contentinfo: /, /^heading: shop$/])
    assert.ok(
      tree.some((node) => wanted.test(node)),
      `${state}: no ${wanted} in\n${tree.filter((one) => !one.startsWith('Inline')).join('\n')}`,
    );
}

async function openPages(browser: Browser, address: string): Promise<Page[]> {
  const url = `http://${address}/`;
  return [await browser.open(url), await browser.open(url, { width: 320, height: 700, dark: true })];
}

describe('the dashboard in a browser', () => {
  it('shows each state as text and to a screen reader, on a desktop and on a phone', DEADLINE, async (t) => {
    const program = requireProgram(t, 'chromium', 'chromium');
    if (program === null) return;
    const browser = await startChromium(t, program);
    let pages: Page[] = [];
    let url = '';
    await visitDashboard(
      t,
      async (address) => {
        url = `http://${address}/`;
        pages = await openPages(browser, address);
      },
      async (state) => {
        const { text, nodes } = EXPECTED[state];
        for (const page of pages) {
          const shown = await page.shows(text);
          await assertAccessible(page, nodes, state);
          await assertLooksRight(page, state);
          if (state === 'rolled-back') {
            assert.ok(shown.includes(LAST_OUTPUT[0] ?? ''), shown);
            assert.ok(shown.includes('<script>alert(1)</script> settings'), shown);
          }
          if (state === 'idle') assert.deepEqual(page.complaints, []);
        }
        if (state === 'canary') {
          const [page] = pages;
          const width = "document.querySelector('.candidate .requested .fill').getAttribute('width')";
          assert.equal(await page?.evaluate(width), '25%');
          const plain = await browser.open(url, { script: false });
          assert.match(await plain.text(), text);
          assert.match(await plain.text(), /Without JavaScript this page does not update/);
          await plain.close();
        }
      },
    );
    for (const { complaints, requests } of pages) {
      assert.deepEqual(
        complaints.filter((complaint) => !LOST.test(complaint)),
        [],
      );
      assert.deepEqual(
        requests.filter((one) => !one.startsWith(url)),
        [],
      );
      assert.deepEqual([...new Set(requests)], [url, `${url}events`]);
    }
  });

  it('shows that a supervisor is halted, and that it runs again', DEADLINE, async (t) => {
    const program = requireProgram(t, 'chromium', 'chromium');
    if (program === null) return;
    const address = await freeAddress();
    const { zero } = await startServing(t, { application: { admin: { address } } });
    await zero.fact('admin_listening');
    const browser = await startChromium(t, program);
    // A minute without messages, in three seconds: longer than the time between two readings.
    const page = await browser.open(`http://${address}/`, { clock: 20 });
    await page.shows(/Generation 1 serves\./);
    await freeze({ pid: zero.process.pid ?? 0 });
    await page.shows(/Connection lost at .*\. Showing the last known state\./);
    zero.process.kill('SIGCONT');
    await page.shows(/^(?![\s\S]*Connection lost)[\s\S]*Generation 1 serves\./);
  });
});

/** Sends one request. Resolves to the status and body of the response. */
function ask(address: string, path: string, headers: Record<string, string> = {}) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const request = get(`http://${address}${path}`, { headers, agent: false }, async (response) => {
      let body = '';
      for await (const chunk of response.setEncoding('utf8')) body += chunk;
      resolve({ status: response.statusCode ?? 0, body });
    });
    request.on('error', reject);
  });
}

/** Reads server-sent events until they match. */
function eventsUntil(address: string, path: string, wanted: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(`http://${address}${path}`, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (!wanted.test(text)) return;
        response.destroy();
        resolve();
      });
      response.on('end', () => reject(new Error(`they ended without ${wanted}: ${text}`)));
    });
    request.on('error', reject);
  });
}

describe('zero dashboard', () => {
  it('serves one page for all instances, and a page for each', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const environment = { TMPDIR: folder, XDG_RUNTIME_DIR: folder };
    const names = ['first', 'second'].map((name) => `${name}-${process.pid}`);
    const [first, second] = names.map((name) => startServing(t, { runtime: { name } }, { environment }));
    assert.ok(first && second);
    const { zero } = await first;
    await second;
    // Files of another user in a directory that root reads.
    const strange = join(folder, `zero-${process.geteuid?.()}`, 'strange');
    mkdirSync(strange, { recursive: true });
    const record = { version: 1, name: 'bad\ud800name', pid: 1, config_file: null, control_socket: '/none' };
    writeFileSync(join(strange, 'instance.json'), JSON.stringify(record));
    const address = await freeAddress();
    const command = startCommand(t, null, ['dashboard', '--listen', address], environment);
    await command.shown(`http://${address}/`);

    await freeze({ pid: zero.process.pid ?? 0 });
    const hung = await ask(address, '/');
    assert.match(hung.body, new RegExp(`${names[0]}</a></h2>.*No answer.*has not answered within 2 s`));
    zero.process.kill('SIGCONT');
    const { body } = await ask(address, '/');
    const paths = names.map((name) => new RegExp(`href="(/instance/\\d+/${name}/)"`).exec(body)?.[1] ?? '');
    assert.ok(
      paths.every((path) => path !== ''),
      body,
    );
    const page = await ask(address, paths[0] ?? '');
    assert.match(page.body, /Generation 1 serves\.[\s\S]*Handover 1 was promoted[\s\S]*worker_ready/);
    assert.equal((await ask(address, '/instance/0/none/')).status, 404);
    assert.equal((await ask(address, '/', { Host: 'evil.example' })).status, 403);
    assert.equal((await ask(address, '/events', { Origin: 'http://evil.example' })).status, 403);

    const lost = eventsUntil(address, '/events', /Connection lost/);
    const own = eventsUntil(address, `${paths[0]}events`, /Connection lost/);
    await eventsUntil(address, `${paths[0]}events`, /event: log[\s\S]*worker_ready/);
    zero.process.kill('SIGKILL');
    await Promise.all([lost, own]);
    // A command that has never known it.
    const otherAddress = await freeAddress();
    const other = startCommand(t, null, ['dashboard', '--listen', otherAddress], environment);
    await other.shown(`http://${otherAddress}/`);
    const killed = await ask(otherAddress, '/');
    assert.match(killed.body, new RegExp(`${names[0]}</a></h2>.*has ended, and its service still runs: pid`));
    other.signal('SIGTERM');
    assert.equal((await other.finished).code, 0);

    command.signal('SIGINT');
    const { code, stderr } = await command.finished;
    assert.equal(code, 0, stderr);
  });

  it('reports an address that it cannot open', DEADLINE, async (t) => {
    const wrong = await startCommand(t, null, ['dashboard', '--listen', 'no address']).finished;
    assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
    assert.match(wrong.stderr, /^zero dashboard: --listen: /);
  });
});
