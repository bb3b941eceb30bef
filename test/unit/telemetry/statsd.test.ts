import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import type { MetricsConfig } from '../../../src/config/schema.ts';
import type { MetricsTarget } from '../../../src/config/values/endpoints.ts';
import type { Fact } from '../../../src/lifecycle/facts.ts';
import { createDatagramSocket, receiveDatagram } from '../../../src/linux/datagrams.ts';
import { createStatsd } from '../../../src/telemetry/statsd.ts';
import { ManualTimers } from '../../support/manual-timers.ts';

const directory = mkdtempSync(join(tmpdir(), 'zero-statsd-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const stop: Fact = { event: 'stop_requested', by: 'SIGTERM', now: false };
const stopped: Fact = { event: 'supervisor_stopped', code: 0, reason: 'stopped', duration: 5 };
const SHUTDOWN = 'zero.process.shutdown,name=example,path=%2Fbin%2Fx,version=1.0:1|c\n';
const DURATION = 'zero.process.shutdown.duration,name=example,path=%2Fbin%2Fx,version=1.0:5|ms\n';
const DEADLINE = 60_000;

function statsdTo(address: readonly MetricsTarget[], proxy?: MetricsConfig['proxy']) {
  const timers = new ManualTimers();
  const clock = { now: 0 };
  const warnings: string[] = [];
  let warned: (message: string) => void = () => {};
  const statsd = createStatsd({
    config: { address, prefix: 'zero', ...(proxy === undefined ? {} : { proxy }) },
    name: 'example',
    path: '/bin/x',
    version: '1.0',
    now: () => clock.now,
    timers,
    warn(message) {
      warnings.push(message);
      warned(message);
    },
  });
  const nextWarning = () =>
    new Promise<string>((resolve) => {
      warned = resolve;
    });
  return { statsd, timers, clock, warnings, nextWarning };
}

const open: { destroy(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.destroy();
});

/** A server whose connections are closed after the test. */
async function listen(
  onConnection: (socket: Socket) => void,
  port = 0,
): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => {
    open.push(socket);
    onConnection(socket);
  });
  open.push({ destroy: () => server.close() });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

function collected(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
  });
}

async function closedPort(): Promise<number> {
  const { server, port } = await listen(() => {});
  server.close();
  await once(server, 'close');
  return port;
}

describe('statsd over UDP', () => {
  it('sends one datagram for each metric', async () => {
    const receiver = createSocket('udp4');
    open.push({ destroy: () => receiver.close() });
    receiver.bind(0, '127.0.0.1');
    await once(receiver, 'listening');
    const received: string[] = [];
    const two = new Promise<void>((resolve) => {
      receiver.on('message', (message) => {
        received.push(message.toString());
        if (received.length === 2) resolve();
      });
    });
    const { statsd, warnings } = statsdTo([
      { network: 'udp', host: 'localhost', port: receiver.address().port },
    ]);
    statsd.report(stop);
    statsd.report(stopped);
    await statsd.close(DEADLINE);
    await two;
    assert.deepEqual(received, [SHUTDOWN, DURATION]);
    assert.deepEqual(warnings, []);
  });

  it('warns once if the name cannot be resolved', async () => {
    const { statsd, clock, warnings, nextWarning } = statsdTo([
      { network: 'udp', host: 'nowhere.invalid', port: 1 },
    ]);
    const warning = nextWarning();
    statsd.report(stop);
    assert.match(await warning, /^metrics to udp:\/\/nowhere\.invalid:1: E\w+; trying again every 10 s$/);
    clock.now = 20_000;
    statsd.report(stopped);
    await statsd.close(DEADLINE);
    assert.equal(warnings.length, 1);
  });
});

