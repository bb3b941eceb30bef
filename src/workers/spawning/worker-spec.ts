import type { RuntimeConfig } from '../../config/schema.ts';
import type { WorkerListener } from '../conventions/convention.ts';
import type { Privileges } from './launcher.ts';
import type { Release } from './release.ts';
import type { TargetUser } from './target-user.ts';

/** Everything needed to start one worker process. The caller owns the descriptors and closes them. */
export interface WorkerSpec {
  /** From 1, never reused. */
  readonly generation: number;
  /** Index in the generation, from 0. */
  readonly worker: number;
  readonly runtime: Privileges & Pick<RuntimeConfig, 'args' | 'umask' | 'limits' | 'protocols'>;
  readonly release: Release;
  /** null: the supervisor's own user. */
  readonly user: TargetUser | null;
  readonly listeners: readonly WorkerListener[];
  /** Path of this worker's own notify socket, `@name` for an abstract one. */
  readonly notifyPath: string | null;
  /** Milliseconds within which it must send WATCHDOG=1; null: it need not. */
  readonly watchdog: number | null;
  /** The signal that asks it to stop, and the time limit after it in milliseconds. 0: no limit. */
  readonly shutdown: { readonly signal: string; readonly timeout: number };
  /** Where the service writes a line when it is ready: the number in the service, and zero's descriptor. */
  readonly readyFd: { readonly target: number; readonly fd: number } | null;
  /** The ends of the output pipes that the service gets as 1 and 2. */
  readonly output: { readonly stdout: number; readonly stderr: number };
}
