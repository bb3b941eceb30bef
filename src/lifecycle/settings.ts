/**
 * A generation's own copy of every setting that the core uses. It is taken from the config once, when the generation is
 * created, and never read again: a later config cannot change how an older generation is stopped. Durations in
 * milliseconds.
 */
export interface Settings {
  readonly path: string;
  readonly directory: string;
  /** Number of workers of one generation; at least 1. */
  readonly workers: number;
  /** Names of the gates that every worker must pass, besides `uptime`. */
  readonly gates: readonly string[];
  /** A worker must stay up this long before it counts as ready. */
  readonly reloadUptime: number;
  /** Time limit for a candidate to pass every gate with every worker. */
  readonly readinessTimeout: number;
  readonly shutdownSignal: string;
  /** Time from the shutdown signal to SIGKILL; 0 = never. */
  readonly shutdownTimeout: number;
  readonly restart: RestartSettings;
  /** null: no liveness check. */
  readonly liveness: LivenessSettings | null;
  readonly handover: HandoverSettings;
  readonly hooks: HookSettings;
}

/** Time limit of each hook; null where there is none. */
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
  /** Action when one of several workers fails its check. */
  readonly action: 'replace' | 'report';
}

export interface RestartSettings {
  readonly policy: 'always' | 'on-failure' | 'never';
  readonly initial: number;
  readonly factor: number;
  readonly max: number;
  /** A worker that was up this long is restarted at once. */
  readonly resetAfter: number;
  /** A hung worker is killed and restarted. */
  readonly onStall: boolean;
  /** A worker whose memory stays above this is replaced; null: no limit. Bytes. */
  readonly maxMemory: number | null;
}

export interface HandoverSettings {
  /** Each generation has its own lanes, and zero steers new connections between them. */
  readonly steered: boolean;
  /** Source addresses that reach the candidate as soon as it is ready. */
  readonly previewFrom: readonly string[];
  readonly previewTimeout: number;
  readonly canary: readonly CanaryStep[];
  readonly canaryBy: 'connection' | 'address';
  readonly soak: number;
  /** The candidate is checked from the first canary step to the end of the soak. */
  readonly verify: boolean;
  /** A worker is hung if its lane's queue has not moved for this long. */
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
