import assert from 'node:assert/strict';
import { closeSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';
import { readiness } from '../../../src/config/schema/readiness.ts';
import type { ReadinessConfig } from '../../../src/config/schema.ts';
import { linux } from '../../../src/linux/kernel.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import { type GateName, gateNames, onlyGates, startGates } from '../../../src/readiness/index.ts';
import type { NotifyMessage } from '../../../src/readiness/notify-message.ts';
import { ManualTimers, oneSlice } from '../../support/manual-timers.ts';

const command = { run: ['/bin/true'], timeout: 1000 };

const target = { listener: 'http', interval: 250, timeout: 2000 };
/** A config with every gate. A gate that is missing here does not compile. */
const ALL: Required<ReadinessConfig> = {
  accept: 'auto',
  notify: true,
  ready_fd: 10,
  http: { ...target, path: '/', status: [] },
  tcp: target,
  command,
  timeout: 60_000,
};

describe('the gates of a worker', () => {
  it('are the configured ones', () => {
    assert.deepEqual(gateNames({ accept: 'auto', notify: false, timeout: 60_000 }, []), []);
    assert.deepEqual(
      gateNames({ accept: false, notify: true, ready_fd: 10, command, timeout: 60_000 }, ['http']),
      ['notify', 'ready_fd', 'command'],
    );
    assert.deepEqual(gateNames({ accept: 'auto', notify: false, timeout: 60_000 }, ['http']), ['accept']);
    assert.deepEqual(gateNames({ accept: ['http'], notify: false, timeout: 60_000 }, []), ['accept']);
  });

  it('are all keys of the config but the time limit', () => {
    const keys = Object.keys(readiness.shape).filter((key) => key !== 'timeout');
    assert.deepEqual([...gateNames(ALL, ['http'])].sort(), keys.sort());
  });

  it('can be reduced to those that a recovered worker has not passed', () => {
    assert.deepEqual(
      onlyGates(ALL, () => true),
      ALL,
    );
    for (const name of Object.keys(readiness.shape).filter((key) => key !== 'timeout')) {
      const left = onlyGates(ALL, (gate: GateName) => gate === name);
      assert.deepEqual(gateNames(left, ['http']), [name]);
      assert.equal(left.timeout, ALL.timeout);
    }
  });

  it('pass one by one, and report the pending ones', async () => {
    const { read, write } = openPipe();
    let say: (message: NotifyMessage) => void = () => {};
    const passed: string[] = [];
    let tell: () => void = () => {};
    const next = () => new Promise<void>((resolve) => (tell = resolve));
    const gates = startGates(
      { accept: 'auto', notify: true, ready_fd: 10, command, timeout: 60_000 },
      {
        openProbe: null,
        steered: [],
        notify: {
          ready: false,
          subscribe(listener) {
            say = (message) => listener(message, { pid: 1, uid: 0 });
            return () => {};
          },
        },
        kernel: linux,
        readyPipe: read,
        runCommand: async () => ({ kind: 'exited', code: 0 }),
        timers: new ManualTimers(),
        turns: oneSlice,
        passed(gate) {
          passed.push(gate);
          tell();
        },
        failed: (gate, reason) => assert.fail(`${gate}: ${reason}`),
      },
    );
    assert.deepEqual(passed, []);
    await next();
    assert.deepEqual(passed, ['command']);
    assert.deepEqual(gates.waiting(), [
      { gate: 'notify', reason: 'no READY=1 received on NOTIFY_SOCKET' },
      { gate: 'ready_fd', reason: 'no line on descriptor 10' },
    ]);
    const line = next();
    writeSync(write, '\n');
    await line;
    say({ kind: 'ready' });
    assert.deepEqual(passed, ['command', 'ready_fd', 'notify']);
    assert.deepEqual(gates.waiting(), []);
    gates.close();
    gates.close();
    closeSync(write);
  });

  it('report the failed gate and its reason', async () => {
    const { read, write } = openPipe();
    const failure = new Promise<string>((resolve) => {
      startGates(
        { accept: 'auto', notify: false, ready_fd: 7, timeout: 60_000 },
        {
          openProbe: null,
          steered: [],
          notify: null,
          kernel: linux,
          readyPipe: read,
          runCommand: async () => ({ kind: 'timed_out' }),
          timers: new ManualTimers(),
          turns: oneSlice,
          passed: (gate) => resolve(`passed ${gate}`),
          failed: (gate, reason) => resolve(`${gate}: ${reason}`),
        },
      );
    });
    closeSync(write);
    assert.equal(await failure, 'ready_fd: closed descriptor 7 without writing a line');
  });
});
