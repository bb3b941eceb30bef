import type { Rollback, WorkerKey } from './events.ts';
import type { ExitStatus, Failure, Outcome, Usage } from './facts.ts';
import type { RunHook } from './hook.ts';
import type { Settings } from './settings.ts';
import type { Steering } from './steering.ts';

/**
 * Everything the core knows, as plain data: it is written to the state file as it stands, and two equal states behave the same for ever
 * after. Times are milliseconds of the monotonic clock that the events carry.
 */
export interface State {
  readonly version: 1;
  /** Time of the last event. */
  now: number;
  nextGeneration: number;
  /** The first generation of this supervisor; those before it were another's. */
  readonly firstGeneration: number;
  nextHandover: number;
  nextHook: number;
  /** Oldest first. A generation leaves the list when its last process is gone. */
  generations: Generation[];
  /** The generation that serves, or, while none has become ready yet, the one that is to. */
  incumbent: number | null;
  handover: Handover | null;
  /** Requests that came during a handover; they become one handover after it. */
  pending: Request | null;
  /** They run one after the other; the first one does so now. */
  hooks: Hook[];
  stop: Stop | null;
  /** Every lane there is; its number is its place. */
  lanes: Lane[];
  /** A handshake that was answered before a steering change can complete this much later: the longest time of any config so far. */
  handshakeTime: number;
  /** What the shell was last asked to keep doing. */
  demands: Demands;
  /** Set once, when the supervisor is to leave, and as what. */
  exit: ExitStatus | null;
}

/** One listening socket of each steered listener. */
export interface Lane {
  /** When new connections were last steered away from it; null while they are steered to it, and before they ever were. */
  awayAt: number | null;
  /** A connection was seen in its queue, or its process left without saying what is in it, and not yet that there is none. */
  waiting: boolean;
}

/**
 * What the shell must keep doing as long as it is asked for. All of it follows from the rest of the state; it is kept only to see when it
 * changes.
 */
export interface Demands {
  /** Where new connections go; null before there is anywhere. */
  readonly steering: Steering | null;
  /** Lanes whose queues are watched, because a connection in one of them would have nobody. */
  readonly attend: readonly number[];
  /** Workers whose queues and open connections are read, because they are to leave. */
  readonly drain: readonly WorkerKey[];
  /** Workers that are watched for hanging. */
  readonly stalls: readonly WorkerKey[];
  /** The generation that `verify` watches. */
  readonly verify: number | null;
  /** Lanes that are made ready, so that the next handover need not wait for it. */
  readonly prepare: readonly number[];
}

/** Who asked for a handover, and how it is to be done. `tickets` are answered with the verdict. */
export interface Request {
  by: string;
  tickets: string[];
  since: number;
  preview: boolean;
  /** When it is given up; null for never. */
  deadline: number | null;
  /** null: what the config says. */
  rollback: Rollback | null;
}

/** A hook that runs or is to. */
export interface Hook {
  readonly run: RunHook;
  /** How long it may take. */
  readonly timeout: number;
  /** null while it waits for the one before it. */
  running: { since: number; until: number; killed: boolean } | null;
  /** The verdict that waits for its end, and who is told. */
  verdict: { tickets: readonly string[]; verdict: Verdict } | null;
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
  step: HandoverStep;
}

export type HandoverStep =
  | { name: 'resolving' }
  /** Too many older generations are still retiring. */
  | { name: 'waiting'; settings: Settings }
  /** Its hook runs; nothing was started. */
  | { name: 'before_reload'; settings: Settings; hook: number }
  | { name: 'starting'; candidate: number }
  | { name: 'preview'; candidate: number; until: number }
  | { name: 'canary'; candidate: number; index: number; until: number }
  | { name: 'soak'; candidate: number; until: number };

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
  /** A candidate that passed its gates and is previewed, or has a canary share. */
  | { name: 'ready' }
  | { name: 'serving' }
  /** It served before and can again at once: its successor soaks. */
  | { name: 'standby' }
  /**
   * New connections go elsewhere; it finishes those it has. `successor` serves in its place; `replaced`: because it was promoted, not
   * because this one failed. `served`: it did before. `told`: one of its workers was told to stop.
   */
  | {
      name: 'retiring';
      since: number;
      successor: number;
      replaced: boolean;
      served: boolean;
      told: boolean;
    }
  /** Was told to stop; never serves again. */
  | { name: 'stopping'; since: number; retired: boolean };

