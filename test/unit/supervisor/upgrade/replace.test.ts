import assert from 'node:assert/strict';
import { openSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ObstacleError } from '../../../../src/supervisor/upgrade/obstacle.ts';
import { handOverTo, replaceProgram } from '../../../../src/supervisor/upgrade/replace.ts';

const PROGRAM = { name: 'node', node: '/no/such/node', options: [], script: '/zero.js', args: [] };

for (const [when, before, calls] of [
  ['before the control socket is closed', [], ['flush']],
  ['after it was closed', [null], ['flush', 'close', 'flush', 'open']],
] as const) {
  test(`an operation that begins ${when} prevents the upgrade`, async () => {
    const made: string[] = [];
    const never = () => assert.fail();
    const call = (name: string) => async () => void made.push(name);
    const obstacles: (string | null)[] = [...before, 'a hook runs'];
    const context = {
      environment: [],
      control: { open: call('open'), close: call('close') },
      generations: { processes: () => [] },
      memory: { writeFor: never, rewrite: never },
      recorder: { replace: never, retry: never },
      flush: call('flush'),
      obstacle: () => obstacles.shift() ?? null,
      handed: never,
      failed: never,
    };
    const older = { state: 1, configs: 1 };
    await assert.rejects(handOverTo(PROGRAM, older, context), new ObstacleError('a hook runs'));
    assert.deepEqual(made, calls);
  });
}

test('a program that cannot be executed leaves the signals unchanged', () => {
  const before = ignoredSignals();
  const [lock, vault] = [openSync('/dev/null', 'r'), openSync('/dev/null', 'r')];
  const handed = { from: '1.0.0', since: 0, lock, fifo: null, vault, sockets: [], runtimeDirectory: '/run' };
  assert.throws(() => replaceProgram(PROGRAM, [], handed), { code: 'ENOENT', syscall: 'execve' });
  assert.equal(ignoredSignals(), before);
});

function ignoredSignals(): string | undefined {
  return /^SigIgn:\t(.*)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
}
