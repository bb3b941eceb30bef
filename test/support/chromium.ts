import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { type Scope, temporaryFolder } from './temporary.ts';

/** Options for opening a page. */
export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
  /** prefers-color-scheme: dark. */
  readonly dark?: boolean;
  /** false: the browser runs no script. */
  readonly script?: boolean;
  /** How many times faster than in reality the timers of the page are. */
  readonly clock?: number;
}

/** A tab of a browser. */
export interface Page {
  /** The visible text. */
  text(): Promise<string>;
  /** Waits at most 20 s until the text matches. Resolves to the text. */
  shows(pattern: RegExp): Promise<string>;
  /** The accessibility tree, each node that is not ignored as `role: name`. */
  accessibility(): Promise<string[]>;
  /** Evaluates an expression. Resolves to its value, serialised as JSON. */
  evaluate(expression: string): Promise<unknown>;
  /** A PNG of the whole page, or of its upper part. */
  screenshot(maxHeight?: number): Promise<Buffer>;
  /** Errors of scripts, and refused requests. */
  readonly complaints: readonly string[];
  /** The URL of every request. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export interface Browser {
  open(url: string, options?: PageOptions): Promise<Page>;
}

type Fields = Record<string, unknown>;
type Send = (method: string, params?: Fields) => Promise<Fields>;

const PATIENCE = 20_000;

/**
 * Starts Chromium headless with a new profile, and ends it at the end of the test. The test controls it over pipes
 * (Chrome DevTools Protocol).
 */
export async function startChromium(scope: Scope, program: string): Promise<Browser> {
  const profile = temporaryFolder(scope);
  const flags = [
    '--headless=new',
    '--remote-debugging-pipe',
    // Chromium has no sandbox as root. It opens only pages of these tests.
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--hide-scrollbars',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-extensions',
    '--disable-sync',
    `--user-data-dir=${profile}`,
  ];
  const child = spawn(program, [...flags, 'about:blank'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOME: profile, XDG_CONFIG_HOME: join(profile, 'config') },
    detached: true,
  });
  scope.after(() => end(child));
  const connection = connect(child.stdio[3] as Writable, child.stdio[4] as Readable);
  return {
    async open(url, options = {}) {
      const { targetId } = await connection.send(null, 'Target.createTarget', { url: 'about:blank' });
      const { sessionId } = await connection.send(null, 'Target.attachToTarget', { targetId, flatten: true });
      const session = String(sessionId);
      const send: Send = (method, params) => connection.send(session, method, params);
      const close = async () => void (await connection.send(null, 'Target.closeTarget', { targetId }));
      return openPage(url, options, send, (listener) => connection.on(session, listener), close);
    },
  };
}

/** Kills the process group, which includes the helper processes. */
async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  process.kill(-child.pid, 'SIGKILL');
  await exited;
}

type Listener = (method: string, params: Fields) => void;

/** Exchanges JSON messages, each terminated by NUL. */
function connect(input: Writable, output: Readable) {
  const waiting = new Map<number, { resolve(result: Fields): void; reject(error: Error): void }>();
  const listeners = new Map<string, Listener>();
  let last = 0;
  let rest = '';
  const take = (text: string) => {
    const { id, method, params, result, error, sessionId } = JSON.parse(text);
    if (id === undefined) {
      listeners.get(sessionId)?.(method, params);
      return;
    }
    const caller = waiting.get(id);
    waiting.delete(id);
    if (error) caller?.reject(new Error(error.message));
    else caller?.resolve(result);
  };
  output.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\0');
    rest = parts.pop() ?? '';
    for (const part of parts) take(part);
  });
  output.on('close', () => {
    for (const { reject } of waiting.values()) reject(new Error('Chromium has exited'));
  });
  input.on('error', () => {});
  return {
    on: (session: string, listener: Listener) => void listeners.set(session, listener),
    send(sessionId: string | null, method: string, params: Fields = {}): Promise<Fields> {
      last += 1;
      const id = last;
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        input.write(`${JSON.stringify({ id, method, params, ...(sessionId !== null && { sessionId }) })}\0`);
      });
    },
  };
}

