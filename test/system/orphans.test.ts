import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { findProgram } from '../support/debian.ts';
import { guardProcesses } from '../support/guard.ts';
import { ROOT } from '../support/paths.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';
import { type RawConfig, writeConfig } from '../support/zero-config.ts';

/**
 * Creates a process whose parent exits immediately, in the session and outside of it, and continues after it has
 * disappeared from /proc: that is after it was reaped.
 */
const MAKES_ORPHANS = `
set -e
for session in '' setsid; do
  rm -f orphan
  (sh -c '$0 sh -c "echo \\$\\$ >orphan" &' "$session")
  until [ -s orphan ]; do :; done
  read pid <orphan
  while [ -d "/proc/$pid" ]; do :; done
done
exit 42`;

function orphanMaker(directory: string): RawConfig {
  return {
    service: {
      runtime: { directory, path: '/bin/sh', args: ['-c', MAKES_ORPHANS] },
      restart: { policy: 'never' },
    },
  };
}

describe('orphans of the service', () => {
  it('are reaped by zero as their subreaper', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const zero = startZero(t, { config: orphanMaker(folder) });
    assert.deepEqual(await zero.exited, { code: 42, signal: null });
  });

  it(
    'are reaped by process 1 of a container, which exits with the code of the service',
    DEADLINE,
    async (t) => {
      const unshare = findProgram('unshare') ?? 'unshare';
      const namespace = ['--pid', '--fork', '--mount-proc', '--kill-child'];
      if (spawnSync(unshare, [...namespace, 'true']).status !== 0)
        return t.skip('needs a PID namespace of its own: unshare(1), and the rights of root');
      const guard = guardProcesses(t);
      const folder = temporaryFolder(t);
      const config = writeConfig(folder, orphanMaker(folder));
      // Not startZero: the pids that zero logs belong to the namespace, and are other processes here.
      const command = [process.execPath, join(ROOT, 'bin', 'zero.js'), '--config', config];
      const child = spawn(unshare, [...namespace, ...command], {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      assert.ok(child.pid !== undefined);
      guard.own(child.pid);
      let log = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        log += text;
      });
      const code = await new Promise((resolve) => child.once('close', resolve));
      assert.equal(code, 42, log);
      assert.match(log, /"event":"supervisor_started".*"pid":1,/);
    },
  );
});
