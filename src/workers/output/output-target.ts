import { closeSync, constants, fstatSync, openSync, write } from 'node:fs';
import { sendNow } from '../../linux/sockets.ts';

/** Called with the number of written bytes, perhaps not all, or with the error. */
export type WriteDone = (error: NodeJS.ErrnoException | null, written: number) => void;

/** A descriptor for writing that never blocks the main thread. */
export interface OutputTarget {
  /** EAGAIN: there is no space now. Calls back in another turn of the event loop. */
  readonly write: (bytes: Buffer, done: WriteDone) => void;
  readonly close: () => void;
}

/**
 * Opens a descriptor that zero shares with its parent for writing. Setting O_NONBLOCK would set it for the parent, too
 * (it belongs to the open file description, open(2)). A blocking write in libuv's pool would keep the process from
 * exiting.
 * - A pipe or a terminal is opened again through /proc, which creates a separate description.
 * - A socket cannot be opened, so zero sends with MSG_DONTWAIT.
 * - A file would lose its position and O_APPEND if it were opened again, and it never blocks for long. zero writes to
 *   it directly, and so to a pipe of another user, which zero may not open.
 */
export function targetOf(fd: number): OutputTarget {
  const as = (own: number, close: () => void): OutputTarget => ({
    write: (bytes, done) => write(own, bytes, done),
    close,
  });
  try {
    const stats = fstatSync(fd);
    if (stats.isSocket()) return { write: (bytes, done) => sendLater(fd, bytes, done), close: () => {} };
    if (!stats.isFIFO() && !stats.isCharacterDevice()) return as(fd, () => {});
    const own = openSync(
      `/proc/self/fd/${fd}`,
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
    return as(own, () => closeSync(own));
  } catch {
    return as(fd, () => {});
  }
}

/** Whether two descriptors lead to the same pipe, terminal, socket or file, as after `2>&1`. */
export function isSameTarget(one: number, other: number): boolean {
  try {
    const [a, b] = [fstatSync(one), fstatSync(other)];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}

function sendLater(fd: number, bytes: Buffer, done: WriteDone): void {
  setImmediate(() => {
    let sent: number;
    try {
      sent = sendNow(fd, bytes);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)), 0);
      return;
    }
    done(null, sent);
  });
}
