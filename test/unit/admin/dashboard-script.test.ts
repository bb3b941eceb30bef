import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { dashboardAnswer } from '../../../src/admin/dashboard.ts';
import { statusWith } from './status.ts';

/** What the script of the page has of a browser: one refresh a call of `tick`. */
function browser(fetched: () => Promise<{ ok: boolean; text(): Promise<string> }>) {
  const [, script = ''] = /<script>(.*?)<\/script>/s.exec(dashboardAnswer(statusWith()).body) ?? [];
  const lost = { hidden: true };
  const timers: (() => Promise<void>)[] = [];
  let shown = 'the first';
  runInNewContext(script, {
    AbortSignal,
    setTimeout: (run: () => Promise<void>) => timers.push(run),
    fetch: fetched,
    document: {
      getElementById: () => lost,
      querySelector: () => ({
        replaceWith: (main: string) => {
          shown = main;
        },
      }),
    },
    DOMParser: class {
      parseFromString = (text: string) => ({ querySelector: () => (text === '' ? null : text) });
    },
  });
  return {
    lost,
    shown: () => shown,
    async tick() {
      assert.equal(timers.length, 1, 'it has one timer, and goes on');
      await timers.pop()?.();
    },
  };
}

test('the page shows the newest state, and says when there is none', async () => {
  const answers = [
    async () => ({ ok: true, text: async () => 'the second' }),
    async () => Promise.reject(new Error('connection refused')),
    async () => ({ ok: false, text: async () => 'an error' }),
    async () => ({ ok: true, text: async () => '' }),
    async () => ({ ok: true, text: async () => 'the last' }),
  ];
  const page = browser(() => (answers.shift() ?? assert.fail('there is one more'))());
  const seen: [string, boolean][] = [];
  for (let count = answers.length; count > 0; count -= 1) {
    await page.tick();
    seen.push([page.shown(), page.lost.hidden]);
  }
  assert.deepEqual(seen, [
    ['the second', true],
    ['the second', false],
    ['the second', false],
    ['the second', false],
    ['the last', true],
  ]);
});
