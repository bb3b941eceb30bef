import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, it } from 'node:test';
import type { Address } from '../../../src/config/address.ts';
import { startTcpGate } from '../../../src/readiness/tcp.ts';
import { ManualTimers } from '../../support/manual-timers.ts';
import { verdictOf } from './verdict.ts';

function at(port: number, host = '127.0.0.1'): Address {
  return { kind: 'inet', network: 'tcp', host, port, text: `tcp:${host}:${port}` };
}

describe('the tcp gate', () => {
  it('passes when a connection is accepted, after misses', async () => {
    const server = createServer((socket) => socket.destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');

    const timers = new ManualTimers();
    const { callbacks, verdict, calls } = verdictOf();
    const gate = startTcpGate(
      { address: at(port, '0.0.0.0'), interval: 250, timeout: 2000 },
      null,
      timers,
      callbacks,
    );
    const again = await timers.next(250);
    assert.equal(gate.lastReason(), `connect to tcp:0.0.0.0:${port}: ECONNREFUSED`);
    assert.deepEqual(calls, []);

    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    again();
    assert.equal(await verdict, 'passed');
    gate.close();
    assert.deepEqual(timers.pending(), []);
    server.close();
  });

  it('reports nothing after close', async () => {
    const server = createServer((socket) => socket.destroy());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const config = { address: at(port), interval: 250, timeout: 2000 };
    const closed = verdictOf();
    const open = verdictOf();
    startTcpGate(config, null, new ManualTimers(), closed.callbacks).close();
    startTcpGate(config, null, new ManualTimers(), open.callbacks);
    assert.equal(await open.verdict, 'passed');
    assert.deepEqual(closed.calls, []);
    server.close();
  });
});
