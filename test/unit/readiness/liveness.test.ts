import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LivenessConfig } from '../../../src/config/schema.ts';
import type { CommandRequest } from '../../../src/readiness/command.ts';
import { type LivenessRound, startLiveness } from '../../../src/readiness/liveness.ts';
import { WatchdogReports } from '../../../src/readiness/watchdog-reports.ts';
import { ManualTimers } from '../../support/manual-timers.ts';

const COMMAND = { run: ['/bin/check'] };

/** Workers by number, and the result of the next check of each. A failing check exits with 1. */
function start(config: Partial<LivenessConfig>, count: number) {
  const timers = new ManualTimers();
  const rounds: LivenessRound[] = [];
  const requests: CommandRequest[] = [];
  const ill = new Set<number>();
  const rescued = new Set<number>();
  const watchdogs = Array.from({ length: count }, () => new WatchdogReports());
  let now = 0;
  let present = Array.from({ length: count }, (_, worker) => worker);
  const liveness = startLiveness(
    { interval: 10_000, timeout: 2_000, failures: 2, action: 'replace', ...config },
    {
      workers: () =>
        present.map((worker) => ({
          worker,
          incarnation: 1,
          rescued: rescued.has(worker),
          openProbe: () => assert.fail('no listener is checked'),
          variables: { ZERO_WORKER: `${worker}` },
          watchdog: watchdogs[worker] ?? assert.fail(),
        })),
      runCommand: async (request) => {
        requests.push(request);
        return { kind: 'exited', code: ill.has(Number(request.variables?.ZERO_WORKER)) ? 1 : 0 };
      },
      timers,
      now: () => now,
      ended: (round) => rounds.push(round),
    },
  );
  return {
    ill,
    rescued,
    rounds,
    requests,
    liveness,
    timers,
    beat: (worker: number) => watchdogs[worker]?.note({ kind: 'watchdog' }, now),
    trigger: (worker: number) => watchdogs[worker]?.note({ kind: 'watchdog_trigger' }, now),
    setTime: (worker: number, microseconds: number) =>
      watchdogs[worker]?.note({ kind: 'watchdog_time', microseconds }, now),
    keep: (workers: number[]) => {
      present = workers;
      liveness.sync();
    },
    /** Runs the next check of all workers. `next`: the pause after it. */
    async check(ms = 10_000, next = ms): Promise<LivenessRound | undefined> {
      const before = rounds.length;
      now += ms;
      (await timers.next(ms))();
      // The next timer is set when the round has ended.
      await timers.next(next);
      return rounds.length > before ? rounds.at(-1) : undefined;
    },
  };
}

const failing = (round: LivenessRound | undefined) => round?.failing.map(({ worker }) => worker);
const passing = (round: LivenessRound | undefined) => round?.passing.map(({ worker }) => worker);

