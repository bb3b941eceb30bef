import { readFileSync, unlinkSync } from 'node:fs';
import { createDatagramSocket, type Datagram, receiveDatagram } from './datagrams.ts';
import { openMemoryFile } from './memory.ts';
import {
  openOutputPipe,
  openPipeOf,
  openReadyPipe,
  type PipeEvents,
  type PipeReader,
  readNow,
  readPipe,
} from './pipes.ts';
import { pidfdOpen, pidfdSignal, type Reaped, reapOne } from './processes.ts';
import { argumentsOf, listProcesses, type ProcessStat, processStat, splitAtNul } from './procfs.ts';
import { reactor, type Watch } from './reactor.ts';
import { closeFd, inodeOf, setBlocking } from './sockets.ts';
import { withSpare } from './spare.ts';
import { type SpawnRequest, spawnProcess } from './spawn.ts';

/** Starts, finds, signals and reaps processes. */
export interface ProcessCalls {
  /** The pid of the supervisor itself. */
  readonly pid: number;
  /** Starts a process and returns its pid. Throws SystemError, see spawnProcess(). */
  spawn(request: SpawnRequest): number;
  /** Reaps one exited child; null if there is none. Throws SystemError. */
  reapOne(): Reaped | null;
  /**
   * Calls back on each SIGCHLD, one of which stands for any number of exits (signal(7)). The result ends the
   * subscription.
   */
  onChildSignal(listener: () => void): () => void;
  /** A pidfd of a process, readable once the process has exited. Throws SystemError: ESRCH, EMFILE, ENFILE, ENOMEM. */
  openPidfd(pid: number): number;
  /** Sends a signal through a pidfd; false if the process was already reaped. Throws SystemError EPERM. */
  sendSignal(pidfd: number, signal: string): boolean;
  /** The state of a process, even of a zombie; null if the process does not exist. */
  processStat(pid: number): ProcessStat | null;
  /** The state of every process, zombies included. Throws the file system's error if /proc cannot be listed. */
  listProcesses(): ProcessStat[];
  /** The initial environment of a process, as `NAME=value` entries. Throws the file system's error. */
  environmentOf(pid: number): Buffer[];
  /** The arguments of a process; none if the process does not exist, or is a zombie. */
  argumentsOf(pid: number): string[];
}

/** Opens, reads, watches and closes descriptors. */
export interface DescriptorCalls {
  /** Closes a descriptor. */
  closeFd(fd: number): void;
  /** Clears or sets O_NONBLOCK, for every process that has the socket. Throws SystemError, see setBlocking(). */
  setBlocking(fd: number, blocking: boolean): void;
  /** Calls back while a descriptor is readable. Throws SystemError (ENOMEM, ENOSPC), see Reactor.watch(). */
  watch(fd: number, onReadable: () => void): Watch;
  /** A pipe for a process that reports its readiness, see openReadyPipe(). Throws SystemError. */
  openPipe(): { read: number; write: number };
  /** The read end of a pipe that another process has, see openPipeOf(); null if the process does not have it. */
  openPipeOf(pid: number, fd: number, inode: number | null): number | null;
  /** The inode of an open descriptor. Throws the file system's error. */
  inodeOf(fd: number): number;
  /** A pipe for the output of a process, see openOutputPipe(). Throws SystemError or the file system's error. */
  openOutputPipe(owner: { readonly uid: number; readonly gid: number } | null): {
    read: number;
    childEnd: number;
  };
  /** Reads a pipe until its end; the reader owns the descriptor from then on. */
  readPipe(fd: number, events: PipeEvents): PipeReader;
  /**
   * Reads the current content of a pipe with a reader; 0 if the pipe is empty or at its end. Throws the file system's
   * error.
   */
  readNow(fd: number, chunk: Buffer): number;
  /**
   * A file in memory with this content, close-on-exec, to be read from its beginning (memfd_create(2)). Throws
   * SystemError.
   */
  openMemoryFile(name: string, content: Buffer): number;
  /** Runs `act`, and again with the spare descriptors if no descriptor is free, see withSpare(). */
  withSpare<Result>(act: () => Result): Result;
}

/** Receives notify datagrams. */
export interface DatagramCalls {
  /** A Unix datagram socket at a path. Throws SystemError or the file system's error, see createDatagramSocket(). */
  createDatagramSocket(path: string, access: { uid: number; gid: number; mode: number }): number;
  /** The next waiting datagram; null if there is none. Throws SystemError. */
  receiveDatagram(fd: number): Datagram | null;
  /** Removes the name of a socket. Throws the file system's error. */
  unlink(path: string): void;
}

/**
 * The system calls that supervising processes needs. Code that decides about processes gets this object as an argument,
 * so that a simulation can run the same code with a kernel that refuses, delays and reorders.
 */
export interface Kernel extends ProcessCalls, DescriptorCalls, DatagramCalls {
  /** Runs a function after the current turn of the event loop. */
  defer(run: () => void): void;
}

/** The running Linux kernel. */
export const linux: Kernel = {
  pid: process.pid,
  spawn: spawnProcess,
  reapOne,
  onChildSignal(listener) {
    process.on('SIGCHLD', listener);
    return () => process.off('SIGCHLD', listener);
  },
  openPidfd: pidfdOpen,
  sendSignal: pidfdSignal,
  processStat,
  listProcesses,
  environmentOf: (pid) => withSpare(() => splitAtNul(readFileSync(`/proc/${pid}/environ`))),
  argumentsOf,
  closeFd,
  setBlocking,
  watch: (fd, onReadable) => reactor.watch(fd, onReadable),
  openPipe: openReadyPipe,
  openPipeOf,
  inodeOf,
  openMemoryFile,
  openOutputPipe,
  readPipe,
  readNow,
  withSpare,
  createDatagramSocket,
  receiveDatagram,
  unlink: unlinkSync,
  defer: setImmediate,
};
