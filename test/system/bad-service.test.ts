import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { startLoad } from '../support/load.ts';
import { whenEnded } from '../support/process-end.ts';
import type { Puppet } from '../support/puppet.ts';
import {
  assertUntouched,
  becomeReady,
  nextReady,
  type PuppetSections,
  type PuppetService,
  startPuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

function executable(path: string, content: string | Buffer): void {
  writeFileSync(path, content);
  chmodSync(path, 0o755);
}

/** The first bytes of a 64-bit program for an unknown machine: e_machine 0xfffe (elf(5)). */
const FOREIGN_PROGRAM = Buffer.from('7f454c46020101000000000000000000' + '0200feff01000000', 'hex');

const FOREIGN = 'is a program for another machine';

function hasEmulators(): boolean {
  return readdirSync('/proc/sys/fs/binfmt_misc').some((name) => !['register', 'status'].includes(name));
}

describe('zero exits with 1 and one error if its service', () => {
  const wrong: { what: string; make: (path: string) => void; reason: RegExp }[] = [
    {
      what: 'is missing',
      make: () => undefined,
      reason: /^executable .*\/service: ENOENT: it does not exist$/,
    },
    { what: 'is a directory', make: (path) => mkdirSync(path), reason: /^executable .*\/service: EISDIR/ },
    {
      what: 'is not executable',
      make: (path) => writeFileSync(path, '#!/bin/sh\n'),
      reason: /^executable .*\/service: EACCES/,
    },
    {
      what: 'is a broken link',
      make: (path) => symlinkSync('nowhere', path),
      reason: /^executable .*\/service: ENOENT/,
    },
    {
      what: 'is a link to itself',
      make: (path) => symlinkSync('service', path),
      reason: /^executable .*\/service: ELOOP/,
    },
    { what: 'is empty', make: (path) => executable(path, ''), reason: /the file is empty$/ },
    {
      what: 'is not a program',
      make: (path) => executable(path, 'echo hello\n'),
      reason: /neither a program nor a script/,
    },
    {
      what: 'is a script without its interpreter',
      make: (path) => executable(path, '#!/no/such/perl -w\n'),
      reason: /interpreter \/no\/such\/perl does not exist$/,
    },
    {
      what: 'is a script with Windows line endings',
      make: (path) => executable(path, '#!/bin/sh\r\nexit\r\n'),
      reason: /Windows line ends/,
    },
    {
      what: FOREIGN,
      make: (path) => executable(path, FOREIGN_PROGRAM),
      reason: /program for another machine/,
    },
  ];
  for (const { what, make, reason } of wrong) {
    it(what, DEADLINE, async (t) => {
      if (what === FOREIGN && hasEmulators()) return t.skip('an emulator may be registered: see binfmt_misc');
      const path = join(temporaryFolder(t), 'service');
      make(path);
      const zero = startZero(t, {
        config: { service: { listeners: [{ name: 'http', address: '127.0.0.1:0' }], runtime: { path } } },
      });
      assert.deepEqual(await zero.exited, { code: 1, signal: null });
      await zero.fact('supervisor_stopped', { code: 1 });
      const [first, ...more] = complaints(zero).filter(({ event }) => event !== 'supervisor_stopped');
      assert.equal(first?.event, 'handover_finished');
      assert.match(zero.log.all('handover_finished')[0]?.failure?.reason ?? '', reason);
      assert.deepEqual(more, []);
    });
  }
});

/** Asserts that zero itself is unaffected: it exits with 0 on request, and reported no other problem. */
async function assertStops({ zero }: PuppetService): Promise<void> {
  zero.signal('SIGTERM');
  assert.deepEqual(await zero.exited, { code: 0, signal: null });
  await zero.fact('supervisor_stopped', { code: 0 });
}

describe('a first generation that', () => {
  it('exits immediately is retried with growing delays, while clients wait', DEADLINE, async (t) => {
    const service = await startPuppetService(t, { restart: { backoff: { initial: '20ms', factor: 2 } } });
    const { zero, puppets } = service;
    const client = whoAnswers(await zero.address('http'));
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const puppet = await puppets.next();
      await puppet.write(2, `no database, attempt ${attempt}\n`);
      await puppet.exit(3);
      const { delay } = await zero.fact('worker_restarting', { attempt });
      assert.equal(delay, 20 * 2 ** (attempt - 1));
    }
    const { failure, outcome } = await zero.fact('handover_finished');
    assert.equal(outcome, 'failed');
    assert.deepEqual([failure?.step, failure?.reason], ['exit', 'exited with code 3']);
    assert.deepEqual(failure?.output, ['no database, attempt 1']);
    // The error is reported once. Each further exit is a warning.
    assert.deepEqual(
      complaints(zero, ['error']).map(({ event }) => event),
      ['handover_finished'],
    );
    const { pid } = await nextReady(puppets);
    assert.equal((await client).pid, pid);
    await zero.fact('generation_promoted', { generation: 1 });
    await assertStops(service);
  });

  it('is never ready is reported once and keeps waiting', DEADLINE, async (t) => {
    const service = await startPuppetService(t, { readiness: { timeout: '500ms' } });
    const { zero, puppets } = service;
    const puppet = await puppets.next();
    const late = await zero.fact('worker_not_ready');
    assert.deepEqual(late.waiting, ['ready_fd']);
    const { failure } = await zero.fact('handover_finished', { outcome: 'failed' });
    assert.equal(failure?.step, 'readiness.timeout');
    assert.match(
      failure?.reason ?? '',
      /^worker 0 was not ready after [\d.]+m?s: still waiting for ready_fd \(ready_fd: no line on descriptor 10\)$/,
    );
    await puppet.listen({ name: 'http' });
    await becomeReady(puppet);
    await zero.fact('generation_promoted', { generation: 1 });
    assert.equal((await whoAnswers(await zero.address('http'))).pid, puppet.pid);
    assert.deepEqual(
      complaints(zero).map(({ event }) => event),
      ['worker_not_ready', 'handover_finished'],
    );
    await assertStops(service);
  });

  it('ignores its shutdown signal is killed with its session', DEADLINE, async (t) => {
    const service = await startServing(t, { options: { shutdown_timeout: '100ms' } });
    const { zero, incumbent } = service;
    await incumbent.onSignal('SIGTERM', 'report');
    const child = whenEnded(await incumbent.fork('same', true));
    await assertStops(service);
    await child;
    const [killed, ...more] = complaints(zero);
    assert.equal(killed?.event, 'worker_killed');
    assert.equal(zero.log.all('worker_killed')[0]?.reason, 'it did not stop within 100ms');
    assert.deepEqual(more, []);
  });
});

