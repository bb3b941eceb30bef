import type { VerifyConfig } from '../../config/index.ts';
import type { Lane } from '../../lifecycle/lane.ts';
import type { State } from '../../lifecycle/state.ts';
import type { Unwritten } from '../../lifecycle/storage.ts';
import type { ListenerSnapshot } from '../../listeners/listeners.ts';
import type { Document } from './version-2.ts';
import { generationDocument } from './write-generation.ts';
import { handoverDocument, hookDocument, owedDocument, requestDocument } from './write-handover.ts';
import { failureDocument, orNull, retryDocument } from './write-parts.ts';

/** A supervisor, as long as it runs. */
export interface Supervisor {
  /** The release of zero. */
  readonly version: string;
  readonly instance: string;
  /** Absolute; null for a service that was given as arguments. */
  readonly configFile: string | null;
  /** Pids and times are valid only within this boot. */
  readonly bootId: string;
  readonly pid: number;
  /** Clock ticks since boot (proc(5)). A pid and its start time together name one process. */
  readonly startTime: number;
}

/** A process that zero has started. */
export interface Process {
  readonly key: { readonly generation: number; readonly worker: number; readonly incarnation: number };
  readonly pid: number;
  /** Of `pid`, in clock ticks since boot. */
  readonly startTime: number;
  readonly session: number;
}

/** What a supervisor has at one time. */
export interface Situation {
  readonly state: State;
  readonly processes: readonly Process[];
  readonly listeners: readonly ListenerSnapshot[];
  /** The health check of a generation; undefined for none. */
  readonly verifyOf: (generation: number) => VerifyConfig | undefined;
}

/**
 * The document that another supervisor can continue from. It omits what follows from the rest (every demand but the
 * steering), what a new supervisor does anew (retries of those demands) and what it must not contain (output of
 * workers, values of variables).
 */
export function stateDocument(supervisor: Supervisor, situation: Situation): Document {
  const { state, processes, listeners, verifyOf } = situation;
  const { pid, startTime: start_time_ticks } = supervisor;
  const { handover, pending, stop, storage } = state;
  return {
    version: 2,
    zero_version: supervisor.version,
    instance: supervisor.instance,
    config_file: supervisor.configFile,
    boot_id: supervisor.bootId,
    supervisor: { pid, start_time_ticks },
    recorded_monotonic_ms: state.now,
    next_numbers: {
      generation: state.nextGeneration,
      handover: state.nextHandover,
      hook: state.nextHook,
    },
    first_generation: state.firstGeneration,
    incumbent: state.incumbent,
    generations: state.generations.map((generation) =>
      generationDocument(generation, verifyOf(generation.id)),
    ),
    handover: orNull(handover, handoverDocument),
    pending_request: orNull(pending, requestDocument),
    owed_verdicts: state.owed.map(owedDocument),
    hooks: state.hooks.map(hookDocument),
    stop: orNull(stop, ({ since, now }) => ({ since_monotonic_ms: since, sigkill_sent: now })),
    handshake_ms: state.handshakeTime,
    lanes: state.lanes.map(laneDocument),
    steering: steeringDocument(state),
    write_failures: {
      state: orNull(storage.state, writeFailureDocument),
      history: orNull(storage.history, writeFailureDocument),
    },
    processes: processes.map(processDocument),
    listeners: listeners.map(listenerDocument),
  };
}

function laneDocument({ state, waiting: connections_waiting }: Lane): Document['lanes'][number] {
  return state.name === 'away'
    ? { state: state.name, since_monotonic_ms: state.since, connections_waiting }
    : { state: state.name, connections_waiting };
}

function steeringDocument({ change, retries, demands }: State): Document['steering'] {
  return {
    change: change.number,
    status: change.status === 'asked' ? 'requested' : change.status,
    failed: orNull(retries.steering, ({ failure, retry }) => ({
      failure: failureDocument(failure),
      retry: retryDocument(retry),
    })),
    wanted: orNull(demands.steering, ({ main, canary, preview, previewFrom }) => ({
      main,
      canary: orNull(canary, ({ percent, by, lanes }) => ({ percent, by, lanes })),
      preview,
      preview_from: previewFrom,
    })),
  };
}

function writeFailureDocument({ failure, since, retry }: Unwritten) {
  return {
    failure: failureDocument(failure),
    since_monotonic_ms: since,
    retry: retryDocument(retry),
  };
}

function processDocument({ key, pid, startTime, session }: Process): Document['processes'][number] {
  const { generation, worker, incarnation } = key;
  return { generation, worker, incarnation, pid, start_time_ticks: startTime, session };
}

function listenerDocument(listener: ListenerSnapshot): Document['listeners'][number] {
  const { name, text, address, fd, inode, lanes } = listener;
  return {
    name,
    config_address: text,
    address: addressDocument(address),
    fd,
    inode,
    lanes: lanes.map((lane) => ({ fd: lane.fd, inode: lane.inode })),
  };
}

function addressDocument(address: ListenerSnapshot['address']): Document['listeners'][number]['address'] {
  if (address.family === 'unix') return { family: 'unix', path: address.path };
  const { family, host, port, scopeId } = address;
  return { family, host, port, ...(scopeId !== undefined && { scope_id: scopeId }) };
}
