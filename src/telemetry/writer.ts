import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { distrust } from '../linux/files/trusted-path.ts';
import { duplicateAbove } from '../linux/sockets.ts';

/** The result of a write, which may have written only a part of the chunk. */
export type Written = { readonly bytes: number } | { readonly error: NodeJS.ErrnoException };

/** Writes bytes to a target without blocking the main thread. One write at a time. */
export interface Writer {
  /** Calls back once, perhaps before it returns. EAGAIN: there is no space now. */
  write(chunk: Buffer, done: (written: Written) => void): void;
  /** Writes at the end of the process, when no event loop runs any more. */
  writeNow(chunk: Buffer): Written;
  close(): void;
}

/**
 * The writer for a descriptor that other processes may share, such as 2. The descriptor stays open. A pipe or a
 * terminal is opened again as non-blocking through /proc/self/fd: O_NONBLOCK belongs to the open file description and
 * must not change for the processes that share the old one (open(2)).
 */
export function writerFor(fd: number): Writer {
  const kind = fstatSync(fd);
  if (kind.isFIFO() || kind.isCharacterDevice()) return directWriterFor(fd) ?? poolWriter(fd, () => {});
  if (kind.isSocket()) return socketWriterFor(fd) ?? poolWriter(fd, () => {});
  return poolWriter(fd, () => {});
}

/**
 * The writer for a file by name, created with mode 0640 if it is missing. A symbolic link is followed only in a
 * directory that no other user may write to. Throws the file system's error, ELOOP for a link.
 */
export function fileWriter(path: string): Writer {
  // O_NONBLOCK: a FIFO without a reader causes ENXIO instead of a wait. The flag has no effect on regular files
  // (open(2)).
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOCTTY;
  const links = distrust(dirname(path), { sticky: 'nowhere' }) === null ? 0 : constants.O_NOFOLLOW;
  const fd = openSync(path, flags | constants.O_NONBLOCK | links, 0o640);
  const close = (): void => closeSync(fd);
  return fstatSync(fd).isFile() ? poolWriter(fd, close) : directWriter(fd, close);
}

/** File systems do not support non-blocking writes, and a slow disk takes seconds, so libuv's pool writes. */
function poolWriter(fd: number, close: () => void): Writer {
  return {
    write: (chunk, done) =>
      write(fd, chunk, 0, chunk.length, null, (error, bytes) => done(error ? { error } : { bytes })),
    writeNow: (chunk) => attempt(fd, chunk),
    close,
  };
}

/** The writer for a non-blocking descriptor. */
function directWriter(fd: number, close: () => void): Writer {
  const writeNow = (chunk: Buffer): Written => attempt(fd, chunk);
  return { write: (chunk, done) => done(writeNow(chunk)), writeNow, close };
}

function directWriterFor(fd: number): Writer | null {
  try {
    const own = openSync(
      `/proc/self/fd/${fd}`,
      constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
    );
    return directWriter(own, () => closeSync(own));
  } catch {
    // A pipe without a reader (ENXIO), or a terminal of another user (EACCES).
    return null;
  }
}

/** A socket, such as journald's, cannot be opened again. libuv makes it non-blocking, as in every Node program. */
function socketWriterFor(fd: number): Writer | null {
  // A socket that fails closes its descriptor, so it must not be the shared one.
  const own = duplicateAbove(fd, 3);
  try {
    const socket = new Socket({ fd: own, readable: false, writable: true });
    socket.on('error', () => {});
    socket.unref();
    return {
      write: (chunk, done) =>
        socket.write(chunk, (error) => done(error ? { error } : { bytes: chunk.length })),
      writeNow: (chunk) => attempt(own, chunk),
      close: () => socket.destroy(),
    };
  } catch {
    // libuv does not accept datagram sockets here.
    closeSync(own);
    return null;
  }
}

function attempt(fd: number, chunk: Buffer): Written {
  try {
    return { bytes: writeSync(fd, chunk) };
  } catch (error) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }
}
