import { isStreamNetwork } from '../../common/host-port.ts';
import type { Address } from '../../config/address.ts';
import type { SocketAddress } from '../../linux/sockaddr.ts';

/** One listening socket as a worker receives it. */
export interface WorkerListener {
  readonly name: string;
  /** The descriptor in the supervisor. */
  readonly fd: number;
  /** The descriptor number in the service. */
  readonly target: number;
  /** The address that getsockname(2) returns, with the actual port. */
  readonly address: SocketAddress;
  /** The same as text: `127.0.0.1:8080`, `[::1]:80`, `/run/x.sock`, `@name`. */
  readonly text: string;
  readonly config: { readonly address: Address };
}

/** Input of a convention for one worker. */
export interface Handed {
  readonly generation: number;
  readonly worker: number;
  /** Ordered by their numbers in the service. */
  readonly listeners: readonly WorkerListener[];
  readonly notifyPath: string | null;
  /** Milliseconds within which WATCHDOG=1 is expected. Null: none is expected. */
  readonly watchdog: number | null;
  /** The signal that asks the worker to stop, and the time limit after it in milliseconds. 0: no limit. */
  readonly shutdown: { readonly signal: string; readonly timeout: number };
  /** The parent of the worker. */
  readonly supervisorPid: number;
}

/**
 * Environment variables by name. LISTEN_PID and WATCHDOG_PID are always missing: only the last program of the chain
 * knows its pid.
 */
export type Variables = Readonly<Record<string, string>>;

/** Whether connections are accepted from the socket. */
export function isStream(listener: WorkerListener): boolean {
  return isStreamNetwork(listener.config.address.network);
}
