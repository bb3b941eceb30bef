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

/** A file as the file system knows it, whatever its name. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

/** Who may use the file of a socket. A uid or gid that is left out stays as it is. */
export interface FileAccess {
  readonly mode: number;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** Another process has put a file of its own in the place of a socket's. */
export class ReplacedFileError extends Error {}

// open(2); the same on x64 and arm64. Such a descriptor stands for the file, whatever becomes of its name.
const O_PATH = 0o10000000;

/**
 * The file that bind(2) has just made for a Unix socket at `path`, with its owner. Throws ReplacedFileError where that
 * file is not there any more, which takes a directory that another user may write to.
 */
export function boundFile(socket: number, path: string): FileIdentity & { uid: number; gid: number } {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found?.isSocket() || !(isOutOfReach(path) || isBoundTo(inodeOf(socket), found.ino)))
    throw new ReplacedFileError(`another process replaced ${path} while the socket was bound`);
  return { device: found.dev, inode: found.ino, uid: found.uid, gid: found.gid };
}

/**
 * Gives a file its owner and then its mode, through a descriptor of that very file: what another user has put in its
 * place meanwhile is not touched. False where the path leads to another file. Throws the file system's error.
 */
export function setAccess(path: string, file: FileIdentity, { mode, uid, gid }: FileAccess): boolean {
  if (!isFile(path, file)) return false;
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  try {
    const { ino, dev } = fstatSync(fd);
    if (ino !== file.inode || dev !== file.device) return false;
    // Follows to the open file, not to its name (proc_pid_fd(5)); fchown(2) and fchmod(2) take no O_PATH descriptor.
    const opened = `/proc/self/fd/${fd}`;
    // The mode comes last: a group must not be let in before the file is the right group's.
    if (uid !== undefined || gid !== undefined) chownSync(opened, uid ?? -1, gid ?? -1);
    chmodSync(opened, mode);
    return true;
  } finally {
    closeSync(fd);
  }
}

/** Whether a path leads to this very file, symbolic links not followed. */
export function isFile(path: string, { device, inode }: FileIdentity): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.ino === inode && found.dev === device;
}

/** What keeps a path from being bound: a socket that a process has open, or a file of another kind. */
export interface Occupied {
  readonly stats: Stats;
  readonly isHeld: boolean;
}

/**
 * Removes the file of a Unix socket that no process has open. Returns null where the path is free now. A socket that is
 * in use and any other kind of file stay. Throws the errors of the file system, and SystemError (EACCES) for a socket
 * that this user may not write to.
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
 * Whether a process has the socket open. A datagram socket asks, so that a live stream listener gets no empty
 * connection: the kernel answers ECONNREFUSED only where no socket belongs to the file, and EPROTOTYPE where one of
 * another type does, listening or not (unix_find_bsd, net/unix/af_unix.c).
 */
function isHeld(path: string): boolean {
  const probe = openSocket('unix', 'dgram');
  try {
    connectSocket(probe, { family: 'unix', path });
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return false;
    // EPERM: a datagram socket that takes messages from its own peer only (unix_may_send).
    if (code === 'EPROTOTYPE' || code === 'EPERM') return true;
    throw error;
  } finally {
    closeFd(probe);
  }
}

/** Nobody but root and this user can replace an entry of its directory. */
function isOutOfReach(path: string): boolean {
  return distrust(dirname(path), { sticky: 'anywhere' }) === null;
}
