import path from 'node:path';
import { bootId } from '../../linux/procfs.ts';
import type { ListenerError } from '../../listeners/listener-error.ts';
import { readOwned, STATE } from '../recovery/recorded-file.ts';
import type { Document } from '../state-format/version-2.ts';
import { type InstanceRoot, instanceRootsFor, processOwner, runtimeDirectoriesIn } from './instance-roots.ts';
import { isRunning } from './left-behind.ts';

/** A socket or a process that occupies an address. 0 and null: unknown. */
export interface InTheWay {
  readonly inode: number;
  /** The user who created the socket. */
  readonly uid: number | null;
  /** A process that has the socket. */
  readonly pid?: number;
}

/**
 * A sentence about the instance of zero that a socket or its process belongs to, with the commands that continue or
 * stop its service; null if there is no instance. Never throws.
 */
export function describeInstanceHolding(
  holder: InTheWay,
  roots: readonly InstanceRoot[] = instanceRootsFor(processOwner()),
): string | null {
  for (const directory of roots.flatMap(runtimeDirectoriesIn)) {
    const found = sentenceIn(directory, holder);
    if (found !== null) return found;
  }
  return null;
}

/** The message about a listener that could not be bound, with the instance that occupies its address. */
export function explainListenerError({ message, holder }: ListenerError): string {
  const instance = holder && describeInstanceHolding(holder);
  return instance === null ? message : `${message}. ${instance}`;
}

/** Trusts only files of the socket's user or of root. */
function sentenceIn(directory: string, holder: InTheWay): string | null {
  const found = readOwned(path.join(directory, STATE), holder.uid ?? processOwner().uid);
  if (found === null || !('text' in found)) return null;
  try {
    const state: Document = JSON.parse(found.text);
    return state.boot_id === bootId() && isOf(state, holder) ? sentenceAbout(state) : null;
  } catch {
    // The state is damaged or has another version. A supervisor that is started for this instance reports that.
    return null;
  }
}

function isOf({ listeners, processes }: Document, { inode, pid }: InTheWay): boolean {
  const inodes = listeners.flatMap((listener) => [
    listener.inode,
    ...listener.lanes.map((lane) => lane.inode),
  ]);
  const isProcess = processes.some((one) => one.pid === pid && isRunning(one.pid, one.start_time_ticks));
  return isProcess || (inode !== 0 && inodes.includes(inode));
}

function sentenceAbout({ instance, supervisor, config_file: file }: Document): string {
  const { pid, start_time_ticks: startTime } = supervisor;
  if (isRunning(pid, startTime))
    return `The address belongs to the service of instance ${instance} (zero pid ${pid}). Stop that service with: zero stop --name ${instance}`;
  const start = file === null ? 'with the command that started it' : `with: zero --config ${file}`;
  return `The address belongs to the service of instance ${instance}, whose zero (pid ${pid}) has died. Continue that service ${start}. Or stop it with: zero stop --name ${instance}`;
}