describe('liveness', () => {
  it('reports nothing while every worker passes', async () => {
    const { check, rounds, requests } = start({ command: COMMAND }, 2);
    await check();
    await check();
    assert.deepEqual(rounds, []);
    assert.deepEqual(
      requests.map(({ variables }) => variables?.ZERO_WORKER),
      ['0', '1', '0', '1'],
    );
  });

  it('fails a hung worker whose rescue worker would answer, without a check through its lane', async () => {
    const { check, rescued } = start({ http: { listener: 'http', path: '/', status: [] } }, 1);
    rescued.add(0);
    assert.equal(await check(), undefined);
    assert.deepEqual(await check(), {
      failing: [
        { worker: 0, incarnation: 1, reason: 'liveness check failed 2 times in a row; last: it is hung' },
      ],
      passing: [],
    });
  });

  it('causes no warning of Node when many workers are checked at the same time', async (t) => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    t.after(() => process.off('warning', note));
    const { check, requests } = start({ command: COMMAND }, 12);
    await check();
    // Like commands of the supervisor while they run.
    for (const { stop } of requests) stop.addEventListener('abort', () => {});
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(warnings, []);
  });

  it('fails a worker after several consecutive misses, and does not count one with a recent miss as passing', async () => {
    const { check, ill } = start({ command: COMMAND }, 3);
    ill.add(0);
    assert.equal(await check(), undefined);
    ill.add(1);
    const round = await check();
    assert.deepEqual(round?.failing, [
      {
        worker: 0,
        incarnation: 1,
        reason: 'liveness check failed 2 times in a row; last: command /bin/check: exit code 1',
      },
    ]);
    assert.deepEqual(passing(round), [2]);
    ill.clear();
    const recovered = await check();
    assert.deepEqual([failing(recovered), passing(recovered)], [[], [0, 1, 2]]);
    assert.equal(await check(), undefined, 'said once');
  });

  it('forgets a worker that has exited', async () => {
    const { check, ill, keep } = start({ command: COMMAND, failures: 1 }, 2);
    ill.add(0);
    assert.deepEqual(failing(await check()), [0]);
    keep([1]);
    assert.deepEqual(failing(await check()), []);
    assert.equal(await check(), undefined);
  });

  it('expires a watchdog without WATCHDOG=1 in its time, and passes workers that have sent one since', async () => {
    const { check, beat } = start({ watchdog: 4_000 }, 3);
    await check(1_000);
    beat(0);
    beat(1);
    await check(1_000);
    await check(1_000);
    beat(1);
    // At 4 s worker 2 has never sent one. Worker 1 has sent none since then, possibly for the same reason.
    const first = await check(1_000);
    assert.deepEqual([failing(first), passing(first)], [[2], []]);
    beat(1);
    const second = await check(1_000);
    assert.deepEqual([failing(second), passing(second)], [[0, 2], [1]]);
    assert.equal(second?.failing[1]?.reason, 'no WATCHDOG=1 within 4s');
  });

  it('fails a worker with WATCHDOG=trigger at the next check, whatever the worker sends later', async () => {
    const { check, beat, trigger } = start({ watchdog: 40_000 }, 2);
    beat(0);
    beat(1);
    await check();
    trigger(0);
    const first = await check();
    assert.deepEqual([failing(first), passing(first)], [[0], []]);
    assert.equal(first?.failing[0]?.reason, 'the worker sent WATCHDOG=trigger');
    beat(0);
    beat(1);
    const second = await check();
    assert.deepEqual([failing(second), passing(second)], [[0], [1]]);
  });

  it('lets a worker set its watchdog time with WATCHDOG_USEC, and end the watchdog with 0', async () => {
    const { check, setTime } = start({ watchdog: 8_000 }, 3);
    setTime(0, 30_000_000);
    setTime(1, 0);
    for (let second = 2; second < 8; second += 2) assert.equal(await check(2_000), undefined);
    assert.deepEqual(failing(await check(2_000)), [2]);
    for (let second = 10; second < 30; second += 2) assert.deepEqual(failing(await check(2_000)), [2]);
    const last = await check(2_000);
    assert.deepEqual(failing(last), [0, 2]);
    assert.equal(last?.failing[0]?.reason, 'no WATCHDOG=1 within 30s');
  });

  it('checks a shorter watchdog more often', async () => {
    const { check, setTime, beat } = start({ watchdog: 40_000 }, 2);
    setTime(0, 4_000_000);
    await check(10_000, 1_000);
    beat(0);
    beat(1);
    for (let second = 1; second < 4; second += 1) await check(1_000);
    assert.deepEqual(failing(await check(1_000)), [0]);
  });

  it('ignores WATCHDOG=trigger without a configured watchdog', async () => {
    const { check, trigger, rounds } = start({ command: COMMAND }, 2);
    trigger(0);
    await check();
    assert.deepEqual(rounds, []);
  });

  it('reports nothing after close', async () => {
    const { liveness, timers } = start({ command: COMMAND, watchdog: 4_000 }, 1);
    liveness.close();
    liveness.close();
    assert.deepEqual(timers.pending(), []);
  });
});
