import { linkOf } from '../common/files.ts';
import { commandLine, descriptorNumbers, processIds } from './procfs.ts';

/**
 * The first process that has a socket open, found by scanning /proc/PID/fd of the processes that this user may inspect;
 * null if there is none among them. Takes milliseconds per thousand descriptors: for error messages, not for loops.
 */
export function holderOf(inode: number): { pid: number; command: string } | null {
  const link = `socket:[${inode}]`;
  for (const pid of processIds()) {
    if (hasLink(pid, link)) return { pid, command: commandLine(pid) };
  }
  return null;
}

/** The inode numbers of the sockets that a process has open; none if this user may not inspect it. */
export function socketsOf(pid: number): number[] {
  return descriptorsOf(pid).flatMap(({ link }) => socketInode(link) ?? []);
}

/** The inode number in the link of a socket, `socket:[4711]`; null in any other. */
export function socketInode(link: string | null): number | null {
  const inode = /^socket:\[(\d+)\]$/.exec(link ?? '')?.[1];
  return inode === undefined ? null : Number(inode);
}

function hasLink(pid: number, link: string): boolean {
  return descriptorsOf(pid).some((descriptor) => descriptor.link === link);
}

/**
 * The open descriptors of a process with the links of proc_pid_fd(5) (`socket:[4711]`, a path); null for one that was
 * closed meanwhile. None for a process that this user may not inspect.
 */
export function descriptorsOf(pid: number | 'self'): { fd: number; link: string | null }[] {
  return descriptorNumbers(pid).map((fd) => ({ fd, link: linkOf(`/proc/${pid}/fd/${fd}`) }));
}
