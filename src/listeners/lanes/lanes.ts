import type { ListenerConfig } from '../../config/schema.ts';
import type { Steering } from '../../lifecycle/steering.ts';
import type { ForeignListeners } from '../diagnosis/holders.ts';
import type { Probe } from '../diagnosis/probe.ts';
import type { LaneQueue } from './lane-queue.ts';

/** Where new connections of one listener go: lanes that somebody who has this listener accepts from. */
export interface LanePlan {
  readonly main: readonly number[];
  readonly canary: Steering['canary'];
  readonly preview: { readonly lanes: readonly number[]; readonly from: readonly string[] } | null;
}

/** A socket that listens on a steered address and is nobody's lane. */
export interface ForeignSocket {
  readonly inode: number;
  /** Null where the kernel does not tell it. */
  readonly uid: number | null;
  /** A process that has it open; null where none can be found. */
  readonly holder: { readonly pid: number; readonly command: string } | null;
}

/**
 * What a service did to its lane. The lane works again when this is told; what waited in the queue of one that was shut down is lost.
 * `shut_down`: shutdown(2). `listened_again`: shutdown(2), then listen(2). `name_taken`: the public name of a Unix listener was removed or
 * replaced (lane: the one it leads to). Of a shared Unix listener, whose lane is 0, and whose path does not lead to it any more:
 * `name_replaced`: the path leads to another file. `name_lost`: the path was removed, and there is no hard link to restore it from.
 */
export interface LaneFault {
  readonly lane: number;
  readonly kind: 'shut_down' | 'listened_again' | 'name_taken' | 'name_replaced' | 'name_lost';
}

/** One listening socket of a steered listener. */
export interface LaneSocket {
  /** Null for the lane of an earlier supervisor that a worker has, and whose socket could not be taken back. */
  readonly fd: number | null;
  readonly inode: number;
}

export interface LaneWithQueue extends LaneSocket {
  readonly queue: LaneQueue;
}

/** A lane of an earlier supervisor. */
export type RecoveredLane = LaneSocket;

/** The lanes of one listener, numbered from 0. They stay until the listener is closed: none is ever taken away. */
export interface Lanes {
  /** What later lanes are made like. */
  configure(config: ListenerConfig): void;
  /** Every socket, also those beyond the lanes that were asked for; none once it is closed. */
  readonly sockets: readonly LaneWithQueue[];
  /** Another number after each change of `sockets` and `order`. */
  readonly revision: number;
  /**
   * Makes sure that there are at least so many. Throws ListenerError.
   * @param foreign shared by a look at several listeners; left out: asked for this one
   */
  ensure(count: number, foreign?: ForeignListeners): void;
  /**
   * The descriptor to give to a worker. Throws RangeError for a lane that there is not.
   * @param first the first lane of its generation: a listener that goes to a generation as a whole gives this one to all of its workers, and
   * takes every other of its lanes for this one from now on; left out: whatever it was before
   */
  give(lane: number, first?: number): number;
  /**
   * Notes that a worker which another supervisor started has the lane, and returns its descriptor; null where that could
   * not be taken back. Nothing of the lane changes.
   */
  regain(lane: number, first?: number): number | null;
  /**
   * The lane whose socket the workers of a lane have: the first of their generation where a listener goes to it as a
   * whole, else the lane itself.
   */
  socketOf(lane: number): number;
  /** Throws ListenerError. */
  steer(plan: LanePlan): void;
  /** The number of clients' connections in a lane's accept queue: zero's own do not count. Throws SystemError. */
  queued(lane: number): number;
  /** The same over all lanes. Throws SystemError. */
  waiting(): number;
  /** A connection of our own to one lane. Throws ListenerError where none can be had. */
  openProbe(lane: number): Probe;
  /** A lane's socket has hung up: somebody shut it down. */
  hungUp(lane: number): void;
  /** What `give` does first: makes sure that the lane is where it is thought to be. Throws ListenerError. */
  prepare(lane: number): void;
  /** Finds what services did to the lanes since the last look, and mends it. `foreign`: see ensure(). Throws ListenerError. */
  faults(foreign?: ForeignListeners): LaneFault[];
  /** `foreign`: see ensure(). Throws SystemError. */
  foreignSockets(foreign?: ForeignListeners): ForeignSocket[];
  /**
   * The lanes in the order in which the kernel counts their sockets, null for a foreign socket; null where there is no
   * order.
   */
  order(): readonly (number | null)[] | null;
  /** Closes every socket. */
  close(): void;
}

/**
 * Whether connections wait in a lane that its own workers alone would accept. Not so in a lane that another one stands
 * for, and not in one that stands for others while their workers accept.
 * @param isShared workers of other lanes of its generation accept
 */
export function hasOwnQueue(lanes: Lanes, lane: number, isShared: boolean): boolean {
  if (lanes.socketOf(lane) !== lane) return false;
  return !isShared || lanes.sockets.every((_, other) => other === lane || lanes.socketOf(other) !== lane);
}
