import { readlinkSync } from 'node:fs';
import { findSocket, type TableSocket } from './socket-tables.ts';

/** What a descriptor is, as far as a listening or datagram socket is looked for: that, or what it is instead. */
export type Inspected = { readonly socket: TableSocket } | { readonly problem: string };

/** Looks at a descriptor of this process. */
export function inspect(fd: number): Inspected {
  let target: string;
  try {
    target = readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return { problem: 'is not open in this process' };
  }
  const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
  if (inode === undefined) return { problem: `is no socket but ${target}` };
  const socket = findSocket(inode);
  if (socket === null)
    return { problem: 'is a socket that does not listen, or one of another network namespace' };
  return { socket };
}
