import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { useLibc } from '../../../../src/linux/libc.ts';
import { Footprint } from '../../../../src/supervisor/run/footprint.ts';

test('memory is released once, after a quiet period, without a message', async (t) => {
  const said: string[] = [];
  const warned = ({ message }: Error) => said.push(message);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  let trims = 0;
  t.after(
    useLibc({
      malloc_trim: () => {
        trims += 1;
        return 1;
      },
    }),
  );
  const waiting = new Set<() => void>();
  const footprint = new Footprint({
    set: (ms, run) => {
      assert.equal(ms, 20_000);
      waiting.add(run);
      return run;
    },
    clear: (handle) => void waiting.delete(handle as () => void),
  });
  footprint.disturbed(true);
  const [first] = waiting;
  footprint.disturbed(true);
  const [second, ...more] = waiting;
  assert.notEqual(second, first, 'what happened did not put it off');
  assert.deepEqual(more, []);
  footprint.disturbed(false);
  assert.deepEqual([...waiting], [second], 'time put it off');
  second?.();
  waiting.clear();
  assert.equal(trims, 1);
  footprint.disturbed(false);
  assert.equal(waiting.size, 1);
  footprint.disturbed(true);
  footprint.close();
  assert.equal(waiting.size, 0);
  await setImmediate();
  assert.deepEqual(said, []);
});
