import type { Address } from '../../config/address.ts';
import type { SocketAddress } from '../../linux/sockaddr.ts';

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

/** What a convention is told about the worker. */
export interface Handed {
  readonly generation: number;
  readonly worker: number;
  /** In the order of their numbers in the service. */
  readonly listeners: readonly WorkerListener[];
  readonly notifyPath: string | null;
  /** Milliseconds within which WATCHDOG=1 is expected; null: it is not. */
  readonly watchdog: number | null;
  /** How it is told to leave, and how long it has then, in milliseconds; 0 is for ever. */
  readonly shutdown: { readonly signal: string; readonly timeout: number };
  /** The parent of the worker. */
  readonly supervisorPid: number;
}

/**
 * Environment variables by name. LISTEN_PID and WATCHDOG_PID are missing everywhere: only the last program of the chain
 * knows its pid.
 */
export type Variables = Readonly<Record<string, string>>;

/** True for sockets that connections are accepted from. */
export function isStream(listener: WorkerListener): boolean {
  const { network } = listener.config.address;
  return network === 'unix' || network.startsWith('tcp');
}
