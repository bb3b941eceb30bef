import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import path from 'node:path';
import type { WorkerKey } from '../../lifecycle/events.ts';
import type { Fact, RecoveredBy } from '../../lifecycle/facts.ts';
import type { State } from '../../lifecycle/state.ts';
import type { ProcessStat } from '../../linux/procfs.ts';
import type { Instance } from '../instance.ts';
import { findKeepers } from '../keeper/find-keepers.ts';
import type { KeeperSystem } from '../keeper/keeper-system.ts';
import type { PreviousKeeper } from '../keeper/socket-keeper.ts';
import { inheritedFromKeeper, type TakenSockets, takeKept } from '../keeper/take-sockets.ts';
import { type VaultContent, VaultFile } from '../keeper/vault.ts';
import type { ProcessIdentity } from '../process-identity.ts';
import { decodeMemos, type Memos } from '../state-format/generation-memo.ts';
import { type ReadState, readState, type SavedState } from '../state-format/read.ts';
import { stateOf } from '../state-format/restore.ts';
import type { Handed } from '../upgrade/handed.ts';
import type { RecoveredProcess } from '../worker-parts.ts';
import { hooksIn } from './continued.ts';
import { judge } from './judge.ts';
import type { Found } from './recovered.ts';

/** What is asked of the kernel. This module is a chunk of its own: an import would load the C library once more. */
export interface RecoverySystem extends KeeperSystem {
  readonly bootId: string;
  readonly pidNamespace: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

type DeadInstance = Pick<Instance, 'name' | 'runtimeDirectory'>;

export interface RecoveryOptions {
  readonly instance: DeadInstance;
  readonly by: RecoveredBy;
  /** Descriptors that the service manager has given back. */
  readonly stored: readonly number[];
  /** Of an upgrade in place; null: the earlier supervisor has died. */
  readonly handed: Handed | null;
}

/** Copies of state files that were set aside. */
const KEPT = 3;

const STATE = 'state.json';

/**
 * Reads what an earlier supervisor of this instance left behind, and takes its sockets. The lock of the instance has to
 * be held. Changes nothing of the service.
 */
export async function recoverInstance(
  { instance, by, stored, handed }: RecoveryOptions,
  system: RecoverySystem,
): Promise<Found> {
  const since = system.now();
  const { runtimeDirectory } = instance;
  const file = path.join(runtimeDirectory, STATE);
  const expected = { instance: instance.name, bootId: system.bootId };
  const text = readOwned(file, system.uid);
  if (text !== null && 'refusal' in text) return text;
  const onDisk = text && ('problem' in text ? text : readState(text.text, expected));
  const running = findKeepers(runtimeDirectory, system);
  const inherited = inheritedBy(by, handed, system);
  const sources = { inherited, stored, keepers: running };
  const { taken, keepers } = await takeKept(sources, runtimeDirectory, system);
  const vault = contentOf(taken, system);
  const inMemory: ReadState | null = vault?.state ? readState(vault.state.text, expected) : null;
  const judgement = judge(onDisk, inMemory, {
    pidNamespace: system.pidNamespace,
    isAlive: (process) => isAlive(process, system),
    keeper: running[0] ?? null,
    isUpgrade: by === 'upgrade',
    survivors: () => survivorsOf(instance, system),
  });
  if (judgement.verdict !== 'recover') {
    taken.close();
    if (judgement.verdict === 'refuse') return { refusal: `${file}: ${judgement.message}` };
    return { notes: judgement.aside === null ? [] : setAside(file, judgement.aside) };
  }
  const { saved, notes } = judgement;
  const wanted = new Set(
    saved.listeners.flatMap(({ inode, lanes }) => [inode, ...lanes.map((lane) => lane.inode)]),
  );
  for (const { pid, start_time_ticks: startTime } of saved.processes)
    taken.takeFrom({ pid, startTime }, 'workers', wanted);
  taken.closeUnused(wanted);
  const recorded = stateOf(saved);
  const memos = memosOf(vault);
  const processes = recordedProcesses(saved, recorded);
  const strays = straysOf(instance, recorded, processes, system);
  // The copy in memory is written before a process is started, the file afterwards.
  const isComplete = inMemory !== null && 'state' in inMemory && inMemory.state === saved;
  const unknown = isComplete ? [] : unknownOf(instance, recorded, system);
  const state = behind(recorded, unknown);
  return {
    recovered: {
      saved,
      state,
      memos: 'problem' in memos ? null : memos.memos,
      processes: [...processes, ...strays],
      unknown,
      missing: missingOf(state, [...processes, ...strays]),
      hooks: hooksIn(saved),
      sockets: taken.byInode,
      socketsFrom: taken.from,
      vault: taken.vault,
      keepers: handed === null ? keepers : keepFifo(keepers, handed, system),
      before: beforeOf(saved, by),
      by,
      since,
      notes: 'problem' in memos ? [...notes, warning(memos.problem)] : notes,
    },
  };
}

function inheritedBy(by: RecoveredBy, handed: Handed | null, system: RecoverySystem): readonly number[] {
  if (handed !== null) return [handed.vault, ...handed.sockets];
  return by === 'keeper' ? inheritedFromKeeper(system) : [];
}

/** A keeper whose FIFO were closed before it is ended would start another supervisor. */
function keepFifo(
  keepers: readonly PreviousKeeper[],
  { fifo }: Handed,
  { kernel, setCloseOnExec }: RecoverySystem,
): readonly PreviousKeeper[] {
  if (fifo === null) return keepers;
  if (keepers.length === 0) kernel.closeFd(fifo);
  else setCloseOnExec(fifo, true);
  return keepers.map((keeper, index) => (index === 0 ? { ...keeper, orders: fifo } : keeper));
}

/** The text of a file of this user or root; null where there is none. A link in its place is not followed. */
function readOwned(
  file: string,
  uid: number,
):
  | { readonly text: string }
  | Extract<ReadState, { problem: unknown }>
  | { readonly refusal: string }
  | null {
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ELOOP')
      return { problem: { kind: 'invalid', message: 'it is a symbolic link, which zero does not follow' } };
    return code === 'ENOENT' ? null : { refusal: `${file}: ${message}. Remove it, or correct its owner.` };
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return { refusal: `${file} is not a regular file. Remove it.` };
    if (stats.uid !== uid && stats.uid !== 0)
      return {
        refusal: `${file} belongs to uid ${stats.uid}, and zero runs as uid ${uid}. Run zero as that user, or remove the file.`,
      };
    return { text: readFileSync(fd, 'utf8') };
  } finally {
    closeSync(fd);
  }
}

