/**
 * A generation's own copy of every setting the core decides by. It is taken from the config once, when the generation is made, and never
 * looked up again: a later config cannot change how an older generation is stopped. Durations in milliseconds.
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
}

export interface RestartSettings {
  readonly policy: 'always' | 'on-failure' | 'never';
  readonly initial: number;
  readonly factor: number;
  readonly max: number;
  /** A worker that had been up this long is started again at once. */
  readonly resetAfter: number;
}
