import type { Address } from '../config/address.ts';
import type { SocketAddress } from '../linux/sockaddr.ts';

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
