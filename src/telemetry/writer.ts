import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { distrust } from '../linux/files/trusted-path.ts';
import { duplicateAbove } from '../linux/sockets.ts';

/** How far a write got, perhaps not to the end of the chunk. */
export type Written = { readonly bytes: number } | { readonly error: NodeJS.ErrnoException };

/** Writes bytes to a place without blocking the main thread. One write at a time. */
export interface Writer {
  /** Calls back once, perhaps before it returns. EAGAIN: there is no room now. */
  write(chunk: Buffer, done: (written: Written) => void): void;
  /** The same at the end of the process, when there is no event loop to come back to. */
  writeNow(chunk: Buffer): Written;
  close(): void;
}

/**
 * The writer for a descriptor that others may share, such as 2; it stays open. A pipe or a terminal is opened anew and non-blocking through
 * /proc/self/fd, because O_NONBLOCK belongs to the open file description and must not change for those who share the old one (open(2)).
 */
export function writerFor(fd: number): Writer {
  const kind = fstatSync(fd);
  if (kind.isFIFO() || kind.isCharacterDevice()) return directWriterFor(fd) ?? poolWriter(fd, () => {});
  if (kind.isSocket()) return socketWriterFor(fd) ?? poolWriter(fd, () => {});
  return poolWriter(fd, () => {});
}

/**
 * The writer for a file by name, made with mode 0640 where there is none. A symbolic link in its place is followed only
 * in a directory that no other user may write to. Throws the file system's error, ELOOP for a link.
 */
export function fileWriter(path: string): Writer {
  // O_NONBLOCK: a FIFO that nobody reads is ENXIO instead of a wait; regular files do not know it (open(2)).
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOCTTY;
  const links = distrust(dirname(path), { sticky: 'nowhere' }) === null ? 0 : constants.O_NOFOLLOW;
  const fd = openSync(path, flags | constants.O_NONBLOCK | links, 0o640);
  const close = (): void => closeSync(fd);
  return fstatSync(fd).isFile() ? poolWriter(fd, close) : directWriter(fd, close);
}

/** A file system knows no non-blocking write, and a slow disk takes seconds: libuv's pool waits for it. */
function poolWriter(fd: number, close: () => void): Writer {
  return {
    write: (chunk, done) =>
      write(fd, chunk, 0, chunk.length, null, (error, bytes) => done(error ? { error } : { bytes })),
    writeNow: (chunk) => attempt(fd, chunk),
    close,
  };
}

/** For a descriptor that does not block. */
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
    // A pipe whose reader is gone (ENXIO), a terminal of another user (EACCES).
    return null;
  }
}

/** A socket, journald's for one, cannot be opened anew; libuv makes it non-blocking, as it does in every Node program. */
function socketWriterFor(fd: number): Writer | null {
  // A socket that fails closes its descriptor: it must not be the one that others know by its number.
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
    // libuv takes no datagram sockets here.
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
