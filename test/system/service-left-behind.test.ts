import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { guardProcesses } from '../support/guard.ts';
import { startLoad } from '../support/load.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { account, IS_ROOT, withoutTracing } from '../support/privileges.ts';
import { whenEnded } from '../support/process-end.ts';
import { identify, isRunning } from '../support/processes.ts';
import { becomeReady, nextReady, startServing, whoAnswers } from '../support/puppet-service.ts';
import { get, rawControl } from '../support/raw-control.ts';
import { keeperPid, killWithKeeper, startSurvivor } from '../support/survivor.ts';
import { reversed, type Scope } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero, type Zero } from '../support/zero.ts';

type Service = Awaited<ReturnType<typeof startServing>>;

/** A service whose supervisor was killed and is not restarted. The keeper still runs. */
async function leave(scope: Scope, signal: 'supervisor' | 'both' = 'supervisor'): Promise<Service> {
  const service = await startServing(scope, { handover: { settle: '100ms', drain_timeout: '1s' } });
  const { zero } = service;
  await keeperPid(zero);
  if (signal === 'both') await killWithKeeper(zero);
  else zero.signal('SIGKILL');
  await zero.exited;
  return service;
}

/** Another zero with the same config and directories. */
function next(
  scope: Scope,
  { folder, config }: Zero,
  command: [string, ...string[]] = [...ZERO_COMMAND],
): Zero {
  assert.ok(config);
  return startZero(scope, { folder, args: ['--config', config], command });
}

const ONLY_AS_ROOT = { ...DEADLINE, skip: !IS_ROOT && 'only root may give a file to another user' };

const statePath = ({ folder }: Zero): string => join(folder, 'run', 'state.json');

