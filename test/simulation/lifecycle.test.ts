import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { step } from '../../src/lifecycle/step.ts';
import { checkEnd, checkInvariants, checkQuiet } from './invariants.ts';
import { mutants } from './mutants.ts';
import { type Step, World } from './world.ts';

const HISTORIES = Number(process.env.HISTORIES ?? 3_000);
const FIRST_SEED = Number(process.env.SEED ?? 1);

/** Long enough for every handshake, backoff and drain to be over. */
const QUIET = 400_000;

/** One random history: a start, requests, commands and connections at random moments, a stop (gentle or not) at the end. */
function simulate(seed: number, behaviour: Step = step): World {
  const world = new World(seed, checkInvariants, behaviour);
  const { random } = world;
  try {
    world.schedule(0, () => world.request('start'));
    let time = 0;
    for (let i = random.between(0, 6); i > 0; i--) {
      time += random.pick([0, 1, 40, 900, 2_500, 20_000, 90_000]);
      world.schedule(time, () =>
        world.request('operator', {
          preview: random.chance(0.15),
          replace: random.chance(0.15),
          timeout: random.chance(0.15) ? random.pick([50, 1_500]) : null,
        }),
      );
      if (random.chance(0.3)) {
        const type = random.pick(['promote', 'abort'] as const);
        world.schedule(time + random.between(0, 8_000), () => ({
          type,
          by: 'operator',
          ticket: 'x',
          at: world.clock,
        }));
      }
    }
    for (let i = random.between(0, 40); i > 0; i--) {
      world.schedule(random.between(0, time + 10_000), () => {
        world.network.arrive();
        return null;
      });
    }
    const quietAt = time + 10_000 + (random.chance(0.4) ? QUIET : 0);
    world.run(4_000, quietAt);
    if (world.clock >= QUIET) checkQuiet(world);
    const now = random.chance(0.3);
    world.schedule(0, () => ({ type: 'stop', by: 'operator', now, at: world.clock }));
    if (random.chance(0.3)) {
      world.schedule(random.between(0, 5_000), () => ({
        type: 'stop',
        by: 'operator',
        now: false,
        at: world.clock,
      }));
    }
    world.run(8_000);
    checkEnd(world);
  } catch (error) {
    const history = world.log.slice(-30).join('\n');
    throw new Error(`SEED=${seed}: ${error instanceof Error ? error.message : error}\n${history}`, {
      cause: error,
    });
  }
  return world;
}

describe('random histories', () => {
  it(`keep every promise (${HISTORIES} histories from SEED=${FIRST_SEED})`, () => {
    const outcomes = new Map<string, number>();
    let relieved = 0;
    let served = 0;
    for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORIES; seed++) {
      const world = simulate(seed);
      for (const { outcome } of world.verdicts.values())
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      relieved += world.processes.filter(({ relief }) => relief).length;
      served += world.network.finished;
    }
    // A simulation that never gets anywhere would keep every promise too.
    for (const outcome of ['promoted', 'rolled_back', 'failed', 'aborted', 'timed_out', 'superseded']) {
      assert.ok(
        (outcomes.get(outcome) ?? 0) > HISTORIES / 100,
        `only ${outcomes.get(outcome) ?? 0} ended as ${outcome}`,
      );
    }
    assert.ok(relieved > HISTORIES / 100, `only ${relieved} lanes were relieved`);
    assert.ok(served > HISTORIES, `only ${served} connections were served`);
  });
});

describe('the invariants notice a supervisor that', () => {
  for (const [name, mutant] of Object.entries(mutants)) {
    it(name, () => {
      assert.throws(() => {
        for (let seed = 1; seed < 1_500; seed++) simulate(seed, mutant);
      });
    });
  }
});
