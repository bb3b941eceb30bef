import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { drain } from '../../../../src/service/drain/drain.ts';
import { planOf } from '../../../../src/service/drain/options.ts';

test('omitted options get their defaults', () => {
  assert.deepEqual(planOf({}), { timeoutMs: 25_000, idleMs: 24_000, signal: null, closes: true });
  assert.deepEqual(planOf({ timeoutMs: 1000 }), { timeoutMs: 1000, idleMs: 900, signal: null, closes: true });
  assert.deepEqual(planOf({ timeoutMs: 0 }), { timeoutMs: 0, idleMs: 0, signal: null, closes: true });
  assert.equal(planOf({ timeoutMs: 100, idleMs: 5000 }).idleMs, 100);
});

const WRONG: readonly [unknown, RegExp][] = [
  [{ timeoutMs: '30s' }, /timeoutMs must be a number of milliseconds from 0 to 2147483647, not "30s"/],
  [{ timeoutMs: Number.POSITIVE_INFINITY }, /timeoutMs must be .*, not Infinity/],
  [{ timeoutMs: -1 }, /not -1/],
  [{ timeoutMs: Number.NaN }, /not NaN/],
  [{ idleMs: null }, /idleMs must be .*, not null/],
  [{ timeout: 1 }, /unknown option timeout; known options: timeoutMs, idleMs, signal/],
  [{ signal: {} }, /signal must be an AbortSignal, not Object/],
  [null, /options must be an object, not null/],
];

test('an invalid option is reported, and nothing is drained', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  for (const [options, message] of WRONG) {
    await assert.rejects(drain(server, options as never), { name: 'TypeError', message });
    assert.equal(server.listening, true);
  }
  for (const wrong of [undefined, 'http', {}, [server, 3]])
    await assert.rejects(drain(wrong as never), /is not a server of net, tls, http, https or http2/);
  assert.equal(server.listening, true);
});
