import assert from 'node:assert/strict';
import { type Generation, ownWorkers } from '../../src/lifecycle/generation.ts';
import { generationOf, type State } from '../../src/lifecycle/state.ts';
import type { Worker } from '../../src/lifecycle/worker.ts';
import type { Step } from './books.ts';
import { passedItsGates } from './invariants-steering.ts';
import type { World } from './world.ts';

/** Workers join and leave the serving generation without an effect on clients. */
export function workersComeAndGoUnnoticed(world: World, step: Step): void {
  onlyReadyWorkersJoin(world, step);
  nobodyGoesBeforeAnotherHasCome(world, step);
  liveWorkersAreSteeredTo(world);
  scalesAreAnswered(world);
}

/** A worker that joins gets no connection before it has passed every gate. */
function onlyReadyWorkersJoin(world: World, { before }: Step): void {
  const { state, network, books } = world;
  for (const { id, workers } of state.generations) {
    for (const worker of workers) {
      const { index, incarnation, lane, membership } = worker;
      const isSteered = books.settings.get(id)?.handover.steered === true;
      if (membership === 'joining')
        assert.ok(
          !isSteered || !network.reached().has(lane),
          `lane ${lane} is steered to while its worker joins`,
        );
      const was = sameProcess(generationOf(before, id), worker);
      if (membership === 'member' && was?.membership === 'joining')
        passedItsGates(world, id, index, incarnation);
    }
  }
}

function sameProcess(generation: Generation | undefined, { index, incarnation }: Worker): Worker | undefined {
  const found = generation?.workers[index];
  return found?.incarnation === incarnation ? found : undefined;
}

/** A worker is replaced when the new one is ready. Only a request for fewer workers reduces their number. */
function nobodyGoesBeforeAnotherHasCome({ state }: World, { before, effects }: Step): void {
  const isScaledDown = effects.some(
    (effect) =>
      effect.type === 'report' && effect.fact.event === 'scale_started' && effect.fact.to < effect.fact.from,
  );
  for (const generation of state.generations) {
    const was = generationOf(before, generation.id);
    const count = ownWorkers(generation).length;
    if (isScaledDown || !was || was.workers.length === 0) continue;
    assert.ok(count >= ownWorkers(was).length, `generation ${generation.id} has fewer workers than before`);
  }
}

/** No replacement removes a live lane from the steering: new connections may go to every healthy worker. */
function liveWorkersAreSteeredTo({ state }: World): void {
  const incumbent = generationOf(state, state.incumbent);
  const main = state.demands.steering?.main ?? [];
  if (!incumbent?.settings.handover.steered || !isAtRest(state, incumbent)) return;
  for (const { life, lane, index } of ownWorkers(incumbent)) {
    const isLive = life.name === 'up' && life.readyAt !== null && !life.hung && life.unhealthy === null;
    assert.ok(
      !isLive || main.includes(lane),
      `worker ${index} serves well, and its lane ${lane} is not steered to`,
    );
  }
}

function isAtRest({ handover, stop }: State, { stage }: Generation): boolean {
  return handover === null && stop === null && stage.name === 'serving';
}

/** A request for another number of workers is answered in time. */
function scalesAreAnswered({ state, books, clock }: World): void {
  const { join, scales } = state;
  const waiting = new Set([
    ...scales.map(({ request }) => request.ticket),
    ...(join?.purpose.name === 'scale' ? [join.purpose.request.ticket] : []),
  ]);
  for (const [ticket, deadline] of books.scales) {
    if (books.scaled.has(ticket)) continue;
    assert.ok(waiting.has(ticket), `scale request ${ticket} has no answer, and nothing has it`);
    assert.ok(deadline === null || clock < deadline, `scale request ${ticket} has no answer at its deadline`);
  }
}
