import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { asError } from '../common/errors.ts';
import { distrust } from '../linux/files/trusted-path.ts';
import { sendNow } from '../linux/sockets.ts';

/** Called once with the number of written bytes, perhaps not all, or with the error. */
export type WriteDone = (error: NodeJS.ErrnoException | null, written: number) => void;

/** Writes bytes to a descriptor or a file without blocking the main thread. One write at a time. */
export interface WriteTarget {
  /** Calls back once, perhaps before it returns. EAGAIN: there is no space now. */
  readonly write: (bytes: Buffer, done: WriteDone) => void;
  /**
   * Writes at the end of the process, when no event loop runs any more. Returns the number of bytes that were written;
   * throws EAGAIN if there is no space now.
   */
  readonly writeNow?: (bytes: Buffer) => number;
  readonly close: () => void;
}

/** Where a write to a pipe or a terminal runs: on the main thread, which it does not block, or in libuv's pool. */
type Thread = 'main' | 'pool';

/**
 * The target for a descriptor that other processes may share, such as 2. The descriptor stays open. A pipe or a
 * terminal is opened again as non-blocking through /proc/self/fd: O_NONBLOCK belongs to the open file description and
 * must not change for the processes that share the old one (open(2)). A socket cannot be opened again, so each send is
 * non-blocking by MSG_DONTWAIT. A file would lose its position and O_APPEND, and a pipe of another user may not be
 * opened: both are written as they are, in the pool.
 */
export function targetOf(fd: number, thread: Thread): WriteTarget {
  try {
    const stats = fstatSync(fd);
    if (stats.isSocket()) return socketTarget(fd);
    if (!stats.isFIFO() && !stats.isCharacterDevice()) return poolTarget(fd, () => {});
    const own = openSync(
      `/proc/self/fd/${fd}`,
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
    const close = (): void => closeSync(own);
    return thread === 'main' ? directTarget(own, close) : poolTarget(own, close);
  } catch {
    // A pipe without a reader (ENXIO), a terminal of another user (EACCES), or a closed descriptor.
    return poolTarget(fd, () => {});
  }
}

/**
 * The target for a file by name, created with mode 0640 if it is missing. A symbolic link is followed only in a
 * directory that no other user may write to. Throws the file system's error, ELOOP for a link.
 */
export function fileTarget(path: string): WriteTarget {
  // O_NONBLOCK: a FIFO without a reader causes ENXIO instead of a wait. The flag has no effect on regular files
  // (open(2)).
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOCTTY;
  const links = distrust(dirname(path), { sticky: 'nowhere' }) === null ? 0 : constants.O_NOFOLLOW;
  const fd = openSync(path, flags | constants.O_NONBLOCK | links, 0o640);
  const close = (): void => closeSync(fd);
  return fstatSync(fd).isFile() ? poolTarget(fd, close) : directTarget(fd, close);
}

/** Whether two descriptors lead to one pipe, terminal, socket or file, as after `2>&1`. */
export function isSameTarget(one: number, other: number): boolean {
  try {
    const [a, b] = [fstatSync(one), fstatSync(other)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}

/** File systems do not support non-blocking writes, and a slow disk takes seconds, so libuv's pool writes. */
function poolTarget(fd: number, close: () => void): WriteTarget {
  return {
    write: (bytes, done) => write(fd, bytes, done),
    writeNow: (bytes) => writeSync(fd, bytes),
    close,
  };
}

/** The target for a non-blocking descriptor. */
function directTarget(fd: number, close: () => void): WriteTarget {
  const writeNow = (bytes: Buffer): number => writeSync(fd, bytes);
  return { write: (bytes, done) => attempt(writeNow, bytes, done), writeNow, close };
}

/** Sends in another turn of the event loop, so that a fast reader cannot keep the main thread in one loop. */
function socketTarget(fd: number): WriteTarget {
  const writeNow = (bytes: Buffer): number => sendNow(fd, bytes);
  return {
    write: (bytes, done) => void setImmediate(() => attempt(writeNow, bytes, done)),
    writeNow,
    close: () => {},
  };
}

function attempt(writeNow: (bytes: Buffer) => number, bytes: Buffer, done: WriteDone): void {
  let written: number;
  try {
    written = writeNow(bytes);
  } catch (error) {
    done(asError(error), 0);
    return;
  }
  done(null, written);
}
