import type { SupervisorFact } from './supervisor-facts.ts';
import type { WorkerFact } from './worker-facts.ts';
/**
 * What zero reports about itself: one fact is one log line with one stable event name. Facts are plain data, so that
 * the log, statsd and Sentry read the same. They contain names of environment variables, never values.
 */

/** How a process exited. `unknown`: it was not zero's child, so the kernel reported nothing (waitpid(2)). */
export type ExitStatus =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signaled'; readonly signal: string; readonly coreDumped: boolean }
  | { readonly kind: 'unknown' };

/** getrusage(2) of an exited process. Seconds, bytes and counts. */
export interface Usage {
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly maxRssBytes: number;
  readonly minorFaults: number;
  readonly majorFaults: number;
  readonly diskReads: number;
  readonly diskWrites: number;
  readonly signals: number;
  readonly voluntaryContextSwitches: number;
  readonly involuntaryContextSwitches: number;
}

/** A failed step: what was attempted, on what, why. `detail` contains advice if there is any. */
export interface Failure {
  /** Stable name of the step, e.g. `config`, `release`, `bind`, `spawn`, `steer`, `readiness.http`, `exit`. */
  readonly step: string;
  readonly reason: string;
  /** The object of the step: a file, a process, a listener. */
  readonly subject?: string;
  /** The errno name if a system call failed, e.g. `EPERM`. */
  readonly errno?: string;
  /** Stack of an unexpected exception, which is a bug in zero. */
  readonly stack?: string;
  readonly generation?: number;
  readonly worker?: number;
  readonly exit?: ExitStatus;
  /** The gates of the candidate's workers that have not passed. */
  readonly gates?: readonly OpenGate[];
  /** The worker's last lines of output, oldest first; at most 20. */
  readonly output?: readonly string[];
}

/** A gate that has not passed. `reason`: its last failure; null if unknown. */
export interface OpenGate {
  readonly worker: number;
  readonly gate: string;
  readonly reason: string | null;
}

/** Who started a supervisor that continues the service of another one. */
export type RecoveredBy = 'manual' | 'keeper' | 'service_manager' | 'upgrade';

/** Where a recovering supervisor got its sockets. */
export type SocketSource = 'inherited' | 'service_manager' | 'keeper' | 'sender' | 'workers';

/** The hooks that run in a handover, or right after it. The handover or its verdict waits for them. */
export type HandoverHookName = 'before_reload' | 'after_promote' | 'after_rollback';

/** The hooks for events without an operator. Nothing waits for them. */
export type NotificationName =
  | 'on_replace'
  | 'on_crash_loop'
  | 'on_worker_stalled'
  | 'on_late_rollback'
  | 'on_recovery';

/** The hooks that a config can have. */
export type HookName = HandoverHookName | NotificationName;

/** Why a worker is replaced. */
export type ReplacementCause = 'memory' | 'liveness';

/** How a request for another number of workers ended. */
export type ScaleOutcome = 'done' | 'failed' | 'aborted' | 'timed_out' | 'superseded' | 'in_progress';

/** How a handover ended. */
export type HandoverOutcome = 'promoted' | 'rolled_back' | 'failed' | 'aborted' | 'timed_out' | 'superseded';

/**
 * The result that a caller receives: how the handover ended, or that it is still in progress when the caller's timeout
 * expires.
 */
export type Outcome = HandoverOutcome | 'in_progress';

/**
 * The source of a release's name.
 * - `request`: `--label`
 * - `rollback`: the generation of the release
 * - `link`: the target of a symlink in the path of the release
 * - `version_file`: a file VERSION in its directory
 * - `git`: the commit that is checked out in its directory
 */
export type LabelSource = 'request' | 'rollback' | 'link' | 'version_file' | 'git';

/**
 * Something that happened. Nothing acts on a fact: the log, the history, the metrics and the control socket read it.
 */
export type Fact = SupervisorFact | WorkerFact | HandoverFact;

