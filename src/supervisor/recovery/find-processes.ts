import path from 'node:path';
import { isOutOfReach } from '../../common/errors.ts';
import type { WorkerKey } from '../../lifecycle/events.ts';
import { isAdopted } from '../../lifecycle/lane.ts';
import type { State } from '../../lifecycle/state.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import { NOTIFY_VARIABLES } from '../../workers/conventions/notify.ts';
import { isAlive } from '../../workers/processes/descendants.ts';
import type { Instance } from '../instance/instance.ts';
import { sessionLeaders } from '../keeper/find-keepers.ts';
import type { KeeperSystem } from '../keeper/keeper-system.ts';
import { commandIn, hookIn } from '../run/running-commands.ts';
import type { RecoveredProcess } from '../run/worker-parts.ts';
import { notifyPath } from '../run/worker-parts.ts';
import type { SavedState } from '../state-format/read.ts';

/* The processes of a dead supervisor: recorded ones, and others. */

export type DeadInstance = Pick<Instance, 'name' | 'runtimeDirectory'>;

/** The necessary kernel calls. */
export type ProcessSystem = Pick<
  KeeperSystem,
  'kernel' | 'uid' | 'ownerOf' | 'ownerOfPath' | 'descriptorsOf' | 'socketInode'
>;

/** Evidence that a process is a worker. */
export interface Evidence {
  readonly runtimeDirectory: string;
  /** Inodes of the sockets of the instance. */
  readonly sockets: ReadonlySet<number>;
  /** Collects the pids of processes that only look like workers. */
  readonly imitations: Set<number>;
}

export function presenceOf(
  { pid, startTime }: ProcessIdentity,
  { kernel }: ProcessSystem,
): 'alive' | 'gone' | 'other' {
  const stat = kernel.processStat(pid);
  if (stat === null) return 'gone';
  if (stat.startTime !== startTime) return 'other';
  return isAlive(stat) ? 'alive' : 'gone';
}

export function recordedProcesses(saved: SavedState, state: State): RecoveredProcess[] {
  return saved.processes.flatMap((recorded) => {
    const { generation, worker, incarnation, pid, start_time_ticks: startTime, session } = recorded;
    const key = { generation, worker, incarnation };
    const place = placeOf(state, key);
    if (place === null) return [];
    const { stdout_inode: stdout = null, stderr_inode: stderr = null, ready = null } = recorded;
    const { watchdog_ms: watchdogTime = null } = recorded;
    return [{ key, pid, startTime, session, ...place, watchdogTime, pipes: { stdout, stderr, ready } }];
  });
}

function placeOf(
  state: State,
  { generation: id, worker: index }: WorkerKey,
): Pick<RecoveredProcess, 'lane' | 'rescue' | 'first' | 'since' | 'waiting' | 'adopted'> | null {
  const generation = state.generations.find((one) => one.id === id);
  const worker = generation?.workers[index];
  if (!generation || !worker) return null;
  const { life, lane, rescue } = worker;
  return {
    lane,
    rescue,
    first: rescue ? undefined : generation.firstLane,
    since: life.name === 'up' || life.name === 'stopping' ? life.since : state.now,
    waiting: life.name === 'up' ? life.waiting : generation.settings.gates,
    ...(isAdopted(generation, worker) && { adopted: true }),
  };
}

const NO_PIPES = { stdout: null, stderr: null, ready: null };

/**
 * Processes of workers that were being started when the supervisor died. They are identified by their notify socket,
 * which no other process received.
 */
export function straysOf(
  instance: DeadInstance,
  state: State,
  known: readonly RecoveredProcess[],
  evidence: Evidence,
  system: ProcessSystem,
): RecoveredProcess[] {
  const wanted = new Map(
    workersOf(state)
      .filter(({ life }) => life.name === 'spawning')
      .map(({ key }) => [notifyPath(instance.runtimeDirectory, key), key]),
  );
  if (wanted.size === 0) return [];
  const isKnown = new Set(known.map(({ pid }) => pid));
  return sessionLeaders(system.kernel).flatMap(({ pid, startTime }) => {
    const key = isKnown.has(pid) ? undefined : wanted.get(notifyOf(pid, evidence, system) ?? '');
    const place = key && placeOf(state, key);
    return place ? [{ key, pid, startTime, session: pid, ...place, pipes: NO_PIPES }] : [];
  });
}

export interface Unknown extends ProcessIdentity {
  readonly generation: number;
}

/**
 * Processes of workers that were started after the last state was written. Their children, and those of a recorded
 * worker, may have sessions of their own.
 */
export function unknownOf(
  instance: DeadInstance,
  state: State,
  evidence: Evidence,
  system: ProcessSystem,
): Unknown[] {
  return sessionLeaders(system.kernel).flatMap(({ pid, startTime }) => {
    const key = keyIn(notifyOf(pid, evidence, system), instance);
    return key !== null && isNewer(key, state) ? [{ pid, startTime, generation: key.generation }] : [];
  });
}

/** zero starts fewer generations between two writes of the state, but a variable can contain any number. */
const MAX_UNRECORDED = 1000;

