import assert from 'node:assert/strict';
import { openSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { replaceProgram } from '../../../../src/supervisor/upgrade/replace.ts';

test('a program that cannot be executed leaves the signals unchanged', () => {
  const before = ignoredSignals();
  const [lock, vault] = [openSync('/dev/null', 'r'), openSync('/dev/null', 'r')];
  const program = { name: 'node', node: '/no/such/node', options: [], script: '/zero.js', args: [] };
  const handed = { from: '1.0.0', since: 0, lock, fifo: null, vault, sockets: [], runtimeDirectory: '/run' };
  assert.throws(() => replaceProgram(program, [], handed), { code: 'ENOENT', syscall: 'execve' });
  assert.equal(ignoredSignals(), before);
});

function ignoredSignals(): string | undefined {
  return /^SigIgn:\t(.*)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
}
