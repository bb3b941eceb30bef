import assert from 'node:assert/strict';
import { copyFileSync, openSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { openPipe } from '../../src/linux/pipes.ts';
import { closeFd, connectSocket, openSocket } from '../../src/linux/sockets.ts';
import { type Answer, ask, type Protocol } from '../support/ask.ts';
import {
  type HeldSocket,
  holdSocket,
  listenForNotifications,
  PRELOAD,
  type Program,
  startProgram,
} from '../support/handed-program.ts';
import { holdRequest } from '../support/held-request.ts';
import { HttpConnection } from '../support/http-connection.ts';
import { NODE_MAJORS, requireNode } from '../support/nodes.ts';
import { fixture, ROOT } from '../support/paths.ts';
import { parseTarget } from '../support/target.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const COMMONJS = fixture('unchanged/programs.cjs');
const MODULE = fixture('unchanged/programs.mjs');

interface Started extends Program {
  readonly socket: HeldSocket;
  ask(protocol?: Protocol): Promise<Answer>;
}

/** Starts a program on the port of a passed socket. */
function start(
  scope: Scope,
  kind: string,
  {
    file = COMMONJS,
    socket = holdSocket(scope),
    node,
    environment = {},
  }: {
    file?: string;
    socket?: HeldSocket;
    node?: string;
    environment?: Record<string, string | undefined>;
  } = {},
): Started {
  const args = [file, kind, socket.where];
  const program = startProgram(scope, { ...(node && { node }), args, sockets: [socket], environment });
  return { ...program, socket, ask: (protocol = 'http') => ask(protocol, parseTarget(socket.address)) };
}

/** Asserts that the program serves on its passed socket, from which no other process accepts. */
async function assertServes(program: Started, protocol: Protocol = 'http'): Promise<void> {
  const answer = program.ask(protocol);
  const { pid } = await Promise.race([
    answer,
    program.exited.then(({ code, signal }) => assert.fail(`exit ${signal ?? code}: ${program.output()}`)),
  ]);
  assert.equal(pid, program.pid);
}

describe('an unchanged program uses the passed socket of its port', () => {
  const programs: [string, string, Protocol][] = [
    ['http', COMMONJS, 'http'],
    ['callback', COMMONJS, 'http'],
    ['https', COMMONJS, 'https'],
    ['http2', COMMONJS, 'http2'],
    ['net', COMMONJS, 'net'],
    ['express', COMMONJS, 'http'],
    ['koa', COMMONJS, 'http'],
    ['fastify', COMMONJS, 'http'],
    ['nest', COMMONJS, 'http'],
    ['http', MODULE, 'http'],
    ['fastify', MODULE, 'http'],
  ];
  for (const [kind, file, protocol] of programs) {
    const system = file === MODULE ? 'an ES module' : 'CommonJS';
    it(`${kind}, ${system}`, DEADLINE, async (t) => {
      const notified = listenForNotifications(t);
      const program = start(t, kind, { file, environment: { NOTIFY_SOCKET: notified.path } });
      await assertServes(program, protocol);
      assert.equal(await notified.next(), 'READY=1');
      program.process.kill('SIGTERM');
      assert.deepEqual(await program.exited, { code: 0, signal: null }, program.output());
    });
  }
});

describe('a program with a passed socket', () => {
  it('reports its address, also that of a Unix socket', DEADLINE, async (t) => {
    const path = join(temporaryFolder(t), 'socket');
    const unix = start(t, 'address', { socket: holdSocket(t, { family: 'unix', path }) });
    await unix.line(`"${path}"`);
    await assertServes(unix);
    const inet = start(t, 'address', { socket: holdSocket(t, { family: 'inet', host: '0.0.0.0', port: 0 }) });
    await inet.line(`"port":${inet.socket.where}`);
    await assertServes(inet);
  });

  it('gets the usual EADDRINUSE if it listens on it twice', DEADLINE, async (t) => {
    const program = start(t, 'both');
    await program.line('EADDRINUSE');
    await assertServes(program);
  });

  it('gets it again after it closed its server, and is ready only then', DEADLINE, async (t) => {
    const notified = listenForNotifications(t);
    const program = start(t, 'twice', { environment: { NOTIFY_SOCKET: notified.path } });
    await program.line('listens again');
    await assertServes(program);
    assert.equal(await notified.next(), 'READY=1');
    await assertServes(program);
    program.process.kill('SIGTERM');
    assert.deepEqual(await program.exited, { code: 0, signal: null }, program.output());
    assert.deepEqual(notified.unread(), []);
  });

  for (const kind of ['get-port', 'portfinder', 'detect-port'])
    it(`finds its port free: ${kind}`, DEADLINE, async (t) => {
      const notified = listenForNotifications(t);
      const program = start(t, kind, { environment: { NOTIFY_SOCKET: notified.path } });
      assert.equal(await notified.next(), 'READY=1');
      await assertServes(program);
      program.process.kill('SIGTERM');
      assert.deepEqual(await program.exited, { code: 0, signal: null }, program.output());
    });

  it('hides it from its children, and keeps their other NODE_OPTIONS', DEADLINE, async (t) => {
    const imported = (name: string) => `--import=${pathToFileURL(join(ROOT, 'dist', 'service', name))}`;
    for (const [options, left] of [
      [`--no-deprecation ${PRELOAD} --no-warnings`, '--no-deprecation --no-warnings'],
      [PRELOAD, undefined],
      [`${imported('register.js')} --no-warnings`, '--no-warnings'],
      [imported('register.cjs'), undefined],
    ] as const) {
      const program = start(t, 'children', { environment: { NODE_OPTIONS: options } });
      const { child, own } = await program.ask();
      for (const environment of [child ?? {}, own ?? {}]) {
        assert.equal(environment.NODE_OPTIONS, left);
        const leaked = Object.keys(environment).filter((name) =>
          /^(LISTEN_|ZERO_|SERVER_ST|EINHORN_)/.test(name),
        );
        assert.deepEqual(leaked, []);
      }
    }
  });

  it('hides from the children of a cluster worker how that worker was started', DEADLINE, async (t) => {
    const program = start(t, 'clusterOfOne');
    const { child, own, pid } = await program.ask();
    assert.notEqual(pid, program.pid);
    for (const environment of [child ?? {}, own ?? {}]) {
      assert.equal(environment.NODE_OPTIONS, '--no-deprecation');
      assert.equal(environment.ZERO_CLUSTER_WORKER, undefined);
    }
  });

  it('that supports passed sockets takes it itself, and stops itself', DEADLINE, async (t) => {
    const program = start(t, 'aware');
    await program.line('listening on 3');
    await assertServes(program);
    program.process.kill('SIGTERM');
    assert.deepEqual(await program.exited, { code: null, signal: 'SIGTERM' });
  });
});

describe('on its shutdown signal an unchanged program', () => {
  it('completes requests in progress, then exits', DEADLINE, async (t) => {
    const program = start(t, 'http');
    await assertServes(program);
    const held = holdRequest(t, program.socket.address);
    await assertServes(program);
    program.process.kill('SIGTERM');
    await closed(program);
    const response = await held.finish();
    assert.equal(JSON.parse(response.body.toString()).pid, program.pid);
    assert.deepEqual(await program.exited, { code: 0, signal: null });
  });

  it('answers on an idle connection with Connection: close', DEADLINE, async (t) => {
    const program = start(t, 'http');
    const connection = await keptConnection(t, program);
    program.process.kill('SIGTERM');
    await closed(program);
    const exchange = await connection.exchange(REQUEST, 10_000);
    assert.ok(exchange.kind === 'answered', JSON.stringify(exchange));
    assert.equal(exchange.response.keepsAlive, false);
    assert.deepEqual(await program.exited, { code: 0, signal: null });
  });

  it('runs its own handler, whose close loses nothing', DEADLINE, async (t) => {
    const notified = listenForNotifications(t);
    const environment = { ZERO_GENERATION: '1', NOTIFY_SOCKET: notified.path };
    const program = start(t, 'handler', { environment });
    // Zero does not know whether the program completes its requests.
    assert.equal(await notified.next(), 'READY=1');
    const connection = await keptConnection(t, program);
    program.process.kill('SIGTERM');
    await closed(program);
    const exchange = await connection.exchange(REQUEST, 10_000);
    assert.ok(exchange.kind === 'answered', JSON.stringify(exchange));
    assert.deepEqual(await program.exited, { code: 7, signal: null });
  });

  it('receives the signal that zero specifies, and reports to zero that it drains', DEADLINE, async (t) => {
    const notified = listenForNotifications(t);
    const program = start(t, 'http', {
      environment: { ZERO_GENERATION: '1', ZERO_SHUTDOWN_SIGNAL: 'SIGQUIT', NOTIFY_SOCKET: notified.path },
    });
    assert.equal(await notified.next(), 'READY=1\nX_ZERO_DRAINS=1');
    program.process.kill('SIGQUIT');
    assert.deepEqual(await program.exited, { code: 0, signal: null });
  });
});

describe('an unchanged program with more than one thread or process', () => {
  it('serves from a worker thread, which is drained', DEADLINE, (t) => drainsBehindMain(t, 'thread'));

  it('serves from the workers of a cluster, which are drained', DEADLINE, (t) =>
    drainsBehindMain(t, 'cluster'),
  );

  it('has its sockets when every process listens, and not before', DEADLINE, async (t) => {
    const notified = listenForNotifications(t);
    const [one, other] = [holdSocket(t), holdSocket(t)];
    const program = startProgram(t, {
      args: [COMMONJS, 'late', one.where, other.where],
      sockets: [one, other],
      environment: { NOTIFY_SOCKET: notified.path },
    });
    await ask('http', parseTarget(one.address));
    program.process.kill('SIGUSR2');
    assert.equal((await ask('http', parseTarget(other.address))).pid, program.pid);
    assert.equal(await notified.next(), 'READY=1');
    program.process.kill('SIGTERM');
    assert.deepEqual(await program.exited, { code: 0, signal: null });
    assert.deepEqual(notified.unread(), [], 'it was ready before its second socket listened');
  });
});

describe('a program is unaffected', () => {
  it('that listens on another address', DEADLINE, async (t) => {
    const elsewhere = join(temporaryFolder(t), 'elsewhere');
    const program = startProgram(t, { args: [COMMONJS, 'children', elsewhere], sockets: [holdSocket(t)] });
    await program.line('listening');
    const { own } = await ask('http', { path: elsewhere });
    assert.equal(own?.LISTEN_FDS, '1');
    program.process.kill('SIGTERM');
    assert.deepEqual(await program.exited, { code: null, signal: 'SIGTERM' });
  });

  it('whose pid differs from that in the variables', DEADLINE, async (t) => {
    const socket = holdSocket(t);
    const ZERO_LISTENERS = JSON.stringify([{ name: 'http', fd: 3, address: socket.address }]);
    const program = start(t, 'http', { socket, environment: { LISTEN_PID: '1', ZERO_LISTENERS } });
    await program.line('EADDRINUSE');
    assert.equal((await program.exited).code, 1);
  });

  it('whose descriptor is a file, a pipe, or a socket that does not listen', DEADLINE, async (t) => {
    const socket = holdSocket(t);
    const connected = openSocket('inet', 'stream');
    const pipe = openPipe();
    const file = openSync('/dev/null', 'r');
    t.after(() => {
      for (const fd of [connected, pipe.read, pipe.write, file]) closeFd(fd);
    });
    connectSocket(connected, { family: 'inet', host: '127.0.0.1', port: Number(socket.where) });
    for (const fd of [connected, pipe.read, file]) {
      const program = start(t, 'http', { socket: { ...socket, fd } });
      await program.line('EADDRINUSE');
      assert.equal((await program.exited).code, 1);
    }
  });

  it('whose variables are malformed, with a warning that lists them', DEADLINE, async (t) => {
    for (const [name, value] of [
      ['ZERO_LISTENERS', '[{"name":'],
      ['SERVER_STARTER_PORT', '8080'],
      ['LISTEN_FDS', 'many'],
    ] as const) {
      const program = start(t, 'http', { environment: { [name]: value } });
      await program.line(`ZerodownWarning: no socket is taken over: ${name} is not a`);
      assert.equal((await program.exited).code, 1);
    }
  });

  it('whose permissions hide its sockets, with a warning that lists the flags', DEADLINE, async (t) => {
    const isKnown = (flag: string) => process.allowedNodeEnvironmentFlags.has(flag);
    const socket = holdSocket(t);
    const model = [
      isKnown('--permission') ? '--permission' : '--experimental-permission',
      `--allow-fs-read=${ROOT}/`,
      // From Node 25 on, the permission model includes the network.
      ...(isKnown('--allow-net') ? ['--allow-net'] : []),
    ];
    const args = [...model, COMMONJS, 'http', socket.where];
    const program = startProgram(t, { args, sockets: [socket] });
    await program.line('Add --allow-fs-read=/proc/, and --allow-addons');
    assert.notEqual((await program.exited).signal, 'SIGTERM');
  });

  it('that continues without its NOTIFY_SOCKET, with a warning', DEADLINE, async (t) => {
    const program = start(t, 'http', { environment: { NOTIFY_SOCKET: '/nowhere/notify' } });
    await assertServes(program);
    await program.line('NOTIFY_SOCKET /nowhere/notify was not notified of READY=1');
    await assertServes(program);
  });
});

for (const major of NODE_MAJORS) {
  describe(`on Node ${major}`, () => {
    it('a program is loaded unchanged without the module', DEADLINE, async (t) => {
      const node = requireNode(t, major);
      if (node === null) return;
      // A hook of -r, such as that of ts-node/register, adds an extension that the loader of ES modules does not
      // support.
      const folder = temporaryFolder(t);
      const [hook, file] = [join(folder, 'hook.cjs'), join(folder, 'program.own')];
      writeFileSync(hook, "require.extensions['.own'] = require.extensions['.js'];");
      copyFileSync(COMMONJS, file);
      const socket = holdSocket(t);
      const args = ['--require', hook, file, 'http', socket.where];
      const program = startProgram(t, { node, args, sockets: [socket] });
      const answer = ask('http', parseTarget(socket.address));
      const ended = program.exited.then(() => assert.fail(program.output()));
      assert.equal((await Promise.race([answer, ended])).pid, program.pid);
    });
    for (const kind of ['http', 'thread', 'cluster', 'express', 'fastify']) {
      it(`an unchanged program serves and drains: ${kind}`, DEADLINE, async (t) => {
        const node = requireNode(t, major);
        if (node !== null) await drainsBehindMain(t, kind, node);
      });
    }
  });
}

/**
 * Asserts that a request in progress at the signal is answered, in any thread or process, and that everything then
 * exits.
 */
async function drainsBehindMain(t: Scope, kind: string, node?: string): Promise<void> {
  const notified = listenForNotifications(t);
  const program = start(t, kind, { ...(node && { node }), environment: { NOTIFY_SOCKET: notified.path } });
  assert.equal(await notified.next(), 'READY=1');
  assert.equal((await program.ask()).kind, kind);
  const held = holdRequest(t, program.socket.address);
  await program.ask();
  program.process.kill('SIGTERM');
  await closed(program);
  assert.equal(JSON.parse((await held.finish()).body.toString()).kind, kind);
  assert.deepEqual(await program.exited, { code: 0, signal: null }, program.output());
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** A connection on which a request was answered. */
async function keptConnection(scope: Scope, { socket }: Started): Promise<HttpConnection> {
  const connection = new HttpConnection(parseTarget(socket.address));
  scope.after(() => connection.close());
  const exchange = await connection.exchange(REQUEST, 10_000);
  assert.ok(exchange.kind === 'answered' && exchange.response.keepsAlive);
  return connection;
}

/** Resolves when the program accepts no more: it has closed its passed socket. */
async function closed({ pid, socket }: Started): Promise<void> {
  const inode = readlinkSync(`/proc/self/fd/${socket.fd}`);
  for (;;) {
    const open = readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === inode;
      } catch {
        // Closed in the meantime.
        return false;
      }
    });
    if (!open) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
