import assert from 'node:assert/strict';
import type { Effect } from '../../src/lifecycle/effects.ts';
import type { Event, WorkerKey } from '../../src/lifecycle/events.ts';
import { ownWorkers } from '../../src/lifecycle/generation.ts';
import { isAdopted, TAKEN_LANE } from '../../src/lifecycle/lane.ts';
import { candidateOf, generationOf, type State, workerOf } from '../../src/lifecycle/state.ts';
import { nameOf, type Step } from './books.ts';
import { LISTENERS } from './network.ts';
import type { World } from './world.ts';

/** On a promotion every worker runs and has passed every gate, also according to the records of the world. */
export function onlyReadyIsPromoted(world: World, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type !== 'promoted') continue;
    const generation = generationOf(world.state, effect.generation);
    assert.ok(generation);
    // It served before zero.
    if (generation.adopted) continue;
    for (const worker of ownWorkers(generation))
      passedItsGates(world, effect.generation, worker.index, worker.incarnation);
    // It was steered to until this step, which also orders the promotion of the next one.
    const candidate = candidateOf(world.state.handover);
    if (candidate !== null && candidate !== generation.id) continue;
    const lanes = ownWorkers(generation).map(({ lane }) => lane);
    const isSteered = world.network.steering?.main.every((lane) => lanes.includes(lane));
    assert.ok(isSteered && world.listeners.isSteered, 'promoted before the steering change was installed');
  }
}

/** Other processes may accept from the lane of an adopted service. Of zero's workers only rescue workers may use it. */
export function takenLaneIsNobodys({ adopts, state }: World): void {
  if (!adopts) return;
  for (const generation of state.generations) {
    if (!generation.settings.handover.steered) continue;
    for (const worker of generation.workers) {
      const { lane, rescue, life, index } = worker;
      if (lane !== TAKEN_LANE || rescue || life.name === 'ended') continue;
      assert.ok(
        isAdopted(generation, worker),
        `the lane of the adopted service was given to worker ${generation.id}.${index}`,
      );
    }
  }
}

export function passedItsGates(world: World, generation: number, worker: number, incarnation: number): void {
  const settings = world.books.settings.get(generation);
  const process = world.find({ generation, worker, incarnation });
  assert.ok(settings && process, 'a worker that is promoted or previewed has a process');
  for (const gate of settings.gates) {
    // A process of another generation may accept from the same lane of a listener that is not steered.
    const accepted = world.services
      .filter(({ lane }) => lane === process.lane)
      .flatMap((one) => [...one.accepted]);
    const hasPassed =
      gate === 'accept' ? new Set(accepted).size === LISTENERS.length : process.passed.has(gate);
    assert.ok(hasPassed, `promoted before the gate ${gate}`);
  }
  assert.ok(world.clock - process.since >= settings.reloadUptime, 'promoted before reload_uptime');
}

/**
 * While an incumbent serves and the listener is steered, only a generation that passed its gates gets public
 * connections.
 */
export function publicConnectionsGoToWhoMayHaveThem(world: World): void {
  const { state } = world;
  const { steering } = world.network;
  // After a refused change the previous one applies until the next attempt.
  if (!steering || !world.listeners.isSteered || state.stop || state.generations.length === 0) return;
  const incumbent = generationOf(state, state.incumbent);
  if (!incumbent) return;
  const candidate = generationOf(state, candidateOf(state.handover));
  const promoting = state.handover?.step.name === 'promoting';
  const allowed = new Set(
    [...ownWorkers(incumbent), ...(promoting ? ownWorkers(candidate) : [])].map(({ lane }) => lane),
  );
  for (const lane of steering.main)
    assert.ok(allowed.has(lane), `lane ${lane} is steered to and is not the incumbent's`);
  for (const share of [steering.canary?.lanes ?? [], steering.preview ?? []]) {
    for (const lane of share) {
      const worker = candidate && ownWorkers(candidate).find((one) => one.lane === lane);
      assert.ok(candidate && worker, `lane ${lane} has a share and is not the candidate's`);
      assert.equal(candidate.stage.name, 'ready', `lane ${lane} has a share and is not ready`);
      passedItsGates(world, candidate.id, worker.index, worker.incarnation);
    }
  }
  const shares = state.handover?.step.name === 'canary' ? state.handover.step.index : null;
  assert.equal(steering.canary !== null, shares !== null, 'a canary has its share, and nothing else has one');
}

/**
 * A finished canary step or soak ends in favour of the candidate only if the newest check of `verify` has passed in
 * that step. An operator, or the exit of the incumbent, can end it without a check.
 */
export function stepsEndAfterACheck({ state, books }: World, { before, event, effects }: Step): void {
  const was = before.handover?.step;
  if ((was?.name !== 'canary' && was?.name !== 'soak') || event.type === 'promote') return;
  const settings = books.settings.get(was.candidate)?.handover;
  const incumbent = generationOf(state, before.handover?.incumbent ?? null);
  const isAlive = incumbent && ownWorkers(incumbent).some(({ life }) => life.name === 'up');
  if (!settings?.verify || (was.name === 'canary' && !isAlive)) return;
  const now = state.handover?.step;
  const proceeds =
    was.name === 'canary'
      ? now?.name === 'promoting' || (now?.name === 'canary' && now.index > was.index)
      : effects.some(
          (effect) =>
            effect.type === 'report' &&
            effect.fact.event === 'handover_finished' &&
            effect.fact.outcome === 'promoted',
        );
  if (!proceeds) return;
  const lasted = was.name === 'canary' ? (settings.canary[was.index]?.for ?? 0) : settings.soak;
  const check = books.checks.get(was.candidate);
  const isFresh = check !== undefined && check.at >= was.until - lasted;
  assert.ok(isFresh && check.passed, `a ${was.name} step ended without a check that passed`);
}