export interface Worker {
  index: number;
  /** The lane it accepts from. */
  lane: number;
  /** Serves what is queued in a lane that another generation's worker left behind, and nothing else. */
  relief: boolean;
  /** Counts the starts of this worker; names one process among those that had this place. */
  incarnation: number;
  /** Restarts in a row without having been up for `resetAfter`. */
  attempts: number;
  life: WorkerLife;
  /** It is to leave when its connections have ended or are idle. */
  leave: Leave | null;
}

export interface Leave {
  /** Handshakes under way may still come until then. */
  settleAt: number;
  /** Its connections are not waited for any longer. */
  drainAt: number;
  /** Its queue is not waited for any longer: it does not accept. */
  stallAt: number;
}

export type WorkerLife =
  /** The spawn was ordered, its result has not come back. */
  | { name: 'spawning' }
  | {
      name: 'up';
      pid: number;
      since: number;
      waiting: string[];
      readyAt: number | null;
      hung: boolean;
      /** SIGKILL was sent, because it hangs. */
      killed: boolean;
      /** It finishes its connections by itself once it is told to stop, so nobody else waits for them. */
      drains: boolean;
    }
  | { name: 'backoff'; until: number }
  /** Got its shutdown signal. `killAt` null: never. `killed`: SIGKILL was sent and the process has until `killAt` to leave. */
  | { name: 'stopping'; pid: number; since: number; killAt: number | null; killed: boolean }
  /** Gone. `exit`: the restart policy does not start it again; null: it is not started while its generation leaves. */
  | { name: 'ended'; exit: ExitStatus | null };

export interface Remains {
  worker: number;
  incarnation: number;
  until: number;
}

/** How a handover ended, as the one who asked is told. */
export interface Verdict {
  readonly outcome: Outcome;
  readonly handover: number | null;
  readonly generation: number | null;
  readonly incumbent: number | null;
  readonly duration: number;
  readonly failure: Failure | null;
  /** Why the hook that ran after it failed, which undoes nothing. */
  readonly hook?: Failure;
}

/** The state before anything happened. `firstGeneration`: behind all that earlier supervisors had. */
export function initialState(now: number, firstGeneration: number = 1): State {
  return {
    version: 1,
    now,
    nextGeneration: firstGeneration,
    firstGeneration,
    nextHandover: 1,
    nextHook: 1,
    generations: [],
    incumbent: null,
    handover: null,
    pending: null,
    hooks: [],
    stop: null,
    lanes: [],
    handshakeTime: 0,
    demands: { steering: null, attend: [], drain: [], stalls: [], verify: null, prepare: [] },
    exit: null,
  };
}

/** The generation with this number, if it is still there. */
export function generationOf(state: State, id: number | null): Generation | undefined {
  return state.generations.find((generation) => generation.id === id);
}

/** The candidate of the handover in progress. */
export function candidateOf(handover: Handover | null): number | null {
  return handover && 'candidate' in handover.step ? handover.step.candidate : null;
}

/** The handover in which this generation is the candidate. */
export function handoverOf(state: State, generation: number): Handover | undefined {
  const { handover } = state;
  return handover && candidateOf(handover) === generation ? handover : undefined;
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

/** The workers that the config asks for, without those that relieve a lane. */
export function ownWorkers(generation: Generation | undefined): Worker[] {
  return generation?.workers.filter(({ relief }) => !relief) ?? [];
}

/** Every worker has passed every gate and is up. */
export function isReady(generation: Generation): boolean {
  return ownWorkers(generation).every(({ life }) => life.name === 'up' && life.readyAt !== null);
}

/** At least one of its workers is up. */
export function isUp(generation: Generation): boolean {
  return ownWorkers(generation).some(({ life }) => life.name === 'up' && !life.hung);
}

/** No process of it is left, or may still come. */
export function isGone(generation: Generation): boolean {
  return generation.remains.length === 0 && generation.workers.every(({ life }) => life.name === 'ended');
}

/** The one that a generation replaced, as long as it can be gone back to: nobody of it was told to stop yet. */
export function generationBehind(state: State, id: number): Generation | undefined {
  return state.generations.findLast(
    ({ stage }) => stage.name === 'retiring' && stage.successor === id && stage.replaced && !stage.told,
  );
}
