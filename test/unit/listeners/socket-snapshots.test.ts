import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListenerSet } from '../../../src/listeners/listener-set.ts';
import { listener } from './fixture.ts';
import { to } from './lanes/lane-support.ts';

test('the snapshot is the same object until a socket changes, and new after each change', async (t) => {
  const set = new ListenerSet();
  const config = listener('a', '127.0.0.1:0');
  const first = await set.acquire([config], 2);
  t.after(() => first.release());
  const alone = set.snapshot();
  const kept = set.kept();
  set.steer(to([1]));
  await set.acquire([config], 2).then((again) => again.release());
  assert.equal(set.snapshot(), alone);
  assert.equal(set.kept(), kept);

  const second = await set.acquire([config, listener('b', '127.0.0.1:0')], 2);
  const both = set.snapshot();
  assert.equal(both[0], alone[0], 'a listener that has not changed');
  assert.deepEqual(
    both.map(({ name }) => name),
    ['a', 'b'],
  );
  assert.equal(set.nameOf(both[1]?.inode ?? 0), 'b');

  set.ensureLanes(4);
  assert.equal(set.snapshot()[0]?.lanes.length, 5);
  assert.equal(set.kept().length, 10);

  second.release();
  assert.deepEqual(
    set.snapshot().map(({ name }) => name),
    ['a'],
  );
  assert.equal(set.nameOf(both[1]?.inode ?? 0), null);
});
