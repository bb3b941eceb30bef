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

function hasLink(pid: number, link: string): boolean {
  const directory = `/proc/${pid}/fd`;
  try {
    return withSpare(() => readdirSync(directory)).some((fd) => linkOf(`${directory}/${fd}`) === link);
  } catch {
    // Another user's process, or one that ended meanwhile.
    return false;
  }
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
