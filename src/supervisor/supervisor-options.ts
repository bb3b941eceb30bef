import type { Config } from '../config/index.ts';
import type { Instance } from './instance/instance.ts';
import type { Recovered } from './recovery/recovered.ts';
import type { ConfigSource } from './start/config-source.ts';
import type { Restarted } from './start/restarted.ts';

/** The options of a supervisor. */
export interface SupervisorOptions {
  readonly source: ConfigSource;
  readonly version: string;
  readonly config: Config;
  readonly instance: Instance;
  /** The descriptor of the instance's lock. */
  readonly lock: number;
  /** zero's own environment. */
  readonly environment: readonly Buffer[];
  /** The working directory as the user sees it, with its symlinks. */
  readonly folder: string;
  /** The service of a dead supervisor to continue; null: zero starts a new service. */
  readonly recovered: Recovered | null;
  /** The keeper that started this process; null if another process started it. */
  readonly restarted: Restarted | null;
  /** The arguments with which another zero continues this one; null: those of this process. */
  readonly again: readonly string[] | null;
  /** The caller calls `adopt` next. */
  readonly adopts: boolean;
}

/** Milliseconds that the output of services and of zero may take to reach its reader when zero exits. */
export const FLUSH_TIME = 1_000;
