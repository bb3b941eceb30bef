import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launcherFailure } from '../../../../src/workers/spawning/launcher-exit.ts';

test('what a program of the launcher said last is the reason', () => {
  const said = ['before', "/usr/bin/env: '/srv/app': Permission denied"];
  assert.equal(launcherFailure({ kind: 'exited', code: 126 }, said), "env: '/srv/app': Permission denied");
  const setpriv = ['setpriv: setresuid failed: Operation not permitted'];
  assert.equal(
    launcherFailure({ kind: 'exited', code: 1 }, setpriv),
    'setpriv: setresuid failed: Operation not permitted',
  );
});

test("of zero's own launcher the call that failed is the reason", () => {
  const said = ['zero-launcher: execve /srv/app: EACCES: permission denied'];
  assert.equal(
    launcherFailure({ kind: 'exited', code: 126 }, said),
    'execve /srv/app: EACCES: permission denied',
  );
});

test('of a shell only its exec is the launcher', () => {
  const code127 = { kind: 'exited', code: 127 } as const;
  for (const said of [
    'sh: 1: exec: /usr/bin/env: not found',
    'sh: line 1: exec: /usr/bin/env: cannot execute',
  ]) {
    assert.equal(launcherFailure(code127, [said]), said);
  }
  assert.equal(launcherFailure(code127, ['/bin/sh: 1: ruby: not found']), null);
});

test('a service that exits by itself is none of the launcher', () => {
  assert.equal(launcherFailure({ kind: 'exited', code: 127 }, ['done']), null);
  assert.equal(launcherFailure({ kind: 'exited', code: 127 }, []), null);
  assert.equal(launcherFailure({ kind: 'exited', code: 3 }, ['env: x']), null);
  assert.equal(launcherFailure({ kind: 'signaled', signal: 'SIGKILL', coreDumped: false }, ['env: x']), null);
});
