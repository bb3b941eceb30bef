import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { adopt, adoptUnderLoad, configFor, node } from '../support/adoption.ts';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { guardProcesses } from '../support/guard.ts';
import { fixture } from '../support/paths.ts';
import { requirePm2 } from '../support/pm2.ts';
import { whenEnded } from '../support/process-end.ts';
import { identify, isRunning } from '../support/processes.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import { whenAnswering } from '../support/running-service.ts';
import { startSystemd } from '../support/systemd.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero } from '../support/zero.ts';

describe('a service of pm2', () => {
  it('is adopted under load, and survives its removal from pm2', DEADLINE, async (t) => {
    const pm2 = requirePm2(t);
    if (pm2 === null) return;
    const address = await freeAddress();
    const program = node(t, address);
    assert.ok(program);
    const start = `pm2 start ${fixture('graceful.js')} --name example`;
    await pm2.run(start, program.environment);
    await whenAnswering(address);
    const { pid } = await whoAnswers(address);
    const known = identify(pid);
    assert.ok(known);
    const running = { pid, known, exited: whenEnded(pid).then(() => null) };
    const zero = await adoptUnderLoad(t, program, running, address, {
      handOver: async (zero) => {
        const { message } = await zero.fact('warning', { about: 'adopt' });
        const [, daemon, command = ''] =
          /^pm2 \(pid (\d+)\) starts the service again when process \d+ exits\. As soon as the first reload is over, hand the service over to zero: (.*)$/.exec(
            message,
          ) ?? [];
        assert.equal(Number(daemon), pm2.pid());
        assert.equal(command, `PM2_HOME=${pm2.home} pm2 delete example`);
        const { pid: serving } = await whoAnswers(address);
        await pm2.run(command);
        assert.deepEqual(JSON.parse(await pm2.run('pm2 jlist')), []);
        assert.equal((await whoAnswers(address)).pid, serving);
      },
    });
    assert.equal(zero.log.all('warning', { about: 'adopt' }).length, 1);
  });

  it('in cluster mode is refused, with the mode that can be adopted', DEADLINE, async (t) => {
    const pm2 = requirePm2(t);
    if (pm2 === null) return;
    const address = await freeAddress();
    const program = node(t, address);
    assert.ok(program);
    const config = configFor(program);
    await pm2.run(`pm2 start ${fixture('graceful.js')} --name example -i 2`, program.environment);
    await whenAnswering(address);
    const { pid } = await whoAnswers(address);
    const worker = await runZero(t, { config, args: ['adopt', '--pid', String(pid)] });
    assert.match(
      worker.stderr,
      /^zero: cannot adopt process \d+: it has no listening socket\. In the cluster mode of pm2, pm2 itself listens: start the service in fork mode, then adopt it$/m,
    );
    assert.equal(worker.code, 1);
    const daemon = await runZero(t, { config, args: ['adopt', '--pid', String(pm2.pid())] });
    assert.match(
      daemon.stderr,
      /^zero: cannot adopt process \d+: it is pm2, which runs services and is not a service itself\. None of its processes has a listening socket\. In the cluster mode of pm2, pm2 itself listens/m,
    );
    assert.equal(daemon.code, 1);
    const known = identify(pid);
    assert.ok(known !== null && isRunning(known));
    await whoAnswers(address);
  });

  it('has the pid that the refusal of the daemon reports', DEADLINE, async (t) => {
    const pm2 = requirePm2(t);
    if (pm2 === null) return;
    const address = await freeAddress();
    const program = node(t, address);
    assert.ok(program);
    await pm2.run(`pm2 start ${fixture('graceful.js')} --name example`, program.environment);
    await whenAnswering(address);
    const { pid } = await whoAnswers(address);
    const args = ['adopt', '--pid', String(pm2.pid())];
    const { code, stderr } = await runZero(t, { config: configFor(program), args });
    assert.match(
      stderr,
      new RegExp(`Pass the pid of the service, for example that of process ${pid} .*: --pid ${pid}$`, 'm'),
    );
    assert.equal(code, 1);
  });
});

it('a service of systemd-run is adopted under load, and is not restarted', DEADLINE, async (t) => {
  const systemd = await startSystemd(t);
  if (systemd === null) return;
  const address = await freeAddress();
  const program = node(t, address);
  assert.ok(program);
  const words = ['--unit=example', '--property=Restart=always', `--setenv=LISTEN=${address}`];
  const started = await systemd.run(`systemd-run --user ${[...words, '--', ...program.command].join(' ')}`);
  assert.equal(started.code, 0, started.stderr);
  await whenAnswering(address);
  const first = Number(await systemd.show('example.service', 'MainPID'));
  process.kill(first, 'SIGKILL');
  await whenEnded(first);
  await whenAnswering(address);
  const { pid } = await whoAnswers(address);
  assert.equal(Number(await systemd.show('example.service', 'MainPID')), pid, 'systemd restarts the service');
  const known = identify(pid);
  assert.ok(known);
  await adoptUnderLoad(t, program, { pid, known, exited: whenEnded(pid).then(() => null) }, address, {
    adopted: async (zero) => {
      const { message } = await zero.fact('warning', { about: 'adopt' });
      const [, command = ''] =
        /^systemd unit example\.service may start the service again when process \d+ exits\. Before the first reload, hand the service over to zero: (.*systemctl --user disable example\.service)$/.exec(
          message,
        ) ?? [];
      const { code, stderr } = await systemd.run(command);
      assert.equal(code, 0, `${message}\n${stderr}`);
      assert.equal(await systemd.show('example.service', 'MainPID'), String(pid));
    },
    handOver: async () => {
      // After a failed restart the state would be failed or activating.
      assert.equal(await systemd.show('example.service', 'ActiveState'), 'inactive');
    },
  });
});

it(
  'a service whose socket belongs to the systemd of a user is adopted without that systemd',
  DEADLINE,
  async (t) => {
    const perl = requireProgram(t, 'perl', 'perl');
    if (perl === null) return;
    const address = await freeAddress();
    const program = node(t, address);
    assert.ok(program);
    const systemd = join(temporaryFolder(t), 'systemd');
    symlinkSync(perl, systemd);
    const service = `
    const answer = JSON.stringify({ generation: 0, pid: process.pid });
    require('node:http').createServer((request, response) => response.end(answer)).listen({ fd: 3 });`;
    const words = [fixture('socket-manager.pl'), ...address.split(':'), process.execPath, '-e', service];
    const manager = spawn(systemd, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(manager.pid !== undefined);
    const guard = guardProcesses(t);
    const known = guard.own(manager.pid);
    const pid = await new Promise<number>((resolve) =>
      manager.stdout.once('data', (text) => resolve(Number(text))),
    );
    guard.own(pid);
    await whenAnswering(address);
    const zero = await adopt(t, pid, configFor(program, { handover: HANDOVER }));
    await zero.fact('worker_adopted', { pid });
    zero.signal('SIGHUP');
    await zero.fact('handover_finished', { outcome: 'promoted' });
    await zero.fact('generation_gone', { generation: 1 });
    assert.equal((await whoAnswers(address)).generation, 2);
    assert.ok(known !== null && isRunning(known));
  },
);

const HANDOVER = { mode: 'auto', settle: '100ms', drain_timeout: '1s' };
