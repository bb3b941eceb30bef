import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { linux } from '../../../../src/linux/kernel.ts';
import {
  commandIn,
  endCommand,
  hookIn,
  markOfHook,
  RunningCommands,
} from '../../../../src/supervisor/run/running-commands.ts';

const DIRECTORY = '/run/zero/example';
const entry = ([name, value]: readonly [string, string]) => Buffer.from(`${name}=${value}`);

describe('running commands', () => {
  const options = { kernel: linux, runtimeDirectory: DIRECTORY, next: 7 };

  it('are recorded at their start, each with the number in its environment', () => {
    const seen: unknown[] = [];
    const commands = new RunningCommands({ ...options, recorded: () => seen.push(commands.situation()) });
    const one = commands.register();
    const other = commands.register();
    assert.equal(commandIn([entry(['PATH', '/bin']), entry(one.mark)], DIRECTORY), 7);
    // It could not be started.
    assert.equal(commandIn([entry(other.mark)], DIRECTORY), 7);
    const { pid } = process;
    const startTime = linux.processStat(pid)?.startTime;
    one.started(pid);
    assert.equal(commandIn([entry(commands.register().mark)], DIRECTORY), 8);
    one.ended(pid);
    assert.deepEqual(seen, [{ running: [{ pid, startTime }], next: 8 }]);
    assert.deepEqual(commands.situation(), { running: [], next: 8 });
  });

  it('are found by their environment, as hooks are', () => {
    const hook = entry(markOfHook(DIRECTORY, 12));
    const found = (environment: readonly Buffer[], directory = DIRECTORY) => [
      commandIn(environment, directory),
      hookIn(environment, directory),
    ];
    assert.deepEqual(found([hook]), [null, 12]);
    assert.deepEqual(found([hook], '/run/zero/other'), [null, null]);
    assert.deepEqual(found([]), [null, null]);
    for (const value of ['', 'x', '0', '-1', '1.5', 'hook.', 'hook.0', 'hook.x', '9'.repeat(30), '1\n'])
      assert.deepEqual(found([entry(['ZERO_COMMAND', `${DIRECTORY}:${value}`])]), [null, null], value);
  });

  it('are not signalled if the pid belongs to another process', () => {
    const stat = linux.processStat(process.pid);
    assert.ok(stat);
    const { signalled } = endCommand(linux, { pid: process.pid, startTime: stat.startTime - 1 });
    assert.deepEqual(signalled, []);
  });
});
