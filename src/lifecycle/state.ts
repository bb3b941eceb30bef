import type { ExitStatus, Failure, Usage } from './facts.ts';
import type { Settings } from './settings.ts';

/**
 * Everything the core knows, as plain data: it is written to the state file as it stands, and two equal states behave the same for ever
 * after. Times are milliseconds of the monotonic clock that the events carry.
 */
export interface State {
  readonly version: 1;
  /** Time of the last event. */
  now: number;
  nextGeneration: number;
  nextHandover: number;
  /** Oldest first. A generation leaves the list when its last process is gone. */
  generations: Generation[];
  /** The generation that serves, or, while none has become ready yet, the one that is to. */
  incumbent: number | null;
  handover: Handover | null;
  /** Requests that came during a handover; they become one handover after it. */
  pending: Request | null;
  stop: Stop | null;
  /** Set once, when the supervisor is to leave, and as what. */
  exit: ExitStatus | null;
}

/** Who asked for a handover. `tickets` are answered with the verdict. */
export interface Request {
  by: string;
  tickets: string[];
  since: number;
}

export interface Stop {
  since: number;
  /** True once SIGKILL went to everything. */
  now: boolean;
}

export interface Handover {
  id: number;
  request: Request;
  since: number;
  /** The generation that keeps serving when the candidate fails; null when there is none worth keeping. */
  incumbent: number | null;
  step: { name: 'resolving' } | { name: 'starting'; candidate: number };
}

export interface Generation {
  id: number;
  settings: Settings;
  since: number;
  workers: Worker[];
  stage: Stage;
  /** Sessions of processes that outlived their worker; they get SIGKILL at `until`. */
  remains: Remains[];
  /** Resources used by its workers so far, of the last one that left. */
  usage: Usage | null;
}

export type Stage =
  /** Waits for its gates. `deadline` is null once it was reported as late and there is nothing to fall back to. */
  | { name: 'starting'; deadline: number | null }
  | { name: 'serving' }
  /** Was told to stop; never serves again. `retired`: it served before. */
  | { name: 'stopping'; since: number; retired: boolean };

export interface Worker {
  index: number;
  /** Counts the starts of this worker; names one process among those that had this place. */
  incarnation: number;
  /** Restarts in a row without having been up for `resetAfter`. */
  attempts: number;
  life: WorkerLife;
}

export type WorkerLife =
  /** The spawn was ordered, its result has not come back. */
  | { name: 'spawning' }
  | { name: 'up'; pid: number; since: number; waiting: string[]; readyAt: number | null }
  | { name: 'backoff'; until: number }
  /** Got its shutdown signal. `killAt` null: never. `killed`: SIGKILL was sent and the process has until `killAt` to leave. */
  | { name: 'stopping'; pid: number; since: number; killAt: number | null; killed: boolean }
  /** Gone, and the restart policy does not start it again. */
  | { name: 'ended'; exit: ExitStatus | null };

export interface Remains {
  worker: number;
  incarnation: number;
  until: number;
}

/** How a handover ended, as the one who asked is told. */
export interface Verdict {
  readonly outcome: 'promoted' | 'rolled_back' | 'failed' | 'aborted' | 'timed_out' | 'superseded';
  readonly handover: number | null;
  readonly generation: number | null;
  readonly incumbent: number | null;
  readonly duration: number;
  readonly failure: Failure | null;
}

/** The state before anything happened. */
export function initialState(now: number): State {
  return {
    version: 1,
    now,
    nextGeneration: 1,
    nextHandover: 1,
    generations: [],
    incumbent: null,
    handover: null,
    pending: null,
    stop: null,
    exit: null,
  };
}

/** The generation with this number, if it is still there. */
export function generationOf(state: State, id: number | null): Generation | undefined {
  return state.generations.find((generation) => generation.id === id);
}

/** The handover in which this generation is the candidate. */
export function handoverOf(state: State, generation: number): Handover | undefined {
  const { handover } = state;
  return handover?.step.name === 'starting' && handover.step.candidate === generation ? handover : undefined;
}

/** The worker that an event speaks of; undefined when that process is no longer the one in its place. */
export function workerOf(
  state: State,
  event: { readonly generation: number; readonly worker: number; readonly incarnation: number },
): { generation: Generation; worker: Worker } | undefined {
  const generation = generationOf(state, event.generation);
  const worker = generation?.workers[event.worker];
  return generation && worker?.incarnation === event.incarnation ? { generation, worker } : undefined;
}

/** Every worker has passed every gate and is up. */
export function isReady(generation: Generation): boolean {
  return generation.workers.every(({ life }) => life.name === 'up' && life.readyAt !== null);
}

/** No process of it is left, or may still come. */
export function isGone(generation: Generation): boolean {
  return generation.remains.length === 0 && generation.workers.every(({ life }) => life.name === 'ended');
}
