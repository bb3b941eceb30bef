import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CommandRequest, type CommandResult, startCommandGate } from '../../../src/readiness/command.ts';
import { ManualTimers } from '../../support/manual-timers.ts';
import { verdictOf } from './verdict.ts';

describe('the command gate', () => {
  it('runs the command each second until it exits with 0', async () => {
    const results: CommandResult[] = [
      { kind: 'exited', code: 3 },
      { kind: 'signaled', signal: 'SIGSEGV' },
      { kind: 'timed_out' },
      { kind: 'failed', reason: 'spawn /bin/check: ENOENT' },
      { kind: 'exited', code: 0 },
    ];
    const requests: CommandRequest[] = [];
    const timers = new ManualTimers();
    const { callbacks, verdict } = verdictOf();
    const run = async (request: CommandRequest): Promise<CommandResult> => {
      requests.push(request);
      return results.shift() ?? { kind: 'timed_out' };
    };
    const gate = startCommandGate({ run: ['/bin/check', 'a'], timeout: 10_000 }, run, timers, callbacks);
    const reasons: (string | null)[] = [];
    for (let round = 0; round < 4; round += 1) {
      const again = await timers.next(1000);
      reasons.push(gate.lastReason());
      again();
    }
    assert.equal(await verdict, 'passed');
    assert.deepEqual(reasons, [
      'command /bin/check: exit code 3',
      'command /bin/check: killed by SIGSEGV',
      'command /bin/check: still running after 10s',
      'command /bin/check: spawn /bin/check: ENOENT',
    ]);
    assert.equal(requests.length, 5);
    assert.deepEqual(requests[0]?.run, ['/bin/check', 'a']);
    assert.equal(requests[0]?.timeout, 10_000);
  });

  it('stops a running command when it is closed', async () => {
    const { callbacks, calls } = verdictOf();
    const stopped = new Promise<void>((resolve) => {
      const run = (request: CommandRequest): Promise<CommandResult> =>
        new Promise((end) => {
          request.stop.addEventListener('abort', () => {
            end({ kind: 'signaled', signal: 'SIGKILL' });
            resolve();
          });
        });
      startCommandGate({ run: ['x'], timeout: 1 }, run, new ManualTimers(), callbacks).close();
    });
    await stopped;
    assert.deepEqual(calls, []);
  });

  it('counts a thrown error as a miss', async () => {
    const timers = new ManualTimers();
    const { callbacks } = verdictOf();
    const run = () => Promise.reject(new Error('no more processes'));
    const gate = startCommandGate({ run: ['x'], timeout: 1 }, run, timers, callbacks);
    await timers.next(1000);
    assert.equal(gate.lastReason(), 'no more processes');
    gate.close();
  });
});
