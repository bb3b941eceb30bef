import type { AnsweredEffect, StoredFile } from './effects.ts';
import type { ExitStatus, Failure, LabelSource, Usage } from './facts.ts';
import type { Settings } from './settings.ts';
import type { Verdict } from './verdicts.ts';

/** One process of one generation. `incarnation` distinguishes the successive processes of one worker. */
export interface WorkerKey {
  readonly generation: number;
  readonly worker: number;
  readonly incarnation: number;
}

/**
 * A worker that is watched for hanging. `hung`: it is hung, and is watched for accepting again. `shared`: another worker
 * accepts from its sockets meanwhile.
 */
export type StallWatch = WorkerKey & { readonly hung: boolean; readonly shared: boolean };

/** A worker whose liveness is checked. `rescued`: it is hung, and another worker accepts from its sockets. */
export type LivenessWatch = WorkerKey & { readonly rescued: boolean };

/** All events that the core handles. `at`: monotonic milliseconds, never less than that of the event before. */
export type Event = { readonly at: number } & (
  | Reload
  /** Operator: proceed with the preview, the canary or the soak, or end it by rolling back. */
  | { readonly type: 'promote'; readonly by: string; readonly ticket: string | null }
  | { readonly type: 'abort'; readonly by: string; readonly ticket: string | null }
  | Scale
  | { readonly type: 'stop'; readonly by: string; readonly now: boolean }
  /** The config was read, the release found, the listeners bound. */
  | { readonly type: 'resolved'; readonly handover: number; readonly settings: Settings }
  | { readonly type: 'resolve_failed'; readonly handover: number; readonly failure: Failure }
  | ({ readonly type: 'spawned'; readonly pid: number } & WorkerKey)
  | ({ readonly type: 'spawn_failed'; readonly failure: Failure } & WorkerKey)
  | ({ readonly type: 'gate_passed'; readonly gate: string } & WorkerKey)
  | ({ readonly type: 'gate_failed'; readonly gate: string; readonly reason: string } & WorkerKey)
  /**
   * `leftovers`: number of remaining descendants. `output`: its last lines of output. `explained`: the reason, if more
   * is known than the exit status.
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
  /** X_ZERO_DRAINS: whether the worker drains its own connections on its shutdown signal. The last message counts. */
  | ({ readonly type: 'drains'; readonly drains: boolean } & WorkerKey)
  /** What a leaving worker still has: connections that no process has accepted yet, and open ones that are not idle. */
  | ({ readonly type: 'drain_report'; readonly queued: number; readonly busy: number } & WorkerKey)
  /** Connections wait in its lane, and it has accepted none for `stall`. */
  | ({ readonly type: 'stalled' } & WorkerKey)
  /** A `stalled` worker accepts connections again. */
  | ({ readonly type: 'recovered' } & WorkerKey)
  /** The memory of its processes has stayed above `max_memory`. Repeated while that is so. Bytes. */
  | ({ readonly type: 'memory_exceeded'; readonly bytes: number } & WorkerKey)
  | Liveness
  /** A connection waits in a lane that no process accepts from. */
  | { readonly type: 'lane_queued'; readonly lane: number }
  /** The lane's queue was empty when its watch began. */
  | { readonly type: 'lane_empty'; readonly lane: number }
  /** A check of `verify` has ended. */
  | { readonly type: 'verify_checked'; readonly generation: number; readonly passed: boolean }
  /** The number of failed checks in a row that the config allows is reached. */
  | { readonly type: 'verify_failed'; readonly generation: number; readonly reason: string }
  /** A name for this generation's release was found. */
  | {
      readonly type: 'labelled';
      readonly generation: number;
      readonly label: string;
      readonly from: LabelSource;
    }
  | HookFinished
  /** The shell has performed an effect. */
  | { readonly type: 'done'; readonly effect: AnsweredEffect }
  /** The shell could not perform an effect, or only a part of it. */
  | { readonly type: 'failed'; readonly effect: AnsweredEffect; readonly failure: Failure }
  /** A file could not be written, outside of the effect `write`. */
  | { readonly type: 'write_failed'; readonly file: StoredFile; readonly failure: Failure }
  | Continued
  | Adopted
  /** The set of listening sockets has changed. Each set has its own number. */
  | { readonly type: 'sockets_changed'; readonly version: number }
  /** A deadline of the state may have been reached. */
  | { readonly type: 'tick' }
  | { readonly type: 'batch'; readonly events: readonly WorkerEvent[] }
);

