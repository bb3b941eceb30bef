import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { errorCode } from '../common/errors.ts';
import { SystemError } from './errors.ts';
import { call, callAbout } from './libc.ts';
import { closeFd, SOCK_CLOEXEC } from './sockets.ts';

const F_SETPIPE_SZ = 1031;

/** As much as an unprivileged process may request (pipe(7), /proc/sys/fs/pipe-max-size). */
export const OUTPUT_PIPE_SIZE = 1024 * 1024;

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
 * A close-on-exec descriptor of the same pipe, open both ways: a process that writes to it is a reader too, and gets no SIGPIPE
 * when the real reader is gone (fifo(7)). Throws the file system's error.
 */
export function openReadWrite(fd: number): number {
  return openSync(`/proc/self/fd/${fd}`, constants.O_RDWR);
}

/**
 * A pipe whose write end is also open for reading, so that a process that writes to it after the supervisor has exited
 * gets no SIGPIPE. Close-on-exec; throws SystemError or the file system's error; nothing stays open then.
 */
export function openReadyPipe(): { read: number; write: number } {
  const { read, write } = openPipe();
  try {
    return { read, write: openReadWrite(write) };
  } catch (error) {
    closeFd(read);
    throw error;
  } finally {
    closeFd(write);
  }
}

/** Descriptors of a process above this number are not searched: services open thousands of others. */
const MAX_SEARCHED = 64;

/** Both bits of a link in /proc/PID/fd: the descriptor is open for reading and for writing (proc_pid_fd(5)). */
const READ_WRITE = 0o600;

/**
 * Opens the read end of a pipe that a process holds, through /proc/PID/fd (proc(5)), non-blocking and close-on-exec.
 * null: the process does not hold this pipe, or this user may not look into the process.
 * @param fd where the process was given it; its other descriptors are searched when it has another file there
 * @param inode the pipe's, which names the pipe as long as somebody holds it; null where it was not recorded: the pipe
 * at `fd` is taken if it is open both ways, as only zero's are
 */
export function openPipeOf(pid: number, fd: number, inode: number | null): number | null {
  const first = openIfPipe(pid, String(fd), inode);
  if (first !== null || inode === null) return first;
  for (const name of descriptorsOf(pid)) {
    const found = Number(name) > MAX_SEARCHED ? null : openIfPipe(pid, name, inode);
    if (found !== null) return found;
  }
  return null;
}

function descriptorsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    // The process has exited, or belongs to another user.
    return [];
  }
}

function openIfPipe(pid: number, name: string, inode: number | null): number | null {
  const path = `/proc/${pid}/fd/${name}`;
  const isMeant = (stats: Stats) => stats.isFIFO() && (inode === null || stats.ino === inode);
  let fd: number;
  try {
    // Before the open, which could have an effect on another file: a device, a terminal.
    if (!isMeant(statSync(path))) return null;
    if (inode === null && (lstatSync(path).mode & READ_WRITE) !== READ_WRITE) return null;
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return null;
  }
  // The process may have opened another file under the same number meanwhile.
  if (isMeant(fstatSync(fd))) return fd;
  closeSync(fd);
  return null;
}

/** Makes a FIFO with these permission bits, less the umask. Throws SystemError (EEXIST, EROFS, ENOSPC...). */
export function makeFifo(path: string, mode: number): void {
  callAbout(path, 'mkfifo', path, mode);
}

/** Sets a pipe's capacity and returns what the kernel made of it. Throws SystemError EPERM above /proc/sys/fs/pipe-max-size. */
export function setPipeSize(fd: number, bytes: number): number {
  return callAbout(`descriptor ${fd}`, 'fcntl', fd, F_SETPIPE_SZ, bytes);
}

/**
 * A pipe for the output of a process, 1 MiB if the kernel allows it. The child's end is also open for reading: a
 * process that writes to it after the supervisor has exited gets no SIGPIPE (fifo(7)). Throws SystemError or the file
 * system's error (EMFILE, ENFILE); nothing stays open then.
 * @param owner who may open the pipe through /dev/stdout; null: the supervisor's user
 */
export function openOutputPipe(owner: { readonly uid: number; readonly gid: number } | null): {
  read: number;
  childEnd: number;
} {
  const { read, write } = openPipe();
  try {
    if (owner !== null) fchownSync(read, owner.uid, owner.gid);
    enlarge(read);
    return { read, childEnd: openReadWrite(write) };
  } catch (error) {
    closeFd(read);
    throw error;
  } finally {
    closeFd(write);
  }
}

// EPERM: larger than pipe-max-size, or the user's pipe-user-pages-soft is reached (pipe(7)). 64 KiB work, too.
function enlarge(fd: number): void {
  try {
    setPipeSize(fd, OUTPUT_PIPE_SIZE);
  } catch (error) {
    if (!(error instanceof SystemError && error.code === 'EPERM')) throw error;
  }
}

/** The callbacks of a pipe's reader. */
export interface PipeEvents {
  /** The chunk is only borrowed. */
  data(chunk: Buffer): void;
  /** Called at most once, at the end of the pipe (null) or when it cannot be read. The descriptor is closed then. */
  end(error: Error | null): void;
}

/** Reads a pipe until its end. */
export interface PipeReader {
  /** Does not keep the program running any more. */
  unref(): void;
  /** Closes the descriptor; no callback follows. Idempotent. */
  close(): void;
}

/** Reads a pipe in the background. The reader owns the descriptor, and reads from now on do not block. */
export function readPipe(fd: number, events: PipeEvents): PipeReader {
  const socket = new Socket({ fd, readable: true, writable: false });
  let open = true;
  const end = (error: Error | null) => {
    if (!open) return;
    open = false;
    socket.destroy();
    events.end(error);
  };
  socket.on('data', (chunk: Buffer) => open && events.data(chunk));
  socket.on('error', end);
  socket.on('end', () => end(null));
  return {
    unref: () => socket.unref(),
    close() {
      open = false;
      socket.destroy();
    },
  };
}

/**
 * Reads what a non-blocking pipe contains now; 0 when it is empty (EAGAIN) or at its end. Throws the file system's
 * error.
 */
export function readNow(fd: number, chunk: Buffer): number {
  try {
    return readSync(fd, chunk);
  } catch (error) {
    if (errorCode(error) === 'EAGAIN') return 0;
    throw error;
  }
}
