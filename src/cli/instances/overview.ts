import type { ControlClient } from '../../control/client.ts';
import { ClientError } from '../../control/client-error.ts';
import type { GenerationStatus, StatusDocument } from '../../control/protocol.ts';
import { userName } from '../../linux/users.ts';
import { type LeftBehind, leftBehindIn } from '../../supervisor/instance/left-behind.ts';
import { clientOf } from './client.ts';
import type { Instance } from './record.ts';

/**
 * - `up`: every worker of the serving generation serves
 * - `degraded`: some of its workers serve
 * - `down`: none of its workers serves
 * - `starting`: the first generation is not ready yet
 * - `stopping`: the service is being stopped
 * - `killed`: the supervisor has ended without stopping its service
 * - `not_answering`: the supervisor does not answer in time
 * - `denied`: this user may not control the instance
 * - `untrusted`: another user than the owner listens on its control socket
 * - `incompatible`: the supervisor's version is too old or too new, or another program answers
 */
export type InstanceState =
  | 'up'
  | 'degraded'
  | 'down'
  | 'starting'
  | 'stopping'
  | 'killed'
  | 'not_answering'
  | 'denied'
  | 'untrusted'
  | 'incompatible';

/** One instance as `zero list` shows it. null: unknown. */
export interface Overview {
  readonly name: string;
  readonly uid: number;
  readonly user: string;
  readonly state: InstanceState;
  /** Why the instance returned no status. */
  readonly problem: string | null;
  /** The current step of the handover in progress. */
  readonly handover: string | null;
  /** The candidate of a canary step, and its share of new connections in percent. */
  readonly canary: { readonly generation: number; readonly percent: number } | null;
  /** Pid of the supervisor. */
  readonly pid: number | null;
  /** Version of the supervisor. */
  readonly zero: string | null;
  /** The serving generation. */
  readonly generation: number | null;
  readonly release: { readonly path: string; readonly directory: string } | null;
  readonly listeners: readonly { readonly name: string; readonly address: string }[];
  /** Connections that no worker has accepted yet, over all listeners. */
  readonly queue: number | null;
  /** Workers of the serving generation. For a killed supervisor, its processes that still run. */
  readonly workers: { readonly up: number; readonly total: number } | null;
  /** Restarts of these workers. */
  readonly restarts: number | null;
  readonly cpu_percent: number | null;
  readonly memory_bytes: number | null;
  readonly uptime_ms: number | null;
  readonly last_event: StatusDocument['last_event'] | null;
  readonly config_file: string | null;
  readonly runtime_directory: string;
  readonly control_socket: string;
}

const SERVICE_STATES = ['up', 'degraded', 'down', 'starting', 'stopping'] as const;

/** Milliseconds. */
const PATIENCE = 2000;

/** For views of several instances, which wait only briefly for each. */
export function quickClientOf(instance: Instance): ControlClient {
  return clientOf(instance, PATIENCE);
}

/** Asks all instances at once, for at most 2 seconds. Omits instances without a running process. */
export async function overviewsOf(instances: readonly Instance[], signal: AbortSignal): Promise<Overview[]> {
  const answers = await Promise.all(
    instances.map(async (instance) => ({ instance, overview: await ask(instance, signal) })),
  );
  const overviews: (Overview | null)[] = [];
  // Done after all answers were read: reading a state takes milliseconds, in which no answer would be read.
  for (const { instance, overview } of answers) overviews.push(overview ?? (await ofKilled(instance)));
  return overviews.filter((overview) => overview !== null);
}

/** Asks one instance, for at most 2 seconds. null: no process of it runs. */
export async function overviewOf(instance: Instance, signal: AbortSignal): Promise<Overview | null> {
  return (await ask(instance, signal)) ?? (await ofKilled(instance));
}

/** null: no supervisor runs. */
async function ask(instance: Instance, signal: AbortSignal): Promise<Overview | null> {
  try {
    return ofStatus(instance, await quickClientOf(instance).status(signal, { connections: true }));
  } catch (error) {
    if (!(error instanceof ClientError)) throw error;
    return error.problem === 'no_instance' ? null : ofSilent(instance, error);
  }
}

