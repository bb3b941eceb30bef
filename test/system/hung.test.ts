import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StatusDocument } from '../../src/control/protocol.ts';
import { freeze } from '../support/freeze.ts';
import { httpGet } from '../support/http-get.ts';
import { startLoad } from '../support/load.ts';
import { fixture } from '../support/paths.ts';
import type { Scope } from '../support/temporary.ts';
import { connectSilently, sendRequests } from '../support/waiting-request.ts';
import { DEADLINE, runZero, startZero, type Zero } from '../support/zero.ts';

async function serve(
  t: Scope,
  more: {
    workers?: number;
    restart?: object;
    listeners?: Readonly<Record<string, unknown>>[];
    readiness?: Readonly<Record<string, unknown>>;
    runtime?: Readonly<Record<string, unknown>>;
  } = {},
): Promise<Zero> {
  const { workers = 1, restart = {}, readiness = {} } = more;
  const { listeners = [{ name: 'http', address: '127.0.0.1:0' }] } = more;
  const { runtime = { path: process.execPath, args: [fixture('graceful.js')] } } = more;
  const zero = startZero(t, {
    config: {
      application: { admin: { address: '127.0.0.1:0' } },
      service: {
        listeners,
        runtime: { ...runtime, workers },
        readiness,
        options: { reload_uptime: '0s' },
        handover: { mode: 'auto', stall: '1s' },
        restart,
      },
    },
  });
  await zero.fact('generation_promoted', { generation: 1 });
  await zero.fact('admin_listening');
  return zero;
}

async function statusOf(t: Scope, zero: Zero): Promise<StatusDocument> {
  const args = ['status', '--json', '--config', zero.config ?? ''];
  const { stdout } = await runZero(t, { args, folder: zero.folder });
  return JSON.parse(stdout);
}

async function workersOf(t: Scope, zero: Zero): Promise<readonly { worker: number; hung?: boolean }[]> {
  return (await statusOf(t, zero)).generations[0]?.workers ?? [];
}

async function serviceOf(t: Scope, zero: Zero): Promise<{ state: string; summary: string }> {
  const { service } = await statusOf(t, zero);
  assert.ok(service);
  return service;
}

async function sample(zero: Zero, name: string): Promise<string | undefined> {
  const { address } = await zero.fact('admin_listening');
  const { body } = await httpGet(address, '/metrics');
  return body.split('\n').find((line) => line.startsWith(name));
}

