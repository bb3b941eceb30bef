import path from 'node:path';
import type { Fact } from '../lifecycle/facts.ts';
import { readOwnFile } from '../linux/own-files.ts';
import { bootId, processStat } from '../linux/procfs.ts';
import type { Instance } from './instance.ts';

/**
 * What an earlier supervisor of this instance left behind when it died: null where nothing runs any more. Its workers
 * hold the listening sockets, so that this supervisor cannot bind their addresses.
 */
export async function leftBehind(instance: Instance): Promise<Fact | null> {
  const file = path.join(instance.runtimeDirectory, 'state.json');
  let text: string;
  try {
    text = readOwnFile(file);
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return isMissing ? null : warning(`${file}: ${(error as Error).message}. zero starts without it.`);
  }
  // The schemas are only needed after a crash.
  const { readState } = await import('./state-format/read.ts');
  const read = readState(text, { instance: instance.name, bootId: bootId() });
  if ('problem' in read) {
    const { kind, message } = read.problem;
    return kind === 'other_boot' ? null : warning(`${file}: ${message}. zero starts without it.`);
  }
  const { supervisor, processes } = read.state;
  const running = processes.filter(
    ({ pid, start_time_ticks }) => processStat(pid)?.startTime === start_time_ticks,
  );
  if (running.length === 0) return null;
  const pids = running.map(({ pid }) => pid).join(' ');
  return warning(
    `zero (pid ${supervisor.pid}) ended without stopping its service. Processes that still run and hold the addresses: ${pids}. Stop them with: kill ${pids}`,
  );
}

function warning(message: string): Fact {
  return { event: 'warning', about: 'state', message };
}
