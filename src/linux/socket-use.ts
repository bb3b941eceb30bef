import { readdirSync, readFileSync } from 'node:fs';
import { descriptorsOf, socketInode } from './socket-holder.ts';

/**
 * `used`: a process waits for one of the sockets. `unknown`: it may wait for one in a way that the kernel does not
 * show, or this user may not inspect it.
 */
export type SocketUse = 'used' | 'unused' | 'unknown';

/** poll, select, pselect6 and ppoll: the descriptors are in the memory of the process. */
const OPAQUE_CALLS: ReadonlySet<number> = new Set(process.arch === 'arm64' ? [72, 73] : [7, 23, 270, 271]);

/**
 * Whether one of these processes waits for one of these sockets: in an epoll instance (proc_pid_fdinfo(5)) or in a
 * system call on its descriptor (proc_pid_syscall(5)).
 */
export function socketUse(pids: Iterable<number>, inodes: ReadonlySet<number>): SocketUse {
  const uses = Array.from(pids, (pid) => useIn(pid, inodes));
  if (uses.includes('used')) return 'used';
  return uses.includes('unknown') ? 'unknown' : 'unused';
}

function useIn(pid: number, inodes: ReadonlySet<number>): SocketUse {
  const descriptors = descriptorsOf(pid);
  const wanted = descriptors.filter(({ link }) => inodes.has(socketInode(link) ?? 0)).map(({ fd }) => fd);
  // A process without descriptors has exited, or cannot be inspected.
  if (wanted.length === 0) return descriptors.length === 0 ? 'unknown' : 'unused';
  const epolls = descriptors.filter(({ link }) => link === 'anon_inode:[eventpoll]');
  if (epolls.some(({ fd }) => isWatched(readInfo(pid, fd), wanted))) return 'used';
  const rings = descriptors.filter(({ link }) => link === 'anon_inode:[io_uring]');
  if (!rings.every(({ fd }) => isRingIdle(readInfo(pid, fd)))) return 'unknown';
  return callsOf(pid, new Set(wanted));
}

/**
 * Whether no request in an io_uring(7) waits for a socket: PollList has a line for each one that does
 * (io_uring/fdinfo.c). A Node program has rings that only change its epoll instances.
 * @param fdinfo the text of proc_pid_fdinfo(5). It has no list while the ring is in use
 */
export function isRingIdle(fdinfo: string): boolean {
  const isSubmitting = /^SQEs:\s+[1-9]/m.test(fdinfo);
  return !isSubmitting && /^PollList:\n(?!\s)/m.test(fdinfo);
}

/** Empty if it cannot be read. */
function readInfo(pid: number, fd: number): string {
  try {
    return readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1');
  } catch {
    return '';
  }
}

/** `tfd: 3 events: ...` is a line for each descriptor in an epoll instance. */
function isWatched(fdinfo: string, wanted: readonly number[]): boolean {
  return [...fdinfo.matchAll(/^tfd:\s+(\d+)/gm)].some(([, fd]) => wanted.includes(Number(fd)));
}

/** The calls in which the threads of a process wait: `288 0x3 ...` is the number of a call and its arguments. */
function callsOf(pid: number, wanted: ReadonlySet<number>): SocketUse {
  let use: SocketUse = 'unused';
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const [call, first] = readFileSync(`/proc/${pid}/task/${thread}/syscall`, 'latin1').trim().split(' ');
      if (first !== undefined && wanted.has(Number(first))) return 'used';
      if (call === 'running' || OPAQUE_CALLS.has(Number(call))) use = 'unknown';
    }
  } catch {
    return 'unknown';
  }
  return use;
}