/** Events about one worker or lane, of which the shell finds many at the same time. */
const WORKER_EVENTS = ['spawned', 'gate_passed', 'drain_report', 'exited', 'lane_empty'] as const;

/** An event that can be part of a batch: one step handles all of them, so that its cost does not depend on their number. */
export type WorkerEvent = Of<(typeof WORKER_EVENTS)[number]>;

export function isWorkerEvent(event: { readonly type: string }): boolean {
  return (WORKER_EVENTS as readonly string[]).includes(event.type);
}

/** The events of a batch in their order; every other event is its own only one. */
export function eventsOf(event: Event): readonly Event[] {
  return event.type === 'batch' ? event.events : [event];
}

/** A handover is requested: the first start, the reload signal, a command. */
export interface Reload {
  readonly type: 'reload';
  readonly by: string;
  readonly ticket: string | null;
  /** Stop at the preview until `promote`. */
  readonly preview: boolean;
  /** Abort the handover in progress first. */
  readonly replace: boolean;
  /** Milliseconds from now until the request expires; null for never. */
  readonly timeout: number | null;
  /** Hand over to an earlier release; null for the release of the config. */
  readonly rollback: Rollback | null;
  /** The name that the caller gives the release; null for none. */
  readonly label: string | null;
}

/** A different number of workers is requested for the serving generation. */
export interface Scale {
  readonly type: 'scale';
  readonly by: string;
  readonly ticket: string;
  /** At least 1. */
  readonly workers: number;
  /** Milliseconds from now; null: the caller waits without a limit. */
  readonly timeout: number | null;
}

/**
 * A round of liveness checks. A worker that is in neither list has missed its last check but has not failed. Repeated
 * while a worker fails.
 */
export interface Liveness {
  readonly type: 'liveness';
  readonly generation: number;
  /** Workers that missed as many checks in a row as the config allows. */
  readonly failing: readonly {
    readonly worker: number;
    readonly incarnation: number;
    readonly reason: string;
  }[];
  /** Workers that passed their last check. */
  readonly passing: readonly { readonly worker: number; readonly incarnation: number }[];
}

/** Which earlier release: that of a generation, or, with null, the one that served before the current one. */
export interface Rollback {
  readonly to: number | null;
}

/**
 * A worker of the state that a supervisor continues from, as found by the shell. `leftovers`: number of remaining
 * processes of its session.
 */
export type FoundWorker = WorkerKey &
  (
    | { readonly found: 'running'; readonly pid: number }
    | { readonly found: 'gone'; readonly exit: ExitStatus; readonly leftovers: number }
  );

/**
 * The supervisor of this state has died, or its process was upgraded in place, and this one continues from the state.
 * This is the first event. `workers` contains every worker of the state that has a process, or whose start was ordered.
 */
export interface Continued {
  readonly type: 'continued';
  readonly workers: readonly FoundWorker[];
  /** Hooks whose processes run and are watched. One that is not in the state was about to be killed. */
  readonly hooks: readonly number[];
  /** Signals that may not have been sent although the state says so. `signal` null: SIGKILL to the session. */
  readonly unsent: readonly (WorkerKey & { readonly signal: string | null })[];
  /** Final results of handovers that may not have been delivered although the state says so. */
  readonly concluded: readonly Verdict[];
  /** The pid of the dead supervisor. */
  readonly previous: number;
  /** An upgrade in place: nothing was lost, and no candidate is rolled back. */
  readonly planned: boolean;
}

/**
 * This supervisor takes over a running service that another program has started. This is the first event. The
 * generation is the next one.
 */
export interface Adopted {
  readonly type: 'adopted';
  /** From the new config of the service. It has one worker until its first handover. */
  readonly settings: Settings;
  /** The pid of its main process, and its start time in monotonic milliseconds. */
  readonly pid: number;
  readonly since: number;
}

/** `exit` null: it could not be started, for `reason`. `output`: its last lines of output. */
export interface HookFinished {
  readonly type: 'hook_finished';
  readonly hook: number;
  readonly exit: ExitStatus | null;
  readonly reason: string | null;
  readonly output: readonly string[];
}

/** The event of one type. */
export type Of<T extends Event['type']> = Extract<Event, { type: T }>;
