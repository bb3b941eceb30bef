import assert from 'node:assert/strict';
import type { Effect } from '../../src/lifecycle/effects.ts';
import { type Event, eventsOf, type WorkerKey } from '../../src/lifecycle/events.ts';
import type { Generation } from '../../src/lifecycle/generation.ts';
import { LEFTOVER_TIME } from '../../src/lifecycle/remains.ts';
import { generationOf, type State, workerOf } from '../../src/lifecycle/state.ts';
import { nameOf } from './books.ts';
import type { FakeService } from './fake-service.ts';
import type { World } from './world.ts';

/**
 * A failed candidate does not affect the incumbent. Only actions of the same step with another reason may, such as the
 * retirement of a worker or the restart of a hung one.
 */
export function failedCandidateLeavesIncumbent(
  before: State,
  event: Event,
  after: State,
  effects: readonly Effect[],
): void {
  const failed = effects.some(
    (effect) =>
      effect.type === 'report' &&
      effect.fact.event === 'handover_finished' &&
      effect.fact.outcome === 'rolled_back',
  );
  if (!failed || after.stop) return;
  const incumbent = before.handover?.incumbent ?? null;
  assert.notEqual(incumbent, null, 'a rollback has something to go back to');
  // The incumbent may fail in the same step too: both have exited while no supervisor ran.
  const failedLate = effects.flatMap((effect) =>
    effect.type === 'report' && effect.fact.event === 'generation_rolled_back' ? [effect.fact] : [],
  );
  const late = failedLate.find(({ generation }) => generation === incumbent);
  assert.equal(after.incumbent, late === undefined ? incumbent : late.incumbent);
  const touched = effects.filter(
    (effect) =>
      (effect.type === 'signal' || effect.type === 'kill') &&
      effect.generation === incumbent &&
      !isLeaving(after, effect) &&
      // Its shutdown_timeout may expire in the same step.
      workerOf(before, effect)?.worker.life.name !== 'stopping' &&
      // The deadline of a rescue worker may have passed while no supervisor ran.
      !(event.type === 'continued' && workerOf(after, effect)?.worker.rescue) &&
      !(event.type === 'stalled' && nameOf(event) === nameOf(effect)) &&
      // A worker whose READY=1 was lost with a supervisor is restarted when its own deadline has passed.
      !hasLostReady(effects, effect) &&
      !(event.type === 'continued' && event.unsent.some((one) => nameOf(one) === nameOf(effect))),
  );
  assert.equal(touched.length, 0, 'the incumbent was touched by a failure of its candidate');
}

/** A rollback target is complete: none of its workers was asked to stop. */
export function goesBackOnlyToAllOfIt(world: World, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type !== 'report' || effect.fact.event !== 'generation_rolled_back') continue;
    const { incumbent } = effect.fact;
    const askedToStop = world.services.filter(
      (service) =>
        service.generation === incumbent &&
        !service.rescue &&
        service.signalled &&
        workerOf(world.state, service)?.worker.membership === 'member',
    );
    assert.equal(askedToStop.length, 0, 'rolled back to a generation that was asked to stop');
  }
}

/**
 * A serving generation is asked to stop only after another one has taken over. If the kernel steers, the handshakes in
 * progress have settled, its queue is empty, and its connections have finished or their time has expired.
 */
export function askedToStopInTime(
  world: World,
  before: State,
  event: Event,
  effects: readonly Effect[],
): void {
  for (const effect of effects) {
    if (effect.type !== 'signal' || world.state.stop) continue;
    const was = generationOf(before, effect.generation);
    const process = world.find(effect);
    assert.ok(process);
    const others = world.services.some((one) => one !== process && one.alive && one.lane === process.lane);
    assert.ok(
      others || !steers(world, was) || !world.network.reached().has(process.lane),
      'a generation that could not be steered away from was asked to stop',
    );
    const promoted = effects.some(({ type }) => type === 'promoted');
    if (isLeaving(world.state, effect)) {
      // Without steering the other workers accept from the same sockets.
      if (was && steers(world, was))
        finishedFirst(world, event, process, was, world.network.awaySince(process.lane));
      continue;
    }
    if (was?.stage.name === 'serving' && !process.rescue) {
      assert.ok(promoted, `generation ${effect.generation} was asked to stop while it served`);
      assert.ok(!successorSteers(world, effects), 'a steered generation was asked to stop before settle');
    }
    // A rescue worker retires by the deadline of its own lane, which was steered away earlier.
    if (was?.stage.name !== 'retiring' || process.rescue) continue;
    finishedFirst(world, event, process, was, was.stage.since);
  }
}