function ofStatus(instance: Instance, status: StatusDocument): Overview {
  const serving = status.generations.find(({ id }) => id === status.incumbent) ?? null;
  return {
    ...unknown(instance),
    name: status.name,
    state: stateOf(status, serving),
    handover: status.handover?.step ?? null,
    canary: canaryOf(status),
    pid: status.pid,
    zero: status.zero,
    generation: serving?.id ?? null,
    release: serving && { path: serving.release.path, directory: serving.release.directory },
    listeners: status.listeners.map(({ name, address }) => ({ name, address })),
    queue: queueOf(status),
    workers: workersOf(status, serving),
    restarts: serving?.workers.reduce((sum, { restarts }) => sum + restarts, 0) ?? null,
    cpu_percent: status.usage?.cpu_percent ?? null,
    memory_bytes: status.usage?.memory_bytes ?? null,
    uptime_ms: status.uptime_ms,
    last_event: status.last_event ?? null,
  };
}

function canaryOf({ handover }: StatusDocument): Overview['canary'] {
  const { canary, candidate } = handover ?? {};
  return canary === undefined || candidate == null
    ? null
    : { generation: candidate, percent: canary.percent };
}

/** null if it is unknown for all listeners. */
function queueOf({ listeners }: StatusDocument): number | null {
  const known = listeners.flatMap(({ queue }) => (queue === null ? [] : [queue]));
  return known.length === 0 ? null : known.reduce((sum, queue) => sum + queue, 0);
}

/**
 * The state that the supervisor reports. For an older supervisor, which does not report its state, it follows from the
 * workers.
 */
function stateOf({ mode, service }: StatusDocument, serving: GenerationStatus | null): InstanceState {
  const known = SERVICE_STATES.find((state) => state === service?.state);
  if (known !== undefined) return known;
  if (mode === 'stopping') return 'stopping';
  if (serving === null || serving.stage === 'starting') return 'starting';
  return workersUp(serving) === 0 ? 'down' : 'up';
}

function workersOf({ service }: StatusDocument, serving: GenerationStatus | null): Overview['workers'] {
  if (service !== undefined && serving !== null)
    return { up: service.workers_serving, total: service.workers };
  return serving && { up: workersUp(serving), total: serving.workers.length };
}

function workersUp({ workers }: GenerationStatus): number {
  return workers.filter(({ state }) => state === 'up').length;
}

async function ofKilled(instance: Instance): Promise<Overview | null> {
  const left = await leftBehindIn(instance);
  if (left === null || 'problem' in left) return null;
  const running = left.running.length;
  const problem = killedText(left);
  return { ...unknown(instance), state: 'killed', problem, workers: { up: running, total: running } };
}

function killedText({ pid, running }: LeftBehind): string {
  return `zero (pid ${pid}) has ended, and its service still runs: pid ${running.join(', ')}`;
}

/** Asks for the status. Rejects with ClientError, which describes also a service whose supervisor was killed. */
export async function statusOf(instance: Instance): Promise<StatusDocument> {
  try {
    return await quickClientOf(instance).status(undefined, { connections: true });
  } catch (error) {
    if (!(error instanceof ClientError) || error.problem !== 'no_instance') throw error;
    const left = await leftBehindIn(instance);
    if (left === null || 'problem' in left) throw error;
    throw new ClientError('gone', killedText(left));
  }
}

const STATES: Partial<Record<ClientError['problem'], InstanceState>> = {
  silent: 'not_answering',
  gone: 'not_answering',
  refused: 'not_answering',
  denied: 'denied',
  untrusted: 'untrusted',
};

function ofSilent(instance: Instance, { problem, message }: ClientError): Overview {
  return { ...unknown(instance), state: STATES[problem] ?? 'incompatible', problem: message };
}

function unknown({ name, uid, pid, configFile, runtimeDirectory, controlSocket }: Instance): Overview {
  return {
    name,
    uid,
    user: userName(uid),
    state: 'not_answering',
    problem: null,
    handover: null,
    canary: null,
    pid,
    zero: null,
    generation: null,
    release: null,
    listeners: [],
    queue: null,
    workers: null,
    restarts: null,
    cpu_percent: null,
    memory_bytes: null,
    uptime_ms: null,
    last_event: null,
    config_file: configFile?.path ?? null,
    runtime_directory: runtimeDirectory,
    control_socket: controlSocket,
  };
}
