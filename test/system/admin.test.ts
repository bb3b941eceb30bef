import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { samplesIn } from '../support/exposition.ts';
import { httpGet } from '../support/http-get.ts';
import { ROOT } from '../support/paths.ts';
import {
  becomeReady,
  nextReady,
  type PuppetService,
  startPuppetService,
  startServing,
} from '../support/puppet-service.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { sendRequest } from '../support/waiting-request.ts';
import { DEADLINE } from '../support/zero.ts';

const adminAt = (address: string) => ({ application: { admin: { address } } });

/** A foreign socket on a port of 127.0.0.1. */
async function holdPort(scope: Scope): Promise<{ address: string; release(): Promise<void> }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const release = () => new Promise<void>((resolve) => server.close(() => resolve()));
  scope.after(async () => {
    if (server.listening) await release();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, release };
}

/** Reloads, and waits for the promotion. Returns the cursor before the reload. */
async function handOver(service: PuppetService): Promise<number> {
  const cursor = service.reload();
  await nextReady(service.puppets);
  await service.zero.fact('handover_finished', { outcome: 'promoted' }, cursor);
  return cursor;
}

describe('the admin endpoint', () => {
  it('reports whether the service serves, from the start to the end', DEADLINE, async (t) => {
    const { zero, puppets } = await startPuppetService(t, adminAt('localhost:0'));
    const { address } = await zero.fact('admin_listening');
    assert.match(address, /^127\.0\.0\.1:\d+$/);
    assert.deepEqual(await httpGet(address, '/healthz'), { status: 200, body: 'ok\n' });
    assert.deepEqual(await httpGet(address, '/readyz'), {
      status: 503,
      body: 'generation 1 does not serve yet: it is starting\n',
    });
    const puppet = await puppets.next();
    await puppet.listen({ name: 'http' });
    await becomeReady(puppet);
    await zero.fact('generation_promoted');
    assert.deepEqual(await httpGet(address, '/readyz'), { status: 200, body: 'ready\n' });
    const { name, pid, generations } = JSON.parse((await httpGet(address, '/status')).body);
    assert.deepEqual([name, pid, generations.length], ['test', zero.pid, 1]);
    await puppet.onSignal('SIGTERM', 'report');
    zero.signal('SIGTERM');
    await puppet.event('signal', { signal: 'SIGTERM' });
    assert.deepEqual(await httpGet(address, '/readyz'), { status: 503, body: 'zero is stopping\n' });
    assert.equal((await httpGet(address, '/healthz')).status, 200);
    await puppet.exit(0);
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
    assert.deepEqual(zero.log.all('warning'), []);
  });

  it('that cannot be opened does not affect the service, and is opened by a reload', DEADLINE, async (t) => {
    const held = await holdPort(t);
    const service = await startServing(t, adminAt(held.address));
    const { zero } = service;
    const { message } = await zero.fact('error', { step: 'admin' });
    assert.ok(message.includes(`EADDRINUSE: the port is held by pid ${process.pid} (`), message);
    assert.match(message, /\. It stays closed\.$/);
    await zero.fact('error', { step: 'admin' }, await handOver(service));
    assert.equal(zero.log.all('error', { step: 'admin' }).length, 2);
    await held.release();
    const cursor = await handOver(service);
    const { address } = await zero.fact('admin_listening', {}, cursor);
    assert.equal(address, held.address);
    const { body } = await httpGet(address, '/metrics');
    // Earlier handovers are counted too.
    assert.match(body, /^zero_handovers_total\{outcome="promoted"\} 3$/m);
  });

  it('moves with the config, and stays if the new address cannot be opened', DEADLINE, async (t) => {
    const service = await startServing(t, adminAt('127.0.0.1:0'));
    const { zero } = service;
    const first = (await zero.fact('admin_listening')).address;
    const held = await holdPort(t);
    service.rewrite(adminAt(held.address));
    const failed = await handOver(service);
    const { message } = await zero.fact('error', { step: 'admin' }, failed);
    assert.ok(message.endsWith(`. It stays open at ${first}.`), message);
    assert.equal((await httpGet(first, '/healthz')).status, 200);

    const path = join(temporaryFolder(t), 'admin.sock');
    service.rewrite(adminAt(`unix:${path}`));
    const moved = await handOver(service);
    await zero.fact('admin_closed', { address: first }, moved);
    await assert.rejects(httpGet(first, '/healthz'), { code: 'ECONNREFUSED' });
    assert.equal((await httpGet(`unix:${path}`, '/readyz')).status, 200);
    assert.equal(statSync(path).mode & 0o777, 0o660);
    const handovers = /^zero_handovers_total\{outcome="promoted"\} 3$/m;
    assert.match((await httpGet(`unix:${path}`, '/metrics')).body, handovers);

    service.rewrite({});
    const removed = await handOver(service);
    await zero.fact('admin_closed', {}, removed);
    assert.equal(existsSync(path), false);
  });

  it('causes a warning if other machines can reach it', DEADLINE, async (t) => {
    const { zero } = await startServing(t, adminAt(':0'));
    const { address } = await zero.fact('admin_listening');
    const { message } = await zero.fact('warning', { about: 'admin' });
    assert.ok(message.includes(address) && message.includes('open to other machines'), message);
    const port = address.slice(address.lastIndexOf(':') + 1);
    assert.equal((await httpGet(`127.0.0.1:${port}`, '/healthz')).status, 200);
  });

  it('reports the queue of every kind of listener', DEADLINE, async (t) => {
    // Its puppet accepts no connections.
    const { zero, puppets } = await startPuppetService(t, {
      ...adminAt('localhost:0'),
      listeners: [
        { name: 'http', address: '127.0.0.1:0' },
        { name: 'sock', address: `unix:${join(temporaryFolder(t), 'sock')}` },
        { name: 'dns', address: 'udp:127.0.0.1:0' },
      ],
    });
    const admin = (await zero.fact('admin_listening')).address;
    await puppets.next();
    for (const name of ['http', 'http', 'sock']) await sendRequest(t, await zero.address(name));
    const samples = samplesIn((await httpGet(admin, '/metrics')).body);
    const of = (metric: string) =>
      Object.fromEntries(
        samples.filter(({ name }) => name === metric).map(({ labels, value }) => [labels.listener, value]),
      );
    assert.deepEqual(of('zero_listener_accept_queue_connections'), { http: 2, sock: 1 });
    assert.deepEqual(of('zero_listener_drops_total'), { http: 0, dns: 0 });
  });

  it('is not loaded by a supervisor without one', () => {
    const has = (file: string) =>
      readFileSync(join(ROOT, 'dist', file), 'utf8').includes('zero_handovers_total');
    assert.deepEqual([has('run.cjs'), has('admin.cjs')], [false, true]);
  });
});
