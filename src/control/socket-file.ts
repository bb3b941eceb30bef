import { fchmodSync, unlinkSync } from 'node:fs';
import { reasonOf } from '../common/errors.ts';
import { MAX_SOCKET_PATH } from '../common/host-port.ts';
import { boundFile, clearStale, isFile, ReplacedFileError, setAccess } from '../linux/bound-file.ts';
import { bindSocket, closeFd, openSocket } from '../linux/sockets.ts';

/** A control socket cannot be opened. The message contains the path, the reason and the remedy. */
export class ControlError extends Error {
  constructor(path: string, why: string, cause?: unknown) {
    super(`control socket ${path}: ${why}`, { cause });
  }
}

export interface SocketFile {
  /** Bound, but not listening yet. */
  readonly fd: number;
  /**
   * Removes the file if it still belongs to this socket. Never throws: a remaining file is replaced as stale at the
   * next start.
   */
  remove(): void;
}

/**
 * A Unix stream socket bound to `path` with exactly these permissions. connect(2) is refused until it listens, so no
 * client connects before the permissions are set. Replaces the file of a socket that no process holds, and leaves any
 * other file unchanged.
 * @param gid the file's group, null: the default of the kernel
 * @throws ControlError
 */
export function bindSocketFile(path: string, mode: number, gid: number | null): SocketFile {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH) {
    throw new ControlError(
      path,
      `the path is longer than ${MAX_SOCKET_PATH} bytes. Set application.control.path to a shorter one`,
    );
  }
  const fd = openSocket('unix', 'stream');
  try {
    refuseOccupied(path);
    // bind(2) gives the file this mode, less the umask (unix_bind_bsd in net/unix/af_unix.c).
    fchmodSync(fd, mode & 0o700);
    bindSocket(fd, { family: 'unix', path });
    const file = boundFile(fd, path);
    const remove = () => {
      try {
        if (isFile(path, file)) unlinkSync(path);
      } catch {
        // The directory has become read-only.
      }
    };
    try {
      setAccess(path, file, { mode, gid: gid ?? undefined });
    } catch (error) {
      remove();
      throw error;
    }
    return { fd, remove };
  } catch (error) {
    closeFd(fd);
    if (error instanceof ControlError) throw error;
    throw new ControlError(path, explain(error), error);
  }
}

function refuseOccupied(path: string): void {
  const occupied = clearStale(path);
  if (occupied === null) return;
  const why = occupied.isHeld
    ? 'another process listens there. Set application.control.path to another one'
    : 'the file there is not a socket. Remove it, or set application.control.path';
  throw new ControlError(path, why);
}

function explain(error: unknown): string {
  if (error instanceof ReplacedFileError) return `${error.message}: set application.control.path`;
  const code = reasonOf(error);
  switch (code) {
    case 'ENOENT':
      return 'ENOENT: its directory does not exist. Create it, or set application.control.path';
    case 'EACCES':
      return 'EACCES: this user may not create it. Set application.control.path to a path in a directory that this user may write to';
    case 'EPERM':
      return 'EPERM: this user may not give the socket to that group. Set application.control.group to a group of this user';
    default:
      return code;
  }
}
