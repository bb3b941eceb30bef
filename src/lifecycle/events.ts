import type { ExitStatus, Failure, Usage } from './facts.ts';
import type { Settings } from './settings.ts';

/** One process of one generation: `incarnation` tells apart those that had the same place one after another. */
export interface WorkerKey {
  readonly generation: number;
  readonly worker: number;
  readonly incarnation: number;
}

/** Everything that can happen to the core. `at`: monotonic milliseconds, never less than the event before. */
export type Event = {
  readonly at: number;
} /** A handover is wanted: the first start, the reload signal, a command. */ & (
  | { readonly type: 'reload'; readonly by: string; readonly ticket: string | null }
  /** The config was read, the release found, the listeners bound. */
  | { readonly type: 'resolved'; readonly handover: number; readonly settings: Settings }
  | { readonly type: 'resolve_failed'; readonly handover: number; readonly failure: Failure }
  | ({ readonly type: 'spawned'; readonly pid: number } & WorkerKey)
  | ({ readonly type: 'spawn_failed'; readonly failure: Failure } & WorkerKey)
  | ({ readonly type: 'gate_passed'; readonly gate: string } & WorkerKey)
  | ({ readonly type: 'gate_failed'; readonly gate: string; readonly reason: string } & WorkerKey)
  /**
   * `leftovers`: how many of its descendants outlived it. `output`: the last lines it wrote. `explained`: why, where more is known than
   * how it exited.
   */
  | ({
      readonly type: 'exited';
      readonly exit: ExitStatus;
      readonly usage: Usage | null;
      readonly leftovers: number;
      readonly output: readonly string[];
      readonly explained: string | null;
    } & WorkerKey)
  | ({ readonly type: 'leftovers_gone' } & WorkerKey)
  /** MAINPID=: the service replaced its main process by one of its own descendants. */
  | ({ readonly type: 'pid_changed'; readonly pid: number } & WorkerKey)
  | { readonly type: 'stop'; readonly by: string; readonly now: boolean }
  /** A deadline of the state may have been reached. */
  | { readonly type: 'tick' }
);
