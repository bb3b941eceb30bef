import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launcherFailure } from '../../../../src/workers/spawning/launcher-exit.ts';

test('the last output of a program of the launcher is the reason', () => {
  const said = ['before', "/usr/bin/env: '/srv/app': Permission denied"];
  assert.equal(launcherFailure({ kind: 'exited', code: 126 }, said), "env: '/srv/app': Permission denied");
  const setpriv = ['setpriv: setresuid failed: Operation not permitted'];
  assert.equal(
    launcherFailure({ kind: 'exited', code: 1 }, setpriv),
    'setpriv: setresuid failed: Operation not permitted',
  );
});

test("the failed call of zero's own launcher is the reason", () => {
  const said = ['zero-launcher: execve /srv/app: EACCES: permission denied'];
  assert.equal(
    launcherFailure({ kind: 'exited', code: 126 }, said),
    'execve /srv/app: EACCES: permission denied',
  );
});

test('only the exec of a shell belongs to the launcher', () => {
  const code127 = { kind: 'exited', code: 127 } as const;
  for (const said of [
    'sh: 1: exec: /usr/bin/env: not found',
    'sh: line 1: exec: /usr/bin/env: cannot execute',
  ]) {
    assert.equal(launcherFailure(code127, [said]), said);
  }
  assert.equal(launcherFailure(code127, ['/bin/sh: 1: ruby: not found']), null);
});

test('an exit of the service itself does not belong to the launcher', () => {
  assert.equal(launcherFailure({ kind: 'exited', code: 127 }, ['done']), null);
  assert.equal(launcherFailure({ kind: 'exited', code: 127 }, []), null);
  assert.equal(launcherFailure({ kind: 'exited', code: 3 }, ['env: x']), null);
  assert.equal(launcherFailure({ kind: 'signaled', signal: 'SIGKILL', coreDumped: false }, ['env: x']), null);
});
