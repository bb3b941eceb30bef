import { readFileSync, readlinkSync } from 'node:fs';
import type { Inspected, Platform } from './platform.ts';
import { findSocket } from './socket-tables.ts';

/** Uses /proc, and the FFI package for datagrams. */
export const LINUX: Platform = {
  async sendDatagram(path, text) {
    // Node has no Unix datagram sockets. In a service that does not listen twice, only this call loads the FFI package.
    const { sendDatagram } = await import('../../linux/datagrams.ts');
    sendDatagram(path, text);
  },
  inspect,
  commandLine: () => read('/proc/self/cmdline')?.split('\0').slice(0, -1) ?? null,
  controlGroup: () => read('/proc/self/cgroup') ?? '',
};

/** Null if /proc is not mounted or not readable. */
function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** Inspects a descriptor of this process in /proc. */
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
