import assert from 'node:assert/strict';
import { chmodSync, chownSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { requireProgram } from '../support/debian.ts';
import { droppedInTotal } from '../support/dropped-output.ts';
import { installZero } from '../support/installed.ts';
import { openLogPipe } from '../support/log-pipe.ts';
import { NumberedLines } from '../support/numbered-lines.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { openPipeReader } from '../support/pipe-reader.ts';
import { account, asAccount, requireRoot } from '../support/privileges.ts';
import { whenEnded } from '../support/process-end.ts';
import { nextReady, startPuppetService } from '../support/puppet-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const MIB = 1024 * 1024;

describe('a terminal', () => {
  it('may be slow or stopped: zero continues, and drops and counts whole lines', DEADLINE, async (t) => {
    if (requireProgram(t, 'script', 'bsdutils') === null) return;
    const folder = temporaryFolder(t);
    const log = openLogPipe(t, join(folder, 'log'));
    // script(1) writes zero's terminal output to its own standard output, which is not read yet.
    const screen = openPipeReader(t, join(folder, 'screen'));
    const command = 'out=$1; shift; exec script -qec "exec $*" /dev/null >"$out"';
    const { zero, puppets } = await startPuppetService(
      t,
      { application: { logging: { file: join(folder, 'log') } } },
      {
        folder,
        command: ['sh', '-c', command, 'sh', screen.path, ...ZERO_COMMAND],
        environment: { SHELL: '/bin/sh' },
      },
    );
    const first = await nextReady(puppets);
    const pid = first.announcement.ppid;
    const lines = new NumberedLines();
    for (let count = 0; count < 16; count += 1) await first.write(1, lines.next(MIB));
    process.kill(pid, 'SIGHUP');
    const second = await nextReady(puppets);
    await log.fact('generation_promoted', { generation: 2 });
    await log.fact('generation_gone', { generation: 1 });
    await log.fact('output_dropped');

    // Then more than half of the buffer of 8 MiB is free, and zero accepts output again.
    const caughtUp = screen.untilSize(6 * MIB);
    screen.read();
    await caughtUp;
    const ended = screen.until('END');
    await second.write(1, 'END\n');
    await ended;
    // The terminal converts a newline to \r\n (ONLCR, termios(3)).
    const shown = screen
      .take()
      .toString('latin1')
      .replaceAll('\r\n', '\n')
      .replace(/END\n?$/, '');
    const missing = lines.missingFrom(Buffer.from(shown, 'latin1'));
    assert.deepEqual(missing, await droppedInTotal(log, missing.bytes));

    screen.pause();
    for (let again = 0; again < 10; again += 1) await second.write(1, lines.next(MIB));
    const gone = whenEnded(pid);
    process.kill(pid, 'SIGTERM');
    assert.equal((await log.fact('supervisor_stopped')).code, 0);
    await gone;
    screen.read();
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });
});

describe('unusable standard streams of zero', () => {
  it('that its parent closed do not affect those of the service', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const log = openLogPipe(t, join(folder, 'log'));
    const { zero, puppets } = await startPuppetService(
      t,
      { application: { logging: { file: join(folder, 'log') } } },
      { folder, command: ['sh', '-c', 'exec "$@" <&- >&- 2>&-', 'sh', ...ZERO_COMMAND] },
    );
    const puppet = await nextReady(puppets);
    await log.fact('generation_promoted', { generation: 1 });
    for (const fd of [1, 2]) {
      assert.match(puppet.announcement.fds[fd] ?? '', /^pipe:/);
      await puppet.write(fd, new NumberedLines().next(MIB));
    }
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
    assert.deepEqual(log.all('error'), []);
  });

  it('without a reader do not affect service, reload and stop', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const reader = openPipeReader(t, join(folder, 'pipe'));
    const { zero, puppets, ...service } = await startPuppetService(
      t,
      {},
      {
        folder,
        command: ['sh', '-c', 'out=$1; shift; exec "$@" >"$out" 2>&1', 'sh', reader.path, ...ZERO_COMMAND],
      },
    );
    const first = await nextReady(puppets);
    reader.close();
    for (const fd of [1, 2])
      for (let count = 0; count < 3; count += 1) await first.write(fd, new NumberedLines().next(MIB));
    service.reload();
    const second = await nextReady(puppets);
    await first.gone;
    for (const fd of [1, 2]) await second.write(fd, 'nobody reads this\n');
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
  });

  it('that are unread pipes of another user do not prevent the exit of zero', DEADLINE, async (t) => {
    if (!requireRoot(t, 'to start zero as another user')) return;
    const nobody = account('nobody');
    const folder = temporaryFolder(t);
    chownSync(folder, nobody.uid, nobody.gid);
    const log = openLogPipe(t, join(folder, 'log'));
    const reader = openPipeReader(t, join(folder, 'pipe'));
    chmodSync(reader.path, 0o600);
    const { zero, puppets } = await startPuppetService(
      t,
      { application: { logging: { file: join(folder, 'log') } } },
      {
        folder,
        command: [
          'sh',
          '-c',
          'out=$1; shift; exec "$@" >"$out"',
          'sh',
          reader.path,
          ...asAccount(nobody),
          ...installZero(t).command,
        ],
      },
    );
    const puppet = await nextReady(puppets);
    for (let count = 0; count < 12; count += 1) await puppet.write(1, new NumberedLines().next(MIB));
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
    assert.equal((await log.fact('supervisor_stopped')).code, 0);
    assert.ok(log.all('output_dropped').length > 0);
  });
});
