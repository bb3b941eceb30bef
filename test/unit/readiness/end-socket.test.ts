import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import type { Address } from '../../../src/config/address.ts';
import { startHttpGate } from '../../../src/readiness/http.ts';
import { startTcpGate } from '../../../src/readiness/tcp.ts';
import { ManualTimers } from '../../support/manual-timers.ts';
import { verdictOf } from './verdict.ts';

/** A server, and the events of its connections: `end` and `close` without `error`. */
async function serve(t: TestContext, speak: (socket: Socket) => void) {
  const events: string[] = [];
  const closes: (() => void)[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('end', () => events.push('end'));
    socket.on('error', () => events.push('error'));
    socket.on('close', () => {
      events.push('close');
      for (const close of closes.splice(0)) close();
    });
    socket.resume();
    speak(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const address: Address = {
    kind: 'inet',
    network: 'tcp',
    host: '127.0.0.1',
    port,
    text: `tcp:127.0.0.1:${port}`,
  };
  const closed = new Promise<void>((resolve) => void closes.push(resolve));
  return { events, address, closed };
}

/** Responds late: after the probe has given up. */
const late = (socket: Socket): void => {
  socket.write('220 hi\r\n');
  socket.on('end', () => socket.end('421 bye\r\n'));
};

describe('the connection of a gate to an address ends with FIN', () => {
  it('of the gate tcp, whatever the server has sent', async (t) => {
    const { events, address, closed } = await serve(t, late);
    const { callbacks, verdict } = verdictOf();
    startTcpGate({ address, interval: 250, timeout: 2000 }, null, new ManualTimers(), callbacks);
    assert.equal(await verdict, 'passed');
    await closed;
    assert.deepEqual(events, ['end', 'close']);
  });

  it('of the gate http, when the response is not HTTP', async (t) => {
    const { events, address, closed } = await serve(t, late);
    const timers = new ManualTimers();
    const { callbacks } = verdictOf();
    const config = { address, path: '/', status: [], interval: 250, timeout: 2000 };
    const gate = startHttpGate(config, null, timers, callbacks);
    await timers.next(250);
    gate.close();
    await closed;
    assert.deepEqual(events, ['end', 'close']);
  });

  it('of the gate http, when the response arrives after its timeout', async (t) => {
    const { events, address, closed } = await serve(t, (socket) =>
      socket.on('end', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')),
    );
    const timers = new ManualTimers();
    const { callbacks } = verdictOf();
    const config = { address, path: '/', status: [], interval: 250, timeout: 2000 };
    const gate = startHttpGate(config, null, timers, callbacks);
    (await timers.next(2000))();
    await closed;
    gate.close();
    assert.deepEqual(events, ['end', 'close']);
  });

  it('of the gate http, when it is closed before the response', async (t) => {
    const errors: unknown[] = [];
    const server = createHttpServer((request, response) => {
      request.on('close', () => response.end('late'));
      request.socket.on('error', (error) => errors.push(error));
      gate.close();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const text = `tcp:127.0.0.1:${port}`;
    const address: Address = { kind: 'inet', network: 'tcp', host: '127.0.0.1', port, text };
    const config = { address, path: '/', status: [], interval: 250, timeout: 2000 };
    const gate = startHttpGate(config, null, new ManualTimers(), verdictOf().callbacks);
    const [socket] = (await once(server, 'connection')) as [Socket];
    await once(socket, 'close');
    assert.deepEqual(errors, []);
  });
});
