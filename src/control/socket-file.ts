import { fchmodSync, lstatSync, unlinkSync } from 'node:fs';
import { reasonOf } from '../common/errors.ts';
import { boundFile, isFile, ReplacedFileError, setAccess } from '../linux/bound-file.ts';
import { SystemError } from '../linux/errors.ts';
import { bindSocket, closeFd, connectSocket, openSocket } from '../linux/sockets.ts';
import { ControlError } from './control-error.ts';

/** A socket address holds 108 bytes, the last of them NUL (unix(7)). */
const LONGEST_PATH = 107;

export interface SocketFile {
  /** Bound, and not listening yet. */
  readonly fd: number;
  /** Removes the file, if it is still this socket's. Never throws: what cannot be removed is stale for the next one. */
  remove(): void;
}

/**
 * A Unix stream socket bound to `path` with exactly these permissions. connect(2) is refused until it listens, so nobody gets in before the
 * permissions are set. The file of a socket that nobody holds any more is replaced; anything else is left alone.
 * @param gid the file's group, null for the one that the kernel gives it
 * @throws ControlError
 */
export function bindSocketFile(path: string, mode: number, gid: number | null): SocketFile {
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    throw new ControlError(
      path,
      `the path is longer than ${LONGEST_PATH} bytes: set application.control.path to a shorter one`,
    );
  }
  const fd = openSocket('unix', 'stream');
  try {
    clearStale(path);
    // bind(2) gives the file this mode (unix_bind_bsd in net/unix/af_unix.c), less the umask.
    fchmodSync(fd, mode & 0o700);
    bindSocket(fd, { family: 'unix', path });
    const file = boundFile(fd, path);
    const remove = () => {
      try {
        if (isFile(path, file)) unlinkSync(path);
      } catch {
        // A directory that has become read-only.
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

function clearStale(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new ControlError(
      path,
      'there is a file that is not a socket: remove it, or set application.control.path',
    );
  if (isHeld(path))
    throw new ControlError(
      path,
      'another process listens there: set application.control.path to another one',
    );
  unlinkSync(path);
}

/**
 * Asked with a datagram socket, so that whoever listens gets no empty connection: ECONNREFUSED only where no socket belongs to the file,
 * EPROTOTYPE where one of another type does (unix_find_bsd, net/unix/af_unix.c).
 */
function isHeld(path: string): boolean {
  const probe = openSocket('unix', 'dgram');
  try {
    connectSocket(probe, { family: 'unix', path });
    return true;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') return false;
    if (error.code === 'EPROTOTYPE' || error.code === 'EPERM') return true;
    throw error;
  } finally {
    closeFd(probe);
  }
}

function explain(error: unknown): string {
  if (error instanceof ReplacedFileError) return `${error.message}: set application.control.path`;
  const code = reasonOf(error);
  switch (code) {
    case 'ENOENT':
      return 'ENOENT: its directory does not exist: make it, or set application.control.path';
    case 'EACCES':
      return 'EACCES: this user may not make it: set application.control.path to a directory that it may write';
    case 'EPERM':
      return 'EPERM: this user may not give it to that group: name one of its own in application.control.group';
    default:
      return code;
  }
}
