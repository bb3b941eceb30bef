import path from 'node:path';
import { errorCode } from '../../common/errors.ts';
import { readOwnFile } from '../../linux/files/own-files.ts';
import { bootId, processStat } from '../../linux/procfs.ts';
import type { Instance } from './instance.ts';

/** A service whose supervisor has ended without stopping it. */
export interface LeftBehind {
  /** Of the supervisor. */
  readonly pid: number;
  /** Processes of the service that still run. */
  readonly running: readonly number[];
}

/**
 * What an earlier supervisor of an instance left behind when it died, or why its state cannot be read; null where
 * nothing runs any more.
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
    return isMissing ? null : { problem: `${file}: ${(error as Error).message}` };
  }
  // The schemas are only needed after a crash.
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

/** A zombie holds no address any more, and init may be late to reap it. */
export function isRunning(pid: number, startTime: number): boolean {
  const stat = processStat(pid);
  return stat !== null && stat.startTime === startTime && stat.state !== 'Z';
}
