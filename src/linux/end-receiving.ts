import { setTimeout } from 'node:timers/promises';
import { linkOf } from '../common/files.ts';
import { Slices } from '../common/slices.ts';
import { SystemError } from './errors.ts';
import { tryCall } from './libc.ts';
import { pidfdGetfd, pidfdOpen } from './processes.ts';
import { descriptorNumbers } from './procfs.ts';
import { socketInode } from './socket-holder.ts';
import { closeFd, inodeOf } from './sockets.ts';

/**
 * Number of connections that are ended before a short pause. A service closes a few at once faster than hundreds, and
 * until it has closed a connection, its client may send another request.
 */
const BATCH = 25;
const PAUSE = 5;

/** Limit, so that a call takes not much longer than a second. */
const MAX_ENDED = 5_000;

const SHUT_RD = 0;
const MSG_PEEK = 0x2;
const MSG_DONTWAIT = 0x40;

/**
 * Ends the receiving side of connections that other processes have. Each of these processes reads end-of-file, as if
 * the client had closed, while the client still receives the service's data. Skips a connection with received data, and
 * ends at most MAX_ENDED in one call. Rejects with SystemError: EPERM if this process may not take descriptors of
 * another one.
 * @param inodes inodes of the sockets
 * @returns the number of ended connections
 */
export async function endReceiving(
  pids: readonly number[],
  inodes: ReadonlySet<number>,
  slices: Slices = new Slices(),
): Promise<number> {
  const left = new Set(inodes);
  let ended = 0;
  for (const pid of pids) {
    const pidfd = openProcess(pid);
    if (pidfd === null) continue;
    try {
      for (const number of descriptorNumbers(pid)) {
        if (left.size === 0 || ended >= MAX_ENDED) return ended;
        const inode = socketInode(linkOf(`/proc/${pid}/fd/${number}`));
        // Processes can share a connection, which is ended once.
        if (inode !== null && left.delete(inode) && endOne(pidfd, number, inode)) {
          ended += 1;
          if (ended % BATCH === 0) await setTimeout(PAUSE);
        }
        if (slices.isOver()) await slices.next();
      }
    } finally {
      closeFd(pidfd);
    }
  }
  return ended;
}

function endOne(pidfd: number, number: number, inode: number): boolean {
  const fd = unlessGone(() => pidfdGetfd(pidfd, number));
  if (fd === null) return false;
  try {
    // The number may refer to another file by now.
    if (inodeOf(fd) !== inode) return false;
    const byte = Buffer.alloc(1);
    const waiting = tryCall(
      ['EAGAIN', 'ECONNRESET', 'ENOTCONN'],
      'recv',
      fd,
      byte,
      1,
      MSG_PEEK | MSG_DONTWAIT,
    );
    // A number: data has arrived, or the client has closed.
    return waiting === 'EAGAIN' && tryCall(['ENOTCONN'], 'shutdown', fd, SHUT_RD) !== 'ENOTCONN';
  } finally {
    closeFd(fd);
  }
}

function openProcess(pid: number): number | null {
  return unlessGone(() => pidfdOpen(pid));
}

/** Null if the process has exited or has closed the descriptor meanwhile. */
function unlessGone(open: () => number): number | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof SystemError && (error.code === 'ESRCH' || error.code === 'EBADF')) return null;
    throw error;
  }
}
