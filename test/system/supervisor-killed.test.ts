import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { requireProgram } from '../support/debian.ts';
import { startLoad } from '../support/load.ts';
import { account, IS_ROOT } from '../support/privileges.ts';
import { identify, isRunning } from '../support/processes.ts';
import { becomeReady, nextReady, whoAnswers } from '../support/puppet-service.ts';
import {
  keeperPid,
  killSupervisor,
  killUnderLoad,
  startSurvivor,
  supervisorPid,
} from '../support/survivor.ts';
import { DEADLINE } from '../support/zero.ts';

describe('a killed supervisor', () => {
  it('is restarted by its keeper, adopts its worker, reloads and stops', DEADLINE, async (t) => {
    const service = await startSurvivor(t);
    const { zero, puppets, incumbent } = service;
    await keeperPid(zero);
    const load = startLoad(t, { target: await zero.address('http'), clients: 4 });
    await load.whenPhaseHas(20);
    const recovered = await killSupervisor(service);
    assert.deepEqual(
      [recovered.by, recovered.adopted, recovered.gone, recovered.incumbent],
      ['keeper', 1, 0, 1],
    );
    await zero.fact('worker_adopted', { generation: 1, worker: 0, pid: incumbent.pid });
    load.phase('after');
    await load.whenPhaseHas(20);
    const reload = command(t, zero, 'reload');
    const candidate = await nextReady(puppets);
    assert.equal(candidate.generation, 2);
    const { code, stderr } = await reload;
    assert.equal(code, 0, stderr);
    await incumbent.gone;
    const { failed, byGeneration } = await load.stop();
    assert.equal(failed, 0);
    assert.deepEqual(Object.keys(byGeneration).sort(), ['1', '2']);
    const last = identify(supervisorPid(zero));
    assert.ok(last);
    const stop = await command(t, zero, 'stop');
    assert.equal(stop.code, 0, stop.stderr);
    await candidate.gone;
    assert.equal(isRunning(last), false);
  });

  it('loses no request of short and keep-alive connections in 30 kills', DEADLINE, async (t) => {
    const runs = [
      { kills: 18 },
      { kills: 6, as: IS_ROOT ? account('nobody') : null },
      { kills: 6, keepers: true },
    ];
    for (const run of runs) {
      const { sent, failed, losses } = await killUnderLoad(t, run);
      assert.ok(sent > 100);
      assert.equal(failed, 0, losses.join('\n'));
    }
  });

  it('loses no request if it may not take sockets from other processes', DEADLINE, async (t) => {
    if (requireProgram(t, 'perl', 'perl') === null) return;
    const as = IS_ROOT ? account('nobody') : null;
    const { sent, failed, losses } = await killUnderLoad(t, { kills: 6, as, restricted: true });
    assert.ok(sent > 100);
    assert.equal(failed, 0, losses.join('\n'));
  });

  it('together with its keeper loses no request without that permission', DEADLINE, async (t) => {
    if (requireProgram(t, 'perl', 'perl') === null) return;
    const as = IS_ROOT ? account('nobody') : null;
    const options = { kills: 6, as, restricted: true, keepers: true };
    const { sent, failed, losses } = await killUnderLoad(t, options);
    assert.ok(sent > 100);
    assert.equal(failed, 0, losses.join('\n'));
  });

  for (const step of ['starting', 'preview', 'canary'] as const) {
    it(
      `in the step ${step} rolls the candidate back, and the command gets that verdict`,
      DEADLINE,
      async (t) => {
        const canary = { steps: [{ percent: 50, for: '1h' }] };
        const service = await startSurvivor(t, step === 'canary' ? { handover: { canary } } : {});
        const { zero, puppets, incumbent } = service;
        await keeperPid(zero);
        const { cursor } = zero;
        const options = step === 'preview' ? ['--preview'] : [];
        const reload = startCommand(t, zero, ['reload', '--json', ...options]);
        const candidate = await puppets.next();
        if (step === 'starting') {
          await zero.fact('worker_spawned', { generation: 2 }, cursor);
        } else {
          await candidate.listen({ name: 'http' });
          await becomeReady(candidate);
          await zero.fact('handover_step', { step }, cursor);
        }
        await killSupervisor(service);
        const { code, stdout, stderr } = await reload.finished;
        assert.equal(code, 10, stderr);
        const verdict = JSON.parse(stdout);
        assert.equal(verdict.outcome, 'rolled_back');
        assert.equal(verdict.failure.step, 'supervisor');
        assert.match(verdict.failure.reason, /was restarted before generation 2 was promoted/);
        await candidate.gone;
        const { generation, pid } = incumbent;
        assert.deepEqual(await whoAnswers(await zero.address('http')), { generation, pid });
      },
    );
  }

  it('in the soak continues it', DEADLINE, async (t) => {
    const service = await startSurvivor(t, { handover: { soak: '3s' } });
    const { zero, puppets, incumbent } = service;
    await keeperPid(zero);
    const reload = startCommand(t, zero, ['reload']);
    const candidate = await nextReady(puppets);
    await zero.fact('handover_step', { handover: 2, step: 'soak' });
    await killSupervisor(service);
    const { code, stderr } = await reload.finished;
    assert.equal(code, 0, stderr);
    await incumbent.gone;
    const { generation, pid } = candidate;
    assert.deepEqual(await whoAnswers(await zero.address('http')), { generation, pid });
  });

  it('during a stop of its service completes that, and zero stop waits for it', DEADLINE, async (t) => {
    const service = await startSurvivor(t, { options: { shutdown_timeout: '1m' } });
    const { zero, incumbent } = service;
    await keeperPid(zero);
    await incumbent.onSignal('SIGTERM', 'report');
    const stop = startCommand(t, zero, ['stop']);
    await zero.fact('worker_signalled', { signal: 'SIGTERM' });
    // Its state is recorded when it answers. A signal that may not have been sent would be repeated.
    await command(t, zero, 'status');
    await killSupervisor(service);
    await incumbent.exit(0);
    const { code, stderr } = await stop.finished;
    assert.equal(code, 0, stderr);
    // Its shutdown signal is not repeated: a second one means an immediate stop for some programs.
    assert.deepEqual(zero.log.all('worker_signalled').length, 1);
  });

  it('reads the output and the messages of its worker since the kill', DEADLINE, async (t) => {
    const service = await startSurvivor(t);
    const { zero, incumbent } = service;
    await keeperPid(zero);
    process.kill(supervisorPid(zero), 'SIGKILL');
    await incumbent.write(1, 'nobody reads\n');
    await zero.fact('supervisor_recovered');
    await incumbent.write(1, 'the next one reads\n');
    // Its notify socket is bound again.
    await incumbent.ready();
    const { stdout } = await command(t, zero, 'logs', '--raw');
    assert.equal(stdout, 'nobody reads\nthe next one reads\n');
    assert.deepEqual(zero.log.all('output_lost'), []);
  });

  it('during the start of its service tests the gates again', DEADLINE, async (t) => {
    const service = await startSurvivor(t);
    const { zero, puppets, incumbent } = service;
    await keeperPid(zero);
    await incumbent.exit(1);
    const second = await puppets.next();
    await zero.fact('worker_spawned', { generation: 1, worker: 0, pid: second.pid });
    const { cursor } = zero;
    process.kill(supervisorPid(zero), 'SIGKILL');
    // No process reads the descriptor at this moment.
    await second.listen({ name: 'http' });
    await becomeReady(second);
    await zero.fact('supervisor_recovered');
    await zero.fact('worker_ready', { generation: 1, worker: 0 }, cursor);
    const { generation, pid } = second;
    assert.deepEqual(await whoAnswers(await zero.address('http')), { generation, pid });
  });
});
