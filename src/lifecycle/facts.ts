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

export type Fact =
  | {
      readonly event: 'supervisor_started';
      readonly name: string;
      readonly pid: number;
      readonly version: string;
      readonly config: string | null;
    }
  /**
   * A supervisor continues the service of one that has died, or of its own process after an upgrade in place.
   * `previous`: the pid of the dead supervisor. `adopted` and `gone` count workers.
   */
  | {
      readonly event: 'supervisor_recovered';
      readonly previous: number;
      readonly by: RecoveredBy;
      readonly adopted: number;
      readonly gone: number;
      readonly generations: readonly number[];
      /** The generation that serves; null: none does. */
      readonly incumbent: number | null;
      readonly socketsFrom: readonly SocketSource[];
      readonly duration: number;
    }
  /**
   * A service that something else has started belongs to zero now. `pid`: its main process. `processes`: that and those
   * that descend from it. `addresses`: where it listens.
   */
  | {
      readonly event: 'service_adopted';
      readonly generation: number;
      readonly pid: number;
      readonly processes: number;
      readonly addresses: readonly string[];
    }
  /** The process becomes the zero of this file, which passed its dry run. */
  | {
      readonly event: 'supervisor_upgrading';
      readonly from: string;
      readonly to: string;
      readonly path: string;
      readonly node: string;
    }
  | {
      readonly event: 'supervisor_upgraded';
      readonly from: string;
      readonly to: string;
      readonly duration: number;
    }
  /** A process holds all of these sockets, so that none closes when the supervisor dies. */
  | { readonly event: 'keeper_started'; readonly pid: number; readonly sockets: number }
  /** There is no such process, or it does not hold the newest sockets. It is started again. */
  | { readonly event: 'keeper_lost'; readonly reason: string }
  /** The recorded state of an earlier supervisor is of no use: its file has another name now. */
  | {
      readonly event: 'state_set_aside';
      readonly file: string;
      readonly reason: string;
      /** The file is damaged; false: the machine or the service was started anew. */
      readonly damaged: boolean;
    }
  /** A worker of a dead supervisor belongs to this one. */
  | {
      readonly event: 'worker_adopted';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
    }
  /** The output of an adopted worker cannot be read any more. */
  | {
      readonly event: 'output_lost';
      readonly generation: number;
      readonly worker: number;
      readonly stream: 'stdout' | 'stderr';
      readonly reason: string;
    }
  /** An adopted worker did not report that it is ready. It may have done so while no supervisor ran. */
  | {
      readonly event: 'notify_lost';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
    }
  | {
      readonly event: 'listener_bound';
      readonly listener: string;
      readonly address: string;
      readonly fd: number;
    }
  | { readonly event: 'listener_closed'; readonly listener: string; readonly address: string }
  | {
      readonly event: 'service_starting';
      readonly generation: number;
      readonly path: string;
      readonly directory: string;
      readonly workers: number;
    }
  | {
      readonly event: 'worker_spawned';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
    }
  | {
      readonly event: 'worker_spawn_failed';
      readonly generation: number;
      readonly worker: number;
      readonly step: string;
      readonly reason: string;
    }
  | {
      readonly event: 'gate_passed';
      readonly generation: number;
      readonly worker: number;
      readonly gate: string;
      readonly after: number;
    }
  | {
      readonly event: 'worker_ready';
      readonly generation: number;
      readonly worker: number;
      readonly after: number;
    }
  | {
      readonly event: 'worker_not_ready';
      readonly generation: number;
      readonly worker: number;
      readonly waiting: readonly string[];
      readonly after: number;
    }
  | {
      readonly event: 'worker_exited';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
      readonly exit: ExitStatus;
      readonly expected: boolean;
      readonly usage: Usage | null;
      readonly uptime: number;
      /** Why, where more is known than how it exited: an address that another process holds. */
      readonly reason?: string;
    }
  | {
      readonly event: 'worker_restarting';
      readonly generation: number;
      readonly worker: number;
      readonly delay: number;
      readonly attempt: number;
    }
  /**
   * A worker was restarted several times in a row, and no other worker of its generation was in a crash loop. Once for
   * each crash loop of a generation. `reason`: how the worker exited last.
   */
  | {
      readonly event: 'crash_loop';
      readonly generation: number;
      readonly worker: number;
      readonly restarts: number;
      readonly reason: string;
    }
  | {
      readonly event: 'worker_pid_changed';
      readonly generation: number;
      readonly worker: number;
      readonly from: number;
      readonly pid: number;
    }
  | {
      readonly event: 'worker_signalled';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
      readonly signal: string;
    }
  | {
      readonly event: 'worker_killed';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
      readonly reason: string;
    }
  /**
   * The kernel refused a signal, and will refuse the next one too: the process keeps running until it exits without
   * one.
   */
  | {
      readonly event: 'worker_not_stoppable';
      readonly generation: number;
      readonly worker: number;
      readonly pid: number;
      readonly signal: string;
      readonly reason: string;
    }
  | {
      readonly event: 'leftovers_killed';
      readonly generation: number;
      readonly worker: number;
      readonly pids: readonly number[];
    }
  | {
      readonly event: 'output_dropped';
      /** `file`: an output file of the service. */
      readonly stream: 'stdout' | 'stderr' | 'file';
      readonly lines: number;
      readonly bytes: number;
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
   * The executable of a generation, or a script that its arguments name, is another file now, and a worker is started
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
  /** A change of these files is a deploy from now on. */
  | { readonly event: 'watching'; readonly paths: readonly string[] }
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
  | { readonly event: 'worker_stalled'; readonly generation: number; readonly worker: number }
  /** A hung worker accepts again, was asked to stop, or has exited. */
  | {
      readonly event: 'worker_stall_ended';
      readonly generation: number;
      readonly worker: number;
      readonly how: 'recovered' | 'stopping' | 'exited';
    }
  /** Its liveness check fails. `all`: that of no other worker is known to pass, so zero only reports. */
  | {
      readonly event: 'worker_unhealthy';
      readonly generation: number;
      readonly worker: number;
      readonly reason: string;
      readonly all: boolean;
    }
  | { readonly event: 'worker_healthy'; readonly generation: number; readonly worker: number }
  /** A new worker is started in its place; until that one is ready, it keeps its connections. */
  | {
      readonly event: 'worker_replacing';
      readonly generation: number;
      readonly worker: number;
      readonly replacement: number;
      readonly cause: ReplacementCause;
      readonly reason: string;
    }
  /** The new worker is ready and has its place; the old one retires. */
  | {
      readonly event: 'worker_replaced';
      readonly generation: number;
      readonly worker: number;
      readonly replacement: number;
      readonly cause: ReplacementCause;
      readonly after: number;
    }
  /** The new worker failed: the old one stays. */
  | {
      readonly event: 'worker_replacement_failed';
      readonly generation: number;
      readonly worker: number;
      readonly cause: ReplacementCause;
      /** Milliseconds until zero may attempt it again. */
      readonly retryIn: number;
      readonly failure: Failure;
    }
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
    }
  | {
      readonly event: 'lane_relieved';
      readonly generation: number;
      readonly worker: number;
      readonly lane: number;
    }
  | {
      readonly event: 'idle_connections_ended';
      readonly generation: number;
      readonly worker: number;
      readonly connections: number;
    }
  | { readonly event: 'admin_listening'; readonly address: string }
  | { readonly event: 'admin_closed'; readonly address: string }
  | { readonly event: 'stop_requested'; readonly by: string; readonly now: boolean }
  | {
      readonly event: 'supervisor_stopped';
      readonly code: number;
      readonly reason: string;
      readonly duration: number;
    }
  | { readonly event: 'warning'; readonly about: string; readonly message: string }
  /** A step failed, or an exception was caught. `stack` only for a defect of zero itself. */
  | {
      readonly event: 'error';
      readonly step: string;
      readonly message: string;
      readonly subject?: string;
      readonly errno?: string;
      readonly stack?: string;
    };

export type FactName = Fact['event'];
