import assert from 'node:assert/strict';
import { ownWorkers } from '../../src/lifecycle/generation.ts';
import { candidateOf, generationOf } from '../../src/lifecycle/state.ts';
import { nameOf, type Step } from './books.ts';
import type { World } from './world.ts';

/** A supervisor continues from the state of a dead one without an effect on clients. */
export function recoveriesAreUnnoticed(world: World, step: Step): void {
  nobodyIsStartedTwice(world, step);
  if (step.event.type !== 'continued') return;
  candidatesAreRolledBack(world, step);
  steeringIsInstalledAgain(world, step);
  everyWorkerIsKnown(world);
}

/** Each worker key has one process: a running one is adopted, and not started again. */
function nobodyIsStartedTwice(world: World, { effects }: Step): void {
  const { books } = world;
  for (const effect of effects) {
    if (effect.type !== 'spawn') continue;
    const { generation, worker, incarnation } = effect;
    const other = world.services.find(
      (one) =>
        one.alive &&
        one.generation === generation &&
        one.worker === worker &&
        one.incarnation < incarnation &&
        !one.isUnstoppable &&
        // An announcement of a service while no supervisor ran is lost: its old main process has exited.
        one.pid === one.spawnedPid &&
        books.spawned.has(nameOf(one)),
    );
    assert.equal(
      other?.pid,
      undefined,
      `worker ${nameOf(effect)} is started beside another one in its place`,
    );
  }
}

/** A candidate that was not promoted is rolled back, unless nothing else serves. */
function candidatesAreRolledBack({ state }: World, { before, event }: Step): void {
  const { handover } = before;
  const candidate = candidateOf(handover);
  if (!handover || candidate === null || handover.incumbent === null || event.type !== 'continued') return;
  // An upgrade waits for the end of a handover, or for its soak.
  if (handover.step.name === 'soak') return;
  const incumbent = generationOf(state, handover.incumbent);
  const isAlive = incumbent && ownWorkers(incumbent).some(({ life }) => life.name === 'up');
  assert.ok(
    !isAlive || state.incumbent !== candidate,
    `generation ${candidate} was promoted by a restart of the supervisor`,
  );
  assert.ok(
    !isAlive || candidateOf(state.handover) !== candidate,
    `generation ${candidate} is a candidate after a restart of the supervisor`,
  );
}

/** Nothing counts as installed before the kernel has confirmed it to this supervisor. */
function steeringIsInstalledAgain({ state }: World, { effects }: Step): void {
  if (state.demands.steering === null || state.exit) return;
  assert.ok(
    effects.some(({ type }) => type === 'steer'),
    'a supervisor that continues steers again',
  );
}

/** Every running process with a key of the state belongs to this supervisor. */
function everyWorkerIsKnown(world: World): void {
  for (const { id, workers } of world.state.generations) {
    for (const { index, incarnation, life } of workers) {
      const service = world.find({ generation: id, worker: index, incarnation });
      if (!service?.alive || (life.name !== 'up' && life.name !== 'stopping')) continue;
      // The exit of the known process may still be queued, and another process may have replaced it.
      if (world.kernel.processes.get(life.pid)?.hasExited !== false) continue;
      assert.equal(life.pid, service.pid, `worker ${index} of generation ${id} is another process`);
    }
  }
}
