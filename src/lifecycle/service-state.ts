/*
 * Whether the service is up. Derived from the rest of the state in one place, so that every view (status, dashboard,
 * readiness, metrics, verdicts) shows the same.
 */
import type { LastExit } from './facts.ts';
import { type Generation, ownWorkers } from './generation.ts';
import { isReached } from './lane.ts';
import { generationOf, type State } from './state.ts';
import type { Worker } from './worker.ts';

/**
 * - `starting`: the first generation has not passed its gates, and none of its workers has failed
 * - `up`: every worker of the generation in charge has passed its gates
 * - `degraded`: some of them have, or a rescue worker serves in place of hung ones
 * - `down`: nothing serves
 * - `stopping`: zero is stopping
 */
export type ServiceState = 'starting' | 'up' | 'degraded' | 'down' | 'stopping';

/** The health of the service at one moment. Times are those of the state. */
export interface Health {
  readonly state: ServiceState;
  /** The generation in charge: it serves, or is to serve. */
  readonly generation: number | null;
  /** Number of its serving workers, and of all its workers. */
  readonly serving: number;
  readonly workers: number;
  /** Number of its workers that are up but accept nothing although connections wait for them. */
  readonly hung: number;
  /** Whether none of its workers serves, and a rescue worker serves the connections that are steered to them. */
  readonly rescued: boolean;
  /** The latest unexpected exit of a worker that does not serve; null if there was none. */
  readonly lastExit: (LastExit & { readonly worker: number }) | null;
  /** When the next worker is started: now or earlier if one is being started; null for never. */
  readonly nextStart: number | null;
}

/** The health of the service. */
export function healthOf(state: State): Health {
  const generation = generationOf(state, state.incumbent);
  const workers = ownWorkers(generation);
  const idle = workers.filter((worker) => !isServing(worker));
  const serving = generation?.stage.name === 'serving' ? workers.length - idle.length : 0;
  const rescued = serving === 0 && generation !== undefined && isRescued(state, generation);
  const lastExit = newestExit(idle);
  return {
    state: stateOf(state, { serving, workers: workers.length, rescued, hasFailed: lastExit !== null }),
    generation: generation?.id ?? null,
    serving,
    workers: workers.length,
    hung: workers.filter(({ life }) => life.name === 'up' && life.hung).length,
    rescued,
    lastExit,
    nextStart: nextStartOf(state, idle),
  };
}

function stateOf(
  state: State,
  {
    serving,
    workers,
    rescued,
    hasFailed,
  }: Pick<Health, 'serving' | 'workers' | 'rescued'> & { readonly hasFailed: boolean },
): ServiceState {
  if (state.stop || state.exit) return 'stopping';
  if (serving > 0) return serving === workers ? 'up' : 'degraded';
  if (rescued) return 'degraded';
  const stage = generationOf(state, state.incumbent)?.stage.name;
  return (stage === undefined || stage === 'starting') && !hasFailed ? 'starting' : 'down';
}

/** Whether the worker has passed its gates and accepts connections. */
export function isServing({ life }: Worker): boolean {
  return life.name === 'up' && life.readyAt !== null && !life.hung;
}

function isRescued(state: State, { workers }: Generation): boolean {
  return workers.some(
    ({ life, lane, rescue }) => rescue && life.name === 'up' && !life.hung && isReached(state, lane),
  );
}

function newestExit(workers: readonly Worker[]): Health['lastExit'] {
  const exits = workers.flatMap(({ index, lastExit }) => (lastExit ? [{ ...lastExit, worker: index }] : []));
  return exits.reduce<Health['lastExit']>(
    (newest, exit) => (newest === null || exit.at > newest.at ? exit : newest),
    null,
  );
}

/** A hung worker is up, and no other one is started in its place. */
function nextStartOf({ now }: State, idle: readonly Worker[]): number | null {
  const starts = idle.flatMap(({ life }) => {
    if (life.name === 'backoff') return [life.until];
    return life.name === 'spawning' || (life.name === 'up' && !life.hung) ? [now] : [];
  });
  return starts.length === 0 ? null : Math.min(...starts);
}