/** `since`: the time of the last new connection. */
function finishedFirst(
  world: World,
  event: Event,
  process: FakeService,
  { settings }: Generation,
  since: number,
): void {
  const { settle, drainTimeout, stall } = settings.handover;
  const wasRead = eventsOf(event).some(({ type }) => type === 'drain_report');
  const age = world.clock - since;
  assert.ok(age >= settle, 'asked to stop before settle');
  const over = age >= settle + drainTimeout || world.books.drains.has(nameOf(process));
  const waited =
    age >= settle + drainTimeout + stall || process.isIdle || world.books.drains.has(nameOf(process));
  assert.ok(
    over || process.open.size === 0 || wasRead,
    'asked to stop with open connections before drain_timeout',
  );
  assert.ok(waited || world.network.waiting(process.lane) === 0 || wasRead, 'asked to stop with a queue');
}

/** It is replaced or surplus while its generation serves. */
function isLeaving(state: State, key: WorkerKey): boolean {
  return workerOf(state, key)?.worker.membership === 'leaving';
}

/**
 * Remaining processes of a worker that was asked to stop get the rest of its shutdown_timeout before they are killed,
 * those of any other worker LEFTOVER_TIME. The whole session of a worker that got SIGKILL is killed with it.
 */
export function remainsGetTheirTime(world: World, effects: readonly Effect[]): void {
  const { books, state } = world;
  for (const effect of effects) {
    if (effect.type !== 'kill_leftovers' || state.stop?.now) continue;
    const name = nameOf(effect);
    const asked = books.asked.get(name);
    const exited = books.exited.get(name) ?? Number.POSITIVE_INFINITY;
    const isOrdered = asked !== undefined && !books.killed.has(name) && !books.refused.has(name);
    const timeout = books.settings.get(effect.generation)?.shutdownTimeout ?? 0;
    const end = isOrdered
      ? asked + (timeout === 0 ? Number.POSITIVE_INFINITY : timeout)
      : exited + LEFTOVER_TIME;
    assert.ok(world.clock >= end, 'remaining processes were killed before their time was over');
  }
}

/** A generation that drains its own connections is asked to stop once the handshakes in progress have settled. */
export function nobodyWaitsForWhoDrains(world: World): void {
  for (const { id, stage, settings } of world.state.generations) {
    if (stage.name !== 'retiring') continue;
    const settled = (lane: number) =>
      world.listeners.isSteered &&
      world.clock >=
        Math.max(
          stage.since,
          world.network.awaySince(lane),
          world.listeners.repairedAt,
          world.books.steeredAt,
        ) +
          settings.handover.settle;
    const waiting = world.services.find(
      (process) =>
        process.generation === id &&
        settled(process.lane) &&
        !world.books.refused.has(nameOf(process)) &&
        process.alive &&
        world.books.drains.has(nameOf(process)) &&
        !process.rescue &&
        !world.books.exited.has(nameOf(process)) &&
        !world.books.asked.has(nameOf(process)) &&
        // A hung one got SIGKILL instead, which does not end it in state D.
        !world.books.killed.has(nameOf(process)),
    );
    assert.equal(
      waiting?.pid,
      undefined,
      `generation ${id} drains its own connections, and zero waited for them`,
    );
  }
}

/** If one of the two shares its sockets, the other one accepts the connections. */
function steers({ state }: World, generation: Generation | undefined): boolean {
  const serving = generationOf(state, state.incumbent);
  return generation?.settings.handover.steered === true && serving?.settings.handover.steered !== false;
}

function successorSteers(world: World, effects: readonly Effect[]): boolean {
  const promoted = effects.find((effect) => effect.type === 'promoted');
  return (
    promoted?.type === 'promoted' && world.books.settings.get(promoted.generation)?.handover.steered === true
  );
}

function hasLostReady(effects: readonly Effect[], key: WorkerKey): boolean {
  return effects.some(
    (effect) =>
      effect.type === 'report' &&
      effect.fact.event === 'notify_lost' &&
      effect.fact.generation === key.generation &&
      effect.fact.worker === key.worker,
  );
}
