import { step } from '../../src/lifecycle/step.ts';
import { checkEnd, checkInvariants, checkQuiet } from './invariants.ts';
import { type Step, World } from './world.ts';

/** Long enough for every handshake, backoff and drain to be over. */
const QUIET = 400_000;

/**
 * One random history: a start, requests, commands and connections at random moments, a stop (gentle or not) at the end. Throws with its seed
 * and its last steps where a promise was broken.
 */
export function simulate(seed: number, behaviour: Step = step): World {
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
          rollback: world.extras.chance(0.2) ? { to: world.extras.pick([null, 1]) } : null,
        }),
      );
      // What is under way when a generation is replaced.
      world.schedule(time + random.between(0, 2_000), () => {
        for (let burst = random.pick([0, 1, 8]); burst > 0; burst--) world.network.arrive();
        return null;
      });
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
    throw new Error(`SEED=${seed}: ${error instanceof Error ? error.message : error}\n${world.tell()}`, {
      cause: error,
    });
  }
  return world;
}

/** What came of many histories. */
export interface Tally {
  /** Verdicts by outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Processes that were started for what waited in a lane without anybody. */
  readonly relieved: number;
  /** Hooks that were started, by name. */
  readonly hooked: Readonly<Record<string, number>>;
  /** Connections. */
  readonly served: number;
}

/** Runs the histories of `count` seeds. */
export function simulateMany(firstSeed: number, count: number): Tally {
  const outcomes: Record<string, number> = {};
  const hooked: Record<string, number> = {};
  let relieved = 0;
  let served = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed += 1) {
    const world = simulate(seed);
    for (const { outcome } of world.verdicts.values()) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    relieved += world.processes.filter(({ relief }) => relief).length;
    served += world.network.finished;
    for (const name of world.hooked) hooked[name] = (hooked[name] ?? 0) + 1;
  }
  return { outcomes, relieved, hooked, served };
}
