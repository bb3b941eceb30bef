// Each example of the library is replaced once. Its responses come from the old process before, and from the new one
// afterwards. Both then exit.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { get } from 'node:http';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { guardProcesses } from '../support/guard.ts';
import { Journal } from '../support/journal.ts';
import { ROOT } from '../support/paths.ts';
import { whenEnded } from '../support/process-end.ts';

const DEADLINE = { timeout: 60_000 };
const FOLDER = join(ROOT, 'examples', 'library');

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

async function askHttp(port: number): Promise<string> {
  const request = get({ port, host: '127.0.0.1', agent: false });
  const [response] = await once(request, 'response');
  return textOf(response);
}

async function askHttp2(port: number): Promise<string> {
  const session = connect(`http://127.0.0.1:${port}`);
  const text = await textOf(session.request({ ':path': '/' }));
  session.close();
  return text;
}

async function askUdp(port: number): Promise<string> {
  const socket = createSocket('udp4');
  socket.send('who is there?', port, '127.0.0.1');
  const [message] = await once(socket, 'message');
  socket.close();
  return String(message);
}

/** Stays connected until the service closes the connection. */
async function askWebSocket(port: number): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  await once(socket, 'open');
  socket.send('who is there?');
  const [message] = await once(socket, 'message');
  const closed = once(socket, 'close');
  closes.push(closed.then(([code]) => code));
  return String(message);
}

const closes: Promise<number>[] = [];

const EXAMPLES: Readonly<Record<string, (port: number) => Promise<string>>> = {
  http: askHttp,
  express: askHttp,
  fastify: askHttp,
  http2: askHttp2,
  websocket: askWebSocket,
  udp: askUdp,
};

describe('the examples of the library', () => {
  it('are all tested', () => {
    assert.deepEqual(
      readdirSync(FOLDER)
        .filter((name) => name.endsWith('.js'))
        .sort(),
      Object.keys(EXAMPLES)
        .map((name) => `${name}.js`)
        .sort(),
    );
  });

  for (const [name, ask] of Object.entries(EXAMPLES)) {
    it(name, DEADLINE, async (t) => {
      const guard = guardProcesses(t);
      const environment: NodeJS.ProcessEnv = { ...process.env, PORT: '0' };
      delete environment.NODE_TEST_CONTEXT;
      const child = spawn(process.execPath, [join(FOLDER, `${name}.js`)], {
        env: environment,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const first = child.pid ?? 0;
      guard.own(first);
      const ended = once(child, 'exit');
      const lines = new Journal<string>();
      createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
      t.after(() => lines.close(() => new Error('the test is over')));
      const serving = async (from: number): Promise<{ pid: number; port: number }> => {
        const line = await lines.waitFor((entry) => / serves on port /.test(entry), from);
        const [, pid, port] = /^(\d+) serves on port (\d+)$/.exec(line) ?? [];
        guard.own(Number(pid));
        return { pid: Number(pid), port: Number(port) };
      };
      const { pid, port } = await serving(0);
      assert.equal(pid, first);
      assert.equal(await ask(port), `hello from ${first}\n`);
      child.kill('SIGHUP');
      const second = await serving(1);
      assert.equal(second.port, port);
      assert.deepEqual(await ended, [0, null]);
      assert.equal(await ask(port), `hello from ${second.pid}\n`);
      process.kill(second.pid, 'SIGTERM');
      await whenEnded(second.pid);
    });
  }

  it('WebSocket clients receive the close code of a service restart', async () => {
    assert.deepEqual(await Promise.all(closes), [1012, 1012]);
  });
});
