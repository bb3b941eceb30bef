import { copy } from './copy.ts';
import type { Change, Demands, Retries } from './demands.ts';
import type { WorkerKey } from './events.ts';
import type { ExitStatus } from './facts.ts';
import type { Generation } from './generation.ts';
import type { Handover } from './handover.ts';
import type { Hook } from './hooks.ts';
import type { Join } from './join.ts';
import type { Lane } from './lane.ts';
import type { Request } from './requests.ts';
import type { OwedScale } from './scale.ts';
import type { Storage } from './storage.ts';
import type { Unheard } from './unheard.ts';
import type { OwedVerdict } from './verdicts.ts';
import type { Worker, WorkerLife } from './worker.ts';

/**
 * The complete state of the core, as plain data: equal states always behave equally. Times are milliseconds of the
 * monotonic clock that the events carry.
 */
export interface State {
  /** Time of the last event. */
  now: number;
  nextGeneration: number;
  /** The first generation of this supervisor. Earlier ones belonged to a previous supervisor. */
  readonly firstGeneration: number;
  nextHandover: number;
  nextHook: number;
  /** Oldest first. A generation is removed when its last process has exited. */
  generations: Generation[];
  /** The serving generation or, until one has become ready, the one that is to serve. */
  incumbent: number | null;
  handover: Handover | null;
  /** A request that came during a handover; it becomes the next handover. */
  pending: Request | null;
  /** Known verdicts that are not final yet. */
  owed: OwedVerdict[];
  /** Workers that join the serving generation. */
  join: Join | null;
  /** Requests for fewer workers, whose surplus workers are still leaving. */
  scales: OwedScale[];
  /** The hooks of handovers. They run one after the other; the first one runs now. */
  hooks: Hook[];
  /** The hooks that nothing waits for. They run one after the other, in parallel with those of handovers. */
  notifications: Hook[];
  /** Workers whose readiness message may have been lost with a supervisor. */
  unheard: Unheard[];
  stop: Stop | null;
  /** Every lane, indexed by its number. */
  lanes: Lane[];
  /**
   * A handshake that was answered before a steering change can complete this much later: the longest time of any config
   * so far.
   */
  handshakeTime: number;
  /** The version of the set of listening sockets; 0: no sockets to keep. */
  sockets: number;
  demands: Demands;
  /** The last requested steering change. */
  change: Change;
  retries: Retries;
  storage: Storage;
  /** Set once, when the supervisor is to exit: its exit status. */
  exit: ExitStatus | null;
}

export interface Stop {
  since: number;
  /** True once SIGKILL went to everything. */
  now: boolean;
}

/** The state before the first event. Numbering continues after that of earlier supervisors. */
export function initialState(now: number, firstGeneration: number = 1, firstHandover: number = 1): State {
  return {
    now,
    nextGeneration: firstGeneration,
    firstGeneration,
    nextHandover: firstHandover,
    nextHook: 1,
    generations: [],
    incumbent: null,
    handover: null,
    pending: null,
    owed: [],
    join: null,
    scales: [],
    hooks: [],
    notifications: [],
    unheard: [],
    stop: null,
    lanes: [],
    handshakeTime: 0,
    sockets: 0,
    demands: {
      steering: null,
      attend: { lanes: [], shared: [] },
      drain: [],
      stalls: [],
      verify: null,
      prepare: [],
      memory: [],
      liveness: [],
      keeper: null,
    },
    change: { number: 0, status: 'installed' },
    retries: {},
    storage: { state: null, history: null },
    exit: null,
  };
}

/**
 * A copy that a step may change. It is made at every step, so it must be fast with many workers: values that are only
 * replaced, never changed (settings, demands), are not copied.
 */
export function copyState(state: State): State {
  const {
    demands,
    generations,
    lanes,
    handover,
    pending,
    owed,
    join,
    scales,
    hooks,
    notifications,
    unheard,
  } = state;
  return {
    ...state,
    generations: generations.map(copyGeneration),
    lanes: lanes.map((lane) => ({ ...lane })),
    handover: copy(handover),
    pending: copy(pending),
    owed: copy(owed),
    join: copy(join),
    scales: copy(scales),
    hooks: copy(hooks),
    notifications: copy(notifications),
    unheard: copy(unheard),
    stop: copy(state.stop),
    demands,
    change: copy(state.change),
    retries: copy(state.retries),
    storage: copy(state.storage),
    exit: copy(state.exit),
  };
}

function copyGeneration(generation: Generation): Generation {
  const { workers, stage, remains, usage, relisten, replacePause } = generation;
  return {
    ...generation,
    workers: workers.map(copyWorker),
    stage: { ...stage },
    remains: copy(remains),
    usage: copy(usage),
    relisten: copy(relisten),
    replacePause: copy(replacePause),
  };
}

function copyWorker(worker: Worker): Worker {
  const { life, leave, lastExit } = worker;
  return { ...worker, life: copyLife(life), leave: leave && { ...leave }, lastExit: copy(lastExit) };
}

function copyLife(life: WorkerLife): WorkerLife {
  switch (life.name) {
    case 'up':
      return { ...life, waiting: [...life.waiting] };
    case 'stopping':
      return { ...life, retry: copy(life.retry) };
    case 'ended':
      return { ...life, exit: copy(life.exit) };
    default:
      return { ...life };
  }
}

/** The generation with this number, if it still exists. */
export function generationOf(state: State, id: number | null): Generation | undefined {
  return state.generations.find((generation) => generation.id === id);
}

/** The serving generation. Null if none serves, or the first one has not passed its gates. */
export function servingGeneration(state: State): number | null {
  const incumbent = generationOf(state, state.incumbent);
  return incumbent?.stage.name === 'serving' ? incumbent.id : null;
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

/** Identifies the current process of a worker. */
export function keyOf(generation: Generation, worker: Worker): WorkerKey {
  return { generation: generation.id, worker: worker.index, incarnation: worker.incarnation };
}

/** The worker of an event; undefined if it has another process by now. */
export function workerOf(
  state: State,
  event: { readonly generation: number; readonly worker: number; readonly incarnation: number },
): { generation: Generation; worker: Worker } | undefined {
  const generation = generationOf(state, event.generation);
  const worker = generation?.workers[event.worker];
  return generation && worker?.incarnation === event.incarnation ? { generation, worker } : undefined;
}

/**
 * Whether a worker may be restarted. A joining or leaving worker is not. A candidate's worker is not while an incumbent
 * serves, because the candidate has failed.
 */
export function mayRestart(state: State, { id, stage }: Generation, { leave, membership }: Worker): boolean {
  const expendable = (handoverOf(state, id)?.incumbent ?? null) !== null && stage.name !== 'serving';
  const proceeds = stage.name !== 'stopping' && stage.name !== 'retiring' && !expendable;
  return proceeds && leave === null && membership === 'member';
}
