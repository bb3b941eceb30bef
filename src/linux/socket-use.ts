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
  if (epolls.some(({ fd }) => isWatched(`/proc/${pid}/fdinfo/${fd}`, wanted))) return 'used';
  if (descriptors.some(({ link }) => link === 'anon_inode:[io_uring]')) return 'unknown';
  return callsOf(pid, new Set(wanted));
}

/** `tfd: 3 events: ...` is a line for each descriptor in an epoll instance. */
function isWatched(fdinfo: string, wanted: readonly number[]): boolean {
  try {
    const text = readFileSync(fdinfo, 'latin1');
    return [...text.matchAll(/^tfd:\s+(\d+)/gm)].some(([, fd]) => wanted.includes(Number(fd)));
  } catch {
    return false;
  }
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