describe('the service of a killed supervisor', () => {
  it('is continued by the next zero, even if the keeper was killed too', DEADLINE, async (t) => {
    for (const signal of ['supervisor', 'both'] as const) {
      const { zero: dead, incumbent, puppets } = await leave(t, signal);
      const load = startLoad(t, { target: await dead.address('http'), clients: 2 });
      await load.whenPhaseHas(10);
      const zero = next(t, dead);
      const recovered = await zero.fact('supervisor_recovered');
      assert.deepEqual([recovered.by, recovered.adopted], ['manual', 1]);
      load.phase('reload');
      zero.signal('SIGHUP');
      const candidate = await nextReady(puppets);
      await incumbent.gone;
      await load.whenPhaseHas(10);
      assert.equal((await load.stop()).failed, 0);
      zero.signal('SIGTERM');
      await candidate.gone;
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
    }
  });

  for (const step of ['starting', 'preview', 'canary', 'soak'] as const)
    it(`is continued from the file alone in the step ${step}`, DEADLINE, async (t) => {
      const canary = { steps: [{ percent: 50, for: '1h' }] };
      const {
        zero: dead,
        incumbent,
        puppets,
      } = await startSurvivor(t, {
        handover: { soak: '2s', ...(step === 'canary' && { canary }) },
      });
      await keeperPid(dead);
      const { cursor } = dead;
      const options = step === 'preview' ? ['--preview'] : [];
      const reload = startCommand(t, dead, ['reload', '--json', ...options]);
      const candidate = await puppets.next();
      if (step === 'starting') {
        await dead.fact('worker_spawned', { generation: 2 }, cursor);
      } else {
        await candidate.listen({ name: 'http' });
        await becomeReady(candidate);
        await dead.fact('handover_step', { step }, cursor);
      }
      // Every effect of the step has been performed, and the state is written. No command: it may start slower than the
      // soak ends.
      await (await rawControl(t, dead, get('/v1/status'))).answer;
      await killWithKeeper(dead);
      const load = startLoad(t, { target: await dead.address('http'), clients: 2 });
      const zero = next(t, dead);
      await zero.fact('supervisor_recovered', { adopted: 2, gone: 0 });
      await load.whenPhaseHas(20);
      const { code, stdout, stderr } = await reload.finished;
      const { outcome, failure } = JSON.parse(stdout);
      const [serving, gone] = step === 'soak' ? [candidate, incumbent] : [incumbent, candidate];
      if (step === 'soak') assert.deepEqual([code, outcome], [0, 'promoted'], stderr);
      else assert.deepEqual([code, outcome, failure.step], [10, 'rolled_back', 'supervisor'], stderr);
      await gone.gone;
      const { generation, pid } = serving;
      assert.deepEqual(await whoAnswers(await dead.address('http')), { generation, pid });
      const { failed, losses } = await load.stop();
      assert.equal(failed, 0, JSON.stringify(losses.slice(0, 3)));
    });

  it('is continued if zero may not take the sockets of the keeper', DEADLINE, async (t) => {
    const { zero: dead, incumbent } = await leave(t);
    const load = startLoad(t, { target: await dead.address('http'), clients: 2 });
    const zero = next(t, dead, [...withoutTracing(), ...ZERO_COMMAND]);
    const { socketsFrom } = await zero.fact('supervisor_recovered');
    assert.deepEqual(socketsFrom, ['sender']);
    await load.whenPhaseHas(10);
    assert.equal((await load.stop()).failed, 0);
    zero.signal('SIGTERM');
    await incumbent.gone;
  });

  it(
    'is continued without a process that was started after the state had been recorded',
    DEADLINE,
    async (t) => {
      const { zero: dead, incumbent } = await leave(t, 'both');
      // Imitates the worker of a generation that is not in the state.
      const stray = spawn('sleep', ['1000'], {
        detached: true,
        stdio: 'ignore',
        env: { ...process.env, NOTIFY_SOCKET: join(dead.folder, 'run', 'notify', '2.0.1') },
      });
      t.after(() => void stray.kill('SIGKILL'));
      const exited = once(stray, 'exit');
      const zero = next(t, dead);
      await zero.fact('warning', ({ message }) =>
        message.startsWith(`process ${stray.pid} was started by the dead`),
      );
      await exited;
      zero.signal('SIGHUP');
      const { generation } = await zero.fact('worker_spawned');
      assert.equal(generation, 3);
      assert.deepEqual(zero.log.all('worker_exited', { pid: incumbent.pid }), []);
    },
  );

  it('is reported to a zero of another name that needs its address', DEADLINE, async (test) => {
    const t = reversed(test);
    const { zero: dead, incumbent } = await leave(t);
    const address = await dead.address('http');
    for (const mode of ['shared', 'auto']) {
      const service = {
        listeners: [{ name: 'web', address }],
        runtime: { name: 'another', path: '/bin/true' },
        handover: { mode },
      };
      // The directory with the instances of an ordinary user.
      const environment = { TMPDIR: dead.folder };
      const other = startZero(t, { config: { service }, environment });
      const { failure } = await other.fact('handover_finished', { outcome: 'failed' });
      assert.match(
        failure?.reason ?? '',
        new RegExp(
          `EADDRINUSE: the port is held by pid \\d+ \\(.*\\)\\. The address belongs to the service of instance test, whose zero ` +
            `\\(pid ${dead.pid}\\) has died\\. Continue that service with: zero --config ${dead.config}\\. ` +
            'Or stop it with: zero stop --name test$',
        ),
      );
      assert.equal((await other.exited).code, 1);
    }
    const { generation, pid } = incumbent;
    assert.deepEqual(await whoAnswers(address), { generation, pid });
  });

  it('is stopped by zero stop', DEADLINE, async (t) => {
    const { zero, incumbent } = await leave(t);
    const keeperEnded = whenEnded(await keeperPid(zero));
    const stop = await command(t, zero, 'stop');
    assert.equal(stop.code, 0, stop.stderr);
    await incumbent.gone;
    await keeperEnded;
    const again = await command(t, zero, 'stop');
    assert.equal(again.code, 3, again.stderr);
  });

  it('is continued by one of two supervisors that start at once', DEADLINE, async (t) => {
    const { zero: dead, incumbent } = await leave(t);
    const both = [next(t, dead), next(t, dead)];
    const ends = await Promise.race(both.map((zero) => zero.exited.then(({ code }) => ({ zero, code }))));
    assert.equal(ends.code, 1);
    const winner = both.find((zero) => zero !== ends.zero);
    await winner?.fact('supervisor_recovered');
    const { generation, pid } = incumbent;
    assert.deepEqual(await whoAnswers(await dead.address('http')), { generation, pid });
  });

  it('is continued with its own config after the file has changed or is broken', DEADLINE, async (t) => {
    const { zero: dead, incumbent, rewrite, puppets } = await leave(t);
    rewrite({ handover: { settle: '100ms' }, environment: { RELEASE: 'b' } });
    const zero = next(t, dead);
    await zero.fact('supervisor_recovered');
    assert.deepEqual(zero.log.all('worker_exited'), []);
    zero.signal('SIGHUP');
    const candidate = await nextReady(puppets);
    assert.ok(candidate.environment.map(String).includes('RELEASE=b'));
    await incumbent.gone;
  });

  it('is not touched if its state cannot be used', DEADLINE, async (t) => {
    const { zero: dead, incumbent } = await leave(t, 'both');
    const { config, folder } = dead;
    assert.ok(config);
    const whole = readFileSync(statePath(dead), 'utf8');
    const damage: readonly [text: string, message: RegExp][] = [
      ['{"version":2,"inst', /incomplete or damaged: .* Processes of its service still run: \d+/],
      ['', /the file is empty\. Processes of its service still run: \d+/],
      [whole.replace('"version":2', '"version":99'), /the file has version 99/],
      [whole.replace('"instance":"test"', '"instance":"other"'), /the file belongs to instance other/],
    ];
    for (const [text, message] of damage) {
      writeFileSync(statePath(dead), text);
      const { code, stderr } = await runZero(t, { folder, args: ['--config', config] });
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.equal(readFileSync(statePath(dead), 'utf8'), text);
    }
    const { generation, pid } = incumbent;
    assert.deepEqual(await whoAnswers(await dead.address('http')), { generation, pid });
  });

  it('is not touched if its state belongs to another user', ONLY_AS_ROOT, async (t) => {
    for (const signal of ['supervisor', 'both'] as const) {
      const { zero: dead, incumbent } = await leave(t, signal);
      const { config, folder } = dead;
      assert.ok(config);
      const { uid, gid } = account('nobody');
      chownSync(statePath(dead), uid, gid);
      const { code, stderr } = await runZero(t, { folder, args: ['--config', config] });
      assert.equal(code, 1);
      assert.match(
        stderr,
        /state\.json belongs to uid \d+, and zero runs as uid 0\. Run zero as that user, or remove/,
      );
      assert.equal(statSync(statePath(dead)).uid, uid);
      const { generation, pid } = incumbent;
      assert.deepEqual(await whoAnswers(await dead.address('http')), { generation, pid });
      // The advice in the message is correct.
      chownSync(statePath(dead), 0, 0);
      await next(t, dead).fact('supervisor_recovered', { adopted: 1 });
    }
  });

  it('is continued if another process has the pid of its keeper', DEADLINE, async (t) => {
    const { zero: dead, incumbent } = await leave(t, 'both');
    const other = spawn('sleep', ['1000'], { stdio: 'ignore', detached: true });
    await once(other, 'spawn');
    const known = identify(other.pid ?? 0);
    assert.ok(known);
    guardProcesses(t).own(known.pid);
    const saved = JSON.parse(readFileSync(statePath(dead), 'utf8'));
    const keepers = [
      { pid: known.pid, start_time_ticks: Number(known.startTime) },
      { pid: known.pid, start_time_ticks: 1 },
      { pid: 1, start_time_ticks: 0 },
    ];
    for (const keeper of keepers) {
      writeFileSync(statePath(dead), JSON.stringify({ ...saved, keeper }));
      const zero = next(t, dead);
      await zero.fact('supervisor_recovered', { adopted: 1 });
      const { generation, pid } = incumbent;
      assert.deepEqual(await whoAnswers(await dead.address('http')), { generation, pid });
      assert.equal(isRunning(known), true);
      await keeperPid(zero);
      await killWithKeeper(zero);
    }
  });

  it('is continued from memory if the file is damaged', DEADLINE, async (t) => {
    const { zero: dead, incumbent } = await leave(t);
    writeFileSync(statePath(dead), '{"version":2,"inst');
    const zero = next(t, dead);
    const { message } = await zero.fact('warning', { about: 'state' });
    assert.match(message, /incomplete or damaged: .* zero continues from the copy in memory\.$/);
    await zero.fact('supervisor_recovered', { adopted: 1 });
    const { generation, pid } = incumbent;
    assert.deepEqual(await whoAnswers(await dead.address('http')), { generation, pid });
  });
});
