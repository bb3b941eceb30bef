/**
 * A generation's own copy of every setting the core decides by. It is taken from the config once, when the generation
 * is made, and never looked up again: a later config cannot change how an older generation is stopped. Durations in
 * milliseconds.
 */
export interface Settings {
  readonly path: string;
  readonly directory: string;
  /** How many workers one generation has; at least 1. */
  readonly workers: number;
  /** Names of the gates that every worker must pass, besides `uptime`. */
  readonly gates: readonly string[];
  /** A worker must have stayed up this long before it counts as ready. */
  readonly reloadUptime: number;
  /** How long a candidate may take until every gate of every worker has passed. */
  readonly readinessTimeout: number;
  readonly shutdownSignal: string;
  /** From the shutdown signal to SIGKILL; 0 = never. */
  readonly shutdownTimeout: number;
  readonly restart: RestartSettings;
  /** null: no liveness check. */
  readonly liveness: LivenessSettings | null;
  readonly handover: HandoverSettings;
  readonly hooks: HookSettings;
}

/** How long each hook may take; null where there is none. */
export interface HookSettings {
  readonly beforeReload: number | null;
  readonly afterPromote: number | null;
  readonly afterRollback: number | null;
  readonly onReplace: number | null;
  readonly onCrashLoop: number | null;
  readonly onWorkerStalled: number | null;
  readonly onLateRollback: number | null;
  readonly onRecovery: number | null;
}

export interface LivenessSettings {
  /** What follows when one of several workers fails its check: it is replaced, or reported only. */
  readonly action: 'replace' | 'report';
}

export interface RestartSettings {
  readonly policy: 'always' | 'on-failure' | 'never';
  readonly initial: number;
  readonly factor: number;
  readonly max: number;
  /** A worker that had been up this long is started again at once. */
  readonly resetAfter: number;
  /** A worker that hangs is killed and started again. */
  readonly onStall: boolean;
  /** A worker whose memory stays above this is replaced; null: there is no limit. Bytes. */
  readonly maxMemory: number | null;
}

export interface HandoverSettings {
  /** Each generation has lanes of its own, and the kernel is told which of them new connections go to. */
  readonly steered: boolean;
  /** Source addresses that reach the candidate as soon as it is ready. */
  readonly previewFrom: readonly string[];
  readonly previewTimeout: number;
  readonly canary: readonly CanaryStep[];
  readonly canaryBy: 'connection' | 'address';
  readonly soak: number;
  /** The candidate is watched from the first canary step to the end of the soak. */
  readonly verify: boolean;
  /** A worker whose lane's queue has not moved for this long hangs. */
  readonly stall: number;
  readonly settle: number;
  readonly drainTimeout: number;
  readonly maxRetiring: number;
  /** A handshake that was answered before a steering change can complete this much later. */
  readonly handshake: number;
}

export interface CanaryStep {
  readonly percent: number;
  readonly for: number;
}
