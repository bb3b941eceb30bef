import { listenersOn, listenQueue } from '../linux/sock_diag.ts';
import { acceptQueue } from '../linux/socket-state.ts';
import { getOption, inodeOf } from '../linux/sockets.ts';
import { LaneQueue } from './lane-queue.ts';
import type { LanePlan, LaneWithQueue, RecoveredLane } from './lanes.ts';
import type { InetTarget } from './resolve.ts';
import type { LaneKind } from './tcp-lane.ts';

/** One lane of a TCP listener. */
export interface GroupLane extends LaneWithQueue {
  /** A worker has it, so that its filter is locked. */
  given: boolean;
  /** Connections of clients may be in its queue. */
  used: boolean;
  /** It was seen at the index that it is thought to have. */
  proven: boolean;
}

/** The lanes of a supervisor that has died. */
export interface RecoveredGroup {
  readonly target: InetTarget;
  /** By number, the control socket at the end. */
  readonly lanes: readonly RecoveredLane[];
  /** What `order` returned at last; null where that is not known. */
  readonly order: readonly (number | null)[] | null;
  /** Where connections go. */
  readonly plan: LanePlan;
}

/** A lane that was just opened. */
export function openedLane(fd: number, as: LaneKind): GroupLane {
  // Connections come in by the first lane as soon as it listens. It is alone then: nothing is to be proved.
  const isFirst = as === 'first';
  const queue = new LaneQueue(() => acceptQueue(fd));
  return { fd, inode: inodeOf(fd), given: false, used: isFirst, proven: isFirst, queue };
}

/** The numbers of the lanes that are out of reach, and whose sockets have closed. Throws SystemError. */
export function closedLanes(lanes: readonly RecoveredLane[], { address }: InetTarget): number[] {
  const suspects = [...lanes.entries()].filter(([, { fd }]) => fd === null);
  if (suspects.length === 0) return [];
  const listening = new Set(listenersOn(address.port).map(({ inode }) => inode));
  return suspects.flatMap(([lane, { inode }]) => (listening.has(inode) ? [] : [lane]));
}

/**
 * A lane that another supervisor opened.
 * @param reached whether connections of clients may have gone there
 */
export function recoveredLane(
  { fd, inode }: RecoveredLane,
  { address }: InetTarget,
  reached: boolean,
): GroupLane {
  if (fd === null) {
    const queue = new LaneQueue(() => listenQueue(address.port, inode));
    // No probe can recognise a socket that is out of reach: the index that it is thought to have must do.
    return { fd, inode, given: true, used: true, proven: true, queue };
  }
  // Workers get only lanes whose filter is locked.
  const given = getOption(fd, 'lock_filter') === 1;
  const used = reached || acceptQueue(fd) > 0;
  return { fd, inode, given, used, proven: false, queue: new LaneQueue(() => acceptQueue(fd)) };
}
