import { lockFilter } from '../../linux/bpf.ts';
import { listenersOn, listenQueue } from '../../linux/sock_diag.ts';
import { acceptQueue } from '../../linux/socket-state.ts';
import { getOption, inodeOf, ownerOf } from '../../linux/sockets.ts';
import type { InetTarget } from '../binding/resolve.ts';
import { LaneQueue } from './lane-queue.ts';
import type { LanePlan, LaneWithQueue, RecoveredLane } from './lanes.ts';
import { admitPackets, type LaneKind } from './tcp-lane.ts';

/** One lane of a TCP listener. */
export interface GroupLane extends LaneWithQueue {
  /** A worker has the lane, so its filter is locked. */
  given: boolean;
  /** Connections of clients may be in its queue. */
  used: boolean;
  /** A probe has confirmed the lane's index. */
  proven: boolean;
  /**
   * The lane accepts new connections. A lane without a worker refuses them: when the last processes that hold the
   * sockets are killed, the kernel closes the sockets one by one. Until all are closed, the program selects other
   * sockets.
   */
  admits: boolean;
}

/** The lanes of a supervisor that died. */
export interface RecoveredGroup {
  readonly target: InetTarget;
  /** By number; the control socket comes last. */
  readonly lanes: readonly RecoveredLane[];
  /** The last result of `order`. Null where that is unknown. */
  readonly order: readonly (number | null)[] | null;
  /** Where connections go. */
  readonly plan: LanePlan;
  /** The only lane is a socket that another program has bound and accepts from. */
  readonly isAdopted?: boolean;
}

/** The user that owns the lanes of a supervisor that died. Those may be next to the lanes of another user's program. */
export function ownerOfLanes({ lanes, target: { address } }: RecoveredGroup): number | null {
  const fd = lanes.find((lane) => lane.fd !== null)?.fd ?? null;
  const inodes = new Set(lanes.map(({ inode }) => inode));
  // The kernel compares the owner of the file (sk_uid, net/ipv4/inet_hashtables.c). fstat(2) returns it without a dump.
  const uid =
    fd === null ? listenersOn(address.port).find(({ inode }) => inodes.has(inode))?.uid : ownerOf(fd);
  return uid === undefined || uid === process.geteuid?.() ? null : uid;
}

/** A newly opened lane. */
export function openedLane(fd: number, as: LaneKind): GroupLane {
  // Connections come in through the first lane as soon as it listens. It is alone then, so its index needs no check.
  const isFirst = as === 'first';
  const queue = new LaneQueue(acceptQueue, fd);
  return { fd, inode: inodeOf(fd), given: false, used: isFirst, proven: isFirst, admits: isFirst, queue };
}

/** Makes the lane accept new connections. Throws SystemError. */
export function reach(lane: GroupLane, target: InetTarget): void {
  admit(lane, target, true);
  markUsed(lane);
}

/** The descriptor of a lane that a worker got from another supervisor, or null. Throws SystemError. */
export function regained(lane: GroupLane): number | null {
  markUsed(lane);
  // The socket of an adopted program is not locked yet.
  if (lane.fd !== null) lockFilter(lane.fd);
  return lane.fd;
}

/** Connections of clients may be in its queue from now on. */
function markUsed(lane: GroupLane): void {
  lane.used = true;
  lane.queue.served = true;
}

/**
 * Makes the lane refuse new connections. The connection of a handshake in progress would inherit the refusal. So use
 * this only on a lane into which no handshake can complete. Throws SystemError.
 */
export function refuse(lane: GroupLane, target: InetTarget): void {
  admit(lane, target, false);
}

/**
 * Finds the index of a lane with test connections, also where lanes refuse connections.
 * @param find as findIndex(): returns a number, null, or `unknown` where its connection failed
 */
export function proveRefusing<Index>(
  lane: GroupLane,
  lanes: readonly GroupLane[],
  target: InetTarget,
  find: () => Index | 'unknown',
): Index | 'unknown' {
  const refusing = lanes.filter(({ admits }) => !admits);
  const index = whileOpen(refusing.includes(lane) ? [lane] : [], target, find);
  // Another refusing lane is at the index where this lane was expected.
  return index === 'unknown' && refusing.length > 0 ? whileOpen(refusing, target, find) : index;
}

function whileOpen<T>(lanes: readonly GroupLane[], target: InetTarget, act: () => T): T {
  for (const lane of lanes) admit(lane, target, true);
  try {
    return act();
  } finally {
    for (const lane of lanes) admit(lane, target, false);
  }
}

function admit(lane: GroupLane, target: InetTarget, admits: boolean): void {
  if (lane.fd === null || lane.admits === admits) return;
  admitPackets(lane.fd, target, admits);
  lane.admits = admits;
}

/** The numbers of the unreachable lanes whose sockets have closed. Throws SystemError. */
export function closedLanes(lanes: readonly RecoveredLane[], { address }: InetTarget): number[] {
  const suspects = [...lanes.entries()].filter(([, { fd }]) => fd === null);
  if (suspects.length === 0) return [];
  const listening = new Set(listenersOn(address.port).map(({ inode }) => inode));
  return suspects.flatMap(([lane, { inode }]) => (listening.has(inode) ? [] : [lane]));
}

/**
 * A lane that another supervisor opened.
 * @param reached whether connections of clients may have gone there
 * @param isAdopted a process has the lane, although its filter is not locked
 */
export function recoveredLane(
  { fd, inode }: RecoveredLane,
  { address }: InetTarget,
  reached: boolean,
  isAdopted: boolean,
): GroupLane {
  if (fd === null) {
    const queue = new LaneQueue((socket) => listenQueue(address.port, socket), inode);
    // No probe can identify an unreachable socket, so its expected index is used.
    return { fd, inode, given: true, used: true, proven: true, admits: true, queue };
  }
  // Workers only get lanes with a locked filter.
  const given = isAdopted || getOption(fd, 'lock_filter') === 1;
  const used = reached || acceptQueue(fd) > 0;
  const admits = getOption(fd, 'min_ttl') === 0;
  return {
    fd,
    inode,
    given,
    used,
    proven: false,
    admits,
    queue: new LaneQueue(acceptQueue, fd, reached),
  };
}
