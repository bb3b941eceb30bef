import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { linux } from '../../../../src/linux/kernel.ts';
import { gateCommand } from '../../../../src/supervisor/run/gate-command.ts';
import type { Prepared } from '../../../../src/supervisor/run/prepare.ts';
import { environmentOf, folder, table } from '../../workers/support.ts';

const prepared = {
  user: null,
  release: { directory: folder, environment: environmentOf({ PATH: '/usr/bin:/bin' }) },
  config: { service: { runtime: { no_new_privs: false, capabilities: [] } } },
} as unknown as Prepared;

const run = gateCommand(prepared, {
  kernel: linux,
  table,
  refused: (refusals) => assert.fail(JSON.stringify(refusals)),
});

test('an exited command leaves no listener on its abort signal, which may exist for months', async () => {
  const { signal: stop } = new AbortController();
  for (let round = 0; round < 3; round += 1) {
    assert.deepEqual(await run({ run: ['true'], timeout: 5_000, stop }), {
      kind: 'exited',
      code: 0,
    });
    assert.deepEqual(getEventListeners(stop, 'abort'), []);
  }
});

test('a command is ended when no caller waits for it', async () => {
  const controller = new AbortController();
  const result = run({ run: ['sleep', '1000'], timeout: 60_000, stop: controller.signal });
  controller.abort();
  assert.deepEqual(await result, { kind: 'failed', reason: 'it was cancelled' });
});
