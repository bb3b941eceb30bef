import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HistoryDocument } from '../../src/control/documents.ts';
import type { FactName } from '../../src/lifecycle/facts.ts';
import { command } from '../support/command.ts';
import { HttpConnection } from '../support/http-connection.ts';
import { identify, isRunning } from '../support/processes.ts';
import {
  becomeReady,
  nextReady,
  type PuppetService,
  startPuppetService,
  startServing,
} from '../support/puppet-service.ts';
import { parseTarget } from '../support/target.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

const STOPPED = { code: 0, signal: null };

function orderOf(zero: Zero, event: FactName): number {
  return zero.log.facts.findIndex((fact) => fact.event === event);
}

async function reloadTaken(service: PuppetService): Promise<void> {
  await service.zero.fact('reload_requested', {}, service.reload());
}

describe('stop', () => {
  it('lets a request in progress be answered, and closes the listeners last', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t);
    await incumbent.behave({ hold: true });
    const connection = new HttpConnection(parseTarget(await zero.address('http')));
    t.after(() => connection.close());
    const answer = connection.exchange('GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n', 10_000);
    await incumbent.event('request');
    zero.signal('SIGTERM');
    await incumbent.event('signal', { signal: 'SIGTERM' });
    assert.deepEqual(zero.log.all('listener_closed'), []);
    const { generations }: HistoryDocument = JSON.parse((await command(t, zero, 'history', '--json')).stdout);
    assert.ok((generations[0]?.served_ms ?? 0) > 0, 'the time of serving goes on until it has stopped');
    assert.equal(generations[0]?.serving, false);
    await incumbent.answer();
    assert.equal((await answer).kind, 'answered');
    assert.deepEqual(await zero.exited, STOPPED);
    await zero.fact('listener_closed', { listener: 'http' });
    assert.ok(orderOf(zero, 'listener_closed') > orderOf(zero, 'worker_exited'));
    assert.deepEqual(zero.log.all('worker_killed'), []);
  });

  it('ends a first generation in its start', DEADLINE, async (t) => {
    const { zero, puppets } = await startPuppetService(t);
    const first = await puppets.next();
    zero.signal('SIGTERM');
    await first.event('signal', { signal: 'SIGTERM' });
    assert.deepEqual(await zero.exited, STOPPED);
    const { failure } = await zero.fact('handover_finished', { handover: 1, outcome: 'aborted' });
    assert.deepEqual([failure?.step, failure?.reason], ['stop', 'stopped by SIGTERM']);
  });

  it('ends the backoff of a service without another start', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t, { restart: { backoff: { initial: '1h', max: '1h' } } });
    await incumbent.die();
    await zero.fact('worker_restarting');
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, STOPPED);
    assert.equal(zero.log.all('worker_spawned').length, 1);
  });

  it('aborts a handover and its pending requests, and stops both generations', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, puppets, incumbent } = service;
    await reloadTaken(service);
    const candidate = await puppets.next();
    await reloadTaken(service);
    zero.signal('SIGTERM');
    await incumbent.event('signal', { signal: 'SIGTERM' });
    await candidate.event('signal', { signal: 'SIGTERM' });
    assert.deepEqual(await zero.exited, STOPPED);
    await zero.fact('handover_finished', { handover: 2, outcome: 'aborted' });
    assert.equal(zero.log.all('handover_started').length, 2);
    assert.equal(zero.log.all('worker_spawned').length, 2);
  });

  it('waits for an old generation that is still stopping', DEADLINE, async (t) => {
    const service = await startServing(t, { environment: { DRAIN_MS: '60000' } });
    const { zero, puppets, incumbent } = service;
    const held = new HttpConnection(parseTarget(await zero.address('http')));
    t.after(() => held.close());
    assert.equal((await held.exchange('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 10_000)).kind, 'answered');
    await reloadTaken(service);
    const successor = await nextReady(puppets);
    await incumbent.event('signal', { signal: 'SIGTERM' });
    zero.signal('SIGTERM');
    await successor.gone;
    await zero.fact('generation_gone', { generation: 2 });
    assert.deepEqual(zero.log.all('generation_gone', { generation: 1 }), []);
    // It has already received its one shutdown signal.
    assert.equal(incumbent.cursor, 1);
    held.close();
    await incumbent.gone;
    assert.deepEqual(await zero.exited, STOPPED);
  });

  it('prevents the handover of a later reload', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, incumbent } = service;
    await incumbent.onSignal('SIGTERM', 'report');
    zero.signal('SIGTERM');
    await incumbent.event('signal', { signal: 'SIGTERM' });
    service.reload();
    // The answer to the following signal shows that both were handled.
    zero.signal('SIGUSR2');
    const { message } = await zero.fact('error', { step: 'upgrade' });
    assert.match(message, /the supervisor is stopping$/);
    assert.equal(zero.log.all('handover_started').length, 1);
    await incumbent.exit(0);
    assert.deepEqual(await zero.exited, STOPPED);
  });
});

