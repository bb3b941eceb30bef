import assert from 'node:assert/strict';
import { describe as group, it } from 'node:test';
import { startLoad } from '../support/load.ts';
import { describe, type LoadResult } from '../support/load-book.ts';
import { fixture } from '../support/paths.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

/** Can be raised for a long run. */
const HANDOVERS = Number(process.env.HANDOVERS ?? 50);
const ANSWERS_EACH = 20;

/** Asserts that every request was answered, and that every generation answered some. */
function assertNothingLost(result: LoadResult, handovers: number): void {
  assert.equal(result.failed, 0, `${describe(result)}\n${JSON.stringify(result.losses.slice(0, 5))}`);
  assert.equal(result.sent, result.answered);
  assert.equal(new Set(result.answeredIds).size, result.answered);
  const served = Object.keys(result.byGeneration).map(Number);
  assert.deepEqual(
    served.sort((a, b) => a - b),
    Array.from({ length: handovers + 1 }, (_, index) => index + 1),
  );
}

group('handovers of a service that exits immediately on its shutdown signal', () => {
  it('lose no request on short connections', { timeout: DEADLINE.timeout * 3 }, async (t) => {
    const zero = startZero(t, {
      config: {
        service: {
          listeners: [{ name: 'http', address: '127.0.0.1:0' }],
          runtime: { path: process.execPath, args: [fixture('abrupt.js')] },
          options: { reload_uptime: '0s' },
          handover: { settle: '200ms', drain_timeout: '2s' },
        },
      },
    });
    await zero.fact('generation_promoted', { generation: 1 });
    const load = startLoad(t, { target: await zero.address('http'), clients: 8 });
    await load.whenPhaseHas(ANSWERS_EACH);
    for (let handover = 2; handover <= HANDOVERS + 1; handover += 1) {
      zero.signal('SIGHUP');
      const { outcome, failure } = await zero.fact('handover_finished', { handover });
      assert.deepEqual([outcome, failure], ['promoted', null]);
      load.phase(`generation ${handover}`);
      await load.whenPhaseHas(ANSWERS_EACH);
    }
    // A generation with longer connections exits after its successor.
    for (let generation = 1; generation <= HANDOVERS; generation += 1)
      await zero.fact('generation_gone', { generation });
    assertNothingLost(await load.stop(), HANDOVERS);
    // Each was asked to stop while it still answered, and exited by that signal.
    const exits = zero.log.all('worker_exited').map(({ exit }) => exit);
    assert.deepEqual(
      exits,
      exits.map(() => ({ kind: 'signaled', signal: 'SIGTERM', coreDumped: false })),
    );
    assert.equal(exits.length, HANDOVERS);
    assert.deepEqual(zero.log.all('worker_killed'), []);
    assert.deepEqual(zero.log.all('error'), []);
  });
});
