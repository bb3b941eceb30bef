import { listenersOn, listenQueue } from '../../linux/sock_diag.ts';
import { acceptQueue } from '../../linux/socket-state.ts';
import { getOption, inodeOf, ownerOf } from '../../linux/sockets.ts';
import type { InetTarget } from '../binding/resolve.ts';
import { LaneQueue } from './lane-queue.ts';
import type { LanePlan, LaneWithQueue, RecoveredLane } from './lanes.ts';
import { admitPackets, type LaneKind } from './tcp-lane.ts';

/** One lane of a TCP listener. */
export interface GroupLane extends LaneWithQueue {
  /** A worker has it, so that its filter is locked. */
  given: boolean;
  /** Connections of clients may be in its queue. */
  used: boolean;
  /** It was seen at the index that it is thought to have. */
  proven: boolean;
  /**
   * New connections can come in. A lane that no worker has refuses them: when the last processes that hold the sockets
   * are killed, the kernel closes those one by one, and the program leads to other sockets until all have closed.
   */
  admits: boolean;
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
  /** The only lane is a socket that another program has bound, and accepts from. */
  readonly isAdopted?: boolean;
}

/** The user of the lanes of a dead supervisor, which it may have put next to those of a program of another user. */
export function ownerOfLanes({ lanes, target: { address } }: RecoveredGroup): number | null {
  const fd = lanes.find((lane) => lane.fd !== null)?.fd ?? null;
  const inodes = new Set(lanes.map(({ inode }) => inode));
  // The kernel compares the owner of the file (sk_uid, net/ipv4/inet_hashtables.c): fstat(2) shows it without a dump.
  const uid =
    fd === null ? listenersOn(address.port).find(({ inode }) => inodes.has(inode))?.uid : ownerOf(fd);
  return uid === undefined || uid === process.geteuid?.() ? null : uid;
}

/** A lane that was just opened. */
export function openedLane(fd: number, as: LaneKind): GroupLane {
  // Connections come in by the first lane as soon as it listens. It is alone then: nothing is to be proved.
  const isFirst = as === 'first';
  const queue = new LaneQueue(() => acceptQueue(fd));
  return { fd, inode: inodeOf(fd), given: false, used: isFirst, proven: isFirst, admits: isFirst, queue };
}

/** New connections can come into the lane from now on. Throws SystemError. */
export function reach(lane: GroupLane, target: InetTarget): void {
  admit(lane, target, true);
  lane.used = true;
}

/**
 * The lane refuses new connections. The connection of a handshake in progress would inherit that, so this is only for a
 * lane that no handshake can complete into. Throws SystemError.
 */
export function refuse(lane: GroupLane, target: InetTarget): void {
  admit(lane, target, false);
}

/**
 * Finds the index of a lane with connections of our own, also where lanes refuse connections.
 * @param find what findIndex() does: a number, null, or `unknown` where its connection did not come through
 */
export function proveRefusing<Index>(
  lane: GroupLane,
  lanes: readonly GroupLane[],
  target: InetTarget,
  find: () => Index | 'unknown',
): Index | 'unknown' {
  const refusing = lanes.filter(({ admits }) => !admits);
  const index = whileOpen(refusing.includes(lane) ? [lane] : [], target, find);
  // Another lane that refuses is at the index where this one is thought to be.
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
 * @param isAdopted a process has it, although its filter is not locked
 */
export function recoveredLane(
  { fd, inode }: RecoveredLane,
  { address }: InetTarget,
  reached: boolean,
  isAdopted: boolean,
): GroupLane {
  if (fd === null) {
    const queue = new LaneQueue(() => listenQueue(address.port, inode));
    // No probe can recognise a socket that is out of reach: the index that it is thought to have must do.
    return { fd, inode, given: true, used: true, proven: true, admits: true, queue };
  }
  // Workers get only lanes whose filter is locked.
  const given = isAdopted || getOption(fd, 'lock_filter') === 1;
  const used = reached || acceptQueue(fd) > 0;
  const admits = getOption(fd, 'min_ttl') === 0;
  return { fd, inode, given, used, proven: false, admits, queue: new LaneQueue(() => acceptQueue(fd)) };
}
