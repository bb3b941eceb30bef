import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, it } from 'node:test';
import type { Address } from '../../../src/config/address.ts';
import { startHttpGate } from '../../../src/readiness/http.ts';
import { ManualTimers } from '../../support/manual-timers.ts';
import { verdictOf } from './verdict.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
});

async function serve(listener: RequestListener, path?: string): Promise<Address> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(path === undefined ? { port: 0, host: '127.0.0.1' } : { path });
  await once(server, 'listening');
  if (path !== undefined) return { kind: 'unix', network: 'unix', path, text: `unix:${path}` };
  const { port } = server.address() as AddressInfo;
  return { kind: 'inet', network: 'tcp', host: '127.0.0.1', port, text: `tcp:127.0.0.1:${port}` };
}

function start(address: Address, more: { host?: string; status?: { from: number; to: number }[] } = {}) {
  const timers = new ManualTimers();
  const answer = verdictOf();
  const config = {
    address,
    path: '/healthz?full',
    status: more.status ?? [{ from: 200, to: 299 }],
    interval: 250,
    timeout: 2000,
    ...(more.host === undefined ? {} : { host: more.host }),
  };
  return { timers, ...answer, gate: startHttpGate(config, null, timers, answer.callbacks) };
}

describe('the http gate', () => {
  it('sends requests on a separate connection until the status is expected', async () => {
    const statuses = [503, 500, 200];
    const seen: string[] = [];
    const address = await serve((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.connection}`);
      response.writeHead(statuses.shift() ?? 404).end('body');
    });
    const { timers, verdict, gate, calls } = start(address);
    (await timers.next(250))();
    (await timers.next(250))();
    assert.equal(gate.lastReason(), 'GET /healthz?full returned 500');
    assert.equal(await verdict, 'passed');
    assert.deepEqual(seen, Array(3).fill('GET /healthz?full close'));
    gate.close();
    assert.deepEqual(calls, ['passed']);
  });

  it('supports a Unix socket and a Host header', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'zero-http-gate-'));
    let host: string | undefined;
    const address = await serve(
      (request, response) => {
        host = request.headers.host;
        response.end();
      },
      join(directory, 'http.sock'),
    );
    const { verdict } = start(address, { host: 'example.org' });
    assert.equal(await verdict, 'passed');
    assert.equal(host, 'example.org');
    rmSync(directory, { recursive: true });
  });

  it('supports several status ranges', async () => {
    const address = await serve((_, response) => response.writeHead(304).end());
    const { verdict } = start(address, {
      status: [
        { from: 200, to: 299 },
        { from: 304, to: 304 },
      ],
    });
    assert.equal(await verdict, 'passed');
  });

  it('does not wait for an endless body', async () => {
    const address = await serve((_, response) => {
      const more = (): void => {
        if (response.write('x'.repeat(65536))) setImmediate(more);
      };
      response.on('drain', more);
      response.on('error', () => {});
      more();
    });
    const { verdict } = start(address);
    assert.equal(await verdict, 'passed');
  });

  it('reports that no process listens', async () => {
    const address = await serve(() => {});
    for (const server of servers.splice(0)) server.close();
    const { timers, gate, calls } = start(address);
    await timers.next(250);
    assert.equal(gate.lastReason(), 'GET /healthz?full: ECONNREFUSED');
    gate.close();
    assert.deepEqual(timers.pending(), []);
    assert.deepEqual(calls, []);
  });

  it('ends an attempt after its timeout', async () => {
    const address = await serve(() => {});
    const { timers, gate } = start(address);
    (await timers.next(2000))();
    await timers.next(250);
    assert.equal(gate.lastReason(), 'GET /healthz?full: no answer within 2s');
    gate.close();
  });

  it('cancels its pending request when it is closed', async () => {
    let gone: Promise<void> = Promise.resolve();
    let tell: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const address = await serve((request) => {
      gone = new Promise((resolve) => request.socket.on('close', () => resolve()));
      tell();
    });
    const { gate } = start(address);
    await asked;
    gate.close();
    await gone;
  });
});
