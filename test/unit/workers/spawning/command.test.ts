import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { linux } from '../../../../src/linux/kernel.ts';
import { processStat } from '../../../../src/linux/procfs.ts';
import {
  type CommandRequest,
  type CommandResult,
  type CommandSystem,
  runCommand,
} from '../../../../src/workers/spawning/command.ts';
import { environmentOf, folder, table } from '../support.ts';

const request: CommandRequest = {
  run: ['sh', '-c', 'echo "$FOO"; echo oops >&2; exit 4'],
  directory: folder,
  environment: environmentOf({ PATH: '/usr/bin:/bin', FOO: 'bar' }),
  user: null,
  timeout: 5000,
};

const system: CommandSystem = {
  kernel: linux,
  table,
  refused: (refusals) => assert.fail(JSON.stringify(refusals)),
};

function start(changes: Partial<CommandRequest>) {
  const timers: { ms: number; callback: () => void; cancelled: boolean }[] = [];
  const after = (ms: number, callback: () => void) => {
    const timer = { ms, callback, cancelled: false };
    timers.push(timer);
    return () => {
      timer.cancelled = true;
    };
  };
  let close: () => void = () => {};
  const done = new Promise<CommandResult>((resolve) => {
    ({ close } = runCommand({ ...request, ...changes }, system, { after }, resolve));
  });
  return { timers, done, close: () => close() };
}

test('a command ends with its status and the last lines of its output', async () => {
  const { done, timers } = start({});
  const { status, timedOut, output } = await done;
  assert.deepEqual({ status, timedOut }, { status: { kind: 'exited', code: 4 }, timedOut: false });
  assert.deepEqual([...output].sort(), ['bar', 'oops']);
  assert.deepEqual(
    timers.map(({ ms, cancelled }) => [ms, cancelled]),
    [[5000, true]],
  );
});

test('a command is killed with its session at its timeout', async () => {
  const { done, timers } = start({ run: ['sh', '-c', 'sleep 1000 & wait'] });
  timers[0]?.callback();
  const { status, timedOut } = await done;
  assert.deepEqual(status, { kind: 'signaled', signal: 'SIGKILL', coreDumped: false });
  assert.equal(timedOut, true);
});

test('remaining processes of a command do not delay its result', async () => {
  const { output } = await start({ run: ['sh', '-c', 'sleep 1000 & echo $!'] }).done;
  const left = processStat(Number(output[0]));
  assert.ok(left === null || left.state === 'Z' || left.state === 'X' || left.ppid !== process.pid);
});

test('a closed command is killed and reports nothing', async () => {
  const { done, close, timers } = start({ run: ['sleep', '1000'] });
  void done.then(() => assert.fail('closed'));
  const [pid] = [...table.known()];
  const gone = new Promise((resolve) => table.watchForeign(pid ?? 0, resolve));
  close();
  close();
  assert.equal(timers[0]?.cancelled, true);
  await gone;
});

test('paths are relative to the directory, names are looked up on the PATH of its environment', async () => {
  writeFileSync(join(folder, 'hook'), '#!/bin/sh\npwd\n');
  chmodSync(join(folder, 'hook'), 0o755);
  assert.deepEqual((await start({ run: ['./hook'] }).done).output, [folder]);
  const named = await start({ run: ['hook'], environment: environmentOf({ PATH: folder }) }).done;
  assert.deepEqual(named.output, [folder]);
  assert.throws(
    () => runCommand({ ...request, run: ['hook'] }, system, { after: () => () => {} }, () => {}),
    /^ReleaseError: command hook: ENOENT: it was not found in PATH$/,
  );
});

test('without a timeout there is no timer', async () => {
  const { done, timers } = start({ timeout: 0 });
  await done;
  assert.deepEqual(timers, []);
});
