import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunHook } from '../../../../src/lifecycle/hook.ts';
import { hookVariables } from '../../../../src/supervisor/run/hook-variables.ts';

const TIME = new Date('2026-11-27T08:00:00Z');

const RUN: RunHook = {
  type: 'run_hook',
  hook: 1,
  name: 'after_rollback',
  of: { generation: 1 },
  handover: 2,
  generation: 2,
  path: '/srv/app/server',
  incumbent: 1,
  outcome: 'timed_out',
};

function variables(run: Partial<RunHook> = {}): Readonly<Record<string, string>> {
  return Object.fromEntries(hookVariables({ ...RUN, ...run }, 'shop', TIME));
}

test('a hook of a handover gets its numbers, a sentence and a document', () => {
  const { ZERO_JSON = '', ...rest } = variables();
  const message = 'shop: generation 2 was stopped (timed out), and generation 1 serves';
  assert.deepEqual(rest, {
    ZERO_EVENT: 'after_rollback',
    ZERO_NAME: 'shop',
    ZERO_HANDOVER: '2',
    ZERO_GENERATION: '2',
    ZERO_RELEASE: '/srv/app/server',
    ZERO_INCUMBENT: '1',
    ZERO_OUTCOME: 'timed_out',
    ZERO_MESSAGE: message,
  });
  const { host, ...document } = JSON.parse(ZERO_JSON);
  assert.equal(typeof host, 'string');
  assert.deepEqual(document, {
    event: 'after_rollback',
    name: 'shop',
    time: '2026-11-27T08:00:00.000Z',
    message,
    handover: 2,
    generation: 2,
    release: '/srv/app/server',
    incumbent: 1,
    outcome: 'timed_out',
    worker: null,
    replacement: null,
    cause: null,
    reason: null,
  });
});

test('each hook has a sentence', () => {
  const notice = { worker: 3, cause: null, reason: 'because' };
  const replacement = { worker: 3, replacement: 4, cause: 'memory', reason: 'because' } as const;
  const sentences: readonly [Partial<RunHook>, string][] = [
    [{ name: 'before_reload', outcome: null }, 'generation 2 is going to be started'],
    [{ name: 'after_promote', outcome: 'promoted' }, 'generation 2 was promoted'],
    [
      { name: 'on_replace', outcome: 'replaced', replacement },
      'worker 3 of generation 2 was replaced by worker 4: because',
    ],
    [
      { name: 'on_replace', outcome: null, replacement },
      'worker 3 of generation 2 could not be replaced: because',
    ],
    [{ name: 'on_crash_loop', notice }, 'worker 3 of generation 2 is in a crash loop: because'],
    [{ name: 'on_worker_stalled', notice }, 'worker 3 of generation 2 is hung: because'],
    [
      { name: 'on_late_rollback', notice },
      'generation 2 was rolled back after its promotion, and generation 1 serves: because',
    ],
    [{ name: 'on_recovery', notice }, 'the supervisor was started again: because'],
  ];
  for (const [run, sentence] of sentences) assert.equal(variables(run).ZERO_MESSAGE, `shop: ${sentence}`);
});

test('the reason of a notification is one line of limited length, whatever its content', () => {
  const hostile = `line 1\nline 2\r\u001b[31mred\u0000\u202e ${'"\\'.repeat(40_000)}`;
  const {
    ZERO_REASON = '',
    ZERO_MESSAGE = '',
    ZERO_JSON = '',
  } = variables({
    name: 'on_worker_stalled',
    notice: { worker: null, cause: 'verify', reason: hostile },
  });
  for (const text of [ZERO_REASON, ZERO_MESSAGE, ZERO_JSON]) {
    assert.doesNotMatch(text, /[\p{Cc}\u202e]/u);
    // MAX_ARG_STRLEN, execve(2), includes the name and the terminating NUL.
    assert.ok(Buffer.byteLength(text) < 128 * 1024 - 100);
  }
  assert.ok(ZERO_REASON.startsWith('line 1\\nline 2\\r\\u001b[31mred\\u0000\\u202e "'));
  assert.equal(JSON.parse(ZERO_JSON).reason, ZERO_REASON);
});
