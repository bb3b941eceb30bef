import type { Continued, FoundWorker } from '../../lifecycle/events.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import type { SavedState } from '../state-format/read.ts';
import { owedOf } from '../state-format/restore-handover.ts';

/** The processes of a state that a recovering supervisor has found. */
export interface Found {
  /** Every worker of the state that is `spawning`, `up` or `stopping`. */
  readonly workers: readonly FoundWorker[];
  /** The running hooks whose process is watched. */
  readonly hooks: readonly number[];
  readonly planned: boolean;
}

/** The first event of a supervisor that continues from this state. */
export function continuedFrom({ supervisor, in_progress = [] }: SavedState, found: Found): Continued {
  const unsent = in_progress.flatMap((one) => {
    if (one.effect !== 'signal' && one.effect !== 'kill') return [];
    const { generation, worker, incarnation } = one;
    return [{ generation, worker, incarnation, signal: one.effect === 'signal' ? one.signal : null }];
  });
  const concluded = in_progress.flatMap((one) =>
    one.effect === 'conclude' ? [owedOf(one.verdict).verdict] : [],
  );
  return { type: 'continued', ...found, unsent, concluded, previous: supervisor.pid };
}

/**
 * The processes of hooks that a dead supervisor may have left running: those in the state, and one that the supervisor
 * was about to kill.
 */
export function hooksIn({ hooks, notifications = [], in_progress = [] }: SavedState): {
  readonly hook: number;
  readonly process: ProcessIdentity;
}[] {
  const running = [...hooks, ...notifications].map(({ hook, running: process }) => ({ hook, ...process }));
  const killed = in_progress.filter(({ effect }) => effect === 'kill_hook');
  return [...running, ...killed].flatMap((one) => {
    if (!('hook' in one) || !('pid' in one) || one.pid === undefined) return [];
    const { hook, pid, start_time_ticks: startTime = 0 } = one;
    return [{ hook, process: { pid, startTime } }];
  });
}

/** The processes of gates and other commands that a dead supervisor may have left running. */
export function commandsIn({ commands = [] }: SavedState): ProcessIdentity[] {
  return commands.map(({ pid, start_time_ticks: startTime }) => ({ pid, startTime }));
}
