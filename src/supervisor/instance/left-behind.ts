import path from 'node:path';
import { errorCode, errorText } from '../../common/errors.ts';
import { readOwnFile } from '../../linux/files/own-files.ts';
import { bootId, processStat } from '../../linux/procfs.ts';
import { isStillRunning } from '../../workers/processes/descendants.ts';
import type { Instance } from './instance.ts';

/** A service whose supervisor exited without stopping it. */
export interface LeftBehind {
  /** The pid of the supervisor. */
  readonly pid: number;
  /** The running processes of the service. */
  readonly running: readonly number[];
}

/**
 * The service that a dead supervisor of an instance left running, or why its state is unreadable; null if no process of
 * the service runs.
 */
export async function leftBehindIn({
  name,
  runtimeDirectory,
}: Pick<Instance, 'name' | 'runtimeDirectory'>): Promise<LeftBehind | { readonly problem: string } | null> {
  const file = path.join(runtimeDirectory, 'state.json');
  let text: string;
  try {
    text = readOwnFile(file);
  } catch (error) {
    const isMissing = errorCode(error) === 'ENOENT';
    return isMissing ? null : { problem: `${file}: ${errorText(error)}` };
  }
  // The schemas are needed only after a crash.
  const { readState } = await import('../state-format/read.ts');
  const read = readState(text, { instance: name, bootId: bootId() });
  if ('problem' in read) {
    const { kind, message } = read.problem;
    return kind === 'other_boot' ? null : { problem: `${file}: ${message}` };
  }
  const { supervisor, processes } = read.state;
  const running = processes
    .filter(({ pid, start_time_ticks }) => isRunning(pid, start_time_ticks))
    .map(({ pid }) => pid);
  return running.length === 0 ? null : { pid: supervisor.pid, running };
}

/** Whether a process runs. A zombie holds no address any more, and init may reap it late. */
export function isRunning(pid: number, startTime: number): boolean {
  return isStillRunning(processStat(pid), startTime);
}