function contentOf(taken: TakenSockets, { kernel }: RecoverySystem): VaultContent | null {
  if (taken.vault === null) return null;
  try {
    return VaultFile.resume(taken.vault, kernel).read();
  } catch {
    // Of another version: the file says what it can.
    return null;
  }
}

function memosOf(
  vault: VaultContent | null,
): { readonly memos: Memos | null } | { readonly problem: string } {
  if (vault?.generations == null) return { memos: null };
  const memos = decodeMemos(vault.generations);
  return 'problem' in memos ? memos : { memos };
}

function isAlive(
  { pid, startTime }: ProcessIdentity,
  { kernel }: RecoverySystem,
): 'alive' | 'gone' | 'other' {
  const stat = kernel.processStat(pid);
  if (stat === null) return 'gone';
  if (stat.startTime !== startTime) return 'other';
  return stat.state === 'Z' || stat.state === 'X' ? 'gone' : 'alive';
}

/** Gives the file another name, of which the newest are kept. */
function setAside(
  file: string,
  { reason, damaged }: { readonly reason: string; readonly damaged: boolean },
): Fact[] {
  const folder = path.dirname(file);
  const prefix = `${STATE}.old-`;
  const aside = `${file}.old-${Date.now()}`;
  try {
    renameSync(file, aside);
    const old = readdirSync(folder)
      .filter((name) => name.startsWith(prefix))
      .sort();
    for (const name of old.slice(0, -KEPT)) rmSync(path.join(folder, name), { force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    return [warning(`${file}: ${reason}. It cannot be set aside: ${(error as Error).message}`)];
  }
  return [{ event: 'state_set_aside', file: aside, reason, damaged }];
}

function beforeOf(
  { sequence = 0, supervisor, recorded_monotonic_ms: recorded }: SavedState,
  by: RecoveredBy,
) {
  const { restarts = 0, upgrades = 0, first_started_monotonic_ms: firstStarted = recorded } = supervisor;
  const isUpgrade = by === 'upgrade';
  return {
    sequence,
    restarts: restarts + (isUpgrade ? 0 : 1),
    upgrades: upgrades + (isUpgrade ? 1 : 0),
    firstStarted,
  };
}

function recordedProcesses(saved: SavedState, state: State): RecoveredProcess[] {
  return saved.processes.flatMap((recorded) => {
    const { generation, worker, incarnation, pid, start_time_ticks: startTime, session } = recorded;
    const key = { generation, worker, incarnation };
    const place = placeOf(state, key);
    if (place === null) return [];
    const { stdout_inode: stdout = null, stderr_inode: stderr = null, ready = null } = recorded;
    return [{ key, pid, startTime, session, ...place, pipes: { stdout, stderr, ready } }];
  });
}

function placeOf(
  state: State,
  { generation: id, worker: index }: WorkerKey,
): Pick<RecoveredProcess, 'lane' | 'relief' | 'first' | 'since' | 'waiting'> | null {
  const generation = state.generations.find((one) => one.id === id);
  const worker = generation?.workers[index];
  if (!generation || !worker) return null;
  const { life, lane, relief } = worker;
  return {
    lane,
    relief,
    first: relief ? undefined : generation.firstLane,
    since: life.name === 'up' || life.name === 'stopping' ? life.since : state.now,
    waiting: life.name === 'up' ? life.waiting : generation.settings.gates,
  };
}

const NO_PIPES = { stdout: null, stderr: null, ready: null };

/**
 * Processes of workers that were being started when the supervisor died: they are known by the notify socket that no
 * other process was given.
 */
function straysOf(
  instance: DeadInstance,
  state: State,
  known: readonly RecoveredProcess[],
  system: RecoverySystem,
): RecoveredProcess[] {
  const wanted = new Map(
    workersOf(state)
      .filter(({ life }) => life.name === 'spawning')
      .map(({ key }) => [notifyPath(instance, key), key]),
  );
  if (wanted.size === 0) return [];
  const isKnown = new Set(known.map(({ pid }) => pid));
  return sessionLeaders(system).flatMap(({ pid, startTime }) => {
    const key = isKnown.has(pid) ? undefined : wanted.get(notifyOf(pid, system) ?? '');
    const place = key && placeOf(state, key);
    return place ? [{ key, pid, startTime, session: pid, ...place, pipes: NO_PIPES }] : [];
  });
}

interface Unknown extends ProcessIdentity {
  readonly generation: number;
}

/**
 * Processes of workers that were started after the state had been written. Their children may have sessions of their
 * own, and so may those of a worker that the state knows.
 */
function unknownOf(instance: DeadInstance, state: State, system: RecoverySystem): Unknown[] {
  return sessionLeaders(system).flatMap(({ pid, startTime }) => {
    const key = keyIn(notifyOf(pid, system), instance);
    return key !== null && isNewer(key, state) ? [{ pid, startTime, generation: key.generation }] : [];
  });
}

function isNewer({ generation, worker, incarnation }: WorkerKey, state: State): boolean {
  const known = state.generations.find(({ id }) => id === generation);
  if (known === undefined) return generation >= state.nextGeneration;
  return incarnation > (known.workers[worker]?.incarnation ?? 0);
}

/** The inverse of notifyPath(); null for another path. */
function keyIn(notify: string | null, instance: DeadInstance): WorkerKey | null {
  const [generation = 0, worker = 0, incarnation = 0] = path
    .basename(notify ?? '')
    .split('.')
    .map(Number);
  const key = { generation, worker, incarnation };
  return notify === notifyPath(instance, key) ? key : null;
}

/** A number of a generation is never used twice. */
function behind(state: State, unknown: readonly Unknown[]): State {
  const next = Math.max(state.nextGeneration, ...unknown.map(({ generation }) => generation + 1));
  return { ...state, nextGeneration: next };
}

/** Every process that a supervisor of this instance has started, as far as this user may look into it. */
function survivorsOf(instance: DeadInstance, system: RecoverySystem): number[] {
  const folder = `${path.join(instance.runtimeDirectory, 'notify')}/`;
  return sessionLeaders(system)
    .filter(({ pid }) => notifyOf(pid, system)?.startsWith(folder))
    .map(({ pid }) => pid);
}

function sessionLeaders({ kernel }: RecoverySystem): ProcessStat[] {
  return kernel.listProcesses().filter(({ pid, session, state }) => pid === session && state !== 'Z');
}

function notifyPath(
  { runtimeDirectory }: DeadInstance,
  { generation, worker, incarnation }: WorkerKey,
): string {
  return path.join(runtimeDirectory, 'notify', `${generation}.${worker}.${incarnation}`);
}

function notifyOf(pid: number, { kernel }: RecoverySystem): string | null {
  const name = 'NOTIFY_SOCKET=';
  try {
    const entry = kernel.environmentOf(pid).find((one) => one.toString('latin1').startsWith(name));
    return entry?.toString().slice(name.length) ?? null;
  } catch {
    // It has exited, or belongs to another user.
    return null;
  }
}

function missingOf(state: State, found: readonly RecoveredProcess[]): WorkerKey[] {
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

function warning(message: string): Fact {
  return { event: 'warning', about: 'state', message };
}
