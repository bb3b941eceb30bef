// sshd exits immediately when it is asked to stop, and the sessions of its users survive it.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { requireRoot } from '../support/privileges.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

interface Ssh {
  readonly zero: Zero;
  /** Runs a command in a session. Resolves to the output of the command. */
  run(command: string): Promise<string>;
}

/** null if a program is missing. */
async function startSshd(t: TestContext, shutdownTimeout: string): Promise<Ssh | null> {
  if (!requireRoot(t, 'sshd starts sessions only for its own user otherwise')) return null;
  const sshd = requireProgram(t, 'sshd', 'openssh-server');
  const ssh = sshd && requireProgram(t, 'ssh', 'openssh-client');
  const keygen = ssh && requireProgram(t, 'ssh-keygen', 'openssh-client');
  if (sshd === null || ssh === null || keygen === null) return null;
  const folder = temporaryFolder(t);
  const address = await freeAddress();
  // Debian's unit creates it (RuntimeDirectory=sshd).
  mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  for (const key of ['host', 'client'])
    execFileSync(keygen, ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, key)]);
  writeFileSync(join(folder, 'keys'), readFileSync(join(folder, 'client.pub')), { mode: 0o600 });
  const lines = [
    `HostKey ${folder}/host`,
    `AuthorizedKeysFile ${folder}/keys`,
    'PidFile none',
    'StrictModes no',
    'PermitRootLogin yes',
    'UsePAM no',
  ];
  writeFileSync(join(folder, 'sshd_config'), `${lines.join('\n')}\n`);
  const zero = startZero(t, {
    folder,
    config: {
      service: {
        listeners: [{ name: 'ssh', address }],
        runtime: { path: sshd, args: ['-D', '-e', '-f', join(folder, 'sshd_config')] },
        // Each test connection would add two lines to the log of sshd.
        readiness: { accept: false },
        options: { reload_uptime: '200ms', shutdown_timeout: shutdownTimeout },
        handover: { mode: 'auto', settle: '100ms', drain_timeout: '0s' },
      },
    },
  });
  await zero.fact('generation_promoted', { generation: 1 });
  const [host = '', port = ''] = address.split(':');
  const options = [
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'BatchMode=yes',
  ];
  const args = [
    '-F',
    'none',
    '-i',
    join(folder, 'client'),
    '-p',
    port,
    ...options.flatMap((one) => ['-o', one]),
  ];
  return {
    zero,
    async run(command) {
      const login = `${userInfo().username}@${host}`;
      const { stdout } = await promisify(execFile)(ssh, [...args, login, command], { timeout: 90_000 });
      return stdout;
    },
  };
}

describe('an open SSH session', () => {
  it('ends normally after a deploy of sshd, within shutdown_timeout', DEADLINE, async (t) => {
    const service = await startSshd(t, '60s');
    if (service === null) return;
    const { zero, run } = service;
    const [started, stopping] = [join(zero.folder, 'started'), join(zero.folder, 'stopping')];
    execFileSync('mkfifo', [started, stopping]);
    // The session ends 3 s after the exit of sshd, later than the kill of remaining processes after a crash.
    const session = run(`timeout 60 sh -c 'echo > ${started}; read line < ${stopping}; sleep 3; echo done'`);
    await promisify(execFile)('cat', [started]);
    zero.signal('SIGHUP');
    await zero.fact('worker_exited', { generation: 1, expected: true });
    writeFileSync(stopping, 'sshd has exited\n');
    assert.equal(await run('echo new'), 'new\n');
    assert.equal(await session, 'done\n');
    await zero.fact('generation_gone', { generation: 1 });
    assert.deepEqual(zero.log.all('leftovers_killed'), []);
  });
});