describe('statsd over TCP', () => {
  it('sends lines', async () => {
    let text: Promise<string> = Promise.resolve('');
    const { server, port } = await listen((socket) => {
      text = collected(socket);
    });
    const connected = once(server, 'connection');
    const { statsd } = statsdTo([{ network: 'tcp', host: '127.0.0.1', port }]);
    statsd.report(stop);
    statsd.report(stopped);
    await connected;
    await statsd.close(DEADLINE);
    assert.equal(await text, SHUTDOWN + DURATION);
  });

  it('retries a refused target after ten seconds, with the unsent lines', async () => {
    const port = await closedPort();
    const { statsd, clock, warnings, nextWarning } = statsdTo([{ network: 'tcp', host: '127.0.0.1', port }]);
    const warning = nextWarning();
    statsd.report(stop);
    assert.equal(await warning, `metrics to tcp://127.0.0.1:${port}: ECONNREFUSED; trying again every 10 s`);

    let text: Promise<string> = Promise.resolve('');
    const { server } = await listen((socket) => {
      text = collected(socket);
    }, port);
    const connected = once(server, 'connection');
    clock.now = 10_000;
    statsd.report(stopped);
    await connected;
    await statsd.close(DEADLINE);
    assert.equal(await text, SHUTDOWN + DURATION);
    assert.equal(warnings.length, 1);
  });

  it('connects through a SOCKS5 proxy with a password', async () => {
    let said = Buffer.alloc(0);
    let ended: Promise<unknown> = Promise.resolve();
    const { port } = await listen((socket) => {
      const answers = [Buffer.of(5, 2), Buffer.of(1, 0), Buffer.of(5, 0, 0, 1, 127, 0, 0, 1, 0, 9)];
      ended = once(socket, 'end');
      socket.on('data', (chunk) => {
        said = Buffer.concat([said, chunk]);
        const answer = answers.shift();
        if (answer) socket.write(answer);
      });
    });
    const proxy = {
      protocol: 'socks5',
      host: '127.0.0.1',
      port,
      user: { name: 'me', password: 'pw' },
    } as const;
    const { statsd, warnings } = statsdTo([{ network: 'tcp', host: 'metrics.example', port: 8125 }], proxy);
    statsd.report(stop);
    await statsd.close(DEADLINE);
    await ended;
    const host = 'metrics.example';
    const request = Buffer.from([5, 1, 0, 3, host.length, ...Buffer.from(host), 8125 >> 8, 8125 & 255]);
    const login = Buffer.from([1, 2, ...Buffer.from('me'), 2, ...Buffer.from('pw')]);
    assert.deepEqual(said, Buffer.concat([Buffer.of(5, 2, 0, 2), login, request, Buffer.from(SHUTDOWN)]));
    assert.deepEqual(warnings, []);
  });

  it('sends IP addresses to a SOCKS5 proxy as addresses, and reports its refusal by name', async () => {
    let said = Buffer.alloc(0);
    const { port } = await listen((socket) => {
      const answers = [Buffer.of(5, 0), Buffer.of(5, 5, 0, 1, 0, 0, 0, 0, 0, 0)];
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        said = Buffer.concat([said, chunk]);
        const answer = answers.shift();
        if (answer) socket.write(answer);
      });
    });
    const proxy = { protocol: 'socks5', host: '127.0.0.1', port, user: null } as const;
    const { statsd, nextWarning } = statsdTo([{ network: 'tcp', host: '2001:db8::1:2', port: 258 }], proxy);
    const warning = nextWarning();
    statsd.report(stop);
    assert.match(
      await warning,
      /tcp:\/\/\[2001:db8::1:2\]:258: the proxy could not connect: connection refused;/,
    );
    const address = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2];
    assert.deepEqual(said, Buffer.from([5, 1, 0, 5, 1, 0, 4, ...address, 1, 2]));
  });

  it('connects through an HTTP proxy', async () => {
    let text = '';
    let ended: Promise<unknown> = Promise.resolve();
    const { port } = await listen((socket) => {
      ended = once(socket, 'end');
      socket.on('data', (chunk) => {
        text += chunk;
        if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      });
    });
    const proxy = { protocol: 'http', host: '127.0.0.1', port, user: { name: 'a', password: 'b' } } as const;
    const { statsd } = statsdTo([{ network: 'tcp', host: 'metrics.example', port: 8125 }], proxy);
    statsd.report(stop);
    await statsd.close(DEADLINE);
    await ended;
    const head = 'CONNECT metrics.example:8125 HTTP/1.1\r\nHost: metrics.example:8125\r\n';
    assert.equal(text, `${head}Proxy-Authorization: Basic YTpi\r\n\r\n${SHUTDOWN}`);
  });
});

