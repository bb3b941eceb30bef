import type { VerifyConfig } from '../../config/index.ts';
import type { Effect } from '../../lifecycle/effects.ts';
import type { WorkerKey } from '../../lifecycle/events.ts';
import type { Lane } from '../../lifecycle/lane.ts';
import type { State } from '../../lifecycle/state.ts';
import type { Unwritten } from '../../lifecycle/storage.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import type { ListenerSnapshot } from '../../listeners/listeners.ts';
import type { CommandSituation } from '../run/running-commands.ts';
import type { Pipes } from '../run/worker-parts.ts';
import type { Document } from './version-2.ts';
import { handoverDocument, hookDocument, owedDocument, requestDocument } from './write-handover.ts';
import { failureDocument, orNull, processDocument, retryDocument } from './write-parts.ts';

/** The constant data of a running supervisor. */
export interface Supervisor extends ProcessIdentity {
  /** The version of zero. */
  readonly version: string;
  readonly instance: string;
  /** An absolute path; null for a service from command line arguments. */
  readonly configFile: string | null;
  /** Pids and times are valid only within this boot. */
  readonly bootId: string;
  /** Inode of /proc/self/ns/pid; omitted if unknown. */
  readonly pidNamespace?: number;
  /** How often the service got another supervisor: after a crash, and by an upgrade in place. */
  readonly restarts: number;
  readonly upgrades: number;
  /** When the first of them was started, in monotonic milliseconds. */
  readonly firstStarted: number;
}

/** A process that zero has started. `pipes` is omitted if unknown. */
export interface Process extends ProcessIdentity {
  readonly key: WorkerKey;
  readonly session: number;
  readonly pipes?: Pipes;
  readonly watchdog?: { readonly time: number | null };
}

// `order` and `passedName` extend ListenerSnapshot.
/** The changing data of a supervisor at one time. Omitted fields are unknown. */
export interface Situation {
  readonly state: State;
  readonly processes: readonly Process[];
  readonly listeners: readonly ListenerSnapshot[];
  /** The health check of a generation; undefined for none. */
  readonly verifyOf: (generation: number) => VerifyConfig | undefined;
  readonly sequence?: number;
  readonly keeper?: ProcessIdentity | null;
  /** Zero's own commands. */
  readonly commands?: CommandSituation;
  /** Processes of hooks, by the number of the hook. */
  readonly hooks?: ReadonlyMap<number, ProcessIdentity>;
  /** Effects that are about to be performed: see version-2.ts. */
  readonly inProgress?: readonly Effect[];
}

/**
 * The document that another supervisor can continue from, without its generations, processes and listeners
 * (write-text.ts adds those). It omits derived data (every demand except the steering), data that a new supervisor
 * creates again (retries of those demands), and data that it must not contain (output of workers, values of variables).
 */
export function frameDocument(
  supervisor: Supervisor,
  situation: Situation,
): Omit<Document, 'generations' | 'processes' | 'listeners'> {
  const { state, sequence, keeper, commands, hooks, inProgress } = situation;
  const { pidNamespace, restarts, upgrades, firstStarted } = supervisor;
  const { handover, pending, stop, storage } = state;
  return {
    version: 2,
    zero_version: supervisor.version,
    instance: supervisor.instance,
    config_file: supervisor.configFile,
    boot_id: supervisor.bootId,
    ...(sequence !== undefined && { sequence }),
    ...(pidNamespace !== undefined && { pid_namespace: pidNamespace }),
    supervisor: {
      ...processDocument(supervisor),
      restarts,
      upgrades,
      first_started_monotonic_ms: firstStarted,
    },
    ...(keeper !== undefined && {
      keeper: orNull(keeper, processDocument),
    }),
    recorded_monotonic_ms: state.now,
    next_numbers: {
      generation: state.nextGeneration,
      handover: state.nextHandover,
      hook: state.nextHook,
      ...(commands && { command: commands.next }),
    },
    first_generation: state.firstGeneration,
    incumbent: state.incumbent,
    handover: orNull(handover, handoverDocument),
    pending_request: orNull(pending, requestDocument),
    owed_verdicts: state.owed.map(owedDocument),
    hooks: state.hooks.map((hook) => hookDocument(hook, hooks?.get(hook.run.hook))),
    ...(state.notifications.length > 0 && {
      notifications: state.notifications.map((hook) => hookDocument(hook, hooks?.get(hook.run.hook))),
    }),
    stop: orNull(stop, ({ since, now }) => ({ since_monotonic_ms: since, sigkill_sent: now })),
    handshake_ms: state.handshakeTime,
    lanes: state.lanes.map(laneDocument),
    steering: steeringDocument(state),
    write_failures: {
      state: orNull(storage.state, writeFailureDocument),
      history: orNull(storage.history, writeFailureDocument),
    },
    ...(commands && { commands: commands.running.map(processDocument) }),
    ...(inProgress && { in_progress: inProgress.flatMap((effect) => effectDocument(effect, hooks)) }),
  };
}

function laneDocument({ state, waiting: connections_waiting, taken }: Lane): Document['lanes'][number] {
  const more = { connections_waiting, ...(taken && { taken }) };
  return state.name === 'away'
    ? { state: state.name, since_monotonic_ms: state.since, ...more }
    : { state: state.name, ...more };
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

export function startedDocument({
  key,
  session,
  pipes,
  watchdog,
  ...process
}: Process): Document['processes'][number] {
  const { stdout = null, stderr = null, ready = null } = pipes ?? {};
  return {
    ...keyDocument(key),
    ...processDocument(process),
    session,
    ...(stdout !== null && { stdout_inode: stdout }),
    ...(stderr !== null && { stderr_inode: stderr }),
    ...(ready !== null && { ready: { fd: ready.fd, inode: ready.inode } }),
    ...(watchdog?.time != null && { watchdog_ms: watchdog.time }),
  };
}

function keyDocument({ generation, worker, incarnation }: WorkerKey) {
  return { generation, worker, incarnation };
}

/** The effects that a recovering supervisor must know about. Any other effect may be performed twice. */
function effectDocument(effect: Effect, hooks: Situation['hooks']): NonNullable<Document['in_progress']> {
  switch (effect.type) {
    case 'spawn':
    case 'kill':
      return [{ effect: effect.type, ...keyDocument(effect) }];
    case 'signal':
      return [{ effect: 'signal', ...keyDocument(effect), signal: effect.signal }];
    case 'run_hook':
      return [{ effect: 'run_hook', hook: effect.hook }];
    case 'kill_hook': {
      const process = hooks?.get(effect.hook);
      return [{ effect: 'kill_hook', hook: effect.hook, ...(process && processDocument(process)) }];
    }
    case 'concluded': {
      const verdict = owedDocument({ callers: [], verdict: effect.verdict, hook: null, retiring: null });
      return [{ effect: 'conclude', verdict }];
    }
    default:
      return [];
  }
}

export function listenerDocument(listener: ListenerSnapshot): Document['listeners'][number] {
  const { name, text, address, fd, inode, lanes, order, passedName } = listener;
  return {
    name,
    config_address: text,
    address: addressDocument(address),
    fd,
    inode,
    lanes: lanes.map((lane) => ({ fd: lane.fd, inode: lane.inode })),
    ...(order !== null && { order }),
    ...(passedName !== null && { passed_name: passedName }),
  };
}

function addressDocument(address: ListenerSnapshot['address']): Document['listeners'][number]['address'] {
  if (address.family === 'unix') return { family: 'unix', path: address.path };
  const { family, host, port, scopeId } = address;
  return { family, host, port, ...(scopeId !== undefined && { scope_id: scopeId }) };
}