function isNewer({ generation, worker, incarnation }: WorkerKey, state: State): boolean {
  const known = state.generations.find(({ id }) => id === generation);
  if (known === undefined)
    return generation >= state.nextGeneration && generation < state.nextGeneration + MAX_UNRECORDED;
  return incarnation > (known.workers[worker]?.incarnation ?? 0);
}

/** The inverse of notifyPath(); null for another path. */
function keyIn(notify: string | null, instance: DeadInstance): WorkerKey | null {
  const [generation = 0, worker = 0, incarnation = 0] = path
    .basename(notify ?? '')
    .split('.')
    .map(Number);
  const key = { generation, worker, incarnation };
  return notify === notifyPath(instance.runtimeDirectory, key) ? key : null;
}

/** Continues the numbers after the unknown generations, because zero never uses a number twice. */
export function behind(state: State, unknown: readonly Unknown[]): State {
  const next = Math.max(state.nextGeneration, ...unknown.map(({ generation }) => generation + 1));
  return { ...state, nextGeneration: next };
}

/** Every process that a supervisor of this instance has started and that this user may inspect. */
export function survivorsOf(instance: DeadInstance, system: ProcessSystem): number[] {
  const folder = `${path.join(instance.runtimeDirectory, 'notify')}/`;
  const evidence = {
    runtimeDirectory: instance.runtimeDirectory,
    sockets: new Set<number>(),
    imitations: new Set<number>(),
  };
  return sessionLeaders(system.kernel)
    .filter(({ pid }) => notifyOf(pid, evidence, system)?.startsWith(folder))
    .map(({ pid }) => pid);
}

/**
 * Commands and hooks that the dead supervisor started right before its end and did not record. They are identified by
 * their environment.
 */
export function strayCommandsOf(
  { runtimeDirectory }: DeadInstance,
  { next_numbers: { command: next = Number.POSITIVE_INFINITY }, hooks, notifications = [] }: SavedState,
  system: ProcessSystem,
): {
  readonly commands: ProcessIdentity[];
  readonly hooks: { readonly hook: number; readonly process: ProcessIdentity }[];
} {
  const unknown = new Set(
    [...hooks, ...notifications]
      .filter(({ running }) => running && running.pid === undefined)
      .map(({ hook }) => hook),
  );
  const commands: ProcessIdentity[] = [];
  const found: { hook: number; process: ProcessIdentity }[] = [];
  for (const { pid, startTime } of sessionLeaders(system.kernel)) {
    const environment = environmentOf(pid, system);
    const hook = hookIn(environment, runtimeDirectory);
    // Hooks run as zero's own user. A handover waits for them, so no other user's process may count as one.
    if (hook !== null && unknown.has(hook) && system.ownerOf(pid) === system.uid)
      found.push({ hook, process: { pid, startTime } });
    if ((commandIn(environment, runtimeDirectory) ?? 0) >= next) commands.push({ pid, startTime });
  }
  return { commands, hooks: found };
}

/** The notify socket of a process that may be a worker of this instance; null for any other. */
function notifyOf(pid: number, evidence: Evidence, system: ProcessSystem): string | null {
  const folder = `${evidence.runtimeDirectory}/`;
  const prefixes = NOTIFY_VARIABLES.map((name) => `${name}=`);
  const entry = environmentOf(pid, system)
    .map(String)
    .flatMap((one) => prefixes.filter((name) => one.startsWith(name)).map((name) => one.slice(name.length)))
    .find((one) => one.startsWith(folder));
  if (entry === undefined) return null;
  if (isTrusted(pid, entry, evidence, system)) return entry;
  evidence.imitations.add(pid);
  return null;
}

/** Empty if this user may not read it. */
function environmentOf(pid: number, { kernel }: ProcessSystem): readonly Buffer[] {
  try {
    return kernel.environmentOf(pid);
  } catch (error) {
    if (isOutOfReach(error)) return [];
    throw error;
  }
}

/**
 * Every user can start a process with such a variable. A worker runs as zero's own user or as the owner of its notify
 * socket. A worker that has since changed its user has a socket of the instance.
 */
function isTrusted(
  pid: number,
  notify: string,
  { sockets }: Evidence,
  { uid, ownerOf, ownerOfPath, descriptorsOf, socketInode }: ProcessSystem,
): boolean {
  const user = ownerOf(pid);
  if (user !== null && (user === uid || user === ownerOfPath(notify))) return true;
  return sockets.size > 0 && descriptorsOf(pid).some(({ link }) => sockets.has(socketInode(link) ?? -1));
}

export function missingOf(state: State, found: readonly RecoveredProcess[]): WorkerKey[] {
  const isFound = ({ generation, worker, incarnation }: WorkerKey) =>
    found.some(
      ({ key }) => key.generation === generation && key.worker === worker && key.incarnation === incarnation,
    );
  return workersOf(state)
    .filter(({ key, life }) => ['spawning', 'up', 'stopping'].includes(life.name) && !isFound(key))
    .map(({ key }) => key);
}

function workersOf({ generations }: State) {
  return generations.flatMap(({ id, workers }) =>
    workers.map(({ index, incarnation, life }) => ({
      key: { generation: id, worker: index, incarnation },
      life,
    })),
  );
}
