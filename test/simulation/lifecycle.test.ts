import assert from 'node:assert/strict';
import { once } from 'node:events';
import { availableParallelism, constants, setPriority } from 'node:os';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import { simulate, type Tally } from './history.ts';
import { type Mutant, mutants } from './mutants.ts';
import { recoveryMutants } from './mutants-recovery.ts';

/** `npm test` runs 100,000. */
const HISTORIES = Number(process.env.HISTORIES ?? 200);
const FIRST_SEED = Number(process.env.SEED ?? 1);
const THREADS = Math.min(availableParallelism(), HISTORIES);

/** The minimum number of each fault per history. */
const FAULTS: Readonly<Record<string, number>> = {
  EAGAIN: 0.01,
  EMFILE: 0.1,
  ENFILE: 0.1,
  ENOMEM: 0.1,
  ENOSPC: 0.1,
  EPERM: 0.05,
  exception: 0.1,
  'half a steering change': 0.02,
  'a pid that is used again': 0.1,
  'a signal that is refused': 0.01,
  'late child_signal': 0.1,
  'late pidfd': 0.001,
  'late datagram': 0.1,
};

/** Distributes the histories to one thread per processor. */
async function simulateAll(): Promise<Tally[]> {
  const share = Math.ceil(HISTORIES / THREADS);
  const shares = Array.from({ length: THREADS }, (_, index) => ({
    firstSeed: FIRST_SEED + index * share,
    count: Math.min(share, HISTORIES - index * share),
  }));
  const threads = shares.map((workerData) => {
    // The compiled file is in the same directory.
    const thread = new Worker(new URL('./history-thread.js', import.meta.url), { workerData });
    return { thread, tally: once(thread, 'message') };
  });
  try {
    const tallies = await Promise.all(threads.map(({ tally }) => tally));
    return tallies.map(([tally]) => tally);
  } finally {
    // After a failure the other threads are not needed.
    for (const { thread } of threads) await thread.terminate();
  }
}

// The threads inherit the priority. Concurrent system tests have precedence (scripts/test.js).
setPriority(constants.priority.PRIORITY_LOW);

describe('random histories', () => {
  it(`keep every promise (${HISTORIES} histories from SEED=${FIRST_SEED})`, async () => {
    const tallies = await simulateAll();
    const sum = (count: (tally: Tally) => number) => tallies.reduce((all, tally) => all + count(tally), 0);
    // A simulation without progress would keep every promise. A few histories are too few to check that.
    if (HISTORIES < 1_000) return;
    for (const outcome of ['promoted', 'rolled_back', 'failed', 'aborted', 'timed_out', 'superseded']) {
      const ended = sum(({ outcomes }) => outcomes[outcome] ?? 0);
      assert.ok(ended > HISTORIES / 100, `only ${ended} ended as ${outcome}`);
    }
    const rescued = sum((tally) => tally.rescued);
    assert.ok(rescued > HISTORIES / 100, `only ${rescued} lanes were rescued`);
    const replaced = sum((tally) => tally.replaced);
    assert.ok(replaced > HISTORIES / 20, `only ${replaced} workers were replaced`);
    const notReplaced = sum((tally) => tally.notReplaced);
    assert.ok(notReplaced > HISTORIES / 50, `only ${notReplaced} replacements failed`);
    for (const outcome of ['done', 'failed', 'aborted', 'timed_out', 'superseded', 'in_progress']) {
      const ended = sum(({ scaled }) => scaled[outcome] ?? 0);
      assert.ok(
        ended > HISTORIES / 2000,
        `only ${ended} requests for other numbers of workers ended as ${outcome}`,
      );
    }
    for (const name of ['before_reload', 'after_promote', 'after_rollback', 'on_replace']) {
      const ran = sum(({ hooked }) => hooked[name] ?? 0);
      assert.ok(ran > HISTORIES / 20, `only ${ran} hooks ${name} ran`);
    }
    for (const name of ['on_crash_loop', 'on_worker_stalled', 'on_late_rollback', 'on_recovery']) {
      const ran = sum(({ hooked }) => hooked[name] ?? 0);
      assert.ok(ran > HISTORIES / 100, `only ${ran} hooks ${name} ran`);
    }
    for (const [fault, share] of Object.entries(FAULTS)) {
      const happened = sum(({ faults }) => faults[fault] ?? 0);
      assert.ok(happened > HISTORIES * share, `only ${happened} times: ${fault}`);
    }
    const inStep = sum(({ died }) => died.inStep);
    const atRest = sum(({ died }) => died.atRest);
    assert.ok(inStep > HISTORIES / 10, `only ${inStep} supervisors died in a step`);
    const upgraded = sum((tally) => tally.upgraded);
    assert.ok(upgraded > HISTORIES / 50, `only ${upgraded} supervisors were upgraded in place`);
    assert.ok(atRest > HISTORIES / 20, `only ${atRest} supervisors died between two steps`);
    const served = sum((tally) => tally.served);
    assert.ok(served > HISTORIES, `only ${served} connections were served`);
  });
});

/**
 * Whether a history of one of the first seeds breaks that promise. Other invariants may detect the same supervisor
 * earlier.
 */
async function isNoticed(mutant: Mutant): Promise<boolean> {
  const { from = 1 } = mutant;
  for (let seed = from; seed < from + 10_000; seed += 1) {
    try {
      await simulate(seed, mutant);
    } catch (error) {
      if (error instanceof Error && mutant.caught.test(error.message)) return true;
    }
  }
  return false;
}

describe('the invariants detect a supervisor that', () => {
  for (const [name, mutant] of Object.entries({ ...mutants, ...recoveryMutants })) {
    it(name, async () => assert.ok(await isNoticed(mutant)));
  }
});
