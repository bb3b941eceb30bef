import { closeSync, constants, fstatSync, openSync, write } from 'node:fs';
import { sendNow } from '../../linux/sockets.ts';

/** Told what was written, perhaps not all of it, or why nothing was. */
export type WriteDone = (error: NodeJS.ErrnoException | null, written: number) => void;

/** A descriptor as it is written to without ever holding up the main thread. */
export interface OutputTarget {
  /** EAGAIN: there is no room now. Calls back in another turn of the event loop. */
  readonly write: (bytes: Buffer, done: WriteDone) => void;
  readonly close: () => void;
}

/**
 * The way to write to a descriptor that zero shares with its parent. O_NONBLOCK would be set for the parent, too (it lives in the open file
 * description, open(2)), and a write that blocks in libuv's pool keeps the process from exiting. So a pipe or a terminal is opened again,
 * through /proc, for a description of its own; to a socket, which cannot be opened, is sent with MSG_DONTWAIT. A file would lose its place
 * and O_APPEND by that and never blocks for long: it is written to as it is, like a pipe of another user, which may not be opened.
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

/** True when two descriptors lead to one pipe, terminal, socket or file, as after `2>&1`. */
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
