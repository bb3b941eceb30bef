import { readlinkSync } from 'node:fs';
import type { Inspected } from './platform.ts';
import { findSocket } from './socket-tables.ts';

/** Looks at a descriptor of this process in /proc. */
export function inspect(fd: number): Inspected {
  let target: string;
  try {
    target = readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return { problem: 'is not open in this process' };
  }
  const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
  if (inode === undefined) return { problem: `is not a socket but ${target}` };
  const socket = findSocket(inode);
  if (socket === null)
    return { problem: 'is a socket that does not listen, or one of another network namespace' };
  return { socket };
}
