import type { Address } from '../config/address.ts';
import type { RuntimeConfig } from '../config/schema.ts';
import type { SocketAddress } from '../linux/sockaddr.ts';
import type { Release } from './release.ts';
import type { TargetUser } from './target-user.ts';

/** One listening socket as a worker gets it. */
export interface WorkerListener {
  readonly name: string;
  /** The descriptor in the supervisor. */
  readonly fd: number;
  /** The number in the service. */
  readonly target: number;
  /** What getsockname(2) says: the port is the actual one. */
  readonly address: SocketAddress;
  /** The same as text: `127.0.0.1:8080`, `[::1]:80`, `/run/x.sock`, `@name`. */
  readonly text: string;
  readonly config: { readonly address: Address };
}

/** Everything that one worker process is started with. The descriptors stay the caller's, who closes them. */
export interface WorkerSpec {
  /** From 1, never reused. */
  readonly generation: number;
  /** Place in the generation, from 0. */
  readonly worker: number;
  readonly runtime: Pick<RuntimeConfig, 'args' | 'umask' | 'limits' | 'protocols'>;
  readonly release: Release;
  /** null: the supervisor's own user. */
  readonly user: TargetUser | null;
  readonly listeners: readonly WorkerListener[];
  /** Path of this worker's own notify socket, `@name` for an abstract one. */
  readonly notifyPath: string | null;
  /** Where the service writes its line when it is ready: the number in the service, our end of the pipe. */
  readonly readyFd: { readonly target: number; readonly fd: number } | null;
  /** The ends of the output pipes that the service gets as 1 and 2. */
  readonly output: { readonly stdout: number; readonly stderr: number };
}
