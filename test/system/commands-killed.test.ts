import assert from 'node:assert/strict';
import { closeSync, constants, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { makeFifo, readPipe } from '../../src/linux/pipes.ts';
import { command, startCommand } from '../support/command.ts';
import { guardProcesses } from '../support/guard.ts';
import { Journal } from '../support/journal.ts';
import { whenEnded } from '../support/process-end.ts';
import { identify, isRunning } from '../support/processes.ts';
import { becomeReady, nextReady, whoAnswers } from '../support/puppet-service.ts';
import { keeperPid, killSupervisor, startSurvivor } from '../support/survivor.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

interface Announcements {
  /** The path to which a command writes the pids of its processes in one line, after it has started them. */
  readonly path: string;
  /** The processes of the next command. */
  next(): Promise<number[]>;
}

/** A FIFO that is open for reading and writing here, so that neither end waits for the other one. */
function announcements(scope: Scope, folder: string): Announcements {
  const path = join(folder, 'pids');
  makeFifo(path, 0o600);
  const guard = guardProcesses(scope);
  const lines = new Journal<number[]>();
  let rest = '';
  const data = (chunk: Buffer) => {
    const [last = '', ...whole] = `${rest}${chunk}`.split('\n').reverse();
    rest = last;
    for (const line of whole.reverse()) {
      const pids = line.split(' ').map(Number);
      for (const pid of pids) guard.own(pid);
      lines.push(pids);
    }
  };
  const reader = readPipe(openSync(path, constants.O_RDWR | constants.O_NONBLOCK), { data, end: () => {} });
  scope.after(() => reader.close());
  let taken = 0;
  return {
    path,
    async next() {
      taken += 1;
      await lines.waitFor(() => lines.entries.length >= taken);
      return lines.entries[taken - 1] ?? [];
    },
  };
}

describe('a running command during a kill of the supervisor', () => {
  it('of a gate is ended with its children, and its candidate is rolled back', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const pids = announcements(t, folder);
    const hang = join(folder, 'hang');
    const script = `test -e ${hang} || exit 0; sleep 1000 & echo $$ $! > ${pids.path}; wait`;
    const service = await startSurvivor(t, {
      readiness: { command: { run: ['sh', '-c', script], timeout: '1h' } },
    });
    const { zero, puppets, incumbent } = service;
    await keeperPid(zero);
    writeFileSync(hang, '');
    const reload = startCommand(t, zero, ['reload', '--json']);
    const candidate = await puppets.next();
    await candidate.listen({ name: 'http' });
    await becomeReady(candidate);
    const running = await pids.next();
    await killSupervisor(service);
    await Promise.all(running.map(whenEnded));
    const { code, stdout, stderr } = await reload.finished;
    assert.equal(code, 10, stderr);
    const { outcome, failure } = JSON.parse(stdout);
    assert.deepEqual([outcome, failure.step], ['rolled_back', 'supervisor']);
    assert.match(failure.reason, /was restarted before generation 2 was promoted/);
    await candidate.gone;
    const { generation, pid } = incumbent;
    assert.deepEqual(await whoAnswers(await zero.address('http')), { generation, pid });
  });

  it('of verify in the soak is ended, and the next supervisor starts a new check', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const pids = announcements(t, folder);
    const script = `sleep 1000 & echo $$ $! > ${pids.path}; wait`;
    const verify = { command: { run: ['sh', '-c', script] }, interval: '1s', timeout: '30m' };
    const service = await startSurvivor(t, { handover: { soak: '1h', verify } });
    const { zero, puppets } = service;
    await keeperPid(zero);
    const reload = startCommand(t, zero, ['reload']);
    await nextReady(puppets);
    // Before that the candidate would be rolled back.
    await zero.fact('handover_step', { handover: 2, step: 'soak' });
    const first = await pids.next();
    await killSupervisor(service);
    await Promise.all(first.map(whenEnded));
    const second = await pids.next();
    assert.notDeepEqual(second, first);
    assert.equal((await command(t, zero, 'promote')).code, 0);
    const { code, stderr } = await reload.finished;
    assert.equal(code, 0, stderr);
    await Promise.all(second.map(whenEnded));
  });

  it('of a hook is awaited, and counts as failed', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const pids = announcements(t, folder);
    const end = join(folder, 'end');
    makeFifo(end, 0o600);
    const script = `test "$ZERO_GENERATION" = 1 && exit; echo $$ > ${pids.path}; read end < ${end}`;
    const service = await startSurvivor(t, { hooks: { after_promote: { run: ['sh', '-c', script] } } });
    const { zero, puppets, incumbent } = service;
    await zero.fact('hook_finished', { hook: 'after_promote', generation: 1 });
    await keeperPid(zero);
    const reload = startCommand(t, zero, ['reload', '--json']);
    await nextReady(puppets);
    const [pid = 0] = await pids.next();
    const hook = identify(pid);
    await killSupervisor(service);
    assert.ok(hook && isRunning(hook));
    // Opened for reading and writing, which does not wait for the hook.
    const fd = openSync(end, constants.O_RDWR);
    writeSync(fd, 'now\n');
    t.after(() => closeSync(fd));
    const { failure } = await zero.fact('hook_finished', { hook: 'after_promote', generation: 2 });
    assert.match(failure?.reason ?? '', /unknown|not known/);
    const { code, stdout, stderr } = await reload.finished;
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).outcome, 'promoted');
    await incumbent.gone;
  });
});
