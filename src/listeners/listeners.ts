import type { Address } from '../config/address.ts';
import type { ListenerConfig } from '../config/schema.ts';
import type { Steering } from '../lifecycle/steering.ts';
import type { SocketAddress } from '../linux/sockaddr.ts';
import type { BoundSocket } from './diagnosis/holders.ts';
import type { Probe } from './diagnosis/probe.ts';
import type { ForeignSocket, LaneFault, LaneSocket } from './lanes/lanes.ts';

/** One listener as a generation is given it. */
export interface AcquiredListener {
  readonly name: string;
  /** The descriptor in the supervisor; of a steered listener its first lane. */
  readonly fd: number;
  /** Whether each generation has lanes of its own, and is steered to. */
  readonly steered: boolean;
  /**
   * The descriptor to give to a worker on this lane; of a shared listener always the same. The lane is this
   * acquisition's from now on, and a holder of the descriptor cannot change where connections go. Throws
   * ListenerError.
   * @param first the first lane of its generation, whose socket all of its workers have where the listener is a Unix
   * one; left out for a worker that is there for what another generation left
   */
  fdOf(lane: number, first?: number): number;
  /**
   * Notes that a worker of another supervisor has this lane, and returns its descriptor; null for a socket that could
   * not be taken back. Nothing of the lane changes.
   */
  regain(lane: number, first?: number): number | null;
  /** The descriptor's number in the service: socket_fd of the config. */
  readonly target: number;
  /** As bound, with the port that the kernel chose. */
  readonly address: SocketAddress;
  /** `127.0.0.1:8080`, `[::]:8080`, `/run/app.sock`. */
  readonly text: string;
  /** Of a socket that was passed to zero, with the address that the socket has. */
  readonly config: ListenerConfig & { readonly address: Address };
}

/** The listeners of one config, held until `release`. */
export interface Acquired {
  readonly listeners: readonly AcquiredListener[];
  /**
   * Lets go of the listeners: those that nobody else has acquired are closed. A second call does nothing. Never
   * throws.
   */
  release(): void;
}

/** One listening socket as plain data, for the state file. */
export interface ListenerSnapshot {
  /** The normalised address of the config, `tcp:127.0.0.1:80`. */
  readonly text: string;
  readonly name: string;
  readonly address: SocketAddress;
  readonly inode: number;
  /** 0 for a socket that could not be taken back from a worker. */
  readonly fd: number;
  /**
   * The sockets of a steered listener in the order of their lanes, and one more at the end of a TCP one; empty for a
   * shared one.
   */
  readonly lanes: readonly { readonly fd: number; readonly inode: number }[];
  /** The lanes of a TCP one in the kernel's order, null for a foreign socket; null for any other listener. */
  readonly order: readonly (number | null)[] | null;
  /** The name of a socket that was passed to zero. */
  readonly passedName: string | null;
}

/** A listener of a supervisor that has died, with the sockets that could be taken back. */
export interface SavedListener {
  readonly name: string;
  /** As the newest generation has it that was started with this listener. */
  readonly config: ListenerConfig;
  readonly address: SocketAddress;
  /** Of a shared listener; null for a socket that could not be taken back. */
  readonly fd: number | null;
  readonly inode: number;
  /** As in ListenerSnapshot; empty for a shared listener. */
  readonly lanes: readonly LaneSocket[];
  readonly order: readonly (number | null)[] | null;
  readonly passedName: string | null;
}

/** One socket that somebody has to hold for the supervisor. */
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
   * From now on the new connections of every steered listener go to these lanes. A Unix listener uses the first main
   * lane. A lane whose generation does not have a listener is left out for that listener (lane-plan.ts). Each
   * step is one listener. Throws ListenerError.
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

  /** How many connections of clients wait where `watchLane` looks. Throws SystemError. */
  unattended(lane: number, isShared: boolean): number;

  /**
   * Calls back once per steered listener when a connection comes into the lane, whether the service accepts it at once
   * or not, and soon if one waits already. Uses epoll; nothing is polled. Throws SystemError (ENOMEM, ENOSPC).
   */
  watchArrival(lane: number, onArrival: () => void): { close(): void };

  /**
   * The number of clients' connections that wait in the queues of a lane, over all steered listeners. Test
   * connections of `openProbe` do not count, open or closed. Throws SystemError.
   */
  queued(lane: number): number;

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
   * The sockets of any process that listen on a TCP port or are bound to a UDP port; null: that listen on any TCP port.
   * Throws SystemError, or the file system's error.
   */
  boundSockets(port: number | null): BoundSocket[];

  /** Every socket that is held now. The same object as long as nothing has changed. */
  snapshot(): readonly ListenerSnapshot[];

  /** The sockets that have to stay open when the supervisor dies, each once. The same object as long as nothing has changed. */
  kept(): readonly KeptSocket[];
}