describe('a worker that accepts nothing while connections wait', () => {
  it('is reported, also by status and metrics, and its recovery too', DEADLINE, async (t) => {
    const zero = await serve(t);
    const { pid } = await zero.fact('worker_spawned');
    await freeze({ pid });
    const requests = await sendRequests(t, await zero.address('http'), 3);
    await zero.fact('worker_stalled', { generation: 1, worker: 0 });
    assert.equal((await workersOf(t, zero))[0]?.hung, true);
    assert.equal(await sample(zero, 'zero_workers_hung{'), 'zero_workers_hung{generation="1"} 1');
    process.kill(pid, 'SIGCONT');
    await zero.fact('worker_stall_ended', { generation: 1, worker: 0, how: 'recovered' });
    for (const request of requests) assert.equal((await request.answer).generation, 1);
    assert.equal((await workersOf(t, zero))[0]?.hung, undefined);
    assert.equal(await sample(zero, 'zero_workers_hung{'), 'zero_workers_hung{generation="1"} 0');
    assert.equal(zero.log.all('worker_stalled').length, 1);
    assert.deepEqual(zero.log.all('worker_exited', { worker: 0 }), []);
  });

  it('is reported once, until it exits', DEADLINE, async (t) => {
    const zero = await serve(t);
    const { pid } = await zero.fact('worker_spawned');
    await freeze({ pid });
    await sendRequests(t, await zero.address('http'), 1);
    await zero.fact('worker_stalled');
    const { cursor } = zero;
    process.kill(pid, 'SIGKILL');
    await zero.fact('worker_stall_ended', { how: 'exited' });
    await zero.fact('worker_ready', { worker: 0 }, cursor);
    assert.equal(zero.log.all('worker_stalled').length, 1);
  });

  it('is restarted if the config requires it', DEADLINE, async (t) => {
    const zero = await serve(t, { restart: { on_stall: true } });
    const { pid } = await zero.fact('worker_spawned');
    await freeze({ pid });
    const [request] = await sendRequests(t, await zero.address('http'), 1);
    await zero.fact('worker_killed', { pid });
    await zero.fact('worker_stall_ended', { how: 'exited' });
    assert.equal((await request?.answer)?.generation, 1);
    // Its restart serves the waiting connections.
    assert.deepEqual(zero.log.all('lane_relieved'), []);
  });

  it('is represented by a rescue worker until it accepts again', DEADLINE, async (t) => {
    const zero = await serve(t);
    const { pid } = await zero.fact('worker_spawned');
    const address = await zero.address('http');
    await freeze({ pid });
    const requests = await sendRequests(t, address, 3);
    const rescue = await zero.fact('lane_relieved', { generation: 1 });
    const { pid: rescuer } = await zero.fact('worker_spawned', { worker: rescue.worker });
    for (const request of requests) assert.equal((await request.answer).pid, rescuer);
    const { failed, losses } = await startLoad(t, { target: address, count: 200 }).finished;
    assert.equal(failed, 0, JSON.stringify(losses));
    const service = await serviceOf(t, zero);
    assert.equal(service.state, 'degraded');
    assert.equal(
      service.summary,
      '0 of 1 workers of generation 1 serve, and a rescue worker serves in their place',
    );
    const roles = (await statusOf(t, zero)).generations[0]?.workers.map(({ role, ready }) => [role, ready]);
    assert.deepEqual(roles, [
      [undefined, true],
      ['rescue', true],
    ]);
    assert.deepEqual(zero.log.all('worker_stall_ended'), []);
    process.kill(pid, 'SIGCONT');
    await zero.fact('worker_stall_ended', { worker: 0, how: 'recovered' });
    await zero.fact('worker_exited', { worker: rescue.worker, expected: true });
    const after = startLoad(t, { target: address, count: 200 });
    const { failed: lost } = await after.finished;
    assert.equal(lost, 0);
    assert.equal((await serviceOf(t, zero)).state, 'up');
    assert.equal(zero.log.all('worker_stalled').length, 1);
  });

  it('is represented by a rescue worker until it has been restarted', DEADLINE, async (t) => {
    const zero = await serve(t);
    const { pid } = await zero.fact('worker_spawned');
    const address = await zero.address('http');
    await freeze({ pid });
    const [request] = await sendRequests(t, address, 1);
    const rescue = await zero.fact('lane_relieved', { generation: 1 });
    assert.equal((await request?.answer)?.generation, 1);
    const load = startLoad(t, { target: address, count: 500 });
    process.kill(pid, 'SIGKILL');
    await zero.fact('worker_exited', { worker: rescue.worker, expected: true });
    const { failed, losses } = await load.finished;
    assert.equal(failed, 0, JSON.stringify(losses));
  });

  it('is represented by a rescue worker of its own if all workers are hung', DEADLINE, async (t) => {
    const zero = await serve(t, { workers: 2 });
    const workers = zero.log.all('worker_spawned');
    const address = await zero.address('http');
    for (const { pid } of workers) await freeze({ pid });
    const requests = await sendRequests(t, address, 20);
    for (const request of requests) assert.equal((await request.answer).generation, 1);
    for (const { worker } of workers) await zero.fact('worker_stalled', { worker });
    for (const { pid, worker } of workers) {
      assert.deepEqual(zero.log.all('worker_stall_ended', { worker }), []);
      process.kill(pid, 'SIGCONT');
      await zero.fact('worker_stall_ended', { worker, how: 'recovered' });
    }
    const { failed, losses } = await startLoad(t, { target: address, count: 200 }).finished;
    assert.equal(failed, 0, JSON.stringify(losses));
  });

  for (const [about, accept] of [
    ['no connection waits', false],
    ['readiness.accept does not name', ['http']],
  ] as const) {
    it(`recovers without a listener on which it never accepts and ${about}`, DEADLINE, async (t) => {
      const zero = await serve(t, {
        listeners: ['other', 'http'].map((name) => ({ name, address: '127.0.0.1:0' })),
        readiness: { accept },
        // It accepts on the last listener only.
        runtime: { path: '/usr/bin/perl', args: [fixture('accept-loop.pl')] },
      });
      const { pid } = await zero.fact('worker_spawned');
      if (accept !== false) await connectSilently(t, await zero.address('other'));
      await freeze({ pid });
      const [request] = await sendRequests(t, await zero.address('http'), 1);
      const rescue = await zero.fact('lane_relieved');
      assert.equal((await request?.answer)?.generation, 1);
      process.kill(pid, 'SIGCONT');
      await zero.fact('worker_stall_ended', { worker: 0, how: 'recovered' });
      await zero.fact('worker_exited', { worker: rescue.worker, expected: true });
      assert.equal(zero.log.all('worker_stalled').length, 1);
    });
  }

  it(
    'gets no new connections while another worker accepts, and its waiting connections are served',
    DEADLINE,
    async (t) => {
      const zero = await serve(t, { workers: 2 });
      const [first] = zero.log.all('worker_spawned');
      assert.ok(first);
      await freeze({ pid: first.pid });
      // About half of them reach the hung worker.
      const requests = await sendRequests(t, await zero.address('http'), 20);
      await zero.fact('worker_stalled', { worker: first.worker });
      for (const request of requests) assert.equal((await request.answer).generation, 1);
      const { failed, losses } = await startLoad(t, { target: await zero.address('http'), count: 200 })
        .finished;
      assert.equal(failed, 0, JSON.stringify(losses));
      assert.deepEqual(zero.log.all('worker_stall_ended'), []);
      process.kill(first.pid, 'SIGCONT');
      await zero.fact('worker_stall_ended', { worker: first.worker, how: 'recovered' });
    },
  );
});
