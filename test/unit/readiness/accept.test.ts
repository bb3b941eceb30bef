import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { parseAddress } from '../../../src/config/address.ts';
import { acceptQueue } from '../../../src/linux/socket-state.ts';
import { duplicateAbove } from '../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../src/listeners/listener-set.ts';
import type { Acquired } from '../../../src/listeners/listeners.ts';
import { acceptListeners, startAcceptGate } from '../../../src/readiness/accept.ts';
import { startHttpGate } from '../../../src/readiness/http.ts';
import type { ListenerProbe, OpenProbe } from '../../../src/readiness/probes.ts';
import { startTcpGate } from '../../../src/readiness/tcp.ts';
import { ManualTimers, oneSlice } from '../../support/manual-timers.ts';
import { verdictOf } from './verdict.ts';

const STEERING = { canary: null, preview: null, previewFrom: [] };

/** A steered listener whose clients all reach lane 0. */
async function steered(t: TestContext, address = '127.0.0.1:0') {
  const parsed = parseAddress(address);
  assert.ok('value' in parsed);
  const config = {
    name: 'http',
    address: parsed.value,
    steer: true,
    socket_fd: 3,
    backlog: 100,
    options: {},
  } as const;
  const set = new ListenerSet();
  const acquired = await set.acquire([config], 3);
  t.after(() => acquired.release());
  set.steer({ main: [0], ...STEERING });
  const open =
    (lane: number): OpenProbe =>
    (listener) =>
      set.openProbe(acquired, listener, lane);
  return { set, acquired, open };
}

function fdOf(acquired: Acquired, lane: number): number {
  const [only] = acquired.listeners;
  assert.ok(only);
  return only.fdOf(lane);
}

/** A process with the lane as descriptor 3 that runs CommonJS code. */
function start(t: TestContext, fd: number, code: string): ChildProcess {
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit', fd] });
  t.after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return child;
}

/** Timers that run at the next turn, so that checks follow each other immediately. */
const eager = {
  set: (_ms: number, run: () => void): unknown => setImmediate(run),
  clear: (handle: unknown): void => clearImmediate(handle as NodeJS.Immediate),
};

describe('the accept gate', () => {
  it('probes each steered listener, the configured ones, or none', () => {
    assert.deepEqual(acceptListeners('auto', ['a', 'b']), ['a', 'b']);
    assert.deepEqual(acceptListeners(true, ['a', 'b']), ['a', 'b']);
    assert.deepEqual(acceptListeners(['b'], ['a', 'b']), ['b']);
    assert.deepEqual(acceptListeners(false, ['a', 'b']), []);
  });

  it('passes when a process accepts, and probes exactly its lane', async (t) => {
    const { set, acquired, open } = await steered(t);
    start(t, fdOf(acquired, 1), 'require("net").createServer(() => {}).listen({ fd: 3 })');
    const { callbacks, verdict } = verdictOf();
    const gate = startAcceptGate(['http'], open(1), { timers: eager, turns: oneSlice }, callbacks);
    t.after(() => gate.close());
    assert.equal(await verdict, 'passed');
    assert.equal(set.queued(0), 0);
  });

  it('never passes if a process listens without accepting', async (t) => {
    const { acquired, open } = await steered(t);
    // With pauseOnConnect or a busy loop it would still accept. It must never poll its socket.
    const code =
      'const { createServer } = require("net"); const server = createServer(); server.listen({ fd: 3 }, () => { process.stdout.write("up\\n"); for (;;); })';
    const child = start(t, fdOf(acquired, 1), code);
    assert.ok(child.stdout);
    await once(child.stdout, 'data');
    const timers = new ManualTimers();
    const { callbacks, calls } = verdictOf();
    const gate = startAcceptGate(['http'], open(1), { timers, turns: oneSlice }, callbacks);
    let pause = 0;
    for (let look = 0; look < 300; look += 1) {
      (await timers.next(pause))();
      [pause = 0] = timers.pending();
    }
    assert.deepEqual(calls, []);
    assert.equal(pause, 100);
    assert.equal(gate.lastReason(), 'has not accepted a test connection on listener http');
    assert.equal(acceptQueue(fdOf(acquired, 1)), 1);
    gate.close();
    assert.deepEqual(timers.pending(), []);
  });

  it('supports a Unix listener', async (t) => {
    const { mkdtempSync, rmSync } = await import('node:fs');
    const folder = mkdtempSync('/tmp/zero-accept-');
    t.after(() => rmSync(folder, { recursive: true }));
    const { acquired, open } = await steered(t, `unix:${folder}/app.sock`);
    start(t, fdOf(acquired, 2), 'require("net").createServer((c) => c.end()).listen({ fd: 3 })');
    const { callbacks, verdict } = verdictOf();
    const gate = startAcceptGate(['http'], open(2), { timers: eager, turns: oneSlice }, callbacks);
    t.after(() => gate.close());
    assert.equal(await verdict, 'passed');
  });

  it('waits for every listener, repeats lost probes, and reports missing ones', async () => {
    const states: Record<string, ('waiting' | 'accepted' | 'gone')[]> = {
      a: ['waiting', 'gone', 'accepted'],
      b: ['accepted'],
    };
    const opened: string[] = [];
    let open = 0;
    const openProbe: OpenProbe = (listener): ListenerProbe => {
      opened.push(listener);
      if (listener === 'b' && opened.filter((name) => name === 'b').length === 1)
        throw Object.assign(new Error('full'), { code: 'EAGAIN' });
      open += 1;
      return {
        accepted: () => states[listener]?.shift() ?? 'waiting',
        socket: () => Promise.reject(new Error('unused')),
        close: () => {
          open -= 1;
        },
      };
    };
    const timers = new ManualTimers();
    const { callbacks, calls } = verdictOf();
    const gate = startAcceptGate(['a', 'b'], openProbe, { timers, turns: oneSlice }, callbacks);
    assert.deepEqual(calls, [], 'a callback never comes before this returns');
    (await timers.next(0))();
    assert.equal(gate.lastReason(), 'listener b: EAGAIN');
    (await timers.next(5))();
    assert.equal(gate.lastReason(), 'a test connection on listener a was dropped before it was accepted');
    assert.deepEqual(calls, []);
    (await timers.next(6.5))();
    assert.deepEqual(calls, ['passed']);
    assert.deepEqual(opened, ['a', 'b', 'b', 'a']);
    assert.equal(open, 0);
    gate.close();
  });
});