async function openPage(
  url: string,
  { width = 1280, height = 900, dark = false, script = true, clock = 1 }: PageOptions,
  send: Send,
  listen: (listener: Listener) => void,
  close: () => Promise<void>,
): Promise<Page> {
  const complaints: string[] = [];
  const requests: string[] = [];
  let loaded = () => {};
  const whenLoaded = new Promise<void>((resolve) => {
    loaded = resolve;
  });
  listen((method, params) => {
    if (method === 'Page.loadEventFired') loaded();
    else if (method === 'Network.requestWillBeSent') requests.push((params.request as { url: string }).url);
    else if (method === 'Log.entryAdded') complaints.push((params.entry as { text: string }).text);
    else if (method === 'Runtime.exceptionThrown')
      complaints.push(JSON.stringify((params.exceptionDetails as Fields).exception));
  });
  const metrics = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
  await Promise.all([
    ...['Page', 'Network', 'Runtime', 'Log', 'Accessibility'].map((domain) => send(`${domain}.enable`)),
    send('Emulation.setDeviceMetricsOverride', metrics),
    send('Emulation.setEmulatedMedia', {
      features: [
        { name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' },
        // A screenshot shows final values instead of transitions.
        { name: 'prefers-reduced-motion', value: 'reduce' },
      ],
    }),
    send('Emulation.setScriptExecutionDisabled', { value: !script }),
    send('Page.addScriptToEvaluateOnNewDocument', { source: withClock(clock) }),
  ]);
  await send('Page.navigate', { url });
  await whenLoaded;

  const evaluate = async (expression: string): Promise<unknown> => {
    const { result, exceptionDetails } = await send('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { value?: unknown }).value;
  };
  const text = async () => String(await evaluate('document.body.innerText'));

  return {
    complaints,
    requests,
    close,
    evaluate,
    text,
    async shows(pattern) {
      return String(await evaluate(whenShown(pattern, clock)));
    },
    async accessibility() {
      const { nodes } = (await send('Accessibility.getFullAXTree')) as { nodes: AccessibleNode[] };
      return nodes
        .filter(({ ignored }) => !ignored)
        .map(({ role, name }) => `${role?.value ?? ''}: ${name?.value ?? ''}`);
    },
    async screenshot(maxHeight = Number.POSITIVE_INFINITY) {
      const full = Number(await evaluate('document.documentElement.scrollHeight'));
      const clip = { x: 0, y: 0, width, height: Math.min(full, maxHeight), scale: 1 };
      const { data } = await send('Page.captureScreenshot', {
        format: 'png',
        clip,
        captureBeyondViewport: true,
      });
      return Buffer.from(String(data), 'base64');
    },
  };
}

const withClock = (clock: number): string => `{
  const own = globalThis.setTimeout;
  globalThis.setTimeout = (run, ms, ...rest) => own(run, ms / ${clock}, ...rest);
}`;

interface AccessibleNode {
  readonly ignored: boolean;
  readonly role?: { readonly value: string };
  readonly name?: { readonly value: string };
}

/** Checks the text after each change of the page. Rejects with the text after the timeout. */
const whenShown = ({ source, flags }: RegExp, clock: number): string => `new Promise((resolve, reject) => {
  const pattern = new RegExp(${JSON.stringify(source)}, ${JSON.stringify(flags)});
  const look = () => {
    const text = document.body.innerText;
    if (!pattern.test(text)) return;
    observer.disconnect();
    resolve(text);
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
  const late = () => reject(new Error('the page does not show ' + pattern + ': ' + document.body.innerText));
  setTimeout(late, ${PATIENCE * clock});
  look();
})`;
