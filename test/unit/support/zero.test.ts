import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { whenEnded } from '../../support/process-end.ts';
import { isRunning, sessionMembers } from '../../support/processes.ts';
import { runZero, startZero } from '../../support/zero.ts';

const LIMIT = { timeout: 30_000 };

/**
 * A program in place of the supervisor: prints facts, starts a worker that outlives it, and exits on SIGTERM with code
 * 4.
 */
const STANDIN = `
  const { spawn } = require('node:child_process');
  const say = (fact) => process.stderr.write(JSON.stringify({ level: 'info', ...fact }) + '\\n');
  const worker = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' });
  worker.unref();
  say({ event: 'listener_bound', listener: 'http', address: '127.0.0.1:4242', fd: 20 });
  say({ event: 'worker_spawned', generation: 1, worker: 0, pid: worker.pid });
  console.log('not a fact');
  process.on('SIGHUP', () => say({ event: 'worker_ready', generation: 2, worker: 0, after: 5 }));
  process.on('SIGTERM', () => { say({ event: 'supervisor_stopped', code: 4, reason: 'x', duration: 1 }); process.exitCode = 4; clearInterval(alive); });
  const alive = setInterval(() => {}, 1 << 30);
  say({ event: 'worker_ready', generation: 1, worker: 0, after: 5 });
`;
const command = [process.execPath, '-e', STANDIN, '--'] as const;
const config = { service: { runtime: { path: '/bin/true' } } };

test('the helper reports facts, signals, the exit, and surviving workers', LIMIT, async (t) => {
  let worker = { pid: 0, startTime: '' };
  await t.test('a test that forgets to stop anything', async (inner) => {
    const zero = startZero(inner, { command, config });
    await zero.fact('worker_ready', { generation: 1 });
    assert.equal(await zero.address('http'), '127.0.0.1:4242');
    const { pid } = await zero.fact('worker_spawned');
    worker = { pid, startTime: readFileSync(`/proc/${pid}/stat`, 'latin1').split(' ')[21] ?? '' };
    const { cursor } = zero;
    zero.signal('SIGHUP');
    assert.equal((await zero.fact('worker_ready', {}, cursor)).generation, 2);
    assert.equal((await zero.fact('worker_ready', (fact) => fact.after === 5)).generation, 1);
    assert.equal(zero.log.all('worker_ready').length, 2);
    const never = assert.rejects(
      zero.fact('generation_promoted'),
      /zero exited with 4; its last lines:[\s\S]*supervisor_stopped/,
    );
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 4, signal: null });
    await zero.fact('supervisor_stopped');
    await never;
    assert.ok(isRunning(worker));
    assert.deepEqual(sessionMembers(pid), [pid]);
  });
  // SIGKILL is pending: it ends a process when that is scheduled.
  await whenEnded(worker.pid);
  assert.equal(isRunning(worker), false);
});

test('the config has its directories inside the temporary one, and its own keys win', LIMIT, async (t) => {
  const zero = startZero(t, {
    command,
    config: {
      application: { logging: { level: 'warn' } },
      service: { runtime: { name: 'mine', path: '/bin/true' } },
    },
  });
  assert.deepEqual(JSON.parse(readFileSync(zero.config ?? '', 'utf8')), {
    application: {
      logging: { format: 'json', level: 'warn' },
      restart_supervisor: 'never',
      runtime_directory: `${zero.folder}/run`,
      data_directory: `${zero.folder}/data`,
    },
    service: { handover: { mode: 'shared' }, runtime: { name: 'mine', path: '/bin/true' } },
  });
});

test('a command is run until its exit', LIMIT, async (t) => {
  const script = 'console.log(process.argv.slice(1).join()); console.error("e"); process.exit(2)';
  const { code, stdout, stderr } = await runZero(t, {
    command: [process.execPath, '-e', script, '--'],
    args: ['check', '--print'],
  });
  assert.deepEqual({ code, stdout, stderr }, { code: 2, stdout: 'check,--print\n', stderr: 'e\n' });
});

test('a child without a fact is killed as well', LIMIT, async (t) => {
  let pid = 0;
  await t.test('the supervisor is still running at the end', async (inner) => {
    const silent = STANDIN.replace("event: 'worker_spawned'", "event: 'warning', about: 'spawned'");
    const zero = startZero(inner, { command: [process.execPath, '-e', silent, '--'], config });
    pid = Number(Reflect.get(await zero.fact('warning'), 'pid'));
    assert.deepEqual(sessionMembers(pid), [pid]);
  });
  await whenEnded(pid);
});
