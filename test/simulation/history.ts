import { checkInvariants } from './invariants.ts';
import { checkEnd, checkQuiet } from './invariants-end.ts';
import { type Mutation, World } from './world.ts';

/** Longer than every handshake, backoff and drain. */
const QUIET = 400_000;

/**
 * One random history: a start, requests, commands and connections at random moments, and a graceful or immediate stop
 * at the end. Rejects with its seed and its last steps if an invariant was violated.
 */
export async function simulate(seed: number, mutation: Mutation = {}): Promise<World> {
  const world = new World(seed, checkInvariants, mutation);
  try {
    const time = plan(world);
    const isQuiet = world.random.chance(0.4);
    await world.run(4_000, time + 10_000);
    if (isQuiet) {
      // From now on no call is refused.
      world.faults.isCalm = true;
      await world.run(4_000, time + 10_000 + QUIET);
      if (world.clock >= QUIET) checkQuiet(world);
    }
    stop(world);
    await world.run(8_000);
    checkEnd(world);
  } catch (error) {
    throw new Error(
      `SEED=${seed}: ${error instanceof Error ? error.message : error}\n${world.books.tell()}`,
      {
        cause: error,
      },
    );
  }
  return world;
}

/** Plans the start, and all actions of operators and clients. Returns the time of the last request. */
function plan(world: World): number {
  const { random } = world;
  world.after(0, () => world.request('start'));
  let time = 0;
  for (let i = random.between(0, 6); i > 0; i--) {
    time += random.pick([0, 1, 40, 900, 2_500, 20_000, 90_000]);
    planRequest(world, time);
  }
  for (let i = random.between(0, 40); i > 0; i--)
    world.after(random.between(0, time + 10_000), () => world.network.arrive());
  planScales(world, time + 60_000);
  return time;
}

/** Requests for another number of workers, some while a handover or another request is in progress. */
function planScales(world: World, end: number): void {
  const { changes } = world;
  for (let left = changes.pick([0, 0, 0, 1, 2, 4]); left > 0; left -= 1) {
    const time = changes.between(0, end);
    world.after(time, () => world.scale(changes.between(1, 5), changes.pick([null, null, 300, 5_000])));
    for (let burst = changes.pick([0, 8]); burst > 0; burst -= 1)
      world.after(time + changes.between(0, 3_000), () => world.network.arrive());
  }
}

function planRequest(world: World, time: number): void {
  const { random, extras } = world;
  world.after(time, () =>
    world.request('operator', {
      preview: random.chance(0.15),
      replace: random.chance(0.15),
      timeout: random.chance(0.15) ? random.pick([50, 1_500]) : null,
      rollback: extras.chance(0.2) ? { to: extras.pick([null, 1]) } : null,
      label: world.names.pick([null, null, 'v1', 'v2']),
    }),
  );
  if (extras.chance(0.3)) world.after(time + extras.between(0, 20_000), () => world.files.replace());
  // The requests in progress when a generation is replaced.
  world.after(time + random.between(0, 2_000), () => {
    for (let burst = random.pick([0, 1, 8]); burst > 0; burst--) world.network.arrive();
  });
  if (!random.chance(0.3)) return;
  const type = random.pick(['promote', 'abort'] as const);
  const delay = random.between(0, 8_000);
  world.after(time + delay, () => world.post({ type, by: 'operator', ticket: 'x' }));
}

function stop(world: World): void {
  const { random } = world;
  const now = random.chance(0.3);
  world.after(0, () => world.post({ type: 'stop', by: 'operator', now }));
  if (!random.chance(0.3)) return;
  world.after(random.between(0, 5_000), () => world.post({ type: 'stop', by: 'operator', now: false }));
}

/** The results of many histories. */
export interface Tally {
  /** Verdicts by outcome. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Rescue workers that were started for connections in a lane without a worker. */
  readonly rescued: number;
  /** Started hooks by name. */
  readonly hooked: Readonly<Record<string, number>>;
  /** Workers that were replaced, or could not be replaced. */
  readonly replaced: number;
  readonly notReplaced: number;
  /** Requests for another number of workers, by outcome. */
  readonly scaled: Readonly<Record<string, number>>;
  /** Served connections. */
  readonly served: number;
  /** Injected faults by name. */
  readonly faults: Readonly<Record<string, number>>;
  /** Killed supervisors, within a step and between two steps. */
  readonly died: { readonly inStep: number; readonly atRest: number };
  /** Supervisors that were upgraded in place. */
  readonly upgraded: number;
}

/** Runs the histories of `count` seeds. */
export async function simulateMany(firstSeed: number, count: number): Promise<Tally> {
  const outcomes: Record<string, number> = {};
  const hooked: Record<string, number> = {};
  const faults: Record<string, number> = {};
  const add = (counts: Record<string, number>, name: string, number = 1) => {
    counts[name] = (counts[name] ?? 0) + number;
  };
  const scaled: Record<string, number> = {};
  let replaced = 0;
  let notReplaced = 0;
  let rescued = 0;
  let served = 0;
  const died = { inStep: 0, atRest: 0 };
  let upgraded = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed += 1) {
    const world = await simulate(seed);
    for (const { outcome } of world.books.verdicts.values()) add(outcomes, outcome);
    rescued += world.services.filter(({ rescue }) => rescue).length;
    served += world.network.finished;
    for (const { outcome } of world.books.scaled.values()) add(scaled, outcome);
    for (const { event } of world.books.facts) {
      if (event === 'worker_replaced') replaced += 1;
      if (event === 'worker_replacement_failed') notReplaced += 1;
    }
    died.inStep += world.crashes.counts.inStep;
    died.atRest += world.crashes.counts.atRest;
    upgraded += world.crashes.counts.upgrades;
    for (const name of world.hooks.names) add(hooked, name);
    for (const [name, number] of Object.entries(world.faults.counts)) add(faults, name, number);
    add(faults, 'half a steering change', world.listeners.halfSteered);
    add(faults, 'a pid that is used again', world.kernel.processes.reused);
    add(faults, 'a signal that is refused', world.books.refused.size);
  }
  return { outcomes, rescued, replaced, notReplaced, scaled, hooked, served, faults, died, upgraded };
}