/** Facts about a handover, or about a generation as a whole. */
type HandoverFact =
  | {
      readonly event: 'service_starting';
      readonly generation: number;
      readonly path: string;
      readonly directory: string;
      readonly workers: number;
    }
  /** `handover`: the number of the handover that will answer the request, even while it waits. */
  | {
      readonly event: 'reload_requested';
      readonly by: string;
      readonly merged: boolean;
      readonly handover: number;
    }
  | {
      readonly event: 'handover_started';
      readonly handover: number;
      readonly incumbent: number | null;
      readonly by: string;
    }
  | {
      readonly event: 'handover_finished';
      readonly handover: number;
      readonly outcome: HandoverOutcome;
      readonly generation: number | null;
      readonly incumbent: number | null;
      readonly duration: number;
      readonly failure: Failure | null;
    }
  | { readonly event: 'generation_promoted'; readonly generation: number; readonly previous: number | null }
  | { readonly event: 'generation_retiring'; readonly generation: number }
  | {
      readonly event: 'generation_gone';
      readonly generation: number;
      readonly retiredFor: number | null;
      readonly usage: Usage | null;
    }
  | {
      readonly event: 'handover_step';
      readonly handover: number;
      readonly step: string;
      readonly generation: number | null;
      /** The candidate's share in a canary step. */
      readonly percent: number | null;
      /** Milliseconds until the step ends. Null for a step without a limit. */
      readonly lasts: number | null;
    }
  | {
      readonly event: 'steering_changed';
      readonly main: readonly number[];
      readonly canary: number | null;
      readonly preview: boolean;
    }
  /** After the verdict: a generation failed while the previous one had not been asked to stop. */
  | {
      readonly event: 'generation_rolled_back';
      readonly generation: number;
      readonly incumbent: number;
      readonly failure: Failure;
    }
  /** The release of a generation has a name, from the request or found: see LabelSource. */
  | {
      readonly event: 'release_labelled';
      readonly generation: number;
      readonly label: string;
      readonly from: LabelSource;
    }
  /** A copy of its executable is kept, so it can run again even if the file changes. */
  | { readonly event: 'executable_kept'; readonly generation: number; readonly sha256: string }
  /**
   * The executable of a generation, or a script in its arguments, was replaced, and a worker is restarted: from the
   * kept `copy`, or without one from the current `file`.
   */
  | {
      readonly event: 'executable_changed';
      readonly generation: number;
      readonly worker: number;
      readonly runs: 'copy' | 'file';
      readonly path: string;
      readonly reason: string;
    }
  /** The target of a rollback: the release of this generation, from its own file or from the kept copy. */
  | {
      readonly event: 'rollback_found';
      readonly generation: number;
      readonly from: 'file' | 'copy';
      readonly path: string;
    }
  | { readonly event: 'hook_started'; readonly hook: HookName; readonly generation: number }
  | {
      readonly event: 'hook_finished';
      readonly hook: HookName;
      readonly generation: number;
      readonly duration: number;
      readonly failure: Failure | null;
      /** Its last lines of output. */
      readonly output: readonly string[];
    }
  | { readonly event: 'handover_mode'; readonly mode: 'steered' | 'shared'; readonly reason: string }
  | {
      readonly event: 'scale_started';
      readonly generation: number;
      readonly by: string;
      readonly from: number;
      readonly to: number;
    }
  | {
      readonly event: 'scale_finished';
      readonly generation: number | null;
      readonly from: number;
      readonly to: number;
      readonly outcome: ScaleOutcome;
      readonly duration: number;
      readonly failure: Failure | null;
    };

export type FactName = Fact['event'];
/** How a worker ended unexpectedly. */
export interface LastExit {
  at: number;
  /** null: the worker could not be started. */
  exit: ExitStatus | null;
  reason: string;
}

/** `exited with code 3`, `was killed by SIGSEGV (core dumped)`. */
export function describeExit(exit: ExitStatus): string {
  if (exit.kind === 'exited') return `exited with code ${exit.code}`;
  if (exit.kind === 'signaled')
    return `was killed by ${exit.signal}${exit.coreDumped ? ' (core dumped)' : ''}`;
  return 'exited; exit status unknown (not a child of this supervisor)';
}
