import { readdirSync, readlinkSync } from 'node:fs';
import { commandLine, processIds } from './procfs.ts';
import { withSpare } from './spare.ts';

/**
 * The first process that has a socket open, found by scanning /proc/PID/fd of those that this user may look into; null when
 * there is none among them. Takes milliseconds per thousand descriptors: for error messages, not for loops.
 */
export function holderOf(inode: number): { pid: number; command: string } | null {
  const link = `socket:[${inode}]`;
  for (const pid of processIds()) {
    if (hasLink(pid, link)) return { pid, command: commandLine(pid) };
  }
  return null;
}

/** The inode numbers of the sockets that a process has open; none of one that this user may not look into. */
export function socketsOf(pid: number): number[] {
  return linksOf(pid).flatMap((link) => {
    const inode = /^socket:\[(\d+)\]$/.exec(link ?? '')?.[1];
    return inode === undefined ? [] : [Number(inode)];
  });
}

function hasLink(pid: number, link: string): boolean {
  return linksOf(pid).includes(link);
}

function linksOf(pid: number): (string | null)[] {
  const directory = `/proc/${pid}/fd`;
  try {
    return withSpare(() => readdirSync(directory)).map((fd) => linkOf(`${directory}/${fd}`));
  } catch {
    // Another user's process, or one that ended meanwhile.
    return [];
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