describe('an incumbent', () => {
  it('serves every request while bad candidates start and fail', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const service = await startServing(t, { environment: { BOOKS_DIR: folder } });
    const { zero, incumbent, puppets } = service;
    const load = startLoad(t, { target: await zero.address('http'), clients: 4 });
    /** One handover. `act` runs on the candidate if that is a puppet. */
    const fails = async (
      step: string,
      sections: PuppetSections,
      act?: (candidate: Puppet) => Promise<unknown>,
    ) => {
      load.phase(step);
      service.rewrite({ ...sections, options: { shutdown_timeout: '100ms' } });
      const from = service.reload();
      await act?.(await puppets.next());
      const { outcome, failure } = await zero.fact('handover_finished', {}, from);
      assert.notEqual(outcome, 'promoted');
      assert.equal(failure?.step, step);
      await load.whenPhaseHas(100);
    };
    const shell = (script: string) => ({ path: '/bin/sh', args: ['-c', script] });
    const readiness = { timeout: '300ms' };
    await fails('release.path', { runtime: { path: '/nonexistent' } });
    await fails('release.path', { runtime: { path: folder } });
    await fails('exit', {}, (candidate) => candidate.exit(1));
    await fails('exit', {}, (candidate) => candidate.die('SIGSEGV'));
    await fails('exit', {}, (candidate) => candidate.daemonise());
    await fails('readiness.ready_fd', {}, (candidate) => candidate.closeFd(10));
    await fails('readiness.timeout', {
      readiness,
      runtime: shell('trap "" TERM; while :; do sleep 1000; done'),
    });
    await fails('readiness.timeout', { readiness, runtime: shell('kill -STOP $$') });
    await fails('exit', { runtime: shell('head -c 20000000 /dev/urandom; exit 1') });
    const result = await load.stop();
    assert.deepEqual(result.failures, {});
    assert.deepEqual(Object.keys(result.byGeneration), ['1']);
    assert.equal((await incumbent.book()).count, result.answered);
    await assertUntouched(service, incumbent);
    await assertStops(service);
  });

  it(
    'is replaced by a candidate that writes 100 MB without a newline and closes its output',
    DEADLINE,
    async (t) => {
      const service = await startServing(t);
      const { zero, incumbent, puppets } = service;
      service.reload();
      const candidate = await puppets.next();
      await candidate.output('stderr', 100_000_000, 'text');
      for (const fd of [1, 2]) await candidate.closeFd(fd);
      await candidate.listen({ name: 'http' });
      await becomeReady(candidate);
      await incumbent.gone;
      assert.equal((await whoAnswers(await zero.address('http'))).pid, candidate.pid);
      await assertStops(service);
    },
  );
});
