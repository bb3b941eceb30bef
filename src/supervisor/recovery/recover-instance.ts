import path from 'node:path';
import { errorText, isOutOfDescriptors } from '../../common/errors.ts';
import type { Fact, RecoveredBy } from '../../lifecycle/facts.ts';
import { findKeepers } from '../keeper/find-keepers.ts';
import type { KeeperSystem } from '../keeper/keeper-system.ts';
import type { PreviousKeeper } from '../keeper/socket-keeper.ts';
import { inheritedFromKeeper, type TakenSockets, takeKept } from '../keeper/take-sockets.ts';
import { type VaultContent, VaultFile } from '../keeper/vault.ts';
import { decodeMemos, type Memos } from '../state-format/generation-memo.ts';
import { type ReadState, readState, type SavedState } from '../state-format/read.ts';
import { stateOf } from '../state-format/restore.ts';
import type { Handed } from '../upgrade/handed.ts';
import { commandsIn, hooksIn } from './continued.ts';
import {
  behind,
  type DeadInstance,
  missingOf,
  presenceOf,
  recordedProcesses,
  strayCommandsOf,
  straysOf,
  survivorsOf,
  unknownOf,
} from './find-processes.ts';
import { judge } from './judge.ts';
import { readOwned, STATE, setAside, warning } from './recorded-file.ts';
import type { Found } from './recovered.ts';

/** The necessary system calls. This module is a separate chunk: an import would load the C library a second time. */
export interface RecoverySystem extends KeeperSystem {
  readonly bootId: string;
  readonly pidNamespace: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface RecoveryOptions {
  readonly instance: DeadInstance;
  readonly by: RecoveredBy;
  /** Descriptors that the service manager has returned. */
  readonly stored: readonly number[];
  /** The data of an upgrade in place; null: the earlier supervisor has died. */
  readonly handed: Handed | null;
}

/**
 * Reads the state of an earlier supervisor of this instance, and takes its sockets. The caller must hold the lock of
 * the instance. Does not change the service.
 */
export async function recoverInstance(options: RecoveryOptions, system: RecoverySystem): Promise<Found> {
  try {
    return await recover(options, system);
  } catch (error) {
    if (!isOutOfDescriptors(error)) throw error;
    const why = errorText(error);
    return {
      refusal: `cannot take over the service that a dead zero left running: ${why}. Raise the limit of open files (ulimit -n), and start zero again.`,
    };
  }
}

async function recover(
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
  const { keepers: running, imitations } = findKeepers(runtimeDirectory, system);
  const ignored = new Set(imitations);
  const inherited = inheritedBy(by, handed, system);
  const sources = { inherited, stored, keepers: running };
  const { taken, keepers } = await takeKept(sources, runtimeDirectory, system);
  const vault = contentOf(taken, system);
  const inMemory: ReadState | null = vault?.state ? readState(vault.state.text, expected) : null;
  const judgement = judge(onDisk, inMemory, {
    pidNamespace: system.pidNamespace,
    isAlive: (process) => presenceOf(process, system),
    keeper: running[0] ?? null,
    isUpgrade: by === 'upgrade',
    survivors: () => survivorsOf(instance, system),
  });
  if (judgement.verdict !== 'recover') {
    taken.close();
    if (judgement.verdict === 'refuse') return { refusal: `${file}: ${judgement.message}` };
    return {
      notes: [...(judgement.aside === null ? [] : setAside(file, judgement.aside)), ...ignoring(ignored)],
    };
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
  const evidence = { runtimeDirectory, sockets: wanted, imitations: ignored };
  const strays = straysOf(instance, recorded, processes, evidence, system);
  // The copy in memory is written before a process starts, the file afterwards.
  const isComplete = inMemory !== null && 'state' in inMemory && inMemory.state === saved;
  const unknown = isComplete ? [] : unknownOf(instance, recorded, evidence, system);
  const state = behind(recorded, unknown);
  const stray = strayCommandsOf(instance, saved, system);
  return {
    recovered: {
      saved,
      state,
      memos: 'problem' in memos ? null : memos.memos,
      processes: [...processes, ...strays],
      unknown,
      missing: missingOf(state, [...processes, ...strays]),
      hooks: [...hooksIn(saved), ...stray.hooks],
      commands: [...commandsIn(saved), ...stray.commands],
      sockets: taken.byInode,
      socketsFrom: taken.from,
      vault: taken.vault,
      keepers: handed === null ? keepers : keepFifo(keepers, handed, system),
      before: beforeOf(saved, by),
      by,
      since,
      notes: [...notes, ...('problem' in memos ? [warning(memos.problem)] : []), ...ignoring(ignored)],
    },
  };
}

/** Pids in one line of the log. */
const MAX_NAMED = 8;

function ignoring(imitations: ReadonlySet<number>): Fact[] {
  if (imitations.size === 0) return [];
  const pids = [...imitations].slice(0, MAX_NAMED).join(' ');
  const more = imitations.size > MAX_NAMED ? ` and ${imitations.size - MAX_NAMED} more` : '';
  const message = `ignored processes that look like the keeper or a worker of this instance and belong to another user: ${pids}${more}`;
  return [{ event: 'warning', about: 'recovery', message }];
}

function inheritedBy(by: RecoveredBy, handed: Handed | null, system: RecoverySystem): readonly number[] {
  if (handed !== null) return [handed.vault, ...handed.sockets];
  return by === 'keeper' ? inheritedFromKeeper(system) : [];
}

/** If the FIFO of a keeper closed before the keeper has ended, the keeper would start another supervisor. */
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

function contentOf(taken: TakenSockets, { kernel }: RecoverySystem): VaultContent | null {
  if (taken.vault === null) return null;
  try {
    return VaultFile.resume(taken.vault, kernel).read();
  } catch {
    // The vault has another version. zero uses the state file alone.
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
