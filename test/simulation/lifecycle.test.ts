import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Event } from '../../src/lifecycle/events.ts';
import { step } from '../../src/lifecycle/step.ts';
import { checkEnd, checkInvariants } from './invariants.ts';
import { type Step, World } from './world.ts';

const HISTORIES = Number(process.env.HISTORIES ?? 4_000);
const FIRST_SEED = Number(process.env.SEED ?? 1);

/** One random history: a start, requests at random moments, a stop (gentle or not) at the end. */
function simulate(seed: number, behaviour: Step = step): World {
  const world = new World(seed, checkInvariants, behaviour);
  const { random } = world;
  try {
    world.request('start');
    let time = 0;
    for (let i = random.between(0, 6); i > 0; i--) {
      time += random.pick([0, 1, 40, 900, 2_500, 20_000]);
      world.schedule(time, () => {
        world.request();
        return null;
      });
    }
    const stopAt = time + random.pick([0, 10, 5_000, 100_000]);
    const stop = (now: boolean): Event => ({ type: 'stop', by: 'operator', now, at: world.clock });
    const now = random.chance(0.3);
    world.schedule(stopAt, () => stop(now));
    if (random.chance(0.3)) world.schedule(stopAt + random.between(0, 5_000), () => stop(false));
    world.run(2_000);
    checkEnd(world);
  } catch (error) {
    const history = world.log.slice(-25).join('\n');
    throw new Error(`SEED=${seed}: ${error instanceof Error ? error.message : error}\n${history}`, {
      cause: error,
    });
  }
  return world;
}

describe('random histories', () => {
  it(`keep every promise (${HISTORIES} histories from SEED=${FIRST_SEED})`, () => {
    const outcomes = new Map<string, number>();
    for (let seed = FIRST_SEED; seed < FIRST_SEED + HISTORIES; seed++) {
      for (const { outcome } of simulate(seed).verdicts.values())
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    // A simulation that never gets anywhere would keep every promise too.
    for (const outcome of ['promoted', 'rolled_back', 'failed', 'aborted']) {
      assert.ok(
        (outcomes.get(outcome) ?? 0) > HISTORIES / 50,
        `only ${outcomes.get(outcome) ?? 0} ended as ${outcome}`,
      );
    }
  });
});

/** Wrong supervisors: each breaks one rule, and the invariants must notice. */
const mutants: Record<string, Step> = {
  'promotes before the last gate': (state, event) => {
    const altered = structuredClone(state);
    for (const generation of altered.generations) {
      for (const { life } of generation.workers)
        if (life.name === 'up' && life.waiting.length === 1) life.waiting = [];
      for (const { life } of generation.workers)
        if (life.name === 'up' && life.waiting.length === 0) life.readyAt ??= state.now;
    }
    return step(altered, event);
  },
  'forgets a pending reload when a handover is rolled back': (state, event) => {
    const result = step(state, event);
    const rolledBack = result.effects.some(
      (effect) =>
        effect.type === 'report' &&
        effect.fact.event === 'handover_finished' &&
        effect.fact.outcome === 'rolled_back',
    );
    if (rolledBack) {
      result.state.handover = null;
      return { ...result, effects: result.effects.filter(({ type }) => type !== 'resolve') };
    }
    return result;
  },
  'stops the incumbent when the candidate fails': (state, event) => {
    const result = step(state, event);
    const incumbent = result.state.generations.find(({ id }) => id === result.state.incumbent);
    const worker = incumbent?.workers[0];
    if (
      event.type === 'exited' &&
      state.handover &&
      incumbent?.stage.name === 'serving' &&
      worker?.life.name === 'up'
    ) {
      const { pid } = worker.life;
      const { incarnation } = worker;
      result.effects.push({
        type: 'signal',
        generation: incumbent.id,
        worker: 0,
        incarnation,
        pid,
        signal: 'SIGTERM',
      });
    }
    return result;
  },
  'lets a reload wait for a start that nothing serves beside': (state, event) => {
    const { handover } = state;
    const waits = handover?.step.name === 'starting' && handover.incumbent === null;
    if (event.type !== 'reload' || !waits) return step(state, event);
    const tickets = event.ticket === null ? [] : [event.ticket];
    return {
      state: { ...state, now: event.at, pending: { by: event.by, tickets, since: event.at } },
      effects: [],
    };
  },
  'never kills': (state, event) => {
    const result = step(state, event);
    return { ...result, effects: result.effects.filter(({ type }) => type !== 'kill') };
  },
  'answers a request twice': (state, event) => {
    const result = step(state, event);
    const verdict = result.effects.find(({ type }) => type === 'verdict');
    return verdict ? { ...result, effects: [...result.effects, verdict] } : result;
  },
};

describe('the invariants notice a supervisor that', () => {
  for (const [name, mutant] of Object.entries(mutants)) {
    it(name, () => {
      assert.throws(() => {
        for (let seed = 1; seed < 600; seed++) simulate(seed, mutant);
      });
    });
  }
});
