import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { errorCode } from '../common/errors.ts';
import { SystemError } from './errors.ts';
import { call, callAbout } from './libc.ts';
import { descriptorNumbers } from './procfs.ts';
import { closeFd, SOCK_CLOEXEC } from './sockets.ts';

const F_SETPIPE_SZ = 1031;

/** The maximum for an unprivileged process (pipe(7), /proc/sys/fs/pipe-max-size). */
export const OUTPUT_PIPE_SIZE = 1024 * 1024;

/**
 * A close-on-exec pipe. Both ends block, as programs expect of inherited descriptors (a child inherits O_NONBLOCK,
 * too). Throws SystemError.
 */
export function openPipe(): { read: number; write: number } {
  const ends = Buffer.alloc(8);
  call('pipe2', ends, SOCK_CLOEXEC);
  return { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
}

/**
 * A close-on-exec descriptor of the same pipe, open for reading and writing: a process that writes to it is a reader,
 * too, and gets no SIGPIPE when the real reader has exited (fifo(7)). Throws the file system's error.
 */
export function openReadWrite(fd: number): number {
  return openSync(`/proc/self/fd/${fd}`, constants.O_RDWR);
}

/**
 * A pipe whose write end is also open for reading, so that a process that writes to it after the supervisor has exited
 * gets no SIGPIPE. Close-on-exec. Throws SystemError or the file system's error and leaves nothing open.
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
 * Opens the read end of a pipe that a process has, through /proc/PID/fd (proc(5)), non-blocking and close-on-exec.
 * Null: the process does not have this pipe, or this user may not inspect the process.
 * @param fd the descriptor that the process got; its other descriptors are searched if it is another file by now
 * @param inode the pipe's inode, which identifies the pipe while a process has it; null if it was not recorded: the
 *   pipe at `fd` is used if it is open for reading and writing, as only zero's are
 */
export function openPipeOf(pid: number, fd: number, inode: number | null): number | null {
  const first = openIfPipe(pid, String(fd), inode);
  if (first !== null || inode === null) return first;
  for (const other of descriptorNumbers(pid)) {
    const found = other > MAX_SEARCHED ? null : openIfPipe(pid, String(other), inode);
    if (found !== null) return found;
  }
  return null;
}

function openIfPipe(pid: number, name: string, inode: number | null): number | null {
  const path = `/proc/${pid}/fd/${name}`;
  const isMeant = (stats: Stats) => stats.isFIFO() && (inode === null || stats.ino === inode);
  let fd: number;
  try {
    // Before the open, which could affect another file: a device, a terminal.
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

/** Creates a FIFO with these permission bits, minus the umask. Throws SystemError (EEXIST, EROFS, ENOSPC...). */
export function makeFifo(path: string, mode: number): void {
  callAbout(path, 'mkfifo', path, mode);
}

/** Sets a pipe's capacity and returns the actual one. Throws SystemError EPERM above /proc/sys/fs/pipe-max-size. */
export function setPipeSize(fd: number, bytes: number): number {
  return callAbout(`descriptor ${fd}`, 'fcntl', fd, F_SETPIPE_SZ, bytes);
}

/**
 * A pipe for the output of a process, 1 MiB if the kernel allows it. The child's end is also open for reading: a
 * process that writes to it after the supervisor has exited gets no SIGPIPE (fifo(7)). Throws SystemError or the file
 * system's error (EMFILE, ENFILE) and leaves nothing open.
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
  /** Called at most once, at the end of the pipe (null) or when reading fails. The descriptor is then closed. */
  end(error: Error | null): void;
}

/** Reads a pipe until its end. */
export interface PipeReader {
  /** Stops keeping the program alive. */
  unref(): void;
  /** Closes the descriptor; no callback follows. Idempotent. */
  close(): void;
}

/** Reads a pipe in the background. The reader owns the descriptor, and its reads do not block from now on. */
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
 * Reads the current content of a non-blocking pipe; 0 if it is empty (EAGAIN) or at its end. Throws the file system's
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