/** A candidate that failed in a canary gets no more connections from that step on. */
export function failedCanaryIsUnsteered(world: World, event: Event): void {
  if (event.type !== 'exited' && event.type !== 'stalled') return;
  const process = world.find(event);
  const { steering } = world.network;
  if (!process || process.rescue || !steering || !world.listeners.isSteered) return;
  const shares = [...(steering.canary?.lanes ?? []), ...(steering.preview ?? [])];
  const others = world.services.some(
    (one) => one !== process && one.alive && one.lane === process.lane && !one.hung,
  );
  assert.ok(
    others || !shares.includes(process.lane),
    `lane ${process.lane} of a failed canary is still steered to`,
  );
}

/**
 * A rescue worker that has exited is restarted, unless it was asked to stop. A second one is never started: otherwise a
 * release whose rescue workers hang would get one more each time.
 */
export function noSecondRescueWorker({ state, services, books }: World, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type !== 'spawn' || !effect.rescue || effect.incarnation > 1) continue;
    const { generation, lane } = effect;
    const known = services.filter((one) => books.spawned.has(nameOf(one)) && !books.exited.has(nameOf(one)));
    const ended = known.some((one) => {
      const isRescue = one.rescue && one.generation === generation && one.lane === lane;
      // A hung one that the kernel protects from the kill serves no connection, and is not expected to exit.
      const isProtected = books.refused.has(nameOf(one));
      return isRescue && !isProtected && !one.alive && workerOf(state, one)?.worker.life.name === 'up';
    });
    assert.ok(!ended, `lane ${lane} gets a second rescue worker`);
  }
}

/** Whether the core knows that the worker accepts nothing, and does not expect its exit. */
function isKnownAsHung(state: State, key: WorkerKey): boolean {
  const found = workerOf(state, key);
  const isIncumbents = found?.generation.id === state.incumbent;
  const life = found?.worker.life;
  return isIncumbents && life?.name === 'up' && life.hung && !life.killed;
}

/** A hung worker is reported as recovered only if it accepts. It may be hung again before the report. */
export function onlyWhoAcceptsHasRecovered(world: World, event: Event): void {
  if (event.type !== 'recovered') return;
  const process = world.find(event);
  const since = process?.hungSince ?? null;
  assert.ok(since === null || world.clock - since <= 2_000, 'a hung worker is reported as recovered');
}

/** Every lane with a queue has a process that accepts from it, or is about to. */
export function noQueueWithoutSomebody(world: World): void {
  const { state, network } = world;
  const incumbent = generationOf(state, state.incumbent);
  // A failed first start ends the supervisor.
  if (state.stop || world.exit || !incumbent || incumbent.stage.name === 'stopping') return;
  // If the restart policy has ended the service, waiting connections are for the next generation.
  if (ownWorkers(incumbent).every(({ life }) => life.name === 'ended')) return;
  const watches = world.listeners.watched();
  const { unwatched, unread } = world.listeners;
  for (const lane of network.lanes()) {
    if (network.waiting(lane) === 0) continue;
    const alive = world.services.some(
      (process) =>
        process.lane === lane &&
        (process.alive || !world.books.exited.has(nameOf(process))) &&
        !isKnownAsHung(state, process),
    );
    const coming = state.generations.some(({ workers }) =>
      workers.some((worker) => worker.lane === lane && ['spawning', 'backoff'].includes(worker.life.name)),
    );
    const watched = watches.has(lane) || unwatched.has(lane) || unread.has(lane);
    assert.ok(alive || coming || watched, `lane ${lane} has a queue, and no process accepts from it`);
  }
}

/** A lane is reused only when it is empty and no new connection can reach it. */
export function lanesAreUsedAgainInTime(world: World, before: State, effects: readonly Effect[]): void {
  // Without workers, new connections kept arriving at these lanes, and wait for their next worker.
  const orphaned = before.incumbent === null ? (before.demands.steering?.main ?? []) : [];
  for (const effect of effects) {
    if (effect.type !== 'adopt' && !(effect.type === 'spawn' && effect.joins)) continue;
    if (!world.books.settings.get(effect.generation)?.handover.steered) continue;
    for (const lane of lanesTakenBy(world.state, effect)) {
      if (orphaned.includes(lane)) continue;
      assert.equal(world.network.waiting(lane), 0, `lane ${lane} is used again with a queue`);
      assert.equal(world.network.coming(lane), 0, `lane ${lane} is used again with handshakes under way`);
    }
  }
}

/** Workers of a candidate may be started after the candidate has its lanes. */
function lanesTakenBy(state: State, effect: Extract<Effect, { type: 'adopt' | 'spawn' }>): readonly number[] {
  if (effect.type === 'spawn') return [effect.lane];
  const { workers = [] } = generationOf(state, effect.generation) ?? {};
  return workers.filter(({ rescue }) => !rescue).map(({ lane }) => lane);
}
