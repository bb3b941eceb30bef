import type { WorkerKey } from './events.ts';
import { attendants, isPast, isQuiet, nextLanes } from './lanes.ts';
import {
  candidateOf,
  type Demands,
  type Generation,
  generationBehind,
  generationOf,
  ownWorkers,
  type State,
  type Worker,
} from './state.ts';
import type { Steering } from './steering.ts';

/** The demands of a state. */
export function demandsOf(state: State): Demands {
  const steering = steeringOf(state);
  return {
    steering,
    attend: steering ? lanesToAttend(state, steering) : [],
    drain: keysWhere(state, (_, worker) => isRead(state, worker)),
    stalls: keysWhere(
      state,
      (generation, worker) =>
        worker.life.name === 'up' && !worker.life.hung && isWatched(state, generation, worker),
    ),
    verify: verified(state),
    prepare: lanesAhead(state),
  };
}

/** Where new connections go: to the workers of the generation that serves, with the candidate's share beside them. */
export function steeringOf(state: State): Steering | null {
  const incumbent = generationOf(state, state.incumbent);
  if (!incumbent) return state.demands.steering;
  const main = lanesOf(incumbent);
  const { handover } = state;
  const candidate = generationOf(state, candidateOf(handover));
  const { steered, previewFrom, canary, canaryBy } =
    candidate?.settings.handover ?? incumbent.settings.handover;
  if (candidate?.stage.name !== 'ready' || !steered || !handover) {
    return { main, canary: null, preview: null, previewFrom: [] };
  }
  const lanes = lanesOf(candidate);
  const share = handover.step.name === 'canary' ? canary[handover.step.index] : undefined;
  return {
    main,
    canary: share ? { percent: share.percent, by: canaryBy, lanes } : null,
    preview: previewFrom.length > 0 ? lanes : null,
    previewFrom: previewFrom.length > 0 ? previewFrom : [],
  };
}

/** The lanes of a generation that new connections may go to: of the best workers it has. */
function lanesOf(generation: Generation): number[] {
  const own = ownWorkers(generation);
  const coming = own.filter(({ life }) => life.name !== 'ended');
  const up = own.filter(({ life }) => life.name === 'up' && !life.hung);
  const ready = up.filter(({ life }) => life.name === 'up' && life.readyAt !== null);
  const best = [ready, up, coming].find((some) => some.length > 0) ?? own;
  return [...new Set(best.map(({ lane }) => lane))];
}

/** Every lane that the program can choose. */
export function steeredLanes(steering: Steering | null): Set<number> {
  return new Set([
    ...(steering?.main ?? []),
    ...(steering?.canary?.lanes ?? []),
    ...(steering?.preview ?? []),
  ]);
}

/** Lanes that connections may still come into, or are queued in, while nobody is there who accepts. */
function lanesToAttend(state: State, steering: Steering): number[] {
  // Whoever relieves a lane is of the generation that serves, or is to.
  const serving = generationOf(state, state.incumbent);
  if (state.stop || !serving || serving.stage.name === 'stopping') return [];
  const steered = steeredLanes(steering);
  const restarting = ownWorkers(serving)
    .filter(({ life }) => life.name !== 'ended')
    .map(({ lane }) => lane);
  const theirs = new Set(restarting);
  return [...state.lanes.keys()].filter(
    (lane) =>
      !steered.has(lane) &&
      !theirs.has(lane) &&
      !isQuiet(state, lane) &&
      attendants(state, lane).length === 0,
  );
}

/** Those that the next generation will get. During a handover that is not known yet, and there is other work. */
function lanesAhead(state: State): number[] {
  const serving = generationOf(state, state.incumbent);
  if (state.handover || state.stop || serving?.stage.name !== 'serving') return [];
  const { workers, handover } = serving.settings;
  return handover.steered ? nextLanes(state, workers) : [];
}

/** Its time to leave has come, or that of a relief may have: when its lane has nothing more to give. */
function isRead(state: State, { life, leave, relief, lane }: Worker): boolean {
  if (life.name !== 'up') return false;
  return leave === null ? relief && isPast(state, lane) : state.now >= leave.settleAt;
}

/** Whoever may still be gone back from, or to, and those that are there for what waits already. At rest nobody. */
function isWatched(state: State, { id, stage, settings }: Generation, { relief }: Worker): boolean {
  if (relief) return true;
  if (!settings.handover.steered) return false;
  if (stage.name === 'ready' || stage.name === 'standby' || stage.name === 'retiring') return true;
  if (stage.name !== 'serving') return false;
  const soaks = state.handover?.step.name === 'soak' && state.handover.step.candidate === id;
  return soaks || settings.restart.onStall || generationBehind(state, id) !== undefined;
}

function verified({ handover, generations }: State): number | null {
  if (handover?.step.name !== 'canary' && handover?.step.name !== 'soak') return null;
  const { candidate } = handover.step;
  return generations.find(({ id }) => id === candidate)?.settings.handover.verify ? candidate : null;
}

function keysWhere(
  state: State,
  wanted: (generation: Generation, worker: Generation['workers'][number]) => boolean,
): WorkerKey[] {
  return state.generations.flatMap((generation) =>
    generation.workers
      .filter((worker) => wanted(generation, worker))
      .map(({ index, incarnation }) => ({ generation: generation.id, worker: index, incarnation })),
  );
}