describe('an immediate stop', () => {
  it('is the second SIGTERM', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t, { options: { shutdown_timeout: '0s' } });
    await incumbent.onSignal('SIGTERM', 'report');
    zero.signal('SIGTERM');
    await incumbent.event('signal', { signal: 'SIGTERM' });
    zero.signal('SIGTERM');
    await incumbent.gone;
    assert.deepEqual(await zero.exited, STOPPED);
    assert.deepEqual(
      zero.log.all('stop_requested').map(({ by, now }) => ({ by, now })),
      [
        { by: 'SIGTERM', now: false },
        { by: 'SIGTERM', now: true },
      ],
    );
    const { exit } = await zero.fact('worker_exited', { pid: incumbent.pid });
    assert.deepEqual(exit, { kind: 'signaled', signal: 'SIGKILL', coreDumped: false });
  });

  it('is SIGINT after SIGTERM', DEADLINE, async (t) => {
    const { zero, incumbent } = await startServing(t, { options: { shutdown_timeout: '0s' } });
    await incumbent.hang('stopped');
    zero.signal('SIGTERM');
    await zero.fact('stop_requested', { now: false });
    zero.signal('SIGINT');
    assert.deepEqual(await zero.exited, STOPPED);
    await zero.fact('worker_killed', { pid: incumbent.pid, reason: 'stop now' });
  });

  it('is SIGQUIT, for candidate, incumbent and their children', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, puppets, incumbent } = service;
    await incumbent.onSignal('SIGTERM', 'report');
    const child = identify(await incumbent.fork('same', true));
    service.reload();
    const candidate = await puppets.next();
    await candidate.hang('busy');
    zero.signal('SIGQUIT');
    assert.deepEqual(await zero.exited, STOPPED);
    await Promise.all([incumbent.gone, candidate.gone]);
    // It need not have been reaped: process 1 does that after the exit of zero.
    assert.ok(child !== null && !isRunning(child));
    await zero.fact('handover_finished', { handover: 2, outcome: 'aborted' });
  });
});

describe('shutdown_signal', () => {
  it('is the signal that stops a generation', DEADLINE, async (t) => {
    const service = await startServing(t, { options: { shutdown_signal: 'SIGUSR2' } });
    const { zero, puppets, incumbent } = service;
    await incumbent.onSignal('SIGUSR2', 'drain');
    service.reload();
    const candidate = await puppets.next();
    await candidate.onSignal('SIGUSR2', 'drain');
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    await incumbent.event('signal', { signal: 'SIGUSR2' });
    await zero.fact('generation_gone', { generation: 1 });
    zero.signal('SIGTERM');
    await candidate.event('signal', { signal: 'SIGUSR2' });
    assert.deepEqual(await zero.exited, STOPPED);
  });

  it('of the old config stops the old generation', DEADLINE, async (t) => {
    const service = await startServing(t);
    const { zero, puppets, incumbent } = service;
    service.rewrite({ options: { shutdown_signal: 'SIGUSR2' } });
    service.reload();
    await nextReady(puppets);
    await incumbent.event('signal', { signal: 'SIGTERM' });
    await zero.fact('generation_gone', { generation: 1 });
  });
});

describe('shutdown_timeout', () => {
  it('is followed by SIGKILL to the whole session', DEADLINE, async (t) => {
    const service = await startServing(t, { options: { shutdown_timeout: '200ms' } });
    const { zero, puppets, incumbent } = service;
    await incumbent.onSignal('SIGTERM', 'report');
    const child = identify(await incumbent.fork('same', true));
    service.reload();
    await nextReady(puppets);
    const { reason } = await zero.fact('worker_killed', { pid: incumbent.pid });
    assert.equal(reason, 'it did not stop within 200ms');
    const { retiredFor } = await zero.fact('generation_gone', { generation: 1 });
    assert.ok(retiredFor !== null && retiredFor >= 200);
    assert.ok(child !== null && !isRunning(child));
  });

  it('of 0 disables SIGKILL: the old generation may run without a limit', DEADLINE, async (t) => {
    const service = await startServing(t, { options: { shutdown_timeout: '0s' } });
    const { zero, puppets, incumbent } = service;
    await incumbent.onSignal('SIGTERM', 'report');
    // A later config with a time limit does not shorten the limit of the old generation.
    service.rewrite({ options: { shutdown_timeout: '100ms' } });
    service.reload();
    const second = await nextReady(puppets);
    await incumbent.event('signal', { signal: 'SIGTERM' });
    // The second generation is rolled back and killed by its own limit, and the first one still runs.
    await second.onSignal('SIGTERM', 'report');
    service.reload();
    await nextReady(puppets);
    await zero.fact('worker_killed', { pid: second.pid });
    await zero.fact('generation_gone', { generation: 2 });
    assert.deepEqual(zero.log.all('worker_killed', { pid: incumbent.pid }), []);
    await incumbent.look();
    await incumbent.exit(0);
    await zero.fact('generation_gone', { generation: 1 });
  });
});
