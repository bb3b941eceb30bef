import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { nextReady, startPuppetService, startServing, whoAnswers } from '../support/puppet-service.ts';
import { startPuppets } from '../support/puppets.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

const always = { policy: 'always', backoff: { initial: '10ms', factor: 1 } };
const onFailure = { policy: 'on-failure', backoff: { initial: '10ms', factor: 1 } };
const never = { policy: 'never' };

describe('under the restart policy', () => {
  for (const [name, restart, code] of [
    ['always', always, 0],
    ['always', always, 3],
    ['on-failure', onFailure, 3],
  ] as const) {
    it(`${name} a service that exits with ${code} is restarted`, DEADLINE, async (t) => {
      const { zero, puppets, incumbent } = await startServing(t, { restart });
      await incumbent.exit(code);
      const successor = await nextReady(puppets);
      assert.deepEqual(await whoAnswers(await zero.address('http')), { generation: 1, pid: successor.pid });
    });
  }

  for (const [name, restart, code] of [
    ['on-failure', onFailure, 0],
    ['never', never, 0],
    ['never', never, 7],
  ] as const) {
    it(`${name} zero exits with its service's code ${code}`, DEADLINE, async (t) => {
      const { zero, incumbent } = await startServing(t, { restart });
      await incumbent.exit(code);
      assert.deepEqual(await zero.exited, { code, signal: null });
      const { reason } = await zero.fact('supervisor_stopped', { code });
      assert.equal(reason, 'the service has exited');
      assert.deepEqual(zero.log.all('worker_restarting'), []);
    });
  }

  for (const [signal, code] of [
    ['SIGKILL', 137],
    ['SIGSEGV', 139],
  ] as const) {
    it(`never zero exits with ${code} when ${signal} ended its service`, DEADLINE, async (t) => {
      const { zero, incumbent } = await startServing(t, { restart: never });
      await incumbent.die(signal);
      assert.deepEqual(await zero.exited, { code, signal: null });
    });
  }

  it('never a service that exits before it is ready ends zero with its code', DEADLINE, async (t) => {
    const { zero, puppets } = await startPuppetService(t, { restart: never });
    await (await puppets.next()).exit(5);
    assert.deepEqual(await zero.exited, { code: 5, signal: null });
    const { failure } = await zero.fact('handover_finished', { outcome: 'failed' });
    assert.deepEqual(failure?.exit, { kind: 'exited', code: 5 });
  });

  it(
    'never an incumbent that exits during a handover leaves the service to the candidate',
    DEADLINE,
    async (t) => {
      const { zero, puppets, incumbent, reload } = await startServing(t, { restart: never });
      reload();
      const candidate = await puppets.next();
      await incumbent.exit(4);
      await zero.fact('worker_exited', { pid: incumbent.pid });
      const answer = whoAnswers(await zero.address('http'));
      await candidate.listen({ name: 'http' });
      await candidate.write(10, '\n');
      assert.deepEqual(await answer, { generation: 2, pid: candidate.pid });
      await zero.fact('generation_promoted', { generation: 2 });
      await candidate.exit(6);
      assert.deepEqual(await zero.exited, { code: 6, signal: null });
    },
  );

  it(
    'never zero exits with the code of the incumbent when the candidate fails after it',
    DEADLINE,
    async (t) => {
      const { zero, puppets, incumbent, reload } = await startServing(t, { restart: never });
      reload();
      const candidate = await puppets.next();
      await incumbent.exit(4);
      await zero.fact('worker_exited', { pid: incumbent.pid });
      await candidate.exit(9);
      assert.deepEqual(await zero.exited, { code: 4, signal: null });
      await zero.fact('handover_finished', { handover: 2, outcome: 'rolled_back' });
    },
  );
});

describe('zero exits with 0', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`when ${signal} stopped it`, DEADLINE, async (t) => {
      const { zero, incumbent } = await startServing(t);
      zero.signal(signal);
      await incumbent.gone;
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
      await zero.fact('stop_requested', { by: signal, now: false });
      await zero.fact('supervisor_stopped', { code: 0, reason: 'it was asked to stop' });
    });
  }
});

describe('zero exits with 1 and one reason when it cannot start', () => {
  async function startFailing(scope: Scope, service: Readonly<Record<string, unknown>>): Promise<string> {
    const puppets = await startPuppets(scope);
    const [path, ...args] = puppets.command;
    const zero = startZero(scope, {
      config: {
        service: { listeners: [], runtime: { path, args, environment: [] }, ...service },
      },
    });
    assert.deepEqual(await zero.exited, { code: 1, signal: null });
    assert.deepEqual(zero.log.all('worker_spawned'), []);
    const { failure } = await zero.fact('handover_finished', { outcome: 'failed' });
    await zero.fact('supervisor_stopped', { reason: 'the service could not be started' });
    return `${failure?.step}: ${failure?.reason}`;
  }

  it('its address is in use', DEADLINE, async (t) => {
    const server = createServer();
    t.after(() => {
      server.close();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const listeners = [{ name: 'http', address: `127.0.0.1:${address.port}` }];
    const reason = await startFailing(t, { listeners });
    assert.match(
      reason,
      new RegExp(
        `^listener\\.http: bind tcp 127\\.0\\.0\\.1:${address.port}: EADDRINUSE: .*pid ${process.pid}`,
      ),
    );
  });

  it('its executable is missing', DEADLINE, async (t) => {
    const path = join(temporaryFolder(t), 'missing');
    const reason = await startFailing(t, { runtime: { path } });
    assert.equal(reason, `release.path: executable ${path}: ENOENT: it does not exist`);
  });

  it('its config is invalid', DEADLINE, async (t) => {
    const zero = startZero(t, { config: { service: { runtime: { path: '/bin/true', pth: 1 } } } });
    assert.deepEqual(await zero.exited, { code: 1, signal: null });
    await zero.log.fact('supervisor_started').catch(() => undefined);
    assert.match(zero.log.text, /zero\.yaml:\d+:\d+: .*pth/);
    assert.deepEqual(zero.log.facts, []);
  });
});
