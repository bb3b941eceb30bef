import { type Context, emit, report } from './context.ts';
import type { Failure, OpenGate } from './facts.ts';
import { type Generation, ownWorkers, stopGeneration } from './generation.ts';
import type { Handover } from './handover.ts';
import { ensureLanes, lanesNeeded, takeLane } from './lane.ts';
import type { Settings } from './settings.ts';
import { generationOf, type State } from './state.ts';
import { isReadyWorker, newWorker, spawnWhenPossible } from './worker.ts';

/**
 * Creates the candidate of a handover and orders its workers. An incumbent with a running process keeps its lanes and
 * clients meanwhile.
 */
export function startCandidate(context: Context, handover: Handover, settings: Settings): void {
  const { state } = context;
  const incumbent = generationOf(state, state.incumbent);
  ensureLanes(state, lanesNeeded(settings.workers, settings.handover.maxRetiring));
  const candidate: Generation = {
    id: state.nextGeneration++,
    settings,
    label: handover.request.wants.label,
    since: state.now,
    workers: [],
    // Not set yet: this generation's own workers must be able to take any lane.
    firstLane: -1,
    stage: { name: 'starting', deadline: state.now + settings.readinessTimeout },
    remains: [],
    usage: null,
    relisten: null,
    replacePause: null,
  };
  state.generations.push(candidate);
  addWorkers(state, candidate, incumbent);
  handover.step = { name: 'starting', candidate: candidate.id };
  handover.incumbent = incumbent && isWorthKeeping(incumbent) ? incumbent.id : null;
  emit(context, { type: 'adopt', handover: handover.id, generation: candidate.id });
  if (handover.incumbent === null) {
    // The incumbent never served and no process could serve meanwhile. The candidate is the service from now on.
    if (incumbent) stopGeneration(context, incumbent);
    state.incumbent = candidate.id;
  }
  const { path, directory, workers } = settings;
  report(context, { event: 'service_starting', generation: candidate.id, path, directory, workers });
  for (const worker of candidate.workers) spawnWhenPossible(context, candidate, worker);
  // Reported after the spawn, which need not wait for the history.
  const { id: generation, label } = candidate;
  if (label !== null) report(context, { event: 'release_labelled', generation, label, from: 'request' });
}

/** Whether the generation has served, or runs processes (including rescue workers) that have not passed their gates. */
function isWorthKeeping(incumbent: Generation): boolean {
  if (incumbent.stage.name === 'serving') return true;
  return incumbent.stage.name === 'starting' && incumbent.workers.some(({ life }) => life.name === 'up');
}

/** Gives workers lanes of their own where the kernel steers; otherwise the sockets that the incumbent has, too. */
function addWorkers(state: State, candidate: Generation, incumbent: Generation | undefined): void {
  const { settings, workers } = candidate;
  const shared = incumbent ? ownWorkers(incumbent).map(({ lane }) => lane) : [];
  for (let index = 0; index < settings.workers; index++) {
    const lane = settings.handover.steered ? takeLane(state) : (shared[index % shared.length] ?? 0);
    workers.push(newWorker(index, lane, false));
  }
  candidate.firstLane = workers[0]?.lane ?? 0;
}

/**
 * The reason why a generation is not ready, for a failure report: the open gates of its workers, and the first worker
 * to check.
 */
export function notReady(generation: Generation): Pick<Failure, 'generation' | 'worker' | 'gates'> {
  const workers = ownWorkers(generation);
  const late = workers.find((worker) => !isReadyWorker(worker));
  const gates = workers.flatMap(({ index, life }): OpenGate[] =>
    life.name === 'up' ? life.waiting.map((gate) => ({ worker: index, gate, reason: null })) : [],
  );
  return {
    generation: generation.id,
    ...(late && { worker: late.index }),
    ...(gates.length > 0 && { gates }),
  };
}
