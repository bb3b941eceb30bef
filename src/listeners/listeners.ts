import type { Address } from '../config/address.ts';
import type { ListenerConfig } from '../config/schema.ts';
import type { Steering } from '../lifecycle/steering.ts';
import type { SocketAddress } from '../linux/sockaddr.ts';
import type { BoundSocket } from './diagnosis/holders.ts';
import type { Probe } from './diagnosis/probe.ts';
import type { ForeignSocket, LaneFault, LaneSocket } from './lanes/lanes.ts';

/** One listener as a generation receives it. */
export interface AcquiredListener {
  readonly name: string;
  /** The descriptor in the supervisor. For a steered listener, the descriptor of its first lane. */
  readonly fd: number;
  /** Whether each generation has its own lanes and connections are steered to them. */
  readonly steered: boolean;
  /**
   * The descriptor for a worker on this lane; the same for every lane of a shared listener. The lane belongs to this
   * acquisition from now on. A process that has the descriptor cannot change where connections go. Throws
   * ListenerError.
   * @param first the first lane of the worker's generation; all of its workers share that lane's socket on a Unix
   *   listener. Left out for a rescue worker, which serves the queue of another generation
   */
  fdOf(lane: number, first?: number): number;
  /**
   * Records that a worker of another supervisor has this lane, and returns its descriptor. Null for a socket that could
   * not be recovered. The lane does not change.
   */
  regain(lane: number, first?: number): number | null;
  /** The descriptor number in the service: socket_fd of the config. */
  readonly target: number;
  /** The bound address, with the port that the kernel chose. */
  readonly address: SocketAddress;
  /** `127.0.0.1:8080`, `[::]:8080`, `/run/app.sock`. */
  readonly text: string;
  /** The config. For a passed socket, with the address of that socket. */
  readonly config: ListenerConfig & { readonly address: Address };
}

/** The listeners of one config, held until `release`. */
export interface Acquired {
  readonly listeners: readonly AcquiredListener[];
  /** Releases the listeners. Closes those without another acquisition. Idempotent. Never throws. */
  release(): void;
}

/** One listening socket as plain data, for the state file. */
export interface ListenerSnapshot {
  /** The normalised address of the config, `tcp:127.0.0.1:80`. */
  readonly text: string;
  readonly name: string;
  readonly address: SocketAddress;
  readonly inode: number;
  /** 0 for a socket that could not be recovered from a worker. */
  readonly fd: number;
  /**
   * The sockets of a steered listener in the order of their lanes; a TCP listener has one more at the end. Empty for a
   * shared listener.
   */
  readonly lanes: readonly { readonly fd: number; readonly inode: number }[];
  /** The lanes of a TCP listener in the kernel's order, null for a foreign socket. Null for any other listener. */
  readonly order: readonly (number | null)[] | null;
  /** The name of a passed socket. */
  readonly passedName: string | null;
}

/** A listener of a supervisor that died, with the recovered sockets. */
export interface SavedListener {
  readonly name: string;
  /** The config in the newest generation that was started with this listener. */
  readonly config: ListenerConfig;
  readonly address: SocketAddress;
  /** The socket of a shared listener. Null for a socket that could not be recovered. */
  readonly fd: number | null;
  readonly inode: number;
  /** As in ListenerSnapshot; empty for a shared listener. */
  readonly lanes: readonly LaneSocket[];
  readonly order: readonly (number | null)[] | null;
  readonly passedName: string | null;
}

/** One socket that another process must hold for the supervisor. */
export interface KeptSocket {
  readonly fd: number;
  readonly inode: number;
}

export type NamedForeignSocket = ForeignSocket & { readonly listener: string };
export type NamedFault = LaneFault & { readonly listener: string };

/** The listening sockets as a running service uses them. ListenerSet implements this interface with real sockets. */
export interface Listeners {
  /**
   * Calls listen(2) again with the configured backlog, and sets TCP_DEFER_ACCEPT where the config asks for it: a
   * service that calls listen(2) changes the backlog of the socket, which it shares with the supervisor. Does nothing
   * once `acquired` is released. Each step is one listener. Throws ListenerError.
   * @param lanes of a steered listener: the lanes whose workers are ready; default: all lanes of this acquisition
   */
  relistenInSteps(acquired: Acquired, lanes?: readonly number[]): Generator<void, void, void>;

  /**
   * Sends new connections of every steered listener to these lanes from now on. A Unix listener uses the first main
   * lane. A lane whose generation does not have a listener is left out for that listener (lane-plan.ts). Each step
   * handles one listener. Throws ListenerError.
   */
  steerInSteps(steering: Steering): Generator<void, void, void>;

  /**
   * Opens a test connection to one lane of a steered listener; other connections are not affected. The service sees an
   * empty connection. Throws ListenerError for a shared listener and for an address that this machine does not have.
   */
  openProbe(acquired: Acquired, listener: string, lane: number): Probe;

  /**
   * Calls back once per steered listener when a client's connection waits in the lane's queue, at once if one waits
   * already. A new watch is called back again. Uses epoll; nothing is polled. Throws SystemError (ENOMEM, ENOSPC).
   * @param isShared workers of other lanes of its generation accept. Unix listeners are left out then, because all
   * workers of a generation have the same socket
   */
  watchLane(lane: number, isShared: boolean, onQueued: () => void): { close(): void };

  /** Number of clients' connections that wait where `watchLane` watches. Throws SystemError. */
  unattended(lane: number, isShared: boolean): number;

  /**
   * Calls back once per steered listener when a connection arrives in the lane, even if the service accepts it at once.
   * If a connection already waits, calls back soon. Uses epoll; nothing is polled. Throws SystemError (ENOMEM, ENOSPC).
   */
  watchArrival(lane: number, onArrival: () => void): { close(): void };

  /**
   * Number of clients' connections in the queues of a lane, over all steered listeners. Test connections of `openProbe`
   * do not count, open or closed. Throws SystemError.
   */
  queued(lane: number): number;

  /** The same for one steered listener. */
  queuedOn(acquired: Acquired, listener: string, lane: number): number;

  /** The same for each steered listener by name, over all of its lanes. Throws SystemError. */
  queues(): ReadonlyMap<string, number>;

  /**
   * Creates lanes ahead of their use and checks each one with a test connection. Each step of the generator handles one
   * listener and takes about 0.5 ms per lane. Throws ListenerError.
   */
  prepareLanes(wanted: readonly number[]): Generator<void, void, void>;

  /** The foreign sockets that listen on a steered address. Throws SystemError. */
  foreignSockets(): NamedForeignSocket[];

  /**
   * The sockets of any process that listen on a TCP port or are bound to a UDP port. With null, those that listen on
   * any TCP port. Throws SystemError, or the file system's error.
   */
  boundSockets(port: number | null): BoundSocket[];

  /** Every held socket. Returns the same object as long as nothing changes. */
  snapshot(): readonly ListenerSnapshot[];

  /**
   * The sockets that must stay open when the supervisor dies, each once. Returns the same object as long as nothing
   * changes.
   */
  kept(): readonly KeptSocket[];
}
