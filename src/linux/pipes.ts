import { constants, openSync } from 'node:fs';
import { call, callAbout } from './libc.ts';
import { SOCK_CLOEXEC } from './sockets.ts';

const F_SETPIPE_SZ = 1031;

/**
 * A close-on-exec pipe; both ends block, as programs expect of what they are given (O_NONBLOCK is part of what a child
 * inherits). Throws SystemError.
 */
export function openPipe(): { read: number; write: number } {
  const ends = Buffer.alloc(8);
  call('pipe2', ends, SOCK_CLOEXEC);
  return { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
}

/**
 * A close-on-exec descriptor of the same pipe, open both ways: whoever writes to it is a reader too, and gets no SIGPIPE
 * when the real reader is gone (fifo(7)). Throws the file system's error.
 */
export function openReadWrite(fd: number): number {
  return openSync(`/proc/self/fd/${fd}`, constants.O_RDWR);
}

/** Sets a pipe's capacity and returns what the kernel made of it. Throws SystemError EPERM above /proc/sys/fs/pipe-max-size. */
export function setPipeSize(fd: number, bytes: number): number {
  return callAbout(`descriptor ${fd}`, 'fcntl', fd, F_SETPIPE_SZ, bytes);
}
