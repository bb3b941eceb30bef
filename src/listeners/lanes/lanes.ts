import type { ListenerConfig } from '../../config/schema.ts';
import type { Steering } from '../../lifecycle/steering.ts';
import type { ForeignListeners } from '../diagnosis/holders.ts';
import type { Probe } from '../diagnosis/probe.ts';
import type { LaneQueue } from './lane-queue.ts';

/** Where new connections of one listener go: lanes from which a generation with this listener accepts. */
export interface LanePlan {
  readonly main: readonly number[];
  readonly canary: Steering['canary'];
  readonly preview: { readonly lanes: readonly number[]; readonly from: readonly string[] } | null;
}

/** A socket that listens on a steered address and belongs to no lane. */
export interface ForeignSocket {
  readonly inode: number;
  /** Null where the kernel does not report it. */
  readonly uid: number | null;
  /** A process that holds the socket. Null if none is found. */
  readonly holder: { readonly pid: number; readonly command: string } | null;
}

/**
 * A fault that a service caused to its lane. The lane already works again when the fault is reported. The queue of a
 * lane that was shut down is lost.
 * - `shut_down`: shutdown(2).
 * - `listened_again`: shutdown(2), then listen(2).
 * - `name_taken`: the public name of a Unix listener was removed or replaced (lane: the one that the name leads to).
 *
 * For a shared Unix listener, whose lane is 0, and whose path does not lead to it any more:
 * - `name_replaced`: the path leads to another file.
 * - `name_lost`: the path was removed, and no hard link exists to restore it.
 */
export interface LaneFault {
  readonly lane: number;
  readonly kind: 'shut_down' | 'listened_again' | 'name_taken' | 'name_replaced' | 'name_lost';
}

/** One listening socket of a steered listener. */
export interface LaneSocket {
  /** Null for a lane of an earlier supervisor that a worker has and whose socket could not be recovered. */
  readonly fd: number | null;
  readonly inode: number;
}

export interface LaneWithQueue extends LaneSocket {
  readonly queue: LaneQueue;
}

/** A lane of an earlier supervisor. */
export type RecoveredLane = LaneSocket;

/** The lanes of one listener, numbered from 0. No lane is removed before the listener is closed. */
export interface Lanes {
  /** The config of lanes that are created later. */
  configure(config: ListenerConfig): void;
  /** Every socket, also those beyond the requested lanes. None once it is closed. */
  readonly sockets: readonly LaneWithQueue[];
  /** Changes with every change of `sockets` and `order`. */
  readonly revision: number;
  /**
   * Makes sure that there are at least `count` lanes. Throws ListenerError.
   * @param foreign shared by a check of several listeners; left out: determined for this one
   */
  ensure(count: number, foreign?: ForeignListeners): void;
  /**
   * The descriptor for a worker. Throws RangeError for an unknown lane.
   * @param first the first lane of its generation. A listener that serves one generation at a time gives this lane's
   *   socket to all of its workers, and maps every other of its lanes to this one from now on. Left out: the mapping
   *   stays
   */
  give(lane: number, first?: number): number;
  /**
   * Records that a worker of another supervisor has the lane, and returns its descriptor. Null for a socket that could
   * not be recovered. The lane does not change.
   */
  regain(lane: number, first?: number): number | null;
  /**
   * The lane whose socket the workers of a lane have: the first of their generation if the listener serves one
   * generation at a time, else the lane itself.
   */
  socketOf(lane: number): number;
  /** Sends new connections to these lanes. Throws ListenerError. */
  steer(plan: LanePlan): void;
  /** Number of clients' connections in a lane's accept queue. zero's own do not count. Throws SystemError. */
  queued(lane: number): number;
  /** The same over all lanes. Throws SystemError. */
  waiting(): number;
  /** Opens a test connection to one lane. Throws ListenerError where this is impossible. */
  openProbe(lane: number): Probe;
  /** Called when a lane's socket has hung up: a process shut it down. */
  hungUp(lane: number): void;
  /** The first step of `give`: makes sure that the lane has its expected index. Throws ListenerError. */
  prepare(lane: number): void;
  /**
   * Finds faults that services caused to the lanes since the last check, and repairs them. `foreign`: see ensure().
   * Throws ListenerError.
   */
  faults(foreign?: ForeignListeners): LaneFault[];
  /** `foreign`: see ensure(). Throws SystemError. */
  foreignSockets(foreign?: ForeignListeners): ForeignSocket[];
  /** The lanes in the order of their sockets in the kernel, null for a foreign socket. Null where there is no order. */
  order(): readonly (number | null)[] | null;
  /** Closes every socket. */
  close(): void;
}

/**
 * Whether connections in a lane's queue are accepted only by its own workers. False for a lane that uses another lane's
 * socket. False for a lane whose socket others use, while their workers accept.
 * @param isShared workers of other lanes of its generation accept
 */
export function hasOwnQueue(lanes: Lanes, lane: number, isShared: boolean): boolean {
  if (lanes.socketOf(lane) !== lane) return false;
  return !isShared || lanes.sockets.every((_, other) => other === lane || lanes.socketOf(other) !== lane);
}

/** The number of clients' connections in the queues of a lane. Throws SystemError. */
export function queuedIn(
  listeners: readonly Lanes[],
  lane: number,
  isCounted: (lanes: Lanes) => boolean = () => true,
): number {
  const counted = listeners.filter((lanes) => lane < lanes.sockets.length && isCounted(lanes));
  return counted.reduce((sum, lanes) => sum + lanes.queued(lane), 0);
}