describe('statsd on other transports', () => {
  it('sends datagrams to a Unix socket, and survives its removal', async () => {
    const path = join(directory, 'statsd.sock');
    const fd = createDatagramSocket(path);
    const { statsd, clock, warnings, nextWarning } = statsdTo([{ network: 'unix', path }]);
    statsd.report(stop);
    const { statsd: other } = statsdTo([{ network: 'unix', path }]);
    other.report(stop);
    await other.close(DEADLINE);
    assert.equal(receiveDatagram(fd)?.data.toString(), SHUTDOWN);
    assert.equal(receiveDatagram(fd)?.data.toString(), SHUTDOWN);
    closeSync(fd);
    const warning = nextWarning();
    statsd.report(stopped);
    assert.equal(await warning, `metrics to unix://${path}: ECONNREFUSED; trying again every 10 s`);
    statsd.report(stopped);
    const again = createDatagramSocket(path);
    clock.now = 10_000;
    statsd.report(stopped);
    await statsd.close(DEADLINE);
    assert.equal(receiveDatagram(again)?.data.toString(), DURATION);
    assert.equal(receiveDatagram(again)?.data.toString(), DURATION);
    assert.equal(warnings.length, 1);
    closeSync(again);
  });

  it('appends to a file, and sends to several targets at once', async () => {
    const one = join(directory, 'one.log');
    const two = join(directory, 'two.log');
    const { statsd } = statsdTo([
      { network: 'file', path: one },
      { network: 'file', path: two },
    ]);
    statsd.report(stop);
    statsd.report(stopped);
    await statsd.close(DEADLINE);
    assert.equal(readFileSync(one, 'utf8'), SHUTDOWN + DURATION);
    assert.equal(readFileSync(two, 'utf8'), SHUTDOWN + DURATION);
  });

  it('reports a target that cannot be opened', async () => {
    const { statsd, nextWarning } = statsdTo([{ network: 'file', path: directory }]);
    const warning = nextWarning();
    statsd.report(stop);
    assert.match(await warning, /: EISDIR; /);
  });

  it('sends the uptime every ten seconds once a service runs', async () => {
    const path = join(directory, 'uptime.log');
    const { statsd, timers, clock } = statsdTo([{ network: 'file', path }]);
    statsd.report(stop);
    assert.deepEqual(timers.pending(), []);
    statsd.report({ event: 'worker_spawned', generation: 1, worker: 0, pid: 42 });
    clock.now = 10_000;
    timers.fire(10_000);
    clock.now = 20_000;
    timers.fire(10_000);
    await statsd.close(DEADLINE);
    const values = readFileSync(path, 'utf8').match(/manager\.uptime,.*pid=42,.*\|g/g) ?? [];
    assert.deepEqual(
      values.map((value) => value.split(':')[1]),
      ['0|g', '10|g', '20|g'],
    );
    assert.deepEqual(timers.pending(), []);
  });

  it('closes on time even if the target does not respond', async () => {
    const { server, port } = await listen(() => {});
    const proxy = { protocol: 'socks5', host: '127.0.0.1', port, user: null } as const;
    const { statsd, timers } = statsdTo([{ network: 'tcp', host: 'x', port: 1 }], proxy);
    const connected = once(server, 'connection');
    statsd.report(stop);
    const [socket] = (await connected) as [Socket];
    socket.on('error', () => {});
    const closed = statsd.close(500);
    timers.fire(500);
    await closed;
  });
});
