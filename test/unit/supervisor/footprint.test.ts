import assert from 'node:assert/strict';
import { test } from 'node:test';
import { useLibc } from '../../../src/linux/libc.ts';
import { Footprint } from '../../../src/supervisor/footprint.ts';

test('memory is given back once, when it has been quiet for a while', (t) => {
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
  footprint.disturbed();
  footprint.disturbed();
  assert.equal(waiting.size, 1);
  for (const run of waiting) run();
  assert.equal(trims, 1);
  footprint.disturbed();
  footprint.close();
  assert.equal(waiting.size, 0);
});