describe('gates of a listener', () => {
  it('http sends its request to exactly this worker', async (t) => {
    const { acquired, open } = await steered(t);
    const hosts: string[] = [];
    const serve = (lane: number, status: number) => {
      const server = createServer((request, response) => {
        hosts.push(request.headers.host ?? '');
        response.writeHead(status).end();
      });
      server.listen({ fd: duplicateAbove(fdOf(acquired, lane), 3) });
      t.after(() => server.close());
    };
    serve(0, 500);
    serve(1, 204);
    serve(2, 503);
    const config = {
      listener: 'http',
      path: '/healthz',
      status: [{ from: 200, to: 299 }],
      interval: 250,
      timeout: 2000,
    };
    const good = verdictOf();
    startHttpGate(config, open(1), new ManualTimers(), good.callbacks);
    assert.equal(await good.verdict, 'passed');
    const bad = verdictOf();
    const timers = new ManualTimers();
    const gate = startHttpGate(config, open(2), timers, bad.callbacks);
    await timers.next(250);
    assert.equal(gate.lastReason(), 'GET /healthz returned 503');
    gate.close();
    assert.deepEqual(hosts, [acquired.listeners[0]?.text, acquired.listeners[0]?.text]);
  });

  it('http reports an unreachable listener', async (t) => {
    const { open } = await steered(t);
    const config = {
      listener: 'nope',
      path: '/',
      status: [{ from: 200, to: 299 }],
      interval: 250,
      timeout: 2000,
    };
    for (const [probe, reason] of [
      [open(1), 'probe nope: the listener is not steered'],
      [null, 'the listener is not steered'],
    ] as const) {
      const timers = new ManualTimers();
      const gate = startHttpGate(config, probe, timers, verdictOf().callbacks);
      await timers.next(250);
      assert.equal(gate.lastReason(), reason);
      gate.close();
    }
  });

  it('tcp passes when the worker has accepted, not before', async (t) => {
    const { acquired, open } = await steered(t);
    const config = { listener: 'http', interval: 250, timeout: 60 };
    const timers = new ManualTimers();
    const { callbacks, calls } = verdictOf();
    const gate = startTcpGate(config, open(1), timers, callbacks);
    for (let look = 0; look < 3; look += 1) (await timers.next(20))();
    await timers.next(250);
    assert.equal(gate.lastReason(), 'connect to listener http: not accepted within 60ms');
    assert.deepEqual(calls, []);
    gate.close();
    const server = createTcpServer((socket) => socket.destroy());
    t.after(() => server.close());
    server.listen({ fd: duplicateAbove(fdOf(acquired, 1), 3) });
    const passing = verdictOf();
    startTcpGate({ ...config, timeout: 60_000 }, open(1), eager, passing.callbacks);
    assert.equal(await passing.verdict, 'passed');
  });
});
