import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ListenerError } from '../../../../src/listeners/listener-error.ts';
import { LanePreparer } from '../../../../src/supervisor/run/lane-preparer.ts';

/** Each step takes 5 ms, so each runs in its own turn. */
let time = 0;
const slow = {
  now: () => {
    time += 5;
    return time;
  },
  defer: setImmediate,
};

/** Lanes whose listeners are prepared in this number of steps. Step `failing` fails. */
function lanes(steps: number, failing?: number) {
  const done: string[] = [];
  const listeners = {
    *prepareLanes(wanted: readonly number[]) {
      for (let step = 1; step <= steps; step += 1) {
        if (step === failing) throw new ListenerError('http', 'no descriptor is left');
        done.push(`${wanted} ${step}`);
        yield;
      }
    },
  };
  const preparer = new LanePreparer(listeners, slow);
  return { preparer, done };
}

async function turns(count: number): Promise<void> {
  for (let turned = 0; turned < count; turned += 1) await turn();
}

test('lanes are prepared by one step in each turn of the event loop', async () => {
  const { preparer, done } = lanes(3);
  preparer.keep([1, 2]);
  assert.deepEqual(done, [], 'nothing before whatever is under way');
  await turn();
  assert.deepEqual(done, ['1,2 1']);
  await turns(5);
  assert.deepEqual(done, ['1,2 1', '1,2 2', '1,2 3']);
});

test('unneeded work is skipped', async () => {
  const { preparer, done } = lanes(2);
  preparer.keep([1]);
  await turn();
  preparer.keep([2]);
  preparer.keep([]);
  preparer.keep([3]);
  await turns(5);
  assert.deepEqual(done, ['1 1', '3 1', '3 2']);
});

test('a failure ends its order, and the next orders are attempted', async () => {
  const { preparer, done } = lanes(3, 2);
  preparer.keep([1]);
  await turns(3);
  preparer.keep([2]);
  await turns(3);
  assert.deepEqual(done, ['1 1', '2 1']);
});

test('an order in progress is completed when no other is needed, and a handover waits for that', async () => {
  const { preparer, done } = lanes(3);
  let isFinished = false;
  preparer.keep([1]);
  await turn();
  preparer.keep([]);
  preparer.whenFinished(() => (isFinished = true));
  assert.deepEqual([done, isFinished], [['1 1'], false]);
  await turns(5);
  assert.deepEqual([done, isFinished], [['1 1', '1 2', '1 3'], true]);
  let isCalled = false;
  preparer.whenFinished(() => (isCalled = true));
  assert.equal(isCalled, true, 'nothing is under way');
});

test('no step runs after close', async () => {
  const { preparer, done } = lanes(3);
  preparer.keep([1]);
  await turn();
  preparer.whenFinished(() => assert.fail('it was closed'));
  preparer.close();
  await turns(5);
  assert.deepEqual(done, ['1 1']);
});
