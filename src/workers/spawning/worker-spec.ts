import type { RuntimeConfig } from '../../config/schema.ts';
import type { WorkerListener } from '../conventions/convention.ts';
import type { Privileges } from './launcher.ts';
import type { Release } from './release.ts';
import type { TargetUser } from './target-user.ts';

/** Everything that one worker process is started with. The descriptors stay the caller's, who closes them. */
export interface WorkerSpec {
  /** From 1, never reused. */
  readonly generation: number;
  /** Place in the generation, from 0. */
  readonly worker: number;
  readonly runtime: Privileges & Pick<RuntimeConfig, 'args' | 'umask' | 'limits' | 'protocols'>;
  readonly release: Release;
  /** null: the supervisor's own user. */
  readonly user: TargetUser | null;
  readonly listeners: readonly WorkerListener[];
  /** Path of this worker's own notify socket, `@name` for an abstract one. */
  readonly notifyPath: string | null;
  /** It is to send WATCHDOG=1 at least this often, in milliseconds; null: it need not. */
  readonly watchdog: number | null;
  /** How it is told to leave, and how long it has then, in milliseconds; 0 is for ever. */
  readonly shutdown: { readonly signal: string; readonly timeout: number };
  /** Where the service writes its line when it is ready: the number in the service, our end of the pipe. */
  readonly readyFd: { readonly target: number; readonly fd: number } | null;
  /** The ends of the output pipes that the service gets as 1 and 2. */
  readonly output: { readonly stdout: number; readonly stderr: number };
}
