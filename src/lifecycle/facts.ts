import type { SupervisorFact } from './supervisor-facts.ts';
import type { WorkerFact } from './worker-facts.ts';
/**
 * What the project says about itself: one fact, one log line, one stable event name. Facts are plain data so that the
 * log, statsd and Sentry read the same thing. They carry names of variables, never their values.
 */

/** How a process left. `unknown`: it was not our child, so the kernel told nobody (waitpid(2)). */
export type ExitStatus =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signaled'; readonly signal: string; readonly coreDumped: boolean }
  | { readonly kind: 'unknown' };

/** getrusage(2) of a process that left. Seconds, bytes and counts. */
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

/** A failed step: what was attempted, on what, why. `detail` says what to do where that is known. */
export interface Failure {
  /** Stable word for the step, e.g. `config`, `release`, `bind`, `spawn`, `steer`, `readiness.http`, `exit`. */
  readonly step: string;
  readonly reason: string;
  /** What the step was performed on: a file, a process, a listener. */
  readonly subject?: string;
  /** The name of the errno where a system call refused, e.g. `EPERM`. */
  readonly errno?: string;
  /** Of an exception that no step foresees, which is a defect of zero. */
  readonly stack?: string;
  readonly generation?: number;
  readonly worker?: number;
  readonly exit?: ExitStatus;
  /** The gates of the candidate's workers that have not passed. */
  readonly gates?: readonly OpenGate[];
  /** The last lines the worker wrote, oldest first; at most 20. */
  readonly output?: readonly string[];
}

/** A gate that has not passed. `reason`: its last failure; null where none is known. */
export interface OpenGate {
  readonly worker: number;
  readonly gate: string;
  readonly reason: string | null;
}

/** Who started a supervisor that continues the service of another one. */
export type RecoveredBy = 'manual' | 'keeper' | 'service_manager' | 'upgrade';

/** From where a recovering supervisor has its sockets. */
export type SocketSource = 'inherited' | 'service_manager' | 'keeper' | 'sender' | 'workers';

/** The hooks that run in a handover, or right after it. The handover or its verdict waits for them. */
export type HandoverHookName = 'before_reload' | 'after_promote' | 'after_rollback';

/** The hooks for what happens without an operator. Nothing waits for them. */
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
 * What a caller is answered: how the handover ended, or that it is still in progress when the caller's own time is
 * over.
 */
export type Outcome = HandoverOutcome | 'in_progress';

/**
 * Where the name of a release comes from.
 * - `request`: `--label`
 * - `rollback`: the generation whose release it is
 * - `link`: the target of a symlink in the path of the release
 * - `version_file`: a file VERSION in its directory
 * - `git`: the commit that is checked out in its directory
 */
export type LabelSource = 'request' | 'rollback' | 'link' | 'version_file' | 'git';

/** What happened. Nothing acts on a fact: the log, the history, the metrics and the control socket read it. */
export type Fact = SupervisorFact | WorkerFact | HandoverFact;

/** What happened in a handover, and to a generation as a whole. */
type HandoverFact =
  | {
      readonly event: 'service_starting';
      readonly generation: number;
      readonly path: string;
      readonly directory: string;
      readonly workers: number;
    }
  /** `handover`: the number of the handover that will answer it, also while it waits. */
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
      /** Milliseconds until the step ends by itself; null where it has no end of its own. */
      readonly lasts: number | null;
    }
  | {
      readonly event: 'steering_changed';
      readonly main: readonly number[];
      readonly canary: number | null;
      readonly preview: boolean;
    }
  /** After the verdict: a generation failed while the one before it had not been asked to stop. */
  | {
      readonly event: 'generation_rolled_back';
      readonly generation: number;
      readonly incumbent: number;
      readonly failure: Failure;
    }
  /** The release of a generation has a name, which was given with the request or found: see LabelSource. */
  | {
      readonly event: 'release_labelled';
      readonly generation: number;
      readonly label: string;
      readonly from: LabelSource;
    }
  /** Its executable can be run again, whatever becomes of the file. */
  | { readonly event: 'executable_kept'; readonly generation: number; readonly sha256: string }
  /**
   * The executable of a generation, or a script that its arguments name, was replaced, and a worker is started
   * again: from the kept `copy`, or where there is none from the `file` that is there now.
   */
  | {
      readonly event: 'executable_changed';
      readonly generation: number;
      readonly worker: number;
      readonly runs: 'copy' | 'file';
      readonly path: string;
      readonly reason: string;
    }
  /** What is handed back to: the release of this generation, from its own file or from the copy that was kept. */
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
      /** The last lines that it wrote. */
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
/** How a worker ended without having been asked to. */
export interface LastExit {
  at: number;
  /** null: it could not be started. */
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
