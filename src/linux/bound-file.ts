import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errorCode } from '../common/errors.ts';
import { distrust } from './files/trusted-path.ts';
import { closeFd, connectSocket, inodeOf, openSocket } from './sockets.ts';
import { isBoundTo } from './unix-diag.ts';

/** Identity of a file in the file system, independent of its name. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

/** Access to the file of a socket. An omitted uid or gid does not change. */
export interface FileAccess {
  readonly mode: number;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** Another process has replaced a socket's file with its own. */
export class ReplacedFileError extends Error {}

// open(2); the same on x64 and arm64. Such a descriptor refers to the file itself, even if its name changes.
const O_PATH = 0o10000000;

/**
 * The file that bind(2) has just created for a Unix socket at `path`, with its owner. Throws ReplacedFileError if that
 * file is no longer there, which requires a directory that another user may write to.
 */
export function boundFile(socket: number, path: string): FileIdentity & { uid: number; gid: number } {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found?.isSocket() || !(isOutOfReach(path) || isBoundTo(inodeOf(socket), found.ino)))
    throw new ReplacedFileError(`another process replaced ${path} while the socket was bound`);
  return { device: found.dev, inode: found.ino, uid: found.uid, gid: found.gid };
}

/**
 * Sets owner and then mode of a file through a descriptor of that very file. So a file that another user has put in its
 * place is not changed. Returns false if the path leads to another file. Throws the file system's error.
 */
export function setAccess(path: string, file: FileIdentity, { mode, uid, gid }: FileAccess): boolean {
  if (!isFile(path, file)) return false;
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    const { ino, dev } = fstatSync(fd);
    if (ino !== file.inode || dev !== file.device) return false;
    // Leads to the open file, not to its name (proc_pid_fd(5)). fchown(2) and fchmod(2) do not accept an O_PATH
    // descriptor.
    const opened = `/proc/self/fd/${fd}`;
    // The mode comes last: a group must not get access before the file belongs to the right group.
    if (uid !== undefined || gid !== undefined) chownSync(opened, uid ?? -1, gid ?? -1);
    chmodSync(opened, mode);
    return true;
  } finally {
    closeSync(fd);
  }
}

/** Whether a path leads to exactly this file; symbolic links are not followed. */
export function isFile(path: string, { device, inode }: FileIdentity): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.ino === inode && found.dev === device;
}

/** The reason why a path cannot be bound: a socket that a process has open, or a file of another kind. */
export interface Occupied {
  readonly stats: Stats;
  readonly isHeld: boolean;
}

/**
 * Removes the file of a Unix socket that no process has open. Returns null if the path is free now. A socket in use and
 * any other kind of file stay. Throws the errors of the file system, and SystemError (EACCES) for a socket that this
 * user may not write to.
 */
export function clearStale(path: string): Occupied | null {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return null;
  if (!stats.isSocket()) return { stats, isHeld: false };
  if (isHeld(path)) return { stats, isHeld: true };
  unlinkSync(path);
  return null;
}

/**
 * Whether a process has the socket open. The check uses a datagram socket, so that a running stream listener gets no
 * empty connection: the kernel returns ECONNREFUSED only if no socket belongs to the file, and EPROTOTYPE if a socket
 * of another type does, listening or not (unix_find_bsd, net/unix/af_unix.c).
 */
function isHeld(path: string): boolean {
  const probe = openSocket('unix', 'dgram');
  try {
    connectSocket(probe, { family: 'unix', path });
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return false;
    // EPERM: a datagram socket that accepts messages only from its own peer (unix_may_send).
    if (code === 'EPROTOTYPE' || code === 'EPERM') return true;
    throw error;
  } finally {
    closeFd(probe);
  }
}

/** Whether only root and this user can replace an entry of its directory. */
function isOutOfReach(path: string): boolean {
  return distrust(dirname(path), { sticky: 'anywhere' }) === null;
}
